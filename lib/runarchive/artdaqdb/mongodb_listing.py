"""Listing what a MongoDB database holds without reading its documents, and telling whether it changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo.database import Database
from pymongo.errors import OperationFailure

from runarchive.artdaqdb.store import NOT_PROVIDED, SYSTEM_METADATA, StoredConfiguration, listing_order

DATES_UP_TO = 100_000
"""Up to this many documents a plain listing reads every date (about 4 µs each); beyond it, it gives names alone."""

PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(
    unicode_decode_error_handler="replace", datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
_TOO_BIG = frozenset({17217, 31299, 10334})
_WRITE_COUNTS = ("insert calls", "update calls", "remove calls")
_MORE_WRITE_COUNTS = ("modify", "modify calls", "truncate calls", "bulk loaded cursor insert calls")

PlainDatabase = Database[dict[str, Any]]


def record_collections(database: PlainDatabase) -> list[str]:
    """The names of the collections that hold records, in the server's order."""
    listed = database.list_collections(filter={"type": "collection"}, nameOnly=True)
    names = [str(one["name"]) for one in listed]
    return [name for name in names if name != SYSTEM_METADATA and not name.startswith("system.")]


def configurations(
    database: PlainDatabase, counts: Mapping[str, int], details: bool
) -> tuple[StoredConfiguration, ...]:
    """All configurations in the library's order, with dates where they are asked for or come cheap."""
    if not details and sum(counts.values()) > DATES_UP_TO:
        names = {name for collection in counts for name in _distinct_names(database, collection)}
        return listing_order([StoredConfiguration(name) for name in names])
    merged: dict[str, StoredConfiguration] = {}
    for collection in counts:
        for row in database[collection].aggregate(_by_name(details), allowDiskUse=True):
            name = row["_id"]
            if _is_name(name):
                merged[name] = _merge(merged.get(name), row, details)
    return listing_order(list(merged.values()))


def _is_name(name: object) -> TypeGuard[str]:
    """Whether this is a string, which JavaScript code in a document only looks like to Python, and names something."""
    return type(name) is str and name not in ("", NOT_PROVIDED)


def _merge(known: StoredConfiguration | None, row: Mapping[str, Any], details: bool) -> StoredConfiguration:
    assigned = row["assigned"] or ""
    before = known or StoredConfiguration(row["_id"], documents=0)
    newest = max(before.assigned, assigned)
    if not details:
        return StoredConfiguration(row["_id"], newest)
    versions = {*before.versions, *filter(None, row["versions"])}
    documents = (before.documents or 0) + int(row["documents"])
    return StoredConfiguration(row["_id"], newest, documents, tuple(sorted(versions)))


def _by_name(details: bool) -> list[dict[str, Any]]:
    """A row for each configuration name; a document counts once for a name, foreign shapes do not."""
    entry: dict[str, Any] = {"name": {"$ifNull": ["$$one.name", ""]}, "assigned": "$$one.assigned"}
    entries = {"$cond": [{"$isArray": "$configurations"}, "$configurations", []]}
    shaped = {"$filter": {"input": entries, "as": "one", "cond": {"$eq": [{"$type": "$$one"}, "object"]}}}
    group: dict[str, Any] = {"_id": "$c.name", "assigned": {"$max": _string_or_null("$c.assigned")}}
    project: dict[str, Any] = {"c": {"$map": {"input": shaped, "as": "one", "in": entry}}}
    if details:
        is_first = {"$eq": ["$place", {"$indexOfArray": ["$names", "$c.name"]}]}
        group |= {"documents": {"$sum": {"$cond": [is_first, 1, 0]}}, "versions": {"$addToSet": "$v"}}
        names = {"$map": {"input": shaped, "as": "one", "in": entry["name"]}}
        project |= {"v": _string_or_null("$version"), "names": names}
    return [
        {"$match": {"configurations.name": {"$type": "string"}}},
        {"$project": project},
        {"$unwind": {"path": "$c", "includeArrayIndex": "place"}},
        {"$group": group},
    ]


def _string_or_null(field: str) -> dict[str, Any]:
    return {"$cond": [{"$eq": [{"$type": field}, "string"]}, field, None]}


def _distinct_names(database: PlainDatabase, collection: str) -> Iterable[str]:
    try:
        names: Iterable[object] = database[collection].distinct("configurations.name")
    except OperationFailure as error:
        if error.code not in _TOO_BIG:
            raise
        names = _grouped_names(database, collection)
    return filter(_is_name, names)


def _grouped_names(database: PlainDatabase, collection: str) -> Iterable[object]:
    """What `distinct` cannot answer, because all names together exceed one document of 16 MiB."""
    stages: list[dict[str, Any]] = [
        {"$project": {"_id": 0, "n": "$configurations.name"}},
        {"$unwind": "$n"},
        {"$group": {"_id": "$n"}},
    ]
    return (row["_id"] for row in database[collection].aggregate(stages, allowDiskUse=True))


def configurations_of(database: PlainDatabase, collections: Iterable[str], run: int) -> tuple[str, ...]:
    """The configuration names of one run, sorted."""
    wanted = f"^{run}/"
    found: set[str] = set()
    for collection in collections:
        names = database[collection].distinct("configurations.name", {"configurations.name": {"$regex": wanted}})
        found.update(name for name in names if _is_name(name) and name.startswith(f"{run}/"))
    return tuple(sorted(found))


def statistics(database: PlainDatabase, collections: Iterable[str]) -> dict[str, Mapping[str, Any]] | None:
    """What the server counts of each collection; None where it does not show that."""
    try:
        return {name: database.command("collStats", name) for name in sorted(collections)}
    except OperationFailure:
        return None


def change_token(database: PlainDatabase, counted: Mapping[str, Mapping[str, Any]] | None) -> str | None:
    """A text that changes with every write: which server process answers, and its `statistics` of each collection.

    The counts of writes begin anew with the process, so the process is part of the token. A transaction counts its
    writes before they can be seen; a replica set, where alone there are transactions, adds the time of its last write,
    which also moves by itself every ten seconds. None where any of it is not to be had: a cluster, another storage
    engine, missing rights.
    """
    if counted is None:
        return None
    hello = database.client.admin.command("hello")
    process = hello.get("topologyVersion", {}).get("processId")
    if process is None or hello.get("msg") == "isdbgrid":
        return None
    rows: list[object] = [str(process)]
    if "setName" in hello:
        rows.append(str(hello.get("lastWrite", {}).get("opTime")))
    for name, stats in counted.items():
        writes = stats.get("wiredTiger", {}).get("cursor", {})
        if any(count not in writes for count in _WRITE_COUNTS):
            return None
        calls = [writes.get(count) for count in (*_WRITE_COUNTS, *_MORE_WRITE_COUNTS)]
        rows.append([name, stats["wiredTiger"].get("uri"), stats.get("count"), stats.get("size"), calls])
    return json.dumps(rows)
