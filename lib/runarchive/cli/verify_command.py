"""`tui-archiver verify`: read every hop of archived runs again and record the verdict."""

from __future__ import annotations

import argparse

from runarchive.archive import JobKind, JobOptions
from runarchive.cli.job_commands import add_runs, add_workers, run_kind
from runarchive.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add RUNS, --all and --sample."""
    add_runs(parser)
    parser.add_argument("--all", action="store_true", help="every run that claims to be imported or archived (default)")
    parser.add_argument("--sample", metavar="P%", help="that share of them, picked at random")
    add_workers(parser)


def run(args: argparse.Namespace) -> int:
    """Verify and record."""
    if args.runs and (args.all or args.sample):
        raise UsageError("name runs, or say --all or --sample, not both")
    options = JobOptions(everything=args.all, sample=share(args.sample), workers=args.workers)
    return run_kind(args, JobKind.VERIFY, options, writes=False)


def share(text: str | None) -> float:
    """`5%` or `5` as 0.05, 0 where nothing is given; raises UsageError for anything but 0 to 100."""
    if text is None:
        return 0.0
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 < value <= 100:
        raise UsageError(f"--sample {text!r} is no percentage")
    return value / 100
