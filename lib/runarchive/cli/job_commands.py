"""What `import`, `migrate`, `retry` and `verify` share: from run numbers to a job and its exit code."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from runarchive.archive import Archive, JobKind, JobOptions, Outcome
from runarchive.cli.numbers import COUNT, SECONDS, number_of
from runarchive.cli.opening import expand, open_archive, parse_runs, run_job, show_outcome, show_plan
from runarchive.model import RunState


def add_runs(parser: argparse.ArgumentParser) -> None:
    """The run numbers, and `--dry-run`."""
    parser.add_argument("runs", nargs="*", metavar="RUNS", help="12000, 12000-12500, 12000,12003; none: all due")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and do nothing")


def add_writing(parser: argparse.ArgumentParser) -> None:
    """What every command takes that holds the writer's lock."""
    parser.add_argument("--wait", type=SECONDS, default=0.0, metavar="S", help="seconds to wait for the writer's lock")
    parser.add_argument("--limit", type=COUNT, default=0, metavar="N", help="at most N runs (0: all)")
    add_workers(parser)


def add_workers(parser: argparse.ArgumentParser) -> None:
    """How many runs are worked on at a time."""
    text = "runs at a time (0: app.parallel_workers)"
    parser.add_argument("--workers", type=number_of(int, 0, 256), default=0, metavar="N", help=text)


def options_of(args: argparse.Namespace, options: JobOptions | None = None) -> JobOptions:
    """The options as far as every writing command has them."""
    return replace(options or JobOptions(), wait=args.wait, limit=args.limit, workers=args.workers)


def run_kind(args: argparse.Namespace, kind: JobKind, options: JobOptions, *, writes: bool = True) -> int:
    """Do one job, or print its plan, and return the exit code."""
    selection = parse_runs(args.runs)
    with open_archive(args, writes=writes and not args.dry_run) as archive:
        if selection is not None:
            archive.refresh()
            options = replace(options, refresh=False)
        runs = None if selection is None else expand(selection, archive)
        archive.glance_at(runs or ())
        if args.dry_run:
            return show_plan(archive.plan(kind, runs, options), args.json)
        before = archive.plan(kind, runs, options) if runs is not None else None
        outcome = run_job(archive, kind, runs, options)
        left_out = unclaimed(archive, runs, outcome) if kind is JobKind.VERIFY else None
        return show_outcome(outcome, before.held if before is not None else (), args.json, left_out)


def unclaimed(archive: Archive, asked: Iterable[int] | None, outcome: Outcome) -> dict[str, int]:
    """How many of the runs `asked` for (None: of all) a verification did not read, by state.

    They claimed to be neither imported nor archived.
    """
    known = {run.run: run.state for run in archive.runs()}
    read = {item.run for item in outcome.runs}
    states = (known[run] for run in (known if asked is None else asked) if run in known and run not in read)
    claims = (RunState.IMPORTED, RunState.ARCHIVED)
    return dict(sorted(Counter(state.value for state in states if state not in claims).items()))
