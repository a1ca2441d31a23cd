"""`tui-archiver records`: make run records, check them, give one back from the archive."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from runarchive.cli.main import common_options
from runarchive.cli.output import emit, emit_json, talk
from runarchive.errors import ArchiveError, Code, ExitCode, UsageError
from runarchive.model import Phase, Store


def configure(parser: argparse.ArgumentParser) -> None:
    """The sub-commands make, check and restore."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    common = common_options()
    summary = "write run records that look like those of SBND and ICARUS; runs that are there already are left alone"
    make = actions.add_parser("make", parents=[common], help=summary, description=summary)
    make.add_argument("--runs", type=_count, default=10, metavar="N", help="how many (10)")
    make.add_argument("--first", type=_count, default=1000, metavar="R", help="the first run number (1000)")
    make.add_argument("--components", type=_count, metavar="K", help="board readers a run; else as --size has them")
    make.add_argument("--size", choices=("small", "medium", "large"), default="small")
    make.add_argument("--seed", type=int, default=1, metavar="S", help="same seed, same records (1)")
    make.add_argument("--experiment", choices=("sbnd", "icarus"), default="sbnd")
    make.add_argument("--in-progress", type=int, metavar="N", help="how many of the last runs are still running")
    make.add_argument("--out", type=Path, required=True, metavar="DIR", help="the records directory")
    summary = "what is odd, unreadable or no FHiCL; fails for what cannot be read and for a .fcl that artdaqDB refuses"
    check = actions.add_parser("check", parents=[common], help=summary, description=summary)
    check.add_argument("directories", type=Path, nargs="+", metavar="DIR", help="records directories or run records")
    summary = "write one run's directory as it was, names, modes, times and bytes, from `originals` in artdaqDB"
    restore = actions.add_parser("restore", parents=[common], help=summary, description=summary)
    restore.add_argument("run", type=_count, metavar="RUN")
    restore.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new directory: the record itself")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    action = {"make": _make, "check": _check, "restore": _restore}[args.action]
    return action(args)


def _refuse_if_read_only(args: argparse.Namespace) -> None:
    if args.read_only:
        raise ArchiveError(Code.READ_ONLY, f"records {args.action} writes, and --read-only is given", phase=Phase.WRITE)


def _make(args: argparse.Namespace) -> int:
    from runarchive.records_dir import Size, make_records

    _refuse_if_read_only(args)
    made = make_records(
        args.out,
        runs=args.runs,
        first=args.first,
        components=args.components,
        size=Size(args.size),
        seed=args.seed,
        experiment=args.experiment,
        in_progress=args.in_progress,
    )
    if args.json:
        rows = [{"run": each.run, "configuration": each.configuration, "outcome": each.outcome} for each in made]
        emit_json({"directory": str(args.out), "runs": rows})
    else:
        for each in made:
            emit(f"{each.run}  {each.outcome:14}  {each.configuration}")
        talk(f"{len(made)} run records in {args.out}")
    return ExitCode.DONE


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a records directory or a record; `kind` is odd, unreadable, refused or kept."""

    kind: str
    where: str
    name: str
    reason: str
    run: int | None = None


def _check(args: argparse.Namespace) -> int:
    runs = 0
    bad = False
    findings: list[Finding] = []
    for directory in args.directories:
        for number, finding in _examine(directory):
            runs += number
            if finding is not None:
                bad = bad or finding.kind in ("unreadable", "refused")
                findings.append(finding)
                if not args.json:
                    place = f"{finding.where}/{finding.name}" if finding.name else finding.where
                    emit(f"{finding.kind:11} {printable(place)}: {printable(finding.reason)}")
    if args.json:
        emit_json({"runs": runs, "findings": [_jsonable(asdict(finding)) for finding in findings]})
    else:
        talk(f"{runs} run records, {len(findings)} findings")
    return ExitCode.FAILED if bad else ExitCode.DONE


def _jsonable(row: dict[str, object]) -> dict[str, object]:
    return {key: printable(value) if isinstance(value, str) else value for key, value in row.items()}


def printable(text: str) -> str:
    """The text fit for a terminal and for JSON: no control characters, no lone surrogates."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode("ascii") for char in text
    )


def _examine(directory: Path) -> Iterator[tuple[int, Finding | None]]:
    """Each record counted as (1, None), each finding as (0, finding)."""
    from runarchive.records_dir import scan_records

    scan = scan_records(directory)
    name = directory.resolve().name
    if not scan.runs and name.isascii() and name.isdigit():
        yield from _examine_record(directory, int(name))
        return
    for odd, reason in scan.oddities:
        yield 0, Finding("odd", str(directory), odd, reason)
    for number, path in scan.runs.items():
        yield from _examine_record(path, number)


def _examine_record(path: Path, number: int) -> Iterator[tuple[int, Finding | None]]:
    from runarchive.fhicl.convert import convert_record
    from runarchive.records_dir import read_record

    yield 1, None
    record = read_record(path, number)
    where = str(path)
    if record.is_empty:
        yield 0, Finding("odd", where, "", "the directory is empty", number)
        return
    for problem in record.problems:
        yield 0, Finding("unreadable", where, "", problem.message, number)
    conversion = convert_record(record.files, number)
    for name, reason in conversion.refused:
        kind = "refused" if name.endswith(".fcl") else "kept"
        yield 0, Finding(kind, where, name, f"{reason}; kept in originals alone", number)
    for sentence in conversion.problems:
        yield 0, Finding("odd", where, "", sentence, number)


def _restore(args: argparse.Namespace) -> int:
    from runarchive.artdaqdb.export import export_configuration
    from runarchive.artdaqdb.store import open_store
    from runarchive.config import find_config, load_config
    from runarchive.fhicl.originals import ENTITY, unpack_originals
    from runarchive.records_dir import restore_record

    _refuse_if_read_only(args)
    if args.out.exists() and any(args.out.iterdir()):
        raise UsageError(f"{args.out} is not empty")
    settings = load_config(find_config(args.config)).artdaq_db
    store = open_store(settings.database_uri, use_tools=settings.use_tools, remote_host=settings.remote_host)
    try:
        names = [stored.name for stored in store.list_configurations() if stored.name.startswith(f"{args.run}/")]
        for name in names:
            for file in export_configuration(store, name).files:
                if file.entity == ENTITY:
                    files = unpack_originals(file.text)
                    restore_record(files, args.out)
                    talk(f"run {args.run}: {len(files)} entries in {args.out}")
                    return ExitCode.DONE
    finally:
        store.close()
    what = "is not in artdaqDB" if not names else "has no originals in artdaqDB: its writer did not keep them"
    raise ArchiveError(Code.NOT_FOUND, f"run {args.run} {what}", store=Store.ARTDAQDB, run=args.run)
