"""`tui-archiver status`: what is where, and what to do next."""

from __future__ import annotations

import argparse
from typing import Any

from runarchive.archive import StatusReport, StoreReport
from runarchive.clean import clean
from runarchive.cli.archiver.report import shown_ranges
from runarchive.cli.opening import failure_json, look, open_archive
from runarchive.cli.output import emit, emit_json
from runarchive.errors import ExitCode


def configure(parser: argparse.ArgumentParser) -> None:
    """Add --no-look."""
    parser.add_argument("--no-look", action="store_true", help="tell what the ledger remembers, ask no store")


def run(args: argparse.Namespace) -> int:
    """Print the report; 75 where a store could not be asked."""
    with open_archive(args) as archive:
        if not args.no_look:
            look(archive)
        report = archive.status()
        unreachable = archive.unreachable()
    if args.json:
        emit_json(as_data(report))
    else:
        _print(report)
    return ExitCode.DONE if unreachable is None else unreachable.exit_code


def as_data(report: StatusReport) -> dict[str, Any]:
    """The report as scripts read it."""
    data: dict[str, Any] = {store.value: _store_data(found) for store, found in report.stores.items()}
    return data | {
        "states": {state.value: count for state, count in report.states.items()},
        "import": {"last_contiguous_run": report.import_contiguous, "held_by": report.import_held_by},
        "migrate": {"last_contiguous_run": report.migrate_contiguous, "held_by": report.migrate_held_by},
        "ledger": report.ledger,
        "recommendations": list(report.recommendations),
    }


def _store_data(found: StoreReport) -> dict[str, Any]:
    return {
        "location": found.location,
        "runs": found.runs,
        "ranges": [list(pair) for pair in found.ranges],
        "gaps": [list(pair) for pair in found.gaps],
        "error": failure_json(found.failure),
    }


def _print(report: StatusReport) -> None:
    for store, found in report.stores.items():
        emit(f"{store.upper()}  {clean(found.location)}")
        held = f"{found.runs} runs: {shown_ranges(found.ranges)}" if found.runs else "no runs"
        emit(f"  error: {clean(found.error)}" if found.error else f"  {held}")
        if found.gaps:
            emit(f"  missing here: {shown_ranges(found.gaps)}")
    emit("STATES  " + (", ".join(f"{count} {state}" for state, count in report.states.items()) or "no run"))
    for name, contiguous, holder in (
        ("import", report.import_contiguous, report.import_held_by),
        ("migrate", report.migrate_contiguous, report.migrate_held_by),
    ):
        held = f", held by {holder}" if holder is not None else ""
        emit(f"  {name}: last contiguous run {contiguous if contiguous is not None else 'none'}{held}")
    emit("RECOMMENDATIONS")
    for line in report.recommendations:
        emit(f"  {clean(line)}")
