"""One run's files across the three stores: what each holds, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from runarchive.artdaqdb.documents import canonical_text
from runarchive.artdaqdb.export import Export, export_documents, file_paths
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.originals import ORIGINALS, OriginalFile, same_originals, unpack_originals
from runarchive.model import Mark, Marks, Store, moment
from runarchive.pipeline.context import Context
from runarchive.pipeline.evidence import Evidence, HopVerdict
from runarchive.pipeline.import_stage import export_hash
from runarchive.pipeline.views import Comparison, FileComparison
from runarchive.pipeline.wanted import Prepared, prepare
from runarchive.ucondb.blob import unpack

ORIGINALS_FILE = f"{ORIGINALS}.fcl"
SCHEMA_FILE = "schema.fcl"

WORST_FIRST = (
    Mark.ERROR, Mark.DIFFERS, Mark.PARTIAL, Mark.MISSING, Mark.UNKNOWN, Mark.RUNNING, Mark.LISTED, Mark.OTHER_WRITER,
    Mark.VERIFIED,
)  # fmt: skip


@dataclass(slots=True)
class Sides:
    """What each store holds of a run: file name to text; a store that does not hold it is None."""

    filesystem: dict[str, str] | None = None
    artdaqdb: dict[str, str] | None = None
    ucondb: dict[str, str] | None = None
    prepared: Prepared | None = None
    export: Export | None = None
    configuration: str = ""
    packed_on: str = ""
    blob_run: int | None = None
    problems: list[str] = field(default_factory=list)
    failed: set[Store] = field(default_factory=set)

    def of(self, store: Store) -> dict[str, str] | None:
        """The files of one store."""
        return {Store.FILESYSTEM: self.filesystem, Store.ARTDAQDB: self.artdaqdb, Store.UCONDB: self.ucondb}[store]


def read_sides(context: Context, evidence: Evidence, stores: tuple[Store, ...] = tuple(Store)) -> Sides:
    """Ask the stores for everything they hold of a run; what cannot be had becomes a problem, never an exception."""
    sides = Sides()
    steps = {Store.FILESYSTEM: _read_directory, Store.ARTDAQDB: _read_artdaqdb, Store.UCONDB: _read_ucondb}
    for store in stores:
        try:
            steps[store](context, evidence, sides)
        except ArchiveError as error:
            sides.failed.add(store)
            sides.problems.append(f"{store}: {error.message}")
    return sides


def _read_directory(context: Context, evidence: Evidence, sides: Sides) -> None:
    if not context.stores.record(evidence.run).is_dir():
        return
    prepared = prepare(context, evidence.run)
    sides.prepared = prepared
    sides.filesystem = {f"{entity}.fcl": canonical_text(text) for entity, text in prepared.wanted.entities}
    if prepared.wanted.originals is not None:
        sides.filesystem[ORIGINALS_FILE] = canonical_text(prepared.wanted.originals)


def _read_artdaqdb(context: Context, evidence: Evidence, sides: Sides) -> None:
    held = context.stores.artdaqdb.run_documents(evidence.run)
    if not held:
        return
    if len(held) > 1:
        sides.problems.append("two configurations in artdaqDB: " + ", ".join(held))
    sides.configuration, documents = next(iter(held.items()))
    sides.export = export_documents(documents)
    placed, refused = file_paths(sides.export, sides.configuration, "flat")
    sides.artdaqdb = {name: one.text for name, one in placed}
    sides.problems += [f"{entity}: {reason}" for entity, reason in (*sides.export.failures, *refused)]


def _read_ucondb(context: Context, evidence: Evidence, sides: Sides) -> None:
    try:
        data = context.stores.ucondb.get(evidence.run)
    except ArchiveError as error:
        if error.code is Code.NOT_FOUND:
            return
        raise
    expected = None
    if sides.artdaqdb is not None:
        expected = [(name, text.encode("utf-8", "surrogateescape")) for name, text in sides.artdaqdb.items()]
    try:
        blob = unpack(data, expected)
    except ArchiveError as error:
        if error.code is not Code.BAD_NAME:
            raise
        blob = unpack(data)
    sides.ucondb = {name: content.decode("utf-8", "surrogateescape") for name, content in blob.files}
    sides.packed_on, sides.blob_run = blob.packed_on, blob.run
    if blob.run != evidence.run:
        sides.problems.append(f"the blob's header names run {blob.run}")
    sides.problems += list(blob.ambiguities)


def compare_run(context: Context, evidence: Evidence) -> Comparison:
    """One run file by file; the marks of the run are the worst of its files'."""
    sides = read_sides(context, evidence)
    other = _is_another_writers(evidence, sides)
    names = sorted({*(sides.filesystem or ()), *(sides.artdaqdb or ()), *(sides.ucondb or ())}, key=_order)
    files = [_file(name, sides, other) for name in names]
    if sides.prepared is not None:
        kept = {file.name: file for file in sides.prepared.record.files}
        files += [
            FileComparison(name, _refused_marks(sides), f"in originals only: {reason}", *_size_and_time(kept.get(name)))
            for name, reason in sides.prepared.conversion.refused
        ]
    marks = Marks(*(_worst(store, files, sides) for store in Store))
    problems = tuple(sides.problems)
    return Comparison(
        evidence.run, marks, tuple(files), sides.configuration, problems, sides.packed_on, sides.blob_run
    )


def _order(name: str) -> tuple[bool, str]:
    return name in (ORIGINALS_FILE, SCHEMA_FILE), name


def _is_another_writers(evidence: Evidence, sides: Sides) -> bool:
    hop = evidence.import_hop
    if hop is None or hop.verdict is not HopVerdict.OTHER_WRITER or sides.export is None:
        return False
    return not hop.output or hop.output == export_hash(sides.export)


def _worst(store: Store, files: list[FileComparison], sides: Sides) -> Mark:
    if store in sides.failed:
        return Mark.ERROR
    if sides.of(store) is None:
        return Mark.MISSING
    found = {file.marks.of(store) for file in files if file.name != SCHEMA_FILE or store is not Store.FILESYSTEM}
    if Mark.OTHER_WRITER in found:
        found.discard(Mark.MISSING)
    if Mark.MISSING in found and store is not Store.FILESYSTEM:
        found = (found - {Mark.MISSING}) | {Mark.PARTIAL}
    if store is Store.FILESYSTEM:
        found.discard(Mark.MISSING)
    return next((mark for mark in WORST_FIRST if mark in found), Mark.VERIFIED)


def _file(name: str, sides: Sides, other: bool) -> FileComparison:
    ours = _text(sides.filesystem, name)
    stored = _text(sides.artdaqdb, name)
    blob = _text(sides.ucondb, name)
    disk = Mark.VERIFIED if ours is not None else Mark.MISSING
    if Store.FILESYSTEM in sides.failed:
        disk = Mark.ERROR
    artdaqdb = _artdaqdb_mark(name, ours, stored, sides, other)
    if blob is None:
        ucondb = Mark.MISSING
    elif sides.artdaqdb is None:
        ucondb = Mark.LISTED
    elif blob == stored:
        ucondb = Mark.OTHER_WRITER if other else Mark.VERIFIED
    else:
        ucondb = Mark.DIFFERS
    if Store.ARTDAQDB in sides.failed:
        artdaqdb = Mark.ERROR
        ucondb = Mark.UNKNOWN if blob is not None else ucondb
    if Store.UCONDB in sides.failed:
        ucondb = Mark.ERROR
    held = next(text for text in (ours, stored, blob) if text is not None)
    behind = None if sides.prepared is None else _original(sides.prepared.record.files, name)
    size = len(held.encode("utf-8", "surrogateescape"))
    note = _note(name, other) if sides.prepared is not None and behind is None else ""
    return FileComparison(name, Marks(disk, artdaqdb, ucondb), note, size, _size_and_time(behind)[1])


def _note(name: str, other: bool) -> str:
    """What a file is that no file of the directory stands behind, as far as that is known of the run's writer."""
    if name == SCHEMA_FILE:
        return "goes with every run"
    if other:
        return ""
    return "every file of the directory, byte for byte" if name == ORIGINALS_FILE else "made at the import"


def _size_and_time(file: OriginalFile | None) -> tuple[int | None, datetime | None]:
    if file is None:
        return None, None
    return len(file.data), moment(file.mtime_ns)


def _text(files: Mapping[str, str] | None, name: str) -> str | None:
    return None if files is None else files.get(name)


def _artdaqdb_mark(name: str, ours: str | None, stored: str | None, sides: Sides, other: bool) -> Mark:
    if stored is None:
        return Mark.MISSING
    if other:
        return Mark.OTHER_WRITER
    if ours is None:
        extra = sides.filesystem is not None and name not in (SCHEMA_FILE, ORIGINALS_FILE)
        if extra:
            return Mark.DIFFERS
        return Mark.VERIFIED if sides.filesystem is not None else Mark.LISTED
    if ours == stored or (name == ORIGINALS_FILE and same_originals(ours, stored)):
        return Mark.VERIFIED
    return Mark.DIFFERS


def _refused_marks(sides: Sides) -> Marks:
    """The marks of a file that FHiCL cannot carry: it is where the originals are."""
    artdaqdb = Mark.VERIFIED if ORIGINALS_FILE in (sides.artdaqdb or {}) else Mark.MISSING
    ucondb = Mark.VERIFIED if ORIGINALS_FILE in (sides.ucondb or {}) else Mark.MISSING
    return Marks(Mark.VERIFIED, artdaqdb, ucondb)


def file_text(context: Context, evidence: Evidence, store: Store, name: str, *, original: bool) -> str:
    """One file of a run in one store; see `Archive.file_text`."""
    sides = read_sides(context, evidence, (store,))
    files = sides.of(store)
    if files is None:
        detail = "; ".join(sides.problems)
        message = f"run {evidence.run} is not in {store}" + (f": {detail}" if detail else "")
        raise ArchiveError(Code.NOT_FOUND, message, store=store, run=evidence.run)
    if original:
        found = _original(_originals(sides, files), name)
        if found is not None:
            return found.data.decode("utf-8", "replace")
    elif name in files:
        return files[name]
    elif sides.prepared is not None:
        found = _original(sides.prepared.record.files, name)
        if found is not None:
            return found.data.decode("utf-8", "replace")
    what = "original of " if original else ""
    raise ArchiveError(
        Code.NOT_FOUND, f"{store} holds no {what}{name} of run {evidence.run}", store=store, run=evidence.run
    )


def _originals(sides: Sides, files: Mapping[str, str]) -> tuple[OriginalFile, ...]:
    if sides.prepared is not None:
        return sides.prepared.record.files
    return unpack_originals(files[ORIGINALS_FILE]) if ORIGINALS_FILE in files else ()


def _original(files: tuple[OriginalFile, ...], name: str) -> OriginalFile | None:
    """The file of the record behind an entity: `boot.fcl` comes from itself or from boot.txt."""
    stem = name.removesuffix(".fcl")
    return next((file for wanted in (name, f"{stem}.txt") for file in files if file.name == wanted), None)
