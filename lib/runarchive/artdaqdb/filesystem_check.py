"""What can be wrong with a database directory apart from its documents' content, and making its indexes anew."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runarchive.artdaqdb.directory import LOCK_SECONDS, DatabaseDirectory
from runarchive.artdaqdb.files import NewFiles, left_over, locked, os_errors, sync_directory
from runarchive.artdaqdb.index import INDEX_FILE, TABLES, Entry, Index, IndexProblem, build_index, entry_of, parse_index
from runarchive.artdaqdb.journal import Journal
from runarchive.artdaqdb.store import SYSTEM_METADATA, Finding, run_of
from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store

REINDEX = "`artdaqdb reindex`"
_READ_OTHERWISE = re.compile(r"[^\w./+=:,@%-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Collection:
    """One collection as it stood in one moment."""

    name: str
    files: set[str]
    noted: list[Entry]
    index: Index | IndexProblem


def inspect_files(db: DatabaseDirectory) -> Iterator[Finding]:
    """Findings about indexes, journal and stray files, collection by collection."""
    if not db.path.exists():
        message = "there is no database here yet"
        yield Finding("absent", str(db.path), message, "the first import makes it", advice=True)
        return
    if odd := sorted(set(_READ_OTHERWISE.findall(str(db.path)))):
        message = f"the C++ tools look elsewhere: they read {' '.join(map(repr, odd))} in a path as a shell would"
        yield Finding("path", str(db.path), message, "keep the database in a directory of a plain name", advice=True)
    with os_errors(Phase.READ, f"cannot read {db.path}"), db.steady():
        looked = _look(db)
    if looked and not db.has_metadata():
        yield Finding("metadata", SYSTEM_METADATA, "it is missing", "the next import makes it", advice=True)
    for collection in looked:
        yield from _inspect_collection(db, collection)
    for path in left_over(db.path):
        yield Finding("left over", path.name, "an interrupted write left it", "the next import removes it", advice=True)


def _look(db: DatabaseDirectory) -> list[_Collection]:
    noted: dict[str, list[Entry]] = {}
    for line in Journal.of(db.path).read_on():
        noted.setdefault(line.collection, []).append(line.entry)
    looked = []
    for name in db.collections():
        entries = noted.get(name, [])
        index: Index | IndexProblem
        try:
            index = parse_index(db.index_text(name, {(name, entry.id) for entry in entries}))
        except IndexProblem as problem:
            index = problem
        looked.append(_Collection(name, set(db.document_files(name)), entries, index))
    return looked


def _inspect_collection(db: DatabaseDirectory, one: _Collection) -> Iterator[Finding]:
    place = f"{one.name}/{INDEX_FILE}"
    waiting = [entry for entry in one.noted if entry.id in one.files]
    if waiting:
        message = f"{len(waiting)} documents are written and not in the index yet; the C++ tools do not see them"
        mend = f"the end of the import adds them; after a crash the next import, or {REINDEX}"
        yield Finding("unfolded", place, message, mend, advice=True)
    lost = Counter(name for entry in one.noted if entry.id not in one.files for name, _ in entry.configurations)
    for name, count in lost.items():
        message = f"{count} documents of {name} were announced and never written: the import was cut off"
        yield Finding("cut off", place, message, "import the run again", run_of(name))
    if isinstance(one.index, IndexProblem):
        yield Finding("index", place, f"the index is {one.index.kind}: {one.index.reason}", REINDEX)
        return
    for entry in waiting:
        one.index.add(entry)
    one.index.settle()
    yield from _disagreements(db, one.name, one.index, one.files)
    for path in sorted((db.path / one.name).iterdir()):
        if path.suffix != ".json" or path.is_dir():
            yield Finding("stray", f"{one.name}/{path.name}", "it is no document", "look at it, then remove it")


def _facts(index: Index) -> dict[str, set[tuple[str, str]]]:
    """By id, the (table, name) rows it stands in."""
    facts: dict[str, set[tuple[str, str]]] = {oid: set() for oid in index.ouid}
    for table in TABLES[:-1]:
        for name, ids in index.tables[table].items():
            for oid in ids:
                facts.setdefault(oid, set()).add((table, name))
    return facts


def _rows(entry: Entry) -> set[tuple[str, str]]:
    """The (table, name) rows that a document should stand in."""
    rows = set() if entry.version is None else {("version", entry.version)}
    rows |= {("configurations.name", name) for name, _ in entry.configurations}
    rows |= {("entities.name", name) for name in entry.entities}
    rows |= {("aliases.active.name", name) for name in entry.aliases}
    return rows | {("runs.name", name) for name in entry.runs}


def _disagreements(db: DatabaseDirectory, collection: str, index: Index, files: set[str]) -> Iterator[Finding]:
    facts = _facts(index)
    for oid in sorted(files - set(index.ouid)):
        if not db.read(collection, oid, whole=False).problem:
            message = "it is not in the index, so nothing finds it"
            yield Finding("unindexed", f"{collection}/{oid}.json", message, REINDEX)
    for oid in sorted(facts.keys() - files):
        message = "the index names it and there is no such file; the C++ fails on its whole configuration"
        yield Finding(
            "stale", f"{collection}/{oid}.json", message, f"import the run again; without its directory, {REINDEX}"
        )
    for oid in sorted(files & facts.keys()):
        document = db.read(collection, oid, whole=False)
        wrong = set() if document.problem else facts[oid] ^ _rows(entry_of(oid, document.record))
        if wrong:
            named = ", ".join(f"{table} {name!r}" for table, name in sorted(wrong)[:3])
            message = f"index and document disagree on {named}"
            yield Finding("stale", f"{collection}/{oid}.json", message, REINDEX)


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What a reindex did: documents noted by collection, files that are no documents, and where."""

    path: Path
    documents: dict[str, int]
    unreadable: tuple[str, ...]


def _rebuilt(db: DatabaseDirectory, collection: str) -> tuple[Index, list[str]]:
    """The index of all documents in the order they were assigned, and the places of unreadable ones."""
    entries, unreadable = [], []
    for oid in db.document_files(collection):
        document = db.read(collection, oid, whole=False)
        if document.problem:
            unreadable.append(document.problem)
        else:
            entries.append(entry_of(oid, document.record))
    entries.sort(key=lambda entry: (min((at for _, at in entry.configurations), default=""), entry.id))
    return build_index(entries), unreadable


def reindex(db: DatabaseDirectory) -> Reindexed:
    """Make every index anew from the documents, in place, each replaced at once, under the database's lock."""
    counts, unreadable = {}, []
    with os_errors(Phase.WRITE, f"cannot write the indexes of {db.path}"), locked(db.path, LOCK_SECONDS):
        with NewFiles(db.path) as files:
            for collection in db.collections():
                index, bad = _rebuilt(db, collection)
                place = db.path / collection / INDEX_FILE
                mode = place.stat().st_mode & 0o7777 if place.exists() else None
                files.add(place, index.text().encode("utf-8", "surrogateescape"), mode)
                counts[collection] = len(index.ouid)
                unreadable += bad
            files.move_in()
        Journal.of(db.path).path.unlink(missing_ok=True)
        for path in left_over(db.path):
            path.unlink(missing_ok=True)
        sync_directory(db.path)
    return Reindexed(db.path, counts, tuple(unreadable))


def reindex_sibling(db: DatabaseDirectory) -> Reindexed:
    """Make a database `<directory>_new` beside this one, with every document and new indexes, as the C++ tool does.

    Raises ArchiveError(CONFLICT) if that directory is there already.
    """
    target = db.path.with_name(db.path.name + "_new")
    with os_errors(Phase.WRITE, f"cannot write {target}"):
        if target.exists():
            message = f"{target} is there already"
            hint = "move it away first"
            raise ArchiveError(Code.CONFLICT, message, store=Store.ARTDAQDB, phase=Phase.WRITE, hint=hint)
        building = target.with_name(f".{target.name}.part")
        shutil.rmtree(building, ignore_errors=True)
        with locked(db.path, LOCK_SECONDS):
            for name in [*db.collections(), SYSTEM_METADATA]:
                if (db.path / name).is_dir():
                    shutil.copytree(db.path / name, building / name, ignore=shutil.ignore_patterns(INDEX_FILE))
        made = reindex(DatabaseDirectory(building))
        building.rename(target)
        sync_directory(target.parent)
    return Reindexed(target, made.documents, made.unreadable)
