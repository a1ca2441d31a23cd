"""`tui-archiver migrate`: bring runs from artdaqDB into UconDB."""

from __future__ import annotations

import argparse

from runarchive.archive import JobKind, JobOptions
from runarchive.cli.job_commands import add_runs, add_writing, options_of, run_kind


def configure(parser: argparse.ArgumentParser) -> None:
    """Add RUNS and --supersede."""
    add_runs(parser)
    add_writing(parser)
    parser.add_argument(
        "--supersede", action="store_true", help="put a new version over CONFLICT and OUTDATED; the old one keeps id"
    )


def run(args: argparse.Namespace) -> int:
    """Migrate what is due, or the runs that are named."""
    return run_kind(args, JobKind.MIGRATE, options_of(args, JobOptions(supersede=args.supersede)))
