"""`tui-archiver retry`: continue failed and partial runs at their stage, and on to the end."""

from __future__ import annotations

import argparse

from runarchive.archive import JobKind
from runarchive.cli.job_commands import add_runs, add_writing, options_of, run_kind


def configure(parser: argparse.ArgumentParser) -> None:
    """Add RUNS."""
    add_runs(parser)
    add_writing(parser)


def run(args: argparse.Namespace) -> int:
    """Retry every failed or partial run, or the ones that are named."""
    return run_kind(args, JobKind.RETRY, options_of(args))
