"""`tui-archiver artdaqdb`: look at the intermediate store, fill it, read it back, check and mend it."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runarchive.artdaqdb.store import ArtdaqStore, Finding, StoredConfiguration, open_store
from runarchive.clean import clean
from runarchive.cli.numbers import RUN
from runarchive.cli.output import emit, emit_json, talk
from runarchive.cli.refusing import refuse_read_only
from runarchive.errors import ArchiveError, Code, ExitCode, UsageError
from runarchive.model import Phase, Store

if TYPE_CHECKING:
    from runarchive.config import Config

Action = Callable[[argparse.Namespace, ArtdaqStore], int]

WRITING = frozenset({"import", "reindex", "copy"})


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def add(name: str, summary: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=summary, description=summary)
        meaning = "filesystemdb:///PATH or mongodb://…, instead of the config's; ${NAME} is the environment's"
        sub.add_argument("--uri", metavar="URI", type=_expanded, help=meaning)
        for flag in ("--json", "--read-only"):
            sub.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.add_argument("-c", "--config", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return sub

    add("list", "the runs that the store holds")
    imported = add("import", "bring run directories into the store")
    imported.add_argument("directories", metavar="DIR", nargs="+", type=Path, help="named by its run number")
    imported.add_argument("--add", action="store_true", help="store ours beside another writer's")
    imported.add_argument("--originals", choices=("always", "needed", "never"), help="else the config's, or always")
    imported.add_argument("--schema", metavar="DIR", type=Path, help="directory of schema.fcl; else the config's")
    exported = add("export", "write a run's documents as FHiCL files")
    exported.add_argument("run", metavar="RUN", nargs="?", type=RUN)
    exported.add_argument("--all", action="store_true", help="every run, each in a directory of its number")
    exported.add_argument("--out", metavar="DIR", type=Path, required=True)
    exported.add_argument("--configuration", metavar="NAME", help="where a run has several, or for what is no run")
    exported.add_argument("--layout", choices=("flat", "bulkdownloader"), default="flat")
    add("check", "every document, index and run; each finding with its mend")
    mended = add("reindex", "make the indexes anew from the documents; on MongoDB, the site's that are missing")
    mended.add_argument("--sibling", action="store_true", help="leave this one alone, write DIRECTORY_new beside it")
    add("copy", "copy everything into another store").add_argument("--to", metavar="URI", type=_expanded, required=True)


def _expanded(uri: str) -> str:
    """The URI with its `${NAME}` from the environment: a password need not stand on a command line for all to see."""
    from runarchive.config.expand import ExpansionError, expand

    try:
        return expand(uri, os.environ, lambda name: None)[0]
    except ExpansionError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    """Run one sub-command; closes the store whatever happens."""
    if args.action in WRITING:
        refuse_read_only(args, f"artdaqdb {args.action} writes")
    with closing(_open(args)) as store, _only_writer(args):
        return ACTIONS[args.action](args, store)


@contextmanager
def _only_writer(args: argparse.Namespace) -> Iterator[None]:
    """Hold the archive's lock while its own store is written to; a store given by URI has no archive."""
    if args.uri or args.action not in {"import", "reindex"}:
        yield
        return
    from runarchive.ledger.lock import WriterLock

    lock = WriterLock(_config(args).app.lock_file)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _open(args: argparse.Namespace) -> ArtdaqStore:
    if args.uri:
        return open_store(args.uri)
    config = _config(args)
    if args.action in WRITING:
        refuse_read_only(args, f"artdaqdb {args.action} writes", config=config.app.read_only)
    section = config.artdaq_db
    return open_store(
        section.database_uri,
        timeout=section.timeout_seconds,
        use_tools=section.use_tools,
        remote_host=section.remote_host,
    )


def _config(args: argparse.Namespace) -> Config:
    from runarchive.config import open_config

    return open_config(args.config)


def _wanted(args: argparse.Namespace) -> frozenset[str] | None:
    """The names that the config has converted and generated; everything, for a store given by URI without a config."""
    return None if args.uri and args.config is None else _config(args).wanted


def _row(one: StoredConfiguration) -> dict[str, object]:
    return {
        "run": one.run,
        "configuration": one.name.partition("/")[2],
        "name": one.name,
        "assigned": one.assigned,
        "documents": one.documents,
        "versions": list(one.versions),
    }


def _by_run(listing: Iterable[StoredConfiguration]) -> list[StoredConfiguration]:
    return sorted((one for one in listing if one.run is not None), key=lambda one: (one.run, one.name))


def _tell_damage(store: ArtdaqStore) -> None:
    for sentence in store.damage():
        talk(f"WARNING: {clean(sentence)}")


def _must_hold_something(store: ArtdaqStore) -> None:
    """Raise ArchiveError(NOT_FOUND) for a store without any document: a mistyped one would pass as all done."""
    if not any(store.collections().values()):
        message = f"artdaqDB holds nothing: {store.ping()}"
        hint = "correct the URI, or import runs first"
        raise ArchiveError(Code.NOT_FOUND, message, store=Store.ARTDAQDB, phase=Phase.READ, hint=hint)


def _list(args: argparse.Namespace, store: ArtdaqStore) -> int:
    listing = store.list_configurations(details=args.json)
    runs = _by_run(listing)
    others = sorted(one.name for one in listing if one.run is None)
    _tell_damage(store)
    if not listing:
        talk(clean(store.ping()))
    if args.json:
        emit_json({"runs": [_row(one) for one in runs], "other_configurations": others})
        return ExitCode.DONE
    for one in runs:
        count = "" if one.documents is None else f"{one.documents:>5} documents  "
        emit(f"{one.run:>8}  {one.assigned[:19]:<19}  {count}{clean(one.name.partition('/')[2])}")
    talk(f"{len({one.run for one in runs})} runs" + (f", {len(others)} other configurations" if others else ""))
    return ExitCode.DONE


def _import(args: argparse.Namespace, store: ArtdaqStore) -> int:
    schema_directory, originals, wanted = args.schema, args.originals, _wanted(args)
    if not args.uri:
        config = _config(args)
        schema_directory = schema_directory or config.artdaq_db.fcl_conf_dir
        originals = originals or config.app.originals
    rows: list[dict[str, object]] = []
    worst = ExitCode.DONE
    try:
        for directory in args.directories:
            try:
                keep = originals or "always"
                rows.append(_import_directory(store, directory, schema_directory, keep, wanted, add=args.add))
            except ArchiveError as error:
                rows.append({"run": error.run, "directory": str(directory), "state": "FAILED", "reason": error.message})
                talk(f"{directory}: {clean(error.message)}" + (f"\n  next: {error.hint}" if error.hint else ""))
                worst = max(worst, error.exit_code)
            else:
                if not args.json:
                    emit(clean("{run}  {state}  {reason}".format_map(rows[-1])))
    finally:
        store.fold()
    if args.json:
        emit_json({"runs": rows})
    return worst


def _import_directory(
    store: ArtdaqStore,
    directory: Path,
    schema_directory: Path | None,
    originals: str,
    wanted_names: frozenset[str] | None,
    *,
    add: bool,
) -> dict[str, object]:
    """Import one run and say what became of it."""
    from runarchive.artdaqdb.importing import Wanted, import_run
    from runarchive.artdaqdb.schema import schema_text
    from runarchive.fhicl.convert import convert_record
    from runarchive.fhicl.originals import pack_originals
    from runarchive.pipeline.writers import renderings
    from runarchive.records_dir import read_record, run_of_directory, whole

    run = run_of_directory(directory)
    if run is None:
        message, hint = f"{directory} is not named by a run number", "give the directory of a run record"
        raise ArchiveError(Code.BAD_NAME, message, store=Store.FILESYSTEM, phase=Phase.READ, hint=hint)
    record = whole(read_record(directory, run))
    if record.is_empty:
        raise ArchiveError(Code.NOT_FOUND, f"{directory} is empty", store=Store.FILESYSTEM, phase=Phase.READ, run=run)
    conversion = convert_record(record.files, run, wanted=wanted_names)
    keep = originals == "always" or (originals == "needed" and bool(conversion.refused))
    packed = pack_originals(record.files) if keep else None
    schema = schema_text(schema_directory)[0]
    wanted = Wanted(run, conversion.configuration, conversion.entities, schema, packed)
    outcome = import_run(store, wanted, lambda: renderings(record.files, run), add=add)
    before = outcome.before
    reasons = [f"{len(outcome.written)} documents written"] if outcome.written else []
    if before.writer and not outcome.written:
        reasons.append(f"as {before.writer} left it: {'; '.join(before.lost)}; `--add` stores ours beside it")
    reasons += [f"{file} in originals only: {why}" for file, why in conversion.refused]
    return {
        "run": run,
        "directory": str(directory),
        "state": "IMPORTED",
        "before": str(before.state),
        "configuration": before.configuration.partition("/")[2],
        "written": list(outcome.written),
        "already": list(before.same),
        "version": outcome.version,
        "writer": before.writer,
        "lost": list(before.lost),
        "reason": "; ".join(reasons) or "already there",
    }


def _names(args: argparse.Namespace, store: ArtdaqStore) -> Iterator[tuple[str, Path]]:
    """The configurations to export, each with its directory."""
    if args.all:
        if args.run is not None or args.configuration:
            raise UsageError("give RUN, --configuration or --all, not several")
        _must_hold_something(store)
        listing = _by_run(store.list_configurations())
        times = Counter(one.run for one in listing)
        for one in listing:
            twin = f"-{one.name.partition('/')[2]}".replace("/", "_") if times[one.run] > 1 else ""
            yield one.name, args.out / f"{one.run}{twin}"
        return
    if args.run is None:
        if not args.configuration:
            raise UsageError("give RUN, --configuration NAME or --all")
        yield args.configuration, args.out
        return
    names = store.configurations_of(args.run)
    if args.configuration:
        wanted = {args.configuration, f"{args.run}/{args.configuration}"}
        names = tuple(name for name in names if name in wanted)
    if not names:
        message = f"artdaqDB holds no run {args.run}" + (f" as {args.configuration!r}" if args.configuration else "")
        raise ArchiveError(Code.NOT_FOUND, message, store=Store.ARTDAQDB, phase=Phase.READ, run=args.run)
    if len(names) > 1:
        message = f"run {args.run} is there under {', '.join(names)}: name one with --configuration"
        raise ArchiveError(Code.TWO_CONFIGURATIONS, message, store=Store.ARTDAQDB, phase=Phase.READ, run=args.run)
    yield names[0], args.out


def _export(args: argparse.Namespace, store: ArtdaqStore) -> int:
    from runarchive.artdaqdb.export import export_configuration, write_export

    rows: list[dict[str, object]] = []
    failed = 0
    for name, out in _names(args, store):
        try:
            written, failures = write_export(export_configuration(store, name), name, out, args.layout)
        except ArchiveError as error:
            if error.retryable or not args.all:
                raise
            written, failures = 0, ((name, error.message),)
        failed += len(failures)
        rows.append(
            {
                "name": name,
                "out": str(out),
                "files": written,
                "failures": [{"what": what, "reason": reason} for what, reason in failures],
            }
        )
        for what, reason in failures:
            talk(f"{clean(name)}: {clean(what)}: {clean(reason)}")
        if not args.json:
            emit(f"{clean(name)}: {written} files in {out}")
    _tell_damage(store)
    if args.json:
        emit_json({"exports": rows})
    return ExitCode.FAILED if failed or store.unplaced() else ExitCode.DONE


def _finding(one: Finding) -> dict[str, object]:
    return {
        "kind": one.kind,
        "advice": one.advice,
        "place": one.place,
        "message": one.message,
        "mend": one.mend,
        "run": one.run,
    }


def _check(args: argparse.Namespace, store: ArtdaqStore) -> int:
    from runarchive.artdaqdb.check import check_store

    def progress(count: int) -> None:
        if count % 1000 == 0 and sys.stderr.isatty():
            talk(f"{count} documents read")

    findings = []
    faults = 0
    for one in check_store(store, progress, _wanted(args)):
        findings.append(_finding(one))
        faults += not one.advice
        if not args.json:
            word = "advice, " if one.advice else ""
            emit(f"{word}{clean(one.kind)}: {clean(one.place)}: {clean(one.message)}\n  mend: {clean(one.mend)}")
    counts = store.collections()
    if args.json:
        emit_json({"uri": store.uri, "collections": counts, "findings": findings})
    advice = len(findings) - faults
    text = f"{sum(counts.values())} documents in {len(counts)} collections, {faults} faults"
    talk(text + (f", {advice} pieces of advice" if advice else ""))
    return ExitCode.FAILED if faults else ExitCode.DONE


def _reindex(args: argparse.Namespace, store: ArtdaqStore) -> int:
    from runarchive.artdaqdb.filesystem_check import reindex, reindex_sibling
    from runarchive.artdaqdb.filesystemdb import FilesystemDB
    from runarchive.artdaqdb.tools import ToolsStore

    _must_hold_something(store)
    if isinstance(store, ToolsStore):
        store = store.direct
    if store.provider == "mongo":
        return _make_site_indexes(args, store)
    if not isinstance(store, FilesystemDB):
        raise UsageError(f"{store.uri} keeps no index of its own")
    made = reindex_sibling(store) if args.sibling else reindex(store)
    if args.json:
        emit_json({"path": str(made.path), "collections": made.documents, "unreadable": list(made.unreadable)})
    else:
        for collection, count in made.documents.items():
            emit(f"{collection}: {count} documents")
    for problem in made.unreadable:
        talk(f"left out: {clean(problem)}")
    return ExitCode.FAILED if made.unreadable else ExitCode.DONE


def _make_site_indexes(args: argparse.Namespace, store: ArtdaqStore) -> int:
    from runarchive.artdaqdb.mongodb import MongoDB

    made = store.make_indexes() if isinstance(store, MongoDB) else ()
    if args.json:
        emit_json({"indexes": list(made)})
    else:
        emit("\n".join(made) or "every index is there")
    return ExitCode.DONE


def _copy(args: argparse.Namespace, store: ArtdaqStore) -> int:
    from runarchive.artdaqdb.copying import copy_store

    _must_hold_something(store)
    with closing(open_store(args.to)) as target:
        result = copy_store(store, target)
    emit_json(result.as_json()) if args.json else emit(result.text())
    return ExitCode.FAILED if result.failures else ExitCode.DONE


ACTIONS: dict[str, Action] = {
    "list": _list,
    "import": _import,
    "export": _export,
    "check": _check,
    "reindex": _reindex,
    "copy": _copy,
}
