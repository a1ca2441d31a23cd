"""What every native artdaqDB provider does alike: the same tests on FilesystemDB and on a real MongoDB."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from runarchive.artdaqdb.documents import canonical_text, record
from runarchive.artdaqdb.export import document_text
from runarchive.artdaqdb.importing import ImportState, assess, import_run
from runarchive.artdaqdb.store import ArtdaqStore, NewDocument, open_store
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.pairs import Pairs
from tests.small_runs import new, texts, wanted

KEYS = [
    *("document", "comments", "origin", "version", "entities", "configurations", "changelog", "bookkeeping", "_id"),
    *("collection", "aliases", "runs", "attachments", "configtype"),
]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}")


class TestDocuments:
    def test_an_empty_store_holds_nothing(self, store: ArtdaqStore) -> None:
        assert store.list_configurations() == ()
        assert store.documents("1/demo") == ()
        assert store.configurations_of(1) == ()
        assert store.collections() == {}
        assert list(store.all_documents()) == []
        assert store.ping()

    def test_a_document_has_its_members_in_order_and_its_five_events(self, store: ArtdaqStore) -> None:
        store.insert([new(7, "boot", "a: 1 # one\nt: { x: 'y' }\n")])
        (found,) = store.documents("7/demo")
        names = [name for name in found.record if name != "_id"]
        assert names == [name for name in KEYS if name != "_id"]
        assert (found.collection, found.entities, found.version, found.runs) == (
            "RunHistory",
            ("boot",),
            "7/demo",
            ("7",),
        )
        updates = found.record.table("bookkeeping").get("updates")
        assert isinstance(updates, list)
        events = [event.text("event") for event in updates if isinstance(event, Pairs)]
        assert events == ["addConfiguration", "setVersion", "setCollection", "addEntity", "addRun"]
        assert TIME.fullmatch(found.configurations[0][1])
        assert re.fullmatch("[0-9a-f]{12}4[0-9a-f]{11}", found.id)

    def test_exported_text_is_the_canonical_text(self, store: ArtdaqStore) -> None:
        text = 'a: 1 # one\nBEGIN: { x: [1, \'two\', {z: "3"}] }\nb: "back\\\\slash /"\n'
        store.insert([new(7, "boot", text)])
        (found,) = store.documents("7/demo")
        assert document_text(found) == canonical_text(text)

    def test_names_that_come_twice_are_kept_twice(self, store: ArtdaqStore) -> None:
        store.insert([new(7, "tpc01", 'o.f: "x"\no.f: "y"\n')])
        (found,) = store.documents("7/demo")
        main = found.record.table("document").table("data").table("main")
        assert main.items == [("o.f", "x"), ("o.f", "y")]
        assert texts(store, "7/demo")["tpc01"] == '\no.f: "x" \n\no.f: "y" \n'

    @pytest.mark.parametrize("name", ["origin", "document", "comments", "_id", "entities"])
    def test_names_of_the_record_may_be_names_in_the_text(self, store: ArtdaqStore, name: str) -> None:
        text = f'{name}: {{ format: fhicl name: x list: [{{ {name}: {{ }} }}] }}\nlast: {{ {name}: "y" }}\n'
        store.insert([new(7, "boot", text)])
        assert texts(store, "7/demo") == {"boot": canonical_text(text)}

    def test_threads_share_a_store(self, store: ArtdaqStore) -> None:
        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(lambda run: import_run(store, wanted(run)), [*range(1, 13)] * 2))
        store.fold()
        assert {outcome.before.state for outcome in outcomes} <= {
            ImportState.ABSENT,
            ImportState.PARTIAL,
            ImportState.SAME,
        }
        assert store.collections() == {"RunHistory": 12 * 5, "SystemLayout": 12}
        assert all(assess(store, wanted(run)).state is ImportState.SAME for run in range(1, 13))

    def test_the_same_document_twice_is_there_once(self, native_uri: str, store: ArtdaqStore) -> None:
        document = new(7, "boot", "a: 1\n")
        store.insert([document])
        store.insert([document])
        with closing(open_store(native_uri)) as second:
            second.insert([document])
            assert len(second.documents("7/demo")) == 1
        assert store.collections() == {"RunHistory": 1}

    def test_the_newest_version_is_the_greatest_text(self, store: ArtdaqStore) -> None:
        for version in ("7/demo", "7/demov9", "7/demov10", "7/demov11"):
            store.insert([new(7, "boot", f'v: "{version}"\n', version=version)])
        assert texts(store, "7/demo")["boot"] == '\nv: "7/demov9" \n'

    @pytest.mark.parametrize("name", ['qu"ote', "back\\slash", "line\nfeed", "wild*", ""])
    def test_names_that_the_library_breaks_on_are_refused(self, store: ArtdaqStore, name: str) -> None:
        for document in (new(7, name, "a: 1\n"), NewDocument("RunHistory", "boot", "v", name, 7, "a: 1\n")):
            with pytest.raises(ArchiveError) as caught:
                store.insert([document])
            assert caught.value.code is Code.BAD_NAME
        assert store.collections() == {}

    def test_a_text_that_the_library_refuses_stores_nothing_of_its_batch(self, store: ArtdaqStore) -> None:
        with pytest.raises(ArchiveError) as caught:
            store.insert([new(7, "boot", "a: 1\n"), new(7, "bad", "a: [\n")])
        assert caught.value.code is Code.BAD_FHICL
        assert store.collections() == {}

    def test_whole_records_are_kept_as_they_are(self, store: ArtdaqStore) -> None:
        original = record(new(7, "boot", "a: 1\na: 2\n"), "2017-07-18T12:48:10.123-0500")
        store.insert_records([original])
        store.insert_records([original])
        (found,) = store.documents("7/demo")
        assert sorted(found.record.items, key=repr) == sorted(original.items, key=repr)
        other = Pairs([(name, "other" if name == "changelog" else value) for name, value in original.items])
        with pytest.raises(ArchiveError) as caught:
            store.insert_records([other])
        assert caught.value.code is Code.CONFLICT

    @pytest.mark.parametrize(("oid", "collection"), [("../../x", "RunHistory"), ("0" * 24, "../x"), ("0" * 24, "..")])
    def test_a_record_that_would_leave_its_place_is_refused(
        self, store: ArtdaqStore, oid: str, collection: str
    ) -> None:
        foreign = record(new(7, "boot", "a: 1\n"), "2017-07-18T12:48:10.123-0500")
        foreign.set("_id", Pairs([("$oid", oid)]))
        foreign.set("collection", collection)
        with pytest.raises(ArchiveError):
            store.insert_records([foreign])
        assert store.collections() == {}


class TestListing:
    def test_configurations_are_listed_newest_first_then_by_name(self, store: ArtdaqStore) -> None:
        times = {
            "9/b": "2026-01-01T10:00:00.900+0000",
            "9/a": "2026-01-01T10:00:00.100+0000",
            "8/c": "2026-01-01T09:00:00.000-0600",
            "10/d": "2026-01-02T00:00:00.000+0900",
            "plain00001": "2020-01-02T00:00:00.000+0900",
        }
        for name, at in times.items():
            store.insert_records([record(NewDocument("RunHistory", "boot", name, name, 1, "a: 1\n"), at)])
        listing = store.list_configurations(details=True)
        assert [one.name for one in listing] == ["10/d", "9/a", "9/b", "8/c", "plain00001"]
        assert [one.run for one in listing] == [10, 9, 9, 8, None]
        assert all(one.assigned == times[one.name] and one.documents == 1 for one in listing)
        assert store.configurations_of(9) == ("9/a", "9/b")
        assert store.configurations_of(1) == ()
        assert store.run_documents(9) == {name: store.documents(name) for name in ("9/a", "9/b")}
        assert store.run_documents(8) == {"8/c": store.documents("8/c")}
        assert store.run_documents(1) == {}

    def test_versions_and_documents_are_counted(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        import_run(store, wanted(times=1))
        (one,) = store.list_configurations(details=True)
        assert one.versions == ("12/demo", "12/demov1")
        assert one.documents == 6 + 4

    def test_another_process_is_seen(self, native_uri: str, store: ArtdaqStore) -> None:
        assert store.list_configurations() == ()
        before = store.change_token()
        with closing(open_store(native_uri)) as second:
            second.insert([new(7, "boot", "a: 1\n")])
            second.fold()
            second.insert([new(8, "boot", "a: 1\n")])
        assert {one.name for one in store.list_configurations()} == {"7/demo", "8/demo"}
        assert before is None or store.change_token() != before

    def test_the_token_stays_while_nothing_changes(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        store.fold()
        token = store.change_token()
        store.list_configurations()
        store.documents("12/demo")
        assert token == store.change_token()
