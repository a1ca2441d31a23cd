"""artdaqDB on a MongoDB server: one collection of whole records for each artdaq collection."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import Any

from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo import timeout as pymongo_timeout
from pymongo.database import Database
from pymongo.errors import BulkWriteError
from pymongo.synchronous import monitor

from runarchive.artdaqdb import bson_records, mongodb_listing
from runarchive.artdaqdb.content_cache import ContentCache
from runarchive.artdaqdb.documents import KEPT_BYTES, UnreadPairs, known_text, now, record_id, stored
from runarchive.artdaqdb.mongodb_care import inspect, make_site_indexes, slow_collections, validate
from runarchive.artdaqdb.mongodb_encode import content_digest, encode_new, known_record
from runarchive.artdaqdb.mongodb_errors import told, usable_uri
from runarchive.artdaqdb.mongodb_uri import client_options, parse_uri
from runarchive.artdaqdb.store import (
    SYSTEM_METADATA,
    Finding,
    NewDocument,
    StoredConfiguration,
    StoredDocument,
    Written,
    check_new,
    nobody_counts,
)
from runarchive.artdaqdb.system_metadata import metadata_document
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.originals import ORIGINALS
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.model import Phase, Store
from runarchive.repeating import repeated

DUPLICATE_KEY = 11000
BATCH_BYTES = 12 * 2**20
"""How much goes to the server in one call: below the 48 MB of a message, and short enough for its time limit."""


_read_bodies: ContentCache[tuple[int, Pairs]] = ContentCache(lambda one: 8 * one[0])


class MongoDB:
    """One database of a server or replica set; see `ArtdaqStore` for what each method promises.

    Everything is read from the primary. A write returns when a majority of the members has it in its journal.
    """

    provider = "mongo"

    def __init__(self, uri: str, *, timeout: float = 30.0) -> None:
        self._uri = parse_uri(uri)
        self._timeout = timeout
        self._client: MongoClient[RawBSONDocument] | None = None
        self._has_metadata = False
        self._advice: tuple[str, ...] = ()
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        """The URI, with any password replaced."""
        return self._uri.shown

    def __repr__(self) -> str:
        return f"MongoDB({self.uri!r})"

    def _told(self, phase: Phase) -> AbstractContextManager[None]:
        return told(phase, self.uri, self._uri.scrub)

    def _connected(self) -> MongoClient[RawBSONDocument]:
        with self._lock, self._told(Phase.CONNECT):
            if self._client is None:
                options: dict[str, Any] = client_options(self._uri, self._timeout)
                with usable_uri(self.uri, self._uri.scrub):
                    self._client = MongoClient(self._uri.given, document_class=RawBSONDocument, **options)
            client = self._client
        self._find_server(client)
        return client

    def _find_server(self, client: MongoClient[RawBSONDocument]) -> None:
        """Wait for a server no longer than that may take: a call's own limit, which is longer, would count else."""
        if client.topology_description.has_writable_server():
            return
        seconds = min(self._timeout, client.options.server_selection_timeout)
        with self._told(Phase.CONNECT), pymongo_timeout(seconds):
            client.admin.command("ping")

    @property
    def _database(self) -> Database[RawBSONDocument]:
        return self._connected().get_database(
            self._uri.database,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern(w="majority", j=True, wtimeout=max(1, int(self._timeout * 1000))),
        )

    @property
    def _plain(self) -> mongodb_listing.PlainDatabase:
        """The same database for queries whose answers are no records."""
        return self._database.with_options(codec_options=mongodb_listing.PLAIN)

    def ping(self) -> str:
        """The server's version, its kind, and what the database holds."""
        names = self.collections()
        with self._told(Phase.CONNECT):
            hello = self._plain.client.admin.command("hello")
            version = self._plain.client.server_info()["version"]
        kind = (
            f"replica set {hello['setName']}, primary {hello.get('primary', 'none')}"
            if "setName" in hello
            else "one server"
        )
        if hello.get("msg") == "isdbgrid":
            kind = "sharded cluster"
        size = f"{len(names)} collections, {sum(names.values())} documents"
        return f"MongoDB {version}, {kind}, database {self._uri.database}: {size}"

    def _names(self) -> list[str]:
        with self._told(Phase.LIST):
            return mongodb_listing.record_collections(self._plain)

    @repeated
    def collections(self) -> dict[str, int]:
        """Each collection with the server's own count of its documents; views and system collections are none."""
        return self._counts()

    def _counts(self) -> dict[str, int]:
        names = self._names()
        with self._told(Phase.LIST):
            return {name: self._plain[name].estimated_document_count() for name in names}

    @repeated
    def list_configurations(self, details: bool = False) -> tuple[StoredConfiguration, ...]:
        """All configurations. Without details, `assigned` is "" in a database too large to read every date quickly."""
        counts = self._counts()
        with self._told(Phase.LIST):
            return mongodb_listing.configurations(self._plain, counts, details)

    @repeated
    def configurations_of(self, run: int) -> tuple[str, ...]:
        """The configuration names of one run, sorted; fast where the site's index of configuration names exists."""
        names = self._names()
        with self._told(Phase.LIST):
            return mongodb_listing.configurations_of(self._plain, names, run)

    @repeated
    def change_token(self) -> str | None:
        """From the server's own counts of writes; None where it does not keep or show them."""
        names = self._names()
        with self._told(Phase.LIST):
            counted = mongodb_listing.statistics(self._plain, names)
            self._advice = tuple(slow_collections(self._plain, counted or {}))
            return mongodb_listing.change_token(self._plain, counted)

    @repeated
    def documents(self, configuration: str) -> tuple[StoredDocument, ...]:
        """Every document of one configuration, the oldest of a collection first."""
        return self._documents({"configurations.name": configuration})

    def run_documents(self, run: int) -> dict[str, tuple[StoredDocument, ...]]:
        """The documents of each configuration of one run, the oldest of a collection first."""
        documents = self._run_documents(run)
        if not documents:
            return {}
        names = {tuple(name for name, _ in one.configurations if name.startswith(f"{run}/")) for one in documents}
        if len(names) == 1 and len(only := names.pop()) == 1:
            return {only[0]: documents}
        # Which of several names a document belongs to, or one of a foreign shape, the server tells.
        return {name: self.documents(name) for name in self.configurations_of(run)}

    @repeated
    def _run_documents(self, run: int) -> tuple[StoredDocument, ...]:
        return self._documents({"configurations.name": {"$regex": f"^{run}/"}})

    def _documents(self, query: dict[str, Any]) -> tuple[StoredDocument, ...]:
        found: list[StoredDocument] = []
        room = KEPT_BYTES
        for name in self._names():
            with self._told(Phase.READ):
                raws = [bytes(document.raw) for document in self._database[name].find(query, batch_size=1000)]
            for raw in raws:
                found.append(_stored(raw, name, as_library=True, keep=room > 0))
                room -= len(raw)
        return tuple(found)

    def all_documents(self) -> Iterator[StoredDocument]:
        """Every document of every collection in the order of insertion, values exactly as they are stored."""
        for name in self._names():
            cursor = self._database[name].find({}, batch_size=200)
            while True:
                with self._told(Phase.READ):
                    document = next(cursor, None)
                if document is None:
                    break
                yield _stored(bytes(document.raw), name)

    def insert(self, documents: Sequence[NewDocument], written: Written = nobody_counts) -> None:
        """Store documents; one whose id is there was stored before with the same content and is left alone."""
        at = now()
        for new in documents:
            check_new(new)
        self._write([(new.collection, _encoded(new, at)) for new in documents], written)

    def insert_records(self, records: Sequence[Pairs]) -> None:
        """Store whole records; raises BAD_NAME for one that would break the library's listings for everybody."""
        prepared: list[tuple[str, bytes]] = []
        for record in records:
            validate(record)
            prepared.append((record.text("collection"), bson_records.encode(record)))
        for name, raw in self._write(prepared):
            self._same(name, raw)

    @repeated
    def _same(self, name: str, raw: bytes) -> None:
        """Raise CONFLICT unless what is stored under this record's id is this record."""
        oid = bson_records.decode(raw).table("_id").text("$oid")
        with self._told(Phase.VERIFY):
            there = self._database[name].find_one({"_id": ObjectId(oid)})
        if there is None or bytes(there.raw) != raw:
            message = f"{name}/{oid} is in MongoDB with another content"
            raise ArchiveError(Code.CONFLICT, message, store=Store.ARTDAQDB, phase=Phase.WRITE)

    def _write(
        self, prepared: Sequence[tuple[str, bytes]], written: Written = nobody_counts
    ) -> list[tuple[str, bytes]]:
        """Insert encoded records collection by collection, in their order; returns those whose id was there before."""
        if prepared:
            self._ensure_metadata()
        known: list[tuple[str, bytes]] = []
        done = 0
        for name, batch in _batches(prepared):
            known.extend((name, batch[place]) for place in self._insert_batch(name, batch))
            done += len(batch)
            written(done)
        return known

    @repeated
    def _insert_batch(self, name: str, batch: Sequence[bytes]) -> list[int]:
        with self._told(Phase.WRITE):
            try:
                self._database[name].insert_many([RawBSONDocument(raw) for raw in batch], ordered=False)
            except BulkWriteError as error:
                failures = (error.details or {}).get("writeErrors", [])
                there = [one["index"] for one in failures if _is_known_id(one)]
                if len(there) < len(failures) or (error.details or {}).get("writeConcernErrors"):
                    raise
                return there
        return []

    @repeated
    def _ensure_metadata(self) -> None:
        """The database's own record, without a password; its id is made from the name, so a race leaves one."""
        if self._has_metadata:
            return
        with self._told(Phase.WRITE):
            collection = self._plain[SYSTEM_METADATA]
            if collection.find_one({}, {"_id": 1}) is None:
                oid = blake2b(f"SystemMetadata {self._uri.database}".encode(), digest_size=12).hexdigest()
                record = {"_id": ObjectId(oid), "document": metadata_document(self.uri)}
                collection.update_one({"_id": record["_id"]}, {"$setOnInsert": {"document": record["document"]}}, True)
        self._has_metadata = True

    def damage(self) -> tuple[str, ...]:
        """Nothing: a server that answers keeps its own indexes."""
        return ()

    def advice(self) -> tuple[str, ...]:
        """The large collections without the index by which a run is found."""
        return self._advice

    def unplaced(self) -> tuple[str, ...]:
        """Nothing: the server finds each document by its names."""
        return ()

    def inspect(self) -> Iterator[Finding]:
        """Indexes, views, documents that break the library's listings, and a password in SystemMetadata."""
        names = self._names()
        with self._told(Phase.READ):
            findings = list(inspect(self._plain, names, self.uri))
        yield from findings

    def make_indexes(self) -> tuple[str, ...]:
        """Make those of the three single-field site indexes that are missing; returns them, as COLLECTION.NAME."""
        names = self._names()
        with self._told(Phase.WRITE):
            return make_site_indexes(self._plain, names)

    def fold(self) -> None:
        """Nothing: the library sees each document at once."""

    def close(self) -> None:
        """End the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None
                _end_without_the_drivers_threads()


def _end_without_the_drivers_threads() -> None:
    """Spare the process the driver's wait for its threads at exit: up to half a second, which they sleep through."""
    wait = getattr(monitor, "_shutdown_resources", None)
    if wait is not None:
        atexit.unregister(wait)


def _encoded(new: NewDocument, at: str) -> bytes:
    """The BSON of a new document; one that MongoDB cannot hold is told with its run and what to do about it."""
    try:
        return encode_new(new, at)
    except ArchiveError as error:
        if error.code is not Code.TOO_LARGE:
            raise
        message = f"run {new.run}: {new.entity}: {error.message}"
        hint = "leave it out of the record, or keep the archive in a filesystemdb://"
        if new.entity == ORIGINALS:
            hint = "set `app.originals: never` (its FHiCL is archived then, its bytes are not), or use a filesystemdb://"
        raise ArchiveError(
            Code.TOO_LARGE, message, store=Store.ARTDAQDB, phase=Phase.WRITE, run=new.run, hint=hint
        ) from None


def _stored(raw: bytes, collection: str, *, as_library: bool = False, keep: bool = True) -> StoredDocument:
    """A record out of its BSON; one just written, or a `document` seen before, is not decoded again.

    Without `keep`, its content is decoded here, and again by whoever asks for it.
    """
    written = known_record(raw, collection) if as_library else None
    if written is not None:
        return written
    content, rest = bson_records.take_document(raw)
    key = content_digest(content, as_library=as_library) if content else b""
    try:
        record = bson_records.decode(rest, as_library=as_library)
        known = bool(content) and known_text(key) is not None
        if content and not keep and not known:
            bson_records.decode(content, as_library=as_library)  # what cannot be decoded is said now
        if content and (known or not keep):
            found = stored(record, oid=record_id(record), collection=collection, content=key)
            unread = UnreadPairs(lambda: _with_document(record, content, as_library), keep=keep)
            return replace(found, record=unread)
        if content:
            make = partial(bson_records.decode, content, as_library=as_library)
            _, document = _read_bodies.get(key, lambda: (len(content), make()))
            record.items.insert(1, ("document", document))
    except ArchiveError as error:
        oid = bson_records.id_of(raw)
        return StoredDocument(oid, collection, (), "", (), (), Pairs(), f"{collection}/{oid}: {error.message}")
    return stored(record, oid=record_id(record) or str(record.get("_id")), collection=collection, content=key)


def _with_document(record: Pairs, content: bytes, as_library: bool) -> list[tuple[str, Value]]:
    document = bson_records.decode(content, as_library=as_library)
    return [record.items[0], ("document", document), *record.items[1:]]


def _is_known_id(failure: dict[str, Any]) -> bool:
    return bool(failure.get("code") == DUPLICATE_KEY and dict(failure.get("keyPattern") or {}) == {"_id": 1})


def _batches(prepared: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, list[bytes]]]:
    """Runs of records of one collection, none longer than BATCH_BYTES unless a single record is."""
    collection, batch, size = "", list[bytes](), 0
    for name, raw in prepared:
        if batch and (name != collection or size + len(raw) > BATCH_BYTES):
            yield collection, batch
            batch, size = [], 0
        collection = name
        batch.append(raw)
        size += len(raw)
    if batch:
        yield collection, batch
