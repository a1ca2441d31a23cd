"""artdaqDB on a real MongoDB against the C++ library: what it left there is read alike, what we write is its record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from runarchive.artdaqdb import bson_records, mongodb, mongodb_listing
from runarchive.artdaqdb.documents import KEPT_BYTES
from runarchive.artdaqdb.export import document_text, export_configuration
from runarchive.artdaqdb.mongodb import MongoDB
from runarchive.artdaqdb.store import NewDocument
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.json_text import write_json
from runarchive.fhicl.pairs import Pairs

STAGES = ("1_after_3_runs", "2_after_update_9002_new_entity", "3_after_update_9003_same_entity")
MODES = ("raw", "python", "bulk1", "bulk4")
AT = "2026-11-21T07:25:23.431+0000"

Load = Callable[[Path], None]


@pytest.fixture
def store(mongodb_database: str) -> Iterator[MongoDB]:
    store = MongoDB(mongodb_database, timeout=20)
    yield store
    store.close()


@pytest.fixture
def load(database: Database[dict[str, Any]]) -> Load:
    """Put the collections of a dump directory into the database, as mongorestore would."""

    def loaded(directory: Path) -> None:
        for dump in directory.glob("*.bson"):
            raws = [RawBSONDocument(raw) for raw in bson_records.split(dump.read_bytes())]
            database[dump.stem].insert_many(raws)

    return loaded


@pytest.mark.parametrize("room", [0, KEPT_BYTES], ids=["decoded again", "kept"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stage", STAGES)
def test_what_the_library_left_exports_as_the_library_exports_it(
    store: MongoDB,
    load: Load,
    golden_mongodb: Path,
    stage: str,
    mode: str,
    room: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mongodb, "KEPT_BYTES", room)
    load(golden_mongodb / "runs" / "dumps" / stage / f"{mode}_db_archive")
    exports = golden_mongodb / "runs" / "exports" / stage / mode
    for configuration in ("9001/Cosmics_04863", "9002/Laser_36106", "9003/Physics_74537"):
        wanted = {path.stem: path.read_bytes() for path in (exports / configuration.split("/")[0]).rglob("*.fcl")}
        export = export_configuration(store, configuration)
        assert {one.entity: one.text.encode() for one in export.files} == wanted
        assert export.failures == ()


@pytest.mark.parametrize("mode", MODES)
def test_listings_agree_with_the_librarys(store: MongoDB, load: Load, golden_mongodb: Path, mode: str) -> None:
    load(golden_mongodb / "runs" / "dumps" / STAGES[2] / f"{mode}_db_archive")
    answer = json.loads((golden_mongodb / "runs" / "exports" / STAGES[2] / f"{mode}.configs.json").read_text())
    listed = store.list_configurations(details=True)
    assert [one.name for one in listed] == [one["name"] for one in answer["search"]]
    assert [one.name for one in store.list_configurations()] == [one.name for one in listed]
    assert sum(one.documents or 0 for one in listed) == sum(store.collections().values())
    assert store.configurations_of(9002) == ("9002/Laser_36106",)
    assert store.configurations_of(900) == ()


def test_the_order_of_a_listing_ignores_the_offset(store: MongoDB, load: Load, golden_mongodb: Path) -> None:
    load(golden_mongodb / "queries" / "tz_dump")
    names = [(one.assigned[:19], one.name) for one in store.list_configurations()]
    assert names == sorted(sorted(names, key=lambda one: one[1]), key=lambda one: one[0], reverse=True)
    assert len(names) == 6


def test_the_probes_export_as_from_the_library(store: MongoDB, load: Load, golden_mongodb: Path) -> None:
    load(golden_mongodb / "probe" / "dump")
    exported = {}
    for one in store.list_configurations():
        for file in export_configuration(store, one.name).files:
            exported[file.entity] = file.text.encode()
    wanted = {path.stem: path.read_bytes() for path in (golden_mongodb / "probe" / "exports").glob("*.fcl")}
    assert {name: exported.get(name) for name in wanted} == wanted


def test_documents_of_others_never_break_a_listing(
    store: MongoDB, load: Load, database: Any, golden_mongodb: Path
) -> None:
    load(golden_mongodb / "json" / "odd_dump")
    good = {one.name for one in store.list_configurations()}
    odd: list[dict[str, Any]] = [
        {"configurations": "7/text"},
        {"configurations": ["7/text"]},
        {"configurations": [{"name": 7, "assigned": AT}]},
        {"configurations": [{"name": None}, {"name": "", "assigned": AT}]},
        {"configurations": [{"name": "7/nodate"}]},
        {"configurations": [{"name": "7/date", "assigned": 5}, {"name": "7/date", "assigned": AT}]},
        {"configurations": {"name": "7/single", "assigned": AT}},
        {"configurations": [[{"name": "7/nested", "assigned": AT}]]},
        {"other": 1},
        {"configurations": [{"name": "7/x", "assigned": AT}], "version": 3, "entities": "none", "document": 5},
    ]
    database["RunHistory"].insert_many(odd)
    for details in (False, True):
        names = {one.name for one in store.list_configurations(details)}
        assert good <= names
        assert {"7/nodate", "7/date", "7/x"} <= names
        assert all(isinstance(one, str) for one in names)
    assert {one.name: one.assigned for one in store.list_configurations()}["7/date"] == AT
    assert [one.version for one in store.documents("7/x")] == [""]
    assert store.run_documents(7) == {name: store.documents(name) for name in store.configurations_of(7)}
    kinds = {finding.kind for finding in store.inspect()}
    assert "malformed" in kinds
    assert len(list(store.all_documents())) == database["RunHistory"].count_documents({})


def test_a_stored_record_is_the_librarys_to_the_letter(store: MongoDB, database: Any, golden_mongodb: Path) -> None:
    inputs = golden_mongodb / "runs" / "inputs" / "runs" / "9001"
    dump = golden_mongodb / "runs" / "dumps" / STAGES[0] / "raw_db_archive"
    theirs = {}
    for collection in ("RunHistory", "SystemLayout"):
        for raw in bson_records.split((dump / f"{collection}.bson").read_bytes()):
            record = bson_records.decode(raw)
            if record.text("version").startswith("9001/"):
                theirs[record.table("origin").text("name")] = record
    wanted = []
    for path in sorted(inputs.rglob("*.fcl")):
        collection = "SystemLayout" if path.stem == "schema" else "RunHistory"
        text = path.read_text("ascii")
        wanted.append(NewDocument(collection, path.stem, "9001/Cosmics_04863", "9001/Cosmics_04863", 9001, text))
    store.insert(wanted)
    ours = {one.record.table("origin").text("name"): one.record for one in store.all_documents()}
    assert set(ours) == set(theirs)
    for name, record in ours.items():
        assert _without_times(record) == _without_times(theirs[name])


def _without_times(value: Any) -> Any:
    if isinstance(value, Pairs):
        hidden = {"timestamp", "created", "assigned", "$oid"}
        return [(name, "" if name in hidden else _without_times(one)) for name, one in value.items]
    return [_without_times(one) for one in value] if isinstance(value, list) else (type(value), value)


def golden_reads(golden_mongodb: Path, database: str) -> Iterator[tuple[str, bool, str]]:
    """What the library answered when each document of a database was read: version, success, text."""
    for line in (golden_mongodb / "json" / "calls_misc.jsonl").read_text("utf-8").splitlines():
        call = json.loads(line)
        if call["call"] == "read_document" and call["uri"].endswith(f"/{database}"):
            chosen = call["query"]["filter"]
            yield chosen.get("version") or chosen["configurations.name"], *call["result"]


def test_odd_documents_are_read_or_refused_as_the_library_does(
    store: MongoDB, load: Load, golden_mongodb: Path
) -> None:
    load(golden_mongodb / "json" / "odd_dump")
    seen = 0
    for version, readable, text in golden_reads(golden_mongodb, "odd_db_archive"):
        (document,) = store.documents(version)
        if readable:
            assert document_text(document) == text
        else:
            with pytest.raises(ArchiveError) as caught:
                document_text(document)
            assert caught.value.code is Code.CORRUPT
        seen += 1
    assert seen == 16


def test_json_documents_arrive_as_the_library_shows_them(store: MongoDB, load: Load, golden_mongodb: Path) -> None:
    load(golden_mongodb / "json" / "dump")
    seen = 0
    for version, readable, text in golden_reads(golden_mongodb, "json_db_archive"):
        (document,) = store.documents(version)
        assert readable
        assert write_json(document.record.table("document").get("data")) == text
        seen += 1
    assert seen == 13


def test_a_large_database_is_listed_by_names_alone(
    store: MongoDB, load: Load, golden_mongodb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(golden_mongodb / "runs" / "dumps" / STAGES[0] / "raw_db_archive")
    full = store.list_configurations()
    monkeypatch.setattr(mongodb_listing, "DATES_UP_TO", 5)
    fast = store.list_configurations()
    assert sorted(one.name for one in fast) == sorted(one.name for one in full)
    assert {one.assigned for one in fast} == {""}
