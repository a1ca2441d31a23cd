"""`tui-archiver import`: bring runs from the records directory into artdaqDB."""

from __future__ import annotations

import argparse

from runarchive.archive import JobKind, JobOptions
from runarchive.cli.job_commands import add_runs, add_writing, options_of, run_kind


def configure(parser: argparse.ArgumentParser) -> None:
    """Add RUNS, --add and --force."""
    add_runs(parser)
    add_writing(parser)
    parser.add_argument("--add", action="store_true", help="write ours beside what another put there")
    parser.add_argument("--force", action="store_true", help="take WAITING runs too")


def run(args: argparse.Namespace) -> int:
    """Import what is due, or the runs that are named."""
    return run_kind(args, JobKind.IMPORT, options_of(args, JobOptions(add=args.add, force=args.force)))
