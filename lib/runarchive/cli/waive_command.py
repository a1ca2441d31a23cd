"""`tui-archiver waive RUN --reason TEXT`: take a run out of every plan, or back into them."""

from __future__ import annotations

import argparse

from runarchive.cli.numbers import RUN
from runarchive.cli.opening import look, open_archive, run_json
from runarchive.cli.output import emit_json, talk
from runarchive.errors import ExitCode, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the run, --reason and --undo."""
    parser.add_argument("number", type=RUN, metavar="RUN", help="run number")
    parser.add_argument("--reason", metavar="TEXT", help="why; kept with your name and the time")
    parser.add_argument("--undo", action="store_true", help="take the waiver back")


def run(args: argparse.Namespace) -> int:
    """Waive, or take the waiver back."""
    if not args.undo and not (args.reason or "").strip():
        raise UsageError("a waiver needs --reason TEXT")
    with open_archive(args, writes=True) as archive:
        if archive.run(args.number) is None:
            look(archive)
        if args.undo:
            archive.unwaive(args.number, args.reason or "taken back")
        else:
            archive.waive(args.number, args.reason)
        known = archive.run(args.number)
    if args.json and known is not None:
        emit_json(run_json(known))
    elif known is not None:
        talk(f"run {known.run} is {known.state}" + (f": {known.reason}" if known.reason else ""))
    return ExitCode.DONE
