"""What keeps a shared MongoDB usable for everybody: records checked before they go in, indexes, faults found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pymongo.errors import OperationFailure

from runarchive.artdaqdb.mongodb_listing import PlainDatabase
from runarchive.artdaqdb.store import SYSTEM_METADATA, Finding, check_name
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.pairs import Pairs
from runarchive.model import Phase, Store

SITE_INDEXES = {
    "configurations.name": "idx_configurations_name",
    "entities.name": "idx_entities_name",
    "version": "idx_version",
}
"""The single-field indexes that sites make beside the database, under the names they give them."""

MANY_DOCUMENTS = 10_000
"""In so many documents, about two hundred runs, finding one run without an index takes as long as storing it."""

_ARRAYS = ("configurations", "entities", "runs")


def validate(record: Pairs) -> None:
    """Raise ArchiveError(BAD_NAME) for a record that would break the library's listings of the whole database."""
    oid = record.table("_id").text("$oid")
    place = f"document {oid or 'without _id'}"
    if len(oid) != 24 or oid.strip("0123456789abcdefABCDEF"):
        raise _refused(f"{place} has no `_id` of 24 hexadecimal digits")
    if not record.text("collection"):
        raise _refused(f"{place} names no collection")
    if not isinstance(record.get("version"), str):
        raise _refused(f"{place} has no version")
    for what in ("configurations", "entities"):
        _validate_names(place, what, record.get(what))


def _validate_names(place: str, what: str, entries: object) -> None:
    if not isinstance(entries, list):
        raise _refused(f"{place} has no list of {what}")
    for entry in entries:
        if not isinstance(entry, Pairs) or not isinstance(entry.get("name"), str):
            raise _refused(f"{place} has an entry without a name in {what}")
        check_name(f"in {place}: {what} entry", entry.text("name"))
        if what == "configurations" and len(entry.text("assigned")) < 19:
            raise _refused(f"{place} has no time for {entry.text('name')!r} in {what}")


def _refused(message: str) -> ArchiveError:
    why = f"{message}; in MongoDB it would break the listings of everybody"
    return ArchiveError(Code.BAD_NAME, why, store=Store.ARTDAQDB, phase=Phase.WRITE)


def make_site_indexes(database: PlainDatabase, collections: Iterable[str]) -> tuple[str, ...]:
    """Make the missing single-field indexes; returns those made, as COLLECTION.NAME."""
    made: list[str] = []
    for collection in collections:
        for field in _missing_indexes(database, collection):
            database[collection].create_index([(field, 1)], name=SITE_INDEXES[field])
            made.append(f"{collection}.{SITE_INDEXES[field]}")
    return tuple(made)


def _index_keys(database: PlainDatabase, collection: str) -> dict[str, list[str]]:
    """The fields of each index of a collection."""
    return {
        name: [field for field, _ in index["key"]] for name, index in database[collection].index_information().items()
    }


def _missing_indexes(database: PlainDatabase, collection: str) -> list[str]:
    single = [fields for fields in _index_keys(database, collection).values() if len(fields) == 1]
    return [field for field in SITE_INDEXES if [field] not in single]


def slow_collections(database: PlainDatabase, counted: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for each large collection without an index of configuration names, from `mongodb_listing.statistics`.

    The server is asked only about one where the index does not have its usual name; who may not ask gets no advice.
    """
    by_name = "configurations.name"
    for collection, stats in counted.items():
        count = stats.get("count", 0)
        if count < MANY_DOCUMENTS or SITE_INDEXES[by_name] in stats.get("indexSizes", {}):
            continue
        try:
            is_slow = by_name in _missing_indexes(database, collection)
        except OperationFailure:
            continue
        if is_slow:
            why = f"{collection} in MongoDB has {count} documents and no index of {by_name}"
            yield f"{why}: each look at one run reads them all; `tui-archiver artdaqdb reindex` makes the index"


def inspect(database: PlainDatabase, collections: Iterable[str], uri: str) -> Iterator[Finding]:
    """What is wrong with the database, apart from its documents' FHiCL."""
    yield from _views(database)
    yield from _metadata(database)
    for collection in collections:
        yield from _indexes(database, collection, uri)
        yield from _malformed(database, collection)


def _views(database: PlainDatabase) -> Iterator[Finding]:
    for view in database.list_collections(filter={"type": "view"}):
        message = "a view: while the database has one, the C++ library's find-entities fails for all of it"
        yield Finding("view", str(view["name"]), message, f"drop it: db.getCollection({view['name']!r}).drop()")


def _metadata(database: PlainDatabase) -> Iterator[Finding]:
    for found in database[SYSTEM_METADATA].find({"document.uri": {"$regex": "://[^/@]*:[^/@]*@"}}, {"document.uri": 1}):
        if ":***@" not in str(found.get("document", {}).get("uri", "")):
            message = "it shows the password of a database user to everybody who may read the database"
            mend = "change that password, then set document.uri of this record to a text without it"
            yield Finding("password", f"{SYSTEM_METADATA}/{found['_id']}", message, mend)


def _indexes(database: PlainDatabase, collection: str, uri: str) -> Iterator[Finding]:
    for name, fields in _index_keys(database, collection).items():
        arrays = {field.partition(".")[0] for field in fields} & set(_ARRAYS)
        if len(arrays) > 1:
            message = (
                f"a compound index over {' and '.join(sorted(arrays))}: the server refuses every insert because of it"
            )
            mend = f"drop it: db.getCollection({collection!r}).dropIndex({name!r})"
            yield Finding("index", f"{collection}.{name}", message, mend)
    missing = _missing_indexes(database, collection)
    if missing:
        message = f"no index of {', '.join(missing)}: each look at one run reads the whole collection"
        mend = f"`tui-archiver artdaqdb reindex --uri {uri}` makes them"
        yield Finding("slow", collection, message, mend, advice=True)


def _malformed(database: PlainDatabase, collection: str) -> Iterator[Finding]:
    """Documents that break the C++ library for everybody who uses the database, found in one pass on the server."""
    stages: list[dict[str, Any]] = [
        {"$project": {kind: broken for kind, (broken, _) in _BREAKS.items()}},
        {"$match": {"$or": [{kind: True} for kind in _BREAKS]}},
        {"$limit": 1000},
    ]
    for row in database[collection].aggregate(stages):
        for kind, (_, message) in _BREAKS.items():
            if row[kind]:
                mend = "have its writer correct or remove it; this program lists past it"
                yield Finding("malformed", f"{collection}/{row['_id']}", message, mend)


def _type_is_not(value: str, bson_type: str) -> dict[str, Any]:
    return {"$ne": [{"$type": value}, bson_type]}


def _any_configuration(broken: dict[str, Any]) -> dict[str, Any]:
    entries = {"$cond": [{"$isArray": "$configurations"}, "$configurations", []]}
    return {"$anyElementTrue": [{"$map": {"input": entries, "as": "one", "in": broken}}]}


_IS_TABLE = {"$eq": [{"$type": "$$one"}, "object"]}
_NO_NAME = {"$or": [_type_is_not("$$one.name", "string"), {"$eq": ["$$one.name", ""]}]}
_TIME_LENGTH = {"$strLenBytes": {"$cond": [_type_is_not("$$one.assigned", "string"), "", "$$one.assigned"]}}
_LISTING = "the C++ library's list of configurations fails for the whole database"
_BREAKS: dict[str, tuple[dict[str, Any], str]] = {
    "no_table": (
        _any_configuration(_type_is_not("$$one", "object")),
        f"an entry of configurations has no name and time: {_LISTING}",
    ),
    "no_name": (_any_configuration({"$and": [_IS_TABLE, _NO_NAME]}), f"a configuration without a name: {_LISTING}"),
    "no_time": (
        _any_configuration({"$and": [_IS_TABLE, {"$lt": [_TIME_LENGTH, 19]}]}),
        f"a configuration without a time: {_LISTING}",
    ),
    "no_entities": (_type_is_not("$entities", "array"), "no entities: the C++ library's find-entities fails"),
    "no_version": (
        _type_is_not("$version", "string"),
        "no version: the C++ library's find-versions of this collection fails",
    ),
}
