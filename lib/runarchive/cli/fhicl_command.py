"""`tui-archiver fhicl`: print, check and convert FHiCL as artdaq_database would, without it."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runarchive.clean import clean
from runarchive.cli.main import common_options
from runarchive.cli.numbers import RUN
from runarchive.cli.output import emit, emit_json, talk, unreadable
from runarchive.cli.refusing import refuse_read_only
from runarchive.errors import ArchiveError, Code, ExitCode, UsageError, cannot_write
from runarchive.model import Phase


def configure(parser: argparse.ArgumentParser) -> None:
    """The sub-commands print, json, check and convert."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    common = common_options()
    for action, summary in (
        ("print", "the canonical text, as artdaqDB exports it (of a document's JSON too)"),
        ("json", "the document that artdaqDB makes of it"),
    ):
        sub = actions.add_parser(action, parents=[common], help=summary, description=summary)
        sub.add_argument("file", metavar="FILE", help="a FHiCL file, or - for stdin")
    summary = "line, column and reason where artdaqDB would refuse a file; what an export would change"
    check = actions.add_parser("check", parents=[common], help=summary, description=summary)
    check.add_argument("files", nargs="+", metavar="FILE", help="FHiCL files, or - for stdin")
    summary = "every FHiCL file that an import makes of a run record, but schema and originals"
    convert = actions.add_parser("convert", parents=[common], help=summary, description=summary)
    convert.add_argument("directory", type=Path, metavar="RUN_DIR", help="a run record; its name is the run number")
    convert.add_argument("--out", type=Path, required=True, metavar="DIR", help="where <entity>.fcl go, flat")
    convert.add_argument("--run", type=RUN, metavar="N", help="the run number, when the directory is named otherwise")
    convert.add_argument("--dialect", choices=("own", "reference"), default="own", help="whose conversion (own)")


def run(args: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    from runarchive.fhicl.source import FhiclError

    action = {"print": _print, "json": _json, "check": _check, "convert": _convert}[args.action]
    try:
        return action(args)
    except FhiclError as error:
        if args.action == "convert":
            raise
        talk(f"{args.file}:{error.line}:{error.column}: {error.reason}")
        return ExitCode.FAILED


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise unreadable(name, error) from None


def _write_exactly(text: str) -> None:
    """Text to stdout as it is, with no line feed of ours at its end."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _print(args: argparse.Namespace) -> int:
    from runarchive.fhicl.document import canonical_of_document
    from runarchive.fhicl.json_text import read_json
    from runarchive.fhicl.printer import canonical

    data = _read(args.file)
    if data.lstrip().startswith(b"{"):
        text = canonical_of_document(read_json(data.decode("utf-8", "surrogateescape")))
    else:
        text = canonical(data)
    if args.json:
        emit_json({"text": text})
    else:
        _write_exactly(text)
    return ExitCode.DONE


def _json(args: argparse.Namespace) -> int:
    from runarchive.fhicl.document import document_form
    from runarchive.fhicl.json_text import write_json
    from runarchive.fhicl.parser import parse

    now = datetime.now(UTC).astimezone()
    timestamp = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}{now:%z}"
    _write_exactly(write_json(document_form(parse(_read(args.file)), Path(args.file).name, timestamp)))
    return ExitCode.DONE


def _check(args: argparse.Namespace) -> int:
    results = [_checked(name) for name in args.files]
    if args.json:
        emit_json({"files": results})
    for result in [] if args.json else results:
        name = clean(result["file"])
        if result["ok"]:
            emit(f"{name}: ok")
        elif result["line"]:
            emit(f"{name}:{result['line']}:{result['column']}: {clean(result['reason'])}")
        else:
            emit(f"{name}: {clean(result['reason'])}")
        for change in result["changes"]:
            emit(f"{name}: note: {clean(change)}")
    return ExitCode.DONE if all(result["ok"] for result in results) else ExitCode.FAILED


def _checked(name: str) -> dict[str, Any]:
    from runarchive.fhicl.changes import changed_on_reimport
    from runarchive.fhicl.parser import FhiclError

    result: dict[str, Any] = {"file": name, "ok": True, "line": 0, "column": 0, "reason": "", "changes": []}
    try:
        result["changes"] = list(changed_on_reimport(_read(name)))
    except FhiclError as error:
        result.update(ok=False, line=error.line, column=error.column, reason=error.reason)
    except ArchiveError as error:
        result.update(ok=False, reason=error.message)
    return result


def _convert(args: argparse.Namespace) -> int:
    from runarchive.fhicl.convert import Dialect, convert_record
    from runarchive.records_dir import read_record

    refuse_read_only(args, "fhicl convert writes files")
    if not args.directory.is_dir():
        raise UsageError(f"{args.directory} is no directory")
    number = _run_number(args)
    record = read_record(args.directory, number)
    wanted = None
    if args.config is not None:
        from runarchive.config import load_config

        wanted = load_config(Path(args.config)).wanted
    conversion = convert_record(record.files, number, wanted=wanted, dialect=Dialect(args.dialect))
    _write_entities(conversion.entities, args.out)
    if args.json:
        emit_json(
            {
                "run": number,
                "configuration": conversion.configuration,
                "files": [f"{entity}.fcl" for entity, _ in conversion.entities],
                "refused": [{"name": name, "reason": reason} for name, reason in conversion.refused],
                "problems": list(conversion.problems),
            }
        )
    for name, reason in conversion.refused:
        talk(f"{name}: not converted: {reason}")
    for problem in (*(failure.message for failure in record.problems), *conversion.problems):
        talk(problem)
    return ExitCode.FAILED if record.problems else ExitCode.DONE


def _run_number(args: argparse.Namespace) -> int:
    from runarchive.records_dir import run_of_directory

    number: int | None = run_of_directory(args.directory) if args.run is None else args.run
    if number is None:
        raise UsageError(f"{args.directory} is not named by a run number; give it with --run")
    return number


def _write_entities(entities: tuple[tuple[str, str], ...], out: Path) -> None:
    for entity, _ in entities:
        if not entity or {"", ".", ".."} & set(entity.split("/")) or "\0" in entity:
            raise ArchiveError(Code.BAD_NAME, f"{entity!r} cannot be a file's name", phase=Phase.WRITE)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for entity, text in entities:
            (out / entity).parent.mkdir(parents=True, exist_ok=True)
            (out / f"{entity}.fcl").write_bytes(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise cannot_write(out, error) from None
