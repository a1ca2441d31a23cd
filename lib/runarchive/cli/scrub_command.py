"""`tui-archiver scrub`: verify continuously at a rate limit, oldest verdict first."""

from __future__ import annotations

import argparse

from runarchive.archive import JobKind, JobOptions
from runarchive.cli.numbers import COUNT, number_of
from runarchive.cli.opening import graceful, open_archive, run_job, show_outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add --rate, --once and --limit."""
    rate = number_of(float, 0, 1e6)
    parser.add_argument("--rate", type=rate, default=1.0, metavar="R", help="runs a second (1; 0: as fast as it goes)")
    parser.add_argument("--once", action="store_true", help="end after every run was read once")
    parser.add_argument("--limit", type=COUNT, default=0, metavar="N", help="end after N runs (0: go on)")


def run(args: argparse.Namespace) -> int:
    """Read every hop of archived runs again and again until interrupted; a mismatch raises an alarm."""
    options = JobOptions(rate=args.rate, limit=args.limit, workers=1)
    with open_archive(args) as archive, graceful(archive):
        while True:
            outcome = run_job(archive, JobKind.SCRUB, None, options)
            if args.once or args.limit or outcome.interrupted or outcome.stop_failure or not outcome.runs:
                return show_outcome(outcome, (), args.json)
