"""`tui-archiver explain N`: why a run is in its state, and what would change that."""

from __future__ import annotations

import argparse

from runarchive.clean import clean
from runarchive.cli.numbers import RUN
from runarchive.cli.opening import look, open_archive, run_json
from runarchive.cli.output import emit, emit_json
from runarchive.errors import ExitCode


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the run number and --no-look."""
    parser.add_argument("number", type=RUN, metavar="N", help="run number")
    parser.add_argument("--no-look", action="store_true", help="tell what the ledger remembers, ask no store")


def run(args: argparse.Namespace) -> int:
    """Print why, the ways out, and what happens by itself."""
    with open_archive(args) as archive:
        if not args.no_look:
            look(archive, [args.number])
        found = archive.explain(args.number)
    if args.json:
        exits = [{"what": way.what, "command": way.command, "action": way.action} for way in found.exits]
        emit_json(run_json(found.run) | {"why": list(found.why), "exits": exits, "by_itself": found.by_itself})
        return ExitCode.DONE
    for text in found.why:
        emit(clean(text))
    emit(f"by itself: {found.by_itself}")
    for way in found.exits:
        emit(f"  {way.what}: {way.command}" if way.command else f"  {way.what}")
    return ExitCode.DONE
