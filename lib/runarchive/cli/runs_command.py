"""`tui-archiver runs`: the table of runs."""

from __future__ import annotations

import argparse

from runarchive.clean import clean
from runarchive.cli.opening import look, open_archive, run_json
from runarchive.cli.output import emit, emit_json
from runarchive.errors import ExitCode
from runarchive.filters import parse_filter
from runarchive.model import Run, Store

JUDGED_AT_ONCE = 64
"""Runs never compared before that a listing compares first, so that its marks say more than `listed`."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add --filter and --no-look."""
    parser.add_argument("--filter", default="", metavar="F", help="failed|waiting, artdaqdb:missing, run:12000-12500")
    parser.add_argument("--no-look", action="store_true", help="tell what the ledger remembers, ask no store")


def run(args: argparse.Namespace) -> int:
    """Print the runs, lowest first."""
    wanted = parse_filter(args.filter)
    with open_archive(args) as archive:
        if not args.no_look:
            look(archive)
            archive.judge(JUDGED_AT_ONCE)
        runs = [run for run in archive.runs() if wanted.matches(run)]
        unreachable = archive.unreachable()
    if args.json:
        emit_json({"runs": [run_json(run) for run in runs]})
    else:
        for row in runs:
            emit(line(row))
    return ExitCode.DONE if unreachable is None else unreachable.exit_code


def line(run: Run) -> str:
    """One run on one line: number, start, marks, state, configuration, reason."""
    start = f"{run.start:%Y-%m-%d %H:%M}" if run.start else "-"
    marks = " ".join(run.marks.of(store).glyph for store in Store)
    text = f"{run.run:>8}  {start:16}  {marks}  {run.state:9}  {clean(run.configuration)}  {clean(run.reason)}"
    return text.rstrip()
