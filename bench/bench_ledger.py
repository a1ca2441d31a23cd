"""How fast the ledger records, is polled, and shows 100 000 runs."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from runarchive.ledger import Ledger
from runarchive.model import Mark, Marks, Run, RunState, Stage

COMMITS = 5000


def seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """The shortest time of some repetitions."""
    best = float("inf")
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger.open(Path(directory) / "ledger.sqlite")
        now = datetime.now(UTC)
        marks = Marks(Mark.VERIFIED, Mark.VERIFIED, Mark.VERIFIED)
        runs = [
            Run(run, RunState.ARCHIVED, "", marks, "run2-beam-noSN-00012", now, now, 0, 500_000)
            for run in range(args.runs)
        ]
        figures = [
            ("runs put at once, per second", args.runs / seconds(lambda: ledger.runs.put(runs), 1)),
            ("same runs put again, per second", args.runs / seconds(lambda: ledger.runs.put(runs), 1)),
            ("all runs read, seconds", seconds(ledger.runs.all)),
            ("poll that finds nothing, microseconds", _poll(ledger)),
            ("single events, commits per second", COMMITS / seconds(lambda: _events(ledger), 1)),
            ("attempts begun and ended, per second", COMMITS / seconds(lambda: _attempts(ledger), 1)),
        ]
        ledger.close()
        figures.append(("opening it, milliseconds", 1000 * seconds(lambda: _open(directory))))
    for name, value in figures:
        sys.stdout.write(f"{name:<42} {value:12,.3f}\n")
    return 0


def _poll(ledger: Ledger) -> float:
    revision = ledger.revision()
    return 1e6 * seconds(lambda: ledger.changes_since(revision), 100)


def _events(ledger: Ledger) -> None:
    for number in range(COMMITS):
        ledger.events.record("a run was archived", run=number)


def _attempts(ledger: Ledger) -> None:
    for run in range(COMMITS):
        ledger.history.end_attempt(ledger.history.begin_attempt(run, Stage.IMPORT))


def _open(directory: str) -> None:
    Ledger.open(Path(directory) / "ledger.sqlite").close()


if __name__ == "__main__":
    raise SystemExit(main())
