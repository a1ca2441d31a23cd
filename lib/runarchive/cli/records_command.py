"""`tui-archiver records`: make run records, check them, give one back from the archive."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runarchive.cli.main import common_options
from runarchive.cli.numbers import COUNT, RUN, number_of, whole
from runarchive.cli.output import emit, emit_json, talk
from runarchive.cli.refusing import refuse_read_only
from runarchive.errors import ArchiveError, Code, ExitCode, UsageError
from runarchive.model import LARGEST_RUN, Phase, Store

if TYPE_CHECKING:
    from runarchive.fhicl.originals import OriginalFile
    from runarchive.pipeline.stores import Stores


def configure(parser: argparse.ArgumentParser) -> None:
    """The sub-commands make, check and restore."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    common = common_options()
    summary = "write run records that look like those of SBND and ICARUS; runs that are there already are left alone"
    make = actions.add_parser("make", parents=[common], help=summary, description=summary)
    make.add_argument("--runs", type=COUNT, default=10, metavar="N", help="how many (10)")
    make.add_argument("--first", type=RUN, default=1000, metavar="R", help="the first run number (1000)")
    components = number_of(whole, 1, 100_000)
    make.add_argument("--components", type=components, metavar="K", help="board readers a run; else as --size has them")
    make.add_argument("--size", choices=("small", "medium", "large"), default="small")
    make.add_argument("--seed", type=int, default=1, metavar="S", help="same seed, same records (1)")
    make.add_argument("--experiment", choices=("sbnd", "icarus"), default="sbnd")
    make.add_argument("--in-progress", type=COUNT, metavar="N", help="how many of the last runs are still running")
    make.add_argument("--out", type=Path, required=True, metavar="DIR", help="the records directory")
    summary = "what is odd, unreadable or no FHiCL; fails for what cannot be read and for a .fcl that artdaqDB refuses"
    check = actions.add_parser("check", parents=[common], help=summary, description=summary)
    check.add_argument("directories", type=Path, nargs="+", metavar="DIR", help="records directories or run records")
    summary = "write one run's directory as it was, names, modes, times and bytes, from the `originals` in a store"
    restore = actions.add_parser("restore", parents=[common], help=summary, description=summary)
    restore.add_argument("run", type=RUN, metavar="RUN")
    restore.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new directory: the record itself")
    restore.add_argument(
        "--from", dest="source", choices=("artdaqdb", "ucondb"), help="else artdaqDB, and UconDB where that has none"
    )


def run(args: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    action = {"make": _make, "check": _check, "restore": _restore}[args.action]
    return action(args)


def _make(args: argparse.Namespace) -> int:
    from runarchive.records_dir.make import Size, make_records

    refuse_read_only(args, f"records {args.action} writes")
    if args.first + args.runs - 1 > LARGEST_RUN:
        raise UsageError(f"there are no run numbers above {LARGEST_RUN}")
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
    from runarchive.records_dir import clean_name

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
                    emit(f"{finding.kind:11} {clean_name(place)}: {clean_name(finding.reason)}")
    if args.json:
        emit_json({"runs": runs, "findings": [_jsonable(asdict(finding)) for finding in findings]})
    else:
        talk(f"{runs} run records, {len(findings)} findings")
    return ExitCode.FAILED if bad else ExitCode.DONE


def _jsonable(row: dict[str, object]) -> dict[str, object]:
    from runarchive.records_dir import clean_name

    return {key: clean_name(value) if isinstance(value, str) else value for key, value in row.items()}


def _examine(directory: Path) -> Iterator[tuple[int, Finding | None]]:
    """Each record counted as (1, None), each finding as (0, finding)."""
    from runarchive.records_dir import run_of_directory, scan_records

    scan = scan_records(directory)
    run = run_of_directory(directory)
    if not scan.runs and run is not None:
        yield from _examine_record(directory, run)
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
    from runarchive.config import open_config
    from runarchive.pipeline.stores import Stores
    from runarchive.records_dir.restore import restore_record

    refuse_read_only(args, f"records {args.action} writes")
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise UsageError(f"{args.out} is not an empty directory")
    stores = Stores(open_config(args.config))
    try:
        files, source = _originals(stores, args.run, args.source)
    finally:
        stores.close()
    restore_record(files, args.out)
    if args.json:
        emit_json({"run": args.run, "from": source, "out": str(args.out), "entries": len(files)})
    else:
        talk(f"run {args.run}: {len(files)} entries in {args.out}, from {source}")
    return ExitCode.DONE


def _originals(stores: Stores, run: int, source: str | None) -> tuple[tuple[OriginalFile, ...], str]:
    """The record's entries and the store they come from: artdaqDB, or UconDB where artdaqDB does not give them."""
    missing: ArchiveError | None = None
    for store, read in ((Store.ARTDAQDB, _originals_in_artdaqdb), (Store.UCONDB, _originals_in_ucondb)):
        if source not in (None, store.value):
            continue
        try:
            return read(stores, run), store.value
        except ArchiveError as error:
            if missing is not None:
                raise ArchiveError(missing.code, f"{missing.message}; {error.message}", run=run) from error
            missing = error
    if missing is None:
        raise UsageError(f"{source} is no store that keeps originals")
    raise missing


def _originals_in_artdaqdb(stores: Stores, run: int) -> tuple[OriginalFile, ...]:
    from runarchive.artdaqdb.export import export_configuration
    from runarchive.fhicl.originals import ORIGINALS, unpack_originals

    names = stores.artdaqdb.configurations_of(run)
    exports = [export_configuration(stores.artdaqdb, name) for name in names]
    texts = [file.text for export in exports for file in export.files if file.entity == ORIGINALS]
    if len(texts) == 1:
        return unpack_originals(texts[0])
    code, message, hint = Code.NOT_FOUND, f"run {run} is not in artdaqDB", None
    failures = [f"{what}: {reason}" for export in exports for what, reason in export.failures]
    if texts:
        code = Code.TWO_CONFIGURATIONS
        message = f"run {run} is in artdaqDB under {', '.join(names)}, with originals under several"
    elif failures:
        code, message = Code.CORRUPT, f"run {run} has no readable originals in artdaqDB: {failures[0]}"
    elif names:
        message = f"run {run} has no originals in artdaqDB: its writer did not keep them"
        hint = f"`artdaqdb export {run}` gives its FHiCL"
    raise ArchiveError(code, message, store=Store.ARTDAQDB, phase=Phase.READ, run=run, hint=hint)


def _originals_in_ucondb(stores: Stores, run: int) -> tuple[OriginalFile, ...]:
    from runarchive.fhicl.originals import ORIGINALS, unpack_originals
    from runarchive.ucondb.blob import unpack

    texts = [data for name, data in unpack(stores.ucondb.get(run)).files if name == f"{ORIGINALS}.fcl"]
    if len(texts) != 1:
        message = f"the blob in UconDB holds {len(texts) or 'no'} originals"
        raise ArchiveError(Code.NOT_FOUND, message, store=Store.UCONDB, phase=Phase.READ, run=run)
    return unpack_originals(texts[0].decode("utf-8", "surrogateescape"))
