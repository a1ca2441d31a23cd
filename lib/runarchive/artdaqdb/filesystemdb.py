"""`filesystemdb://`: a database in a directory, in the C++ library's format.

A collection is a sub-directory, a document a file `<id>.json` in it, found through the collection's `index.json`.
Documents are written beside their place, made durable, noted in a journal and moved in; the indexes follow by `fold`,
because writing an index costs as much as it is long.
"""

from __future__ import annotations

import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runarchive.artdaqdb.directory import LOCK_SECONDS, PREFIX, DatabaseDirectory, Signature
from runarchive.artdaqdb.documents import document_id, now, record_data, record_id
from runarchive.artdaqdb.files import NewFiles, left_over, locked, os_errors, sync_directory
from runarchive.artdaqdb.index import (
    INDEX_FILE,
    Entry,
    IndexProblem,
    entry_of,
    parse_index,
)
from runarchive.artdaqdb.journal import Journal, Line
from runarchive.artdaqdb.memory import Memory, remember_listing, remembered_listing
from runarchive.artdaqdb.store import (
    Finding,
    NewDocument,
    StoredConfiguration,
    StoredDocument,
    Written,
    check_new,
    check_record,
    listing_order,
    nobody_counts,
)
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.json_text import write_json
from runarchive.fhicl.pairs import Pairs
from runarchive.model import Phase, Store

FOLD_AFTER = 2000
"""So many documents are at least written between two folds of one job."""
CACHE_FROM = 5000
"""Below so many documents reading the index is as quick as reading a remembered listing."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    collection: str
    entry: Entry
    data: bytes
    record: Pairs | None = None


class FilesystemDB(DatabaseDirectory):
    """One database directory; see `ArtdaqStore` for what each method promises."""

    provider = "filesystem"

    def __init__(self, uri: str) -> None:
        path = os.path.expanduser(os.path.expandvars(uri.removeprefix(PREFIX)))
        if not path.startswith("/") or path.rstrip("/") == "":
            message = f"{uri!r} names no directory: write filesystemdb:// and an absolute path"
            raise ArchiveError(Code.BAD_CONFIG, message, store=Store.ARTDAQDB, phase=Phase.CONNECT)
        super().__init__(Path(path.rstrip("/")))
        self._mutex = threading.RLock()
        self._memory = Memory()
        self._loaded: Signature | None = None
        self._journal = Journal.of(self.path)
        self._unfolded = 0
        self._pending: list[Line] = []
        self._broken: dict[str, IndexProblem] = {}
        self._unplaced: list[str] = []

    def ping(self) -> str:
        """The directory and whether it can be written; raises where it is there and cannot be read."""
        with os_errors(Phase.CONNECT, f"cannot read {self.path}"):
            if not self.path.exists():
                return f"{self.path}: not there yet; the first import makes it"
            names = self.collection_names()
        access = "writable" if os.access(self.path, os.W_OK) else "read-only"
        return f"{self.path}: {len(names)} collections, {access}"

    def change_token(self) -> str | None:
        """Changes whenever an index or the journal does; a few `stat` calls."""
        with self._mutex, os_errors(Phase.LIST, f"cannot look at {self.path}"):
            self._broken = {name: problem for name, problem in self._broken.items() if (self.path / name).is_dir()}
            return json.dumps([self.signature(self._broken), Journal.of(self.path).stat()])

    def _load(self, lines: Iterable[Line]) -> None:
        self._memory, self._broken, self._pending, self._unplaced = Memory(), {}, [], []
        noted = {(line.collection, line.entry.id) for line in lines}
        for name in self.collection_names():
            try:
                self._memory.add_index(name, self.steady_index(name, noted))
            except IndexProblem as problem:
                self._broken[name] = problem
                for oid in self.document_files(name):
                    found = self.read(name, oid, whole=False)
                    if found.problem:
                        told = f"{found.problem}; whose it was, only {name}/{INDEX_FILE} could have told"
                        self._unplaced.append(told)
                    else:
                        self._memory.add(name, entry_of(oid, found.record))

    def _refresh(self) -> Memory:
        """Bring the memory up to date.

        The journal is read before the indexes, because a fold writes them before it ends the journal.
        """
        with self._mutex, os_errors(Phase.LIST, f"cannot read {self.path}"):
            lines = self._journal.read_on()
            signature = self.signature(self._broken)
            if signature != self._loaded:
                self._journal.rewind()
                lines = self._journal.read_on()
                self._unfolded = 0
                self._load(lines)
                self._loaded = self.signature(self._broken) if self._broken else signature
            self._unfolded += len(lines)
            waiting, self._pending = self._pending + lines, []
            for line in waiting:
                if self.holds(line.collection, line.entry.id):
                    self._memory.add(line.collection, line.entry)
                else:
                    self._pending.append(line)
            return self._memory

    def list_configurations(self, details: bool = False) -> tuple[StoredConfiguration, ...]:
        """All configurations; without details from a remembered listing if nothing changed since."""
        token = self.change_token() or ""
        if self._loaded is None and not details:
            remembered = remembered_listing(self.path, token)
            if remembered is not None:
                return tuple(remembered)
        memory = self._refresh()
        with self._mutex:
            listing = listing_order(list(memory.configurations()))
        if details:
            return self._with_versions(listing)
        if memory.count >= CACHE_FROM and not self._broken and token == self.change_token():
            remember_listing(self.path, token, listing)
        return listing

    def _with_versions(self, listing: Iterable[StoredConfiguration]) -> tuple[StoredConfiguration, ...]:
        versions = {
            (collection, oid): version
            for collection in self.collection_names()
            for oid, version in self._versions_in(collection)
        }
        for line in Journal.of(self.path).read_on():
            versions[line.collection, line.entry.id] = line.entry.version or ""
        detailed = []
        for one in listing:
            found = {versions.get(place, "") for place in self._memory.places(one.name)} - {""}
            detailed.append(StoredConfiguration(one.name, one.assigned, one.documents, tuple(sorted(found))))
        return tuple(detailed)

    def _versions_in(self, collection: str) -> Iterator[tuple[str, str]]:
        """Id and version of each document, from the documents where the index cannot tell."""
        files = self.document_files(collection)
        try:
            table = parse_index(self.index_text(collection, {(collection, oid) for oid in files})).tables["version"]
        except IndexProblem:
            yield from ((oid, self.read(collection, oid, whole=False).version) for oid in files)
        else:
            yield from ((oid, version) for version, ids in table.items() for oid in ids)

    def configurations_of(self, run: int) -> tuple[str, ...]:
        """The configuration names of one run, sorted."""
        memory = self._refresh()
        with self._mutex:
            return tuple(sorted(memory.runs.get(run, ())))

    def documents(self, configuration: str) -> tuple[StoredDocument, ...]:
        """Every document the index names for one configuration, smallest id first."""
        memory = self._refresh()
        with self._mutex:
            places = memory.places(configuration)
        return tuple(self.read_many(places))

    def run_documents(self, run: int) -> dict[str, tuple[StoredDocument, ...]]:
        """Every document of each configuration of one run."""
        return {name: self.documents(name) for name in self.configurations_of(run)}

    def insert(self, documents: Sequence[NewDocument], written: Written = nobody_counts) -> None:
        """Store new documents; the indexes follow at the next fold, which comes by itself every so many documents."""
        at = now()
        prepared = []
        for new in documents:
            check_new(new)
            oid = document_id(new)
            entry = Entry(oid, new.version, ((new.configuration, at),), (new.entity,), (), (str(new.run),))
            prepared.append(_Prepared(new.collection, entry, record_data(new, oid, at)))
        self._write(prepared, written)

    def insert_records(self, records: Sequence[Pairs]) -> None:
        """Store whole records under their own ids."""
        prepared = []
        for record in records:
            check_record(record)
            data = write_json(record).encode("utf-8", "surrogateescape")
            entry = entry_of(record_id(record), record)
            prepared.append(_Prepared(record.text("collection"), entry, data, record))
        self._write(prepared)

    def _to_write(self, prepared: Sequence[_Prepared]) -> Iterator[tuple[_Prepared, bool]]:
        """What is not known yet, each with whether its file is still to be written."""
        memory = self._refresh()
        for (collection, oid), one in {(one.collection, one.entry.id): one for one in prepared}.items():
            if collection in self._broken:
                problem = self._broken[collection]
                message = f"the index of {collection} in {self.path} is {problem.kind}: {problem.reason}"
                hint = f"`tui-archiver artdaqdb reindex --uri {self.uri}`, then again"
                raise ArchiveError(Code.CORRUPT, message, store=Store.ARTDAQDB, phase=Phase.WRITE, hint=hint)
            there = self.read(collection, oid) if self.holds(collection, oid) else None
            if there is None or there.problem:
                yield one, True
                continue
            if one.record is not None and there.record != one.record:
                message = f"{collection}/{oid} is there with another content"
                raise ArchiveError(Code.CONFLICT, message, store=Store.ARTDAQDB, phase=Phase.WRITE)
            if not any(memory.has(name, collection, oid) for name, _ in one.entry.configurations):
                yield _Prepared(collection, entry_of(oid, there.record), b""), False

    def _write(self, prepared: Sequence[_Prepared], written: Written = nobody_counts) -> None:
        """Write beside, note, make durable, move in: nothing has its name that is not whole and noted."""
        with os_errors(Phase.WRITE, f"cannot write to {self.path}"):
            wanted = list(self._to_write(prepared))
            if not wanted:
                return
            if self._unfolded >= max(FOLD_AFTER, self._memory.count // 8):
                self.fold()
            self.make_directories({one.collection for one, _ in wanted})
            with NewFiles(self.path) as files:
                for count, (one, fresh) in enumerate(wanted, len(prepared) - len(wanted) + 1):
                    if fresh:
                        files.add(self.place(one.collection, one.entry.id), one.data)
                    written(count)
                with locked(self.path, LOCK_SECONDS):
                    for one, fresh in wanted:
                        if fresh and self.is_readable(one.collection, one.entry.id):
                            files.drop(self.place(one.collection, one.entry.id))
                    lines = [Line(one.collection, one.entry) for one, _ in wanted]
                    Journal.of(self.path).append(lines, files.sync)
                    files.move_in()

    def fold(self) -> None:
        """Bring every index up to date with what was written since, each at once and durably, and end the journal."""
        if not self._journal.path.exists():
            return
        with os_errors(Phase.WRITE, f"cannot write the indexes of {self.path}"), locked(self.path, LOCK_SECONDS):
            journal = Journal.of(self.path)
            entries: dict[str, list[Entry]] = defaultdict(list)
            for line in journal.read_on():
                if self.holds(line.collection, line.entry.id):
                    entries[line.collection].append(line.entry)
            for collection, added in entries.items():
                self._fold_collection(collection, added)
            journal.path.unlink(missing_ok=True)
            sync_directory(self.path)
            for path in left_over(self.path):
                path.unlink(missing_ok=True)

    def _fold_collection(self, collection: str, added: list[Entry]) -> None:
        """Merge documents into one index; if the C++ library wrote it meanwhile, start from what it wrote."""
        place = self.path / collection / INDEX_FILE
        while True:
            before = place.stat() if place.exists() else None
            try:
                index = parse_index(self.index_text(collection, {(collection, entry.id) for entry in added}))
            except IndexProblem as problem:
                message = f"the index of {collection} in {self.path} is {problem.kind}: {problem.reason}"
                hint = f"`tui-archiver artdaqdb reindex --uri {self.uri}`; nothing is lost"
                raise ArchiveError(Code.CORRUPT, message, store=Store.ARTDAQDB, phase=Phase.WRITE, hint=hint) from None
            for entry in added:
                index.add(entry)
            with NewFiles(self.path) as files:
                data = index.text().encode("utf-8", "surrogateescape")
                files.add(place, data, None if before is None else before.st_mode & 0o7777)
                files.sync()
                after = place.stat() if place.exists() else None
                if (before and (before.st_mtime_ns, before.st_size)) == (after and (after.st_mtime_ns, after.st_size)):
                    files.move_in()
                    return

    def damage(self) -> tuple[str, ...]:
        """The indexes that cannot be used: we read the documents themselves, the C++ library finds nothing in them."""
        with self._mutex:
            broken = sorted(self._broken.items())
        mend = "run `tui-archiver artdaqdb reindex`"
        indexes = (f"{name}/{INDEX_FILE} is {found.kind}: {found.reason}; {mend}" for name, found in broken)
        return (*indexes, *self.unplaced())

    def advice(self) -> tuple[str, ...]:
        """Nothing: the index in memory finds each run."""
        return ()

    def unplaced(self) -> tuple[str, ...]:
        """The unreadable documents of collections whose index cannot be used."""
        with self._mutex:
            return tuple(self._unplaced)

    def inspect(self) -> Iterator[Finding]:
        """Where indexes, journal and files disagree."""
        from runarchive.artdaqdb.filesystem_check import inspect_files

        return inspect_files(self)

    def close(self) -> None:
        """Nothing is held open."""
