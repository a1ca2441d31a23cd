"""`tui-archiver run N`: one run's whole life."""

from __future__ import annotations

import argparse
from typing import Any

from runarchive.archive import RunLife
from runarchive.clean import clean
from runarchive.cli.numbers import RUN
from runarchive.cli.opening import failure_json, look, open_archive, run_json
from runarchive.cli.output import emit, emit_json
from runarchive.cli.runs_command import line
from runarchive.errors import ExitCode, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the run number, --note and --no-look."""
    parser.add_argument("number", type=RUN, metavar="N", help="run number")
    parser.add_argument("--note", metavar="TEXT", help="write a note to the run; kept with your name and the time")
    parser.add_argument("--no-look", action="store_true", help="tell what the ledger remembers, ask no store")


def run(args: argparse.Namespace) -> int:
    """Print the life of a run, after writing the note to it."""
    if args.note is not None and not args.note.strip():
        raise UsageError("a note needs a text")
    with open_archive(args, writes=args.note is not None) as archive:
        if not args.no_look:
            look(archive, [args.number])
        if args.note is not None:
            archive.note(args.number, args.note)
        life = archive.life(args.number)
    if args.json:
        emit_json(as_data(life))
    else:
        _print(life)
    return ExitCode.DONE


def as_data(life: RunLife) -> dict[str, Any]:
    """A life as scripts read it."""
    return run_json(life.run) | {
        "facts": [{"what": label, "is": text} for label, text in life.facts],
        "life": [
            {
                "stage": one.stage.value,
                "attempt": one.number,
                "started": one.started.isoformat(),
                "ended": one.ended.isoformat() if one.ended else None,
                "by": one.writer,
                "job": one.job,
                "failure": failure_json(one.failure),
            }
            for one in life.attempts
        ],
        "checks": [
            {
                "at": one.at.isoformat(),
                "name": one.result.name,
                "verdict": one.result.verdict.value,
                "evidence": one.result.evidence,
                "seconds": one.result.seconds,
            }
            for one in life.checks
        ],
        "hashes": [
            {
                "hop": one.stage.value,
                "input": one.input_hash,
                "output": one.output_hash,
                "at": one.at.isoformat(),
                "tool": one.tool,
            }
            for one in life.hashes
        ],
        "decisions": [
            {"kind": one.kind, "text": one.text, "who": one.actor, "at": one.at.isoformat()} for one in life.decisions
        ],
        "events": [
            {"at": one.at.isoformat(), "severity": one.severity.value, "message": one.message, "by": one.writer}
            for one in life.events
        ],
    }


def _print(life: RunLife) -> None:
    emit(line(life.run))
    for label, text in life.facts:
        emit(f"  {label}: {clean(text)}")
    for attempt in life.attempts:
        ended = f"{(attempt.ended - attempt.started).total_seconds():.2f} s" if attempt.ended else "in hand"
        said = clean(attempt.failure.message) if attempt.failure else "done"
        emit(f"  {attempt.started:%Y-%m-%d %H:%M:%S}  {attempt.stage} {attempt.number}  {ended}  {said}")
    for check in life.checks:
        found = f"{check.result.verdict}  {check.result.name}: {clean(check.result.evidence)}"
        emit(f"  {check.at:%Y-%m-%d %H:%M:%S}  {found}")
    for hop in life.hashes:
        emit(f"  {hop.at:%Y-%m-%d %H:%M:%S}  hash of {hop.stage}: {hop.output_hash} by {hop.tool}")
    for decision in life.decisions:
        emit(f"  {decision.at:%Y-%m-%d %H:%M:%S}  {decision.kind} by {clean(decision.actor)}: {clean(decision.text)}")
