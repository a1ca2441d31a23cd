"""Copying between FilesystemDB and a real MongoDB, both ways, without loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from runarchive.artdaqdb import bson_records
from runarchive.artdaqdb.copying import arranged, copy_store
from runarchive.artdaqdb.export import export_configuration
from runarchive.artdaqdb.store import ArtdaqStore, NewDocument, open_store
from runarchive.fhicl.json_text import write_json
from runarchive.fhicl.pairs import Pairs
from tests import servers

AT = "2026-11-21T07:25:23.431+0000"


@pytest.fixture
def mongo(mongodb_database: str) -> Iterator[ArtdaqStore]:
    with closing(open_store(mongodb_database)) as store:
        yield store


@pytest.fixture
def files(tmp_path: Path) -> Iterator[ArtdaqStore]:
    with closing(open_store(f"filesystemdb://{tmp_path}/db")) as store:
        yield store


def load(uri: str, directory: Path) -> None:
    with MongoClient[Any](uri) as client:
        for dump in directory.glob("*.bson"):
            raws = [RawBSONDocument(raw) for raw in bson_records.split(dump.read_bytes())]
            client.get_default_database()[dump.stem].insert_many(raws)


def raw_documents(uri: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with MongoClient[RawBSONDocument](uri, document_class=RawBSONDocument) as client:
        database = client.get_default_database()
        for name in database.list_collection_names():
            if name != "SystemMetadata":
                found |= {f"{name}/{one['_id']}": bytes(one.raw) for one in database[name].find()}
    return found


def exports(store: ArtdaqStore) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for one in store.list_configurations():
        found[one.name] = {file.entity: file.text for file in export_configuration(store, one.name).files}
    return found


@pytest.mark.parametrize("dump", ["probe/dump", "runs/dumps/2_after_update_9002_new_entity/python_db_archive"])
def test_there_and_back_again_byte_for_byte(
    mongodb_database: str, mongo: ArtdaqStore, files: ArtdaqStore, golden_mongodb: Path, dump: str
) -> None:
    load(mongodb_database, golden_mongodb / dump)
    before, texts = raw_documents(mongodb_database), exports(mongo)
    there = copy_store(mongo, files)
    assert (there.copied, there.failures, there.notes) == (len(before), [], [])
    assert exports(files) == texts
    with MongoClient[Any](mongodb_database) as client:
        client.drop_database(client.get_default_database())
    back = copy_store(files, mongo)
    assert (back.copied, back.failures) == (len(before), [])
    assert raw_documents(mongodb_database) == before


def test_a_copy_is_a_file_as_the_library_writes_it(
    mongodb_database: str, mongo: ArtdaqStore, files: ArtdaqStore, golden_mongodb: Path, tmp_path: Path
) -> None:
    load(mongodb_database, golden_mongodb / "runs/dumps/1_after_3_runs/raw_db_archive")
    copy_store(mongo, files)
    seen = 0
    for path in (tmp_path / "db" / "RunHistory").glob("*.json"):
        if path.name != "index.json":
            seen += 1
            lines = [line for line in path.read_text().splitlines() if line.startswith('"')]
            assert lines[0].startswith('"document"')
            text = path.read_text()
            assert text.index('"bookkeeping" :') < text.index('"_id" :') < text.index('"collection" : "RunHistory"')
    assert seen == 24


def test_repeating_a_copy_changes_nothing(mongo: ArtdaqStore, files: ArtdaqStore) -> None:
    files.insert([NewDocument("RunHistory", f"e{n}", "7/c", "7/c", 7, f"a: {n}\na: 2\n") for n in range(450)])
    seen: list[int] = []
    first = copy_store(files, mongo, seen.append)
    assert first.copied == 450
    assert seen == [200, 400, 450]
    token = mongo.collections()
    assert copy_store(files, mongo).copied == 450
    assert mongo.collections() == token


def record(oid: str, **members: Any) -> Pairs:
    made = Pairs([("_id", Pairs([("$oid", oid)])), ("document", Pairs()), ("version", "7/c")])
    made.append("entities", [Pairs([("name", "boot"), ("assigned", AT)])])
    made.append("configurations", [Pairs([("name", "7/c"), ("assigned", AT)])])
    made.append("bookkeeping", Pairs())
    made.append("collection", "RunHistory")
    for name, value in members.items():
        made.set(name, value)
    return made


def test_what_cannot_be_copied_unaltered_is_named_and_the_rest_is_copied(
    mongodb_database: str, mongo: ArtdaqStore, files: ArtdaqStore, tmp_path: Path
) -> None:
    mongo.insert_records(
        [
            record("a" * 24),
            record("b" * 24, document=Pairs([("x", None)])),
            record("c" * 24, document=Pairs([("x", 3.14159265)])),
            record("d" * 24, document=Pairs([("x", "text")])),
        ]
    )
    with MongoClient[Any](mongodb_database) as client:
        client.get_default_database()["RunHistory"].insert_one({"_id": 5, "collection": "RunHistory"})
        client.get_default_database()["RunHistory"].insert_one({"collection": "Other"})
        client.get_default_database()["a/y"].insert_one({"collection": "a/y"})
    result = copy_store(mongo, files)
    assert result.copied == 2
    assert {place.split("/")[1][0] for place, _ in result.failures} >= {"b", "c"}
    assert len(result.failures) == 5
    assert {path.name for path in tmp_path.iterdir()} == {"db"}
    assert {one.id[0] for one in files.all_documents()} == {"a", "d"}
    assert "NOT COPIED" in result.text()
    assert result.as_json()["copied"] == 2


def test_what_would_break_listings_in_mongodb_stays_in_the_files(mongo: ArtdaqStore, files: ArtdaqStore) -> None:
    files.insert_records([record("a" * 24), record("b" * 24, configurations=[Pairs()])])
    result = copy_store(files, mongo)
    assert result.copied == 1
    assert [place for place, _ in result.failures] == [f"RunHistory/{'b' * 24}"]


def test_a_different_document_under_the_same_id_is_named(mongo: ArtdaqStore, files: ArtdaqStore) -> None:
    files.insert_records([arranged(record("a" * 24))])
    mongo.insert_records([record("a" * 24, changelog="other")])
    result = copy_store(files, mongo)
    assert result.copied == 0
    assert len(result.failures) == 1


def test_a_tie_that_the_other_provider_decides_otherwise_is_noted(mongo: ArtdaqStore, files: ArtdaqStore) -> None:
    mongo.insert_records([record("f" * 24), record("a" * 24, changelog="later")])
    result = copy_store(mongo, files)
    assert result.copied == 2
    assert len(result.notes) == 1
    assert "f" * 24 in result.notes[0]


def test_the_id_goes_where_the_library_puts_it() -> None:
    names = list(arranged(record("a" * 24)))
    assert names == ["document", "version", "entities", "configurations", "bookkeeping", "_id", "collection"]
    assert write_json(arranged(Pairs([("_id", Pairs()), ("a", "b")]))).index('"a"') < 5


def test_types_that_fhicl_does_not_know_survive_between_two_mongodbs(
    mongodb_database: str, mongo: ArtdaqStore, golden_mongodb: Path
) -> None:
    load(mongodb_database, golden_mongodb / "json" / "dump")
    other = servers.with_database(mongodb_database, servers.new_database_name())
    with closing(open_store(other)) as target:
        result = copy_store(mongo, target)
    copied = raw_documents(other)
    with MongoClient[Any](other) as client:
        client.drop_database(client.get_default_database())
    assert (result.copied, result.failures) == (13, [])
    assert copied == raw_documents(mongodb_database)
