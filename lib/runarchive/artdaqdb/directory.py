"""A database directory as it lies there: its collections, documents and indexes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from runarchive.artdaqdb.documents import KEPT_BYTES, stored_from_data
from runarchive.artdaqdb.files import NewFiles, locked, os_errors, sync_directory
from runarchive.artdaqdb.index import INDEX_FILE, Index, IndexProblem, parse_configurations
from runarchive.artdaqdb.journal import Journal
from runarchive.artdaqdb.store import SYSTEM_METADATA, StoredDocument
from runarchive.artdaqdb.system_metadata import system_metadata
from runarchive.errors import ArchiveError
from runarchive.fhicl.pairs import Pairs
from runarchive.model import Phase

PREFIX = "filesystemdb://"
LOCK_SECONDS = 60.0
FRESH_SECONDS = 1.0
"""An index that was written so lately may still be being written by a program that does not lock."""

Signature = tuple[tuple[str, int, int, int], ...]


class DatabaseDirectory:
    """Looks at one database directory; nothing is kept between two calls."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def uri(self) -> str:
        """The URI; it never holds a password."""
        return f"{PREFIX}{self.path}"

    def collection_names(self) -> list[str]:
        """The sub-directories but SystemMetadata, sorted; none where there is no database."""
        try:
            with os.scandir(self.path) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir() and entry.name != SYSTEM_METADATA)
        except FileNotFoundError:
            return []

    def document_files(self, collection: str) -> list[str]:
        """The ids of the files of a collection, sorted, whether indexed or not."""
        with os_errors(Phase.LIST, f"cannot list {collection}"), os.scandir(self.path / collection) as entries:
            names = (entry.name for entry in entries)
            return sorted(name[:-5] for name in names if name.endswith(".json") and name != INDEX_FILE)

    def collections(self) -> dict[str, int]:
        """Each collection with the number of its document files."""
        with os_errors(Phase.LIST, f"cannot list {self.path}"):
            return {name: len(self.document_files(name)) for name in self.collection_names()}

    def signature(self, broken: Iterable[str]) -> Signature:
        """Changes whenever an index does; for collections with a broken index, whenever a document comes or goes."""
        rows = []
        for name in self.collection_names():
            try:
                found = (self.path / name / INDEX_FILE).stat()
                row = (found.st_mtime_ns, found.st_size, found.st_ino)
            except FileNotFoundError:
                row = (0, 0, 0)
            if name in broken:
                row = (row[0], row[1], (self.path / name).stat().st_mtime_ns)
            rows.append((name, *row))
        return tuple(rows)

    def place(self, collection: str, oid: str) -> str:
        """The path of a document's file."""
        return f"{self.path}/{collection}/{oid}.json"

    def holds(self, collection: str, oid: str) -> bool:
        """Whether a document's file is there, in whatever state."""
        return os.path.exists(self.place(collection, oid))

    def is_readable(self, collection: str, oid: str) -> bool:
        """Whether a document's file is there and is a document."""
        return self.holds(collection, oid) and not self.read(collection, oid).problem

    def read(self, collection: str, oid: str, *, whole: bool = True, keep: bool = True) -> StoredDocument:
        """One document file, without `whole` perhaps its names alone; an unreadable one has a problem.

        Without `keep`, its content is parsed anew each time it is asked for.
        """
        gone = False
        try:
            if "/" in oid:
                raise ValueError("an id with a slash")
            with open(self.place(collection, oid), "rb", buffering=0) as file:
                return stored_from_data(file.readall(), oid, collection, whole=whole, keep=keep)
        except FileNotFoundError:
            problem, gone = "it is in the index, but its file is missing", True
        except OSError as error:
            problem = f"it cannot be read: {error.strerror}"
        except (ArchiveError, ValueError, RecursionError) as error:
            problem = f"it is not a JSON document: {error}"
        told = f"{collection}/{oid}.json: {problem}"
        return StoredDocument(oid, collection, (), "", (), (), Pairs(), told, gone=gone)

    def read_many(self, places: Iterable[tuple[str, str]]) -> Iterator[StoredDocument]:
        """These documents; the parsed content of a run's first ones is kept, as far as there is room for it."""
        room = KEPT_BYTES
        for collection, oid in places:
            yield self.read(collection, oid, keep=room > 0)
            with contextlib.suppress(OSError):  # a file that is gone takes no room
                room -= os.path.getsize(self.place(collection, oid))

    def all_documents(self) -> Iterator[StoredDocument]:
        """Every document file, indexed or not."""
        for name in self.collection_names():
            yield from (self.read(name, oid) for oid in self.document_files(name))

    def steady_index(self, collection: str, noted: Iterable[tuple[str, str]]) -> Index:
        """The configuration tables of an index; what looks wrong is looked at again while nobody of ours writes.

        The C++ library writes an index in place and locks nothing: one that it wrote just now is given time.
        """
        try:
            return parse_configurations(self.index_text(collection, noted))
        except IndexProblem:
            with self.steady():
                known = {(line.collection, line.entry.id) for line in Journal.of(self.path).read_on()}
                while True:
                    try:
                        return parse_configurations(self.index_text(collection, known))
                    except IndexProblem as problem:
                        if problem.kind == "missing" or not self._is_fresh(self.path / collection / INDEX_FILE):
                            raise
                    time.sleep(0.05)

    @staticmethod
    def _is_fresh(path: Path) -> bool:
        return path.exists() and 0 <= time.time() - path.stat().st_mtime < FRESH_SECONDS

    @contextlib.contextmanager
    def steady(self) -> Iterator[None]:
        """Keep our writers out while something is looked at; without the right to lock, look all the same."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                stack.enter_context(locked(self.path, LOCK_SECONDS))
            yield

    def index_text(self, collection: str, noted: Iterable[tuple[str, str]]) -> str:
        """The text of an index; an empty one where there is none and the journal has noted every document.

        Raises IndexProblem if it is missing beside other documents.
        """
        try:
            return (self.path / collection / INDEX_FILE).read_bytes().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            known = {oid for name, oid in noted if name == collection}
            lost = [oid for oid in self.document_files(collection) if oid not in known]
            if lost:
                raise IndexProblem("missing", f"it is missing, beside {len(lost)} documents") from None
            return Index().text()
        except (IsADirectoryError, PermissionError) as error:
            raise IndexProblem("damaged", f"it cannot be read: {error.strerror}") from None

    def make_directories(self, collections: set[str]) -> None:
        """Make what is missing of the database and these collections; its own record comes first."""
        missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        for path in missing:
            sync_directory(path.parent)
        if not self.has_metadata():
            (self.path / SYSTEM_METADATA).mkdir(exist_ok=True)
            oid, text = system_metadata(self.uri)
            with NewFiles(self.path) as files:
                files.add(self.path / SYSTEM_METADATA / f"{oid}.json", text.encode())
                files.move_in()
        for name in sorted(collections):
            if not (self.path / name).is_dir():
                (self.path / name).mkdir(exist_ok=True)
                sync_directory(self.path)

    def has_metadata(self) -> bool:
        """Whether the database has the record that says what it is."""
        return (self.path / SYSTEM_METADATA).is_dir() and bool(self.document_files(SYSTEM_METADATA))
