"""artdaqDB on a real MongoDB: what we write harms nobody, and what others wrote harms us not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from runarchive.artdaqdb import bson_records, mongodb_listing
from runarchive.artdaqdb.check import check_store
from runarchive.artdaqdb.mongodb import MongoDB
from runarchive.artdaqdb.store import NewDocument
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.pairs import Pairs

AT = "2026-11-21T07:25:23.431+0000"


@pytest.fixture
def store(mongodb_database: str) -> Iterator[MongoDB]:
    store = MongoDB(mongodb_database, timeout=20)
    yield store
    store.close()


def new(
    entity: str = "boot", text: str = "a: 1\n", *, run: int = 7, name: str = "conf", version: str = ""
) -> NewDocument:
    configuration = f"{run}/{name}"
    return NewDocument("RunHistory", entity, version or configuration, configuration, run, text)


def whole_record(oid: str = "0" * 24, **members: Any) -> Pairs:
    named = Pairs([("name", "7/conf"), ("assigned", AT)])
    record = Pairs([("_id", Pairs([("$oid", oid)])), ("document", Pairs()), ("version", "7/conf")])
    record.append("entities", [Pairs([("name", "boot"), ("assigned", AT)])])
    record.append("configurations", [named])
    record.append("collection", "RunHistory")
    for name, value in members.items():
        record.set(name, value)
    return record


def test_text_that_is_no_utf8_is_named_and_breaks_nothing(store: MongoDB, database: Any) -> None:
    good = whole_record("a" * 24)
    bad = bson_records.encode(whole_record("b" * 24, changelog="bad text")).replace(b"bad text", b"bad \xff\xfe t")
    store.insert_records([good])
    database["RunHistory"].insert_one(RawBSONDocument(bad))
    assert [one.name for one in store.list_configurations()] == ["7/conf"]
    for found in (store.documents("7/conf"), tuple(store.all_documents())):
        assert [(one.id[0], bool(one.problem)) for one in found] == [("a", False), ("b", True)]
    assert f"RunHistory/{'b' * 24}" in store.documents("7/conf")[1].problem
    assert_a_run_is_read_as_its_configurations_are(store, 7)


def test_a_run_under_one_name_of_every_shape_is_read_as_its_configuration_is(store: MongoDB, database: Any) -> None:
    names: list[Any] = [
        [{"name": "7/conf", "assigned": AT}],
        {"name": "7/conf", "assigned": AT},
        [{"name": "7/conf", "assigned": AT}, {"name": "17/other", "assigned": AT}],
        [{"name": "7/conf"}, {"name": "7/conf", "assigned": AT}],
        [{"name": "70/conf", "assigned": AT}, {"name": "7", "assigned": AT}],
    ]
    for place, configurations in enumerate(names):
        database["RunHistory"].insert_one({"configurations": configurations, "version": str(place)})
        assert_a_run_is_read_as_its_configurations_are(store, 7)
    assert len(store.run_documents(7)["7/conf"]) == 4


def assert_a_run_is_read_as_its_configurations_are(store: MongoDB, run: int) -> None:
    wanted = {name: store.documents(name) for name in store.configurations_of(run)}
    assert wanted
    assert store.run_documents(run) == wanted


def test_each_kind_of_malformed_document_is_found(store: MongoDB, database: Any) -> None:
    entry = {"name": "7/a", "assigned": AT}
    good = {"configurations": [entry], "entities": [{"name": "boot"}], "version": "7/a"}
    database["RunHistory"].insert_one(dict(good))
    assert [one for one in store.inspect() if one.kind == "malformed"] == []
    for change in (
        {"configurations": [entry, "text"]},
        {"configurations": [{"assigned": AT}]},
        {"configurations": [{"name": "", "assigned": AT}]},
        {"configurations": [{"name": "7/b"}]},
        {"configurations": [{"name": "7/b", "assigned": "2026"}]},
        {"entities": None},
        {"version": None},
    ):
        oid = database["RunHistory"].insert_one({**good, **change}).inserted_id
        found = [one for one in store.inspect() if one.kind == "malformed"]
        assert [one.place for one in found] == [f"RunHistory/{oid}"], change
        database["RunHistory"].delete_one({"_id": oid})


def test_views_and_system_collections_are_passed_over(store: MongoDB, database: Any) -> None:
    store.insert([new()])
    database.create_collection("Look", viewOn="RunHistory", pipeline=[])
    assert store.collections() == {"RunHistory": 1}
    assert len(list(store.all_documents())) == 1
    assert [one.name for one in store.list_configurations()] == ["7/conf"]
    assert [one.place for one in store.inspect() if one.kind == "view"] == ["Look"]


def test_of_one_version_stored_twice_the_oldest_comes_first(store: MongoDB) -> None:
    store.insert_records([whole_record("f" * 24), whole_record("a" * 24), whole_record("c" * 24)])
    for _ in range(2):
        assert [one.id[0] for one in store.documents("7/conf")] == ["f", "a", "c"]
        store.make_indexes()


def test_what_is_stored_twice_is_there_once(store: MongoDB) -> None:
    documents = [new("boot"), new("metadata", "b: 2\n")]
    store.insert(documents)
    before = list(store.all_documents())
    store.insert([*documents, new("more")])
    after = list(store.all_documents())
    assert after[:2] == before
    assert len(after) == 3


@pytest.mark.parametrize(
    "members",
    [
        {"_id": Pairs([("$oid", "short")])},
        {"version": None},
        {"version": 3},
        {"entities": "boot"},
        {"entities": [Pairs([("assigned", AT)])]},
        {"configurations": ["7/conf"]},
        {"configurations": [Pairs([("name", "7/conf")])]},
        {"configurations": [Pairs([("name", "7/conf"), ("assigned", "2026")])]},
        {"configurations": [Pairs([("name", ""), ("assigned", AT)])]},
        {"configurations": [Pairs([("name", 'q"q'), ("assigned", AT)])]},
        {"collection": ""},
        {"document": Pairs([("$set", "x")])},
        {"document": Pairs([("", "x")])},
    ],
)
def test_what_would_break_the_listings_of_others_is_refused(store: MongoDB, members: dict[str, Any]) -> None:
    with pytest.raises(ArchiveError) as caught:
        store.insert_records([whole_record(), whole_record("1" * 24, **members)])
    assert caught.value.code is Code.BAD_NAME
    assert store.collections() == {}


def test_a_different_record_under_a_known_id_is_a_conflict(store: MongoDB) -> None:
    store.insert_records([whole_record()])
    store.insert_records([whole_record()])
    with pytest.raises(ArchiveError) as caught:
        store.insert_records([whole_record(changelog="mine")])
    assert caught.value.code is Code.CONFLICT
    assert [one.record for one in store.all_documents()] == [whole_record()]


def test_a_document_too_large_is_refused_before_it_is_sent(store: MongoDB) -> None:
    with pytest.raises(ArchiveError) as caught:
        store.insert([new("small"), new("large", f'a: "{"x" * 2**24}"\n')])
    assert caught.value.code is Code.TOO_LARGE
    assert store.collections() == {}


def test_many_large_documents_go_in_several_calls(store: MongoDB) -> None:
    store.insert([new(f"e{place}", f'a: "{"x" * 2**22}"\n') for place in range(12)])
    assert store.collections() == {"RunHistory": 12}
    assert [one.entities for one in store.documents("7/conf")] == [(f"e{place}",) for place in range(12)]


def test_the_compound_index_is_named_as_what_refuses_every_insert(store: MongoDB, database: Any) -> None:
    database["RunHistory"].create_index([("configurations.name", 1), ("entities.name", 1)], name="idx_both")
    with pytest.raises(ArchiveError, match="compound index") as caught:
        store.insert([new()])
    assert caught.value.code is Code.CORRUPT
    assert [one.place for one in store.inspect() if one.kind == "index"] == ["RunHistory.idx_both"]


def test_site_indexes_are_made_when_asked_for_and_only_then(store: MongoDB, database: Any) -> None:
    store.insert([new()])
    assert list(database["RunHistory"].index_information()) == ["_id_"]
    assert [one.place for one in store.inspect() if one.kind == "slow"] == ["RunHistory"]
    assert store.make_indexes() == (
        "RunHistory.idx_configurations_name",
        "RunHistory.idx_entities_name",
        "RunHistory.idx_version",
    )
    assert store.make_indexes() == ()
    assert list(store.inspect()) == []
    assert all(len(index["key"]) == 1 for index in database["RunHistory"].index_information().values())


def test_the_token_changes_with_every_kind_of_write(store: MongoDB, database: Any) -> None:
    store.insert([new()])
    records = database["RunHistory"]
    tokens = [store.change_token()]
    document = records.find_one()
    writes: list[Callable[[], object]] = [
        lambda: store.insert([new("more")]),
        lambda: records.update_one({"_id": document["_id"]}, {"$set": {"configurations.0.name": "8/conf"}}),
        lambda: records.replace_one({"_id": document["_id"]}, document),
        lambda: records.delete_one({"_id": document["_id"]}),
        lambda: records.insert_one(document),
        lambda: database["Other"].insert_one({"a": 1}),
        lambda: database["Other"].drop(),
        lambda: records.rename("Renamed"),
        lambda: database["Renamed"].drop(),
    ]
    for write in writes:
        write()
        tokens.append(store.change_token())
        assert store.change_token() == tokens[-1]
    assert None not in tokens
    assert all(before != after for before, after in itertools.pairwise(tokens))


def test_reading_does_not_change_the_token(store: MongoDB) -> None:
    store.insert([new()])
    before = store.change_token()
    store.list_configurations(details=True)
    store.documents("7/conf")
    list(store.all_documents())
    list(store.inspect())
    store.ping()
    assert store.change_token() == before


def test_names_beyond_16_mib_are_still_listed(store: MongoDB, database: Any) -> None:
    name = "x" * 4000
    records = [{"configurations": [{"name": f"{run}/{name}", "assigned": AT}]} for run in range(4400)]
    database["RunHistory"].insert_many(records)
    found = set(mongodb_listing._distinct_names(database, "RunHistory"))
    assert len(found) == 4400
    assert f"7/{name}" in found


def test_what_was_written_is_in_the_journal_of_a_majority(store: MongoDB, database: Any) -> None:
    concern = store._database.write_concern.document
    assert concern["w"] == "majority"
    assert concern["j"] is True


def test_system_metadata_holds_no_password_and_one_record(mongodb_database: str, database: Any) -> None:
    for _ in range(3):
        store = MongoDB(mongodb_database, timeout=20)
        store.insert([new()])
        store.close()
    found = list(database["SystemMetadata"].find())
    assert len(found) == 1
    assert found[0]["document"]["name"] == "artdaq"
    assert found[0]["document"]["uri"] == mongodb_database
    assert isinstance(found[0]["_id"], ObjectId)
    assert list(found[0]["document"]) == [
        "name",
        "uri",
        "locale",
        "create_time",
        "create_user",
        "uname",
        "database_format",
    ]


def test_a_password_the_library_left_in_system_metadata_is_reported(store: MongoDB, database: Any) -> None:
    database["SystemMetadata"].insert_one({"document": {"uri": "mongodb://bob:secret@h/db"}})
    database["SystemMetadata"].insert_one({"document": {"uri": "mongodb://bob:***@h/db"}})
    findings = [one for one in store.inspect() if one.kind == "password"]
    assert len(findings) == 1
    assert "secret" not in repr(findings)


def test_without_a_server_the_failure_says_so(tmp_path: Path) -> None:
    store = MongoDB("mongodb://bob:s%40cret@127.0.0.1:1/db", timeout=0.2)
    with pytest.raises(ArchiveError) as caught:
        store.ping()
    assert caught.value.code is Code.CONNECTION_REFUSED
    assert caught.value.retryable
    for text in (caught.value.message, repr(caught.value), repr(store), store.uri, repr(store._uri)):
        assert "cret" not in text


def test_a_document_that_holds_a_name_twice_is_one_document(store: MongoDB) -> None:
    entry = Pairs([("name", "7/conf"), ("assigned", AT)])
    store.insert_records([whole_record(configurations=[entry, entry])])
    assert [one for one in check_store(store) if one.kind == "double"] == []
    assert [one.documents for one in store.list_configurations(details=True)] == [1]
