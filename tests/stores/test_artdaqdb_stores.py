"""What every native artdaqDB provider does alike: the same tests on FilesystemDB and on a real MongoDB."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from runarchive.artdaqdb.check import check_store
from runarchive.artdaqdb.documents import canonical_text, record
from runarchive.artdaqdb.export import document_text, export_configuration
from runarchive.artdaqdb.importing import Assessment, ImportState, Rendering, Wanted, assess, import_run
from runarchive.artdaqdb.schema import DEFAULT_SCHEMA
from runarchive.artdaqdb.store import ArtdaqStore, Finding, NewDocument, open_store
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.originals import OriginalFile, pack_originals
from runarchive.fhicl.pairs import Pairs

KEYS = [
    *("document", "comments", "origin", "version", "entities", "configurations", "changelog", "bookkeeping", "_id"),
    *("collection", "aliases", "runs", "attachments", "configtype"),
]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}")
START = 'DAQInterface_start_time: "Sat Nov 21 06:29:33 UTC 2026"\n'
STOP = 'DAQInterface_stop_time: "Sat Nov 21 07:29:33 UTC 2026"\n'
METADATA_TXT = b"Config name: demo\nComponent #0: tpc01\n"
START_TXT = b"\nDAQInterface start time: Sat Nov 21 06:29:33 UTC 2026\n"
STOP_TXT = b"\nDAQInterface stop time: Sat Nov 21 07:29:33 UTC 2026\n"


@pytest.fixture(params=["filesystem", "mongo"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "mongo":
        return str(request.getfixturevalue("mongodb_database"))
    return f"filesystemdb://{tmp_path}/db"


@pytest.fixture
def store(uri: str) -> Iterator[ArtdaqStore]:
    with closing(open_store(uri)) as opened:
        yield opened


def new(run: int, entity: str, text: str, *, name: str = "demo", version: str = "") -> NewDocument:
    """A document of RunHistory, or of SystemLayout for the schema."""
    configuration = f"{run}/{name}"
    collection = "SystemLayout" if entity == "schema" else "RunHistory"
    return NewDocument(collection, entity, version or configuration, configuration, run, text)


def wanted(run: int = 12, *, times: int = 0, originals: bool = True, **changed: str) -> Wanted:
    """A small run; `times` 0 none, 1 started, 2 stopped."""
    times_fcl, times_txt = ["", START, START + STOP][times], [b"", START_TXT, START_TXT + STOP_TXT][times]
    entities = {
        "RunHistory": f'run_number: {run}\nconfig_name: "demo"\n',
        "boot": "debug_level: 1 # low\n",
        "metadata": 'config_name: "demo"\n' + times_fcl,
        "tpc01": "daq: { board: 1 board: 2 }\nname: 1\nname: two\n",
    }
    if times_fcl:
        entities["RunHistory2"] = times_fcl
    files = [
        OriginalFile("metadata.txt", 0o444, 5, METADATA_TXT + times_txt),
        OriginalFile("tpc01.fcl", 0o444, 5, changed.get("tpc01", entities["tpc01"]).encode()),
    ]
    packed = pack_originals(files) if originals else None
    return Wanted(run, "demo", tuple((entities | changed).items()), DEFAULT_SCHEMA, packed)


def texts(store: ArtdaqStore, configuration: str = "12/demo") -> dict[str, str]:
    export = export_configuration(store, configuration)
    assert export.failures == ()
    return {file.entity: file.text for file in export.files}


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

    def test_the_same_document_twice_is_there_once(self, uri: str, store: ArtdaqStore) -> None:
        document = new(7, "boot", "a: 1\n")
        store.insert([document])
        store.insert([document])
        with closing(open_store(uri)) as second:
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

    def test_versions_and_documents_are_counted(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        import_run(store, wanted(times=1))
        (one,) = store.list_configurations(details=True)
        assert one.versions == ("12/demo", "12/demov1")
        assert one.documents == 6 + 4

    def test_another_process_is_seen(self, uri: str, store: ArtdaqStore) -> None:
        assert store.list_configurations() == ()
        before = store.change_token()
        with closing(open_store(uri)) as second:
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


class TestImport:
    def test_a_new_run_is_written_whole_and_read_back(self, store: ArtdaqStore) -> None:
        run = wanted()
        assert assess(store, run).state is ImportState.ABSENT
        outcome = import_run(store, run)
        assert outcome.written == ("originals", "RunHistory", "boot", "metadata", "tpc01", "schema")
        assert outcome.version == "12/demo"
        assert outcome.imported
        assert texts(store) == {entity: canonical_text(text) for entity, text in run.entities} | {
            "schema": canonical_text(run.schema),
            "originals": canonical_text(run.originals or ""),
        }

    def test_a_second_import_writes_nothing(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        again = import_run(store, wanted())
        assert again.before.state is ImportState.SAME
        assert again.written == ()
        assert again.imported
        assert store.collections() == {"RunHistory": 5, "SystemLayout": 1}

    @pytest.mark.parametrize("count", range(1, 6))
    def test_a_cut_off_run_is_partial_and_completed(self, store: ArtdaqStore, count: int) -> None:
        run = wanted()
        sources = [("originals", run.originals or ""), *run.entities]
        store.insert([new(12, entity, text) for entity, text in sources[:count]])
        found = assess(store, run)
        assert found.state is ImportState.PARTIAL
        assert len(found.missing) == 6 - count
        outcome = import_run(store, run)
        assert len(outcome.written) == 6 - count
        assert store.collections() == {"RunHistory": 5, "SystemLayout": 1}

    def test_times_that_come_later_are_updates(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        first = import_run(store, wanted(times=1))
        assert first.before.state is ImportState.GROWN
        assert first.version == "12/demov1"
        assert set(first.written) == {"originals", "metadata", "RunHistory2", "schema"}
        second = import_run(store, wanted(times=2))
        assert second.version == "12/demov2"
        assert set(second.written) == {"originals", "metadata", "RunHistory2", "schema"}
        assert assess(store, wanted(times=2)).state is ImportState.SAME
        assert texts(store)["RunHistory2"] == canonical_text(START + STOP)

    def test_a_lost_update_is_made_good(self, store: ArtdaqStore) -> None:
        """The update after the times came had written `originals` alone when it was cut off."""
        import_run(store, wanted())
        late = wanted(times=2)
        store.insert([new(12, "originals", late.originals or "", version="12/demov1")])
        outcome = import_run(store, late)
        assert outcome.version == "12/demov1"
        assert set(outcome.written) == {"metadata", "RunHistory2", "schema"}

    def test_an_update_goes_above_foreign_versions(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        for number in range(1, 12):
            store.insert([new(12, "schema", DEFAULT_SCHEMA, version=f"12/demov{number}")])
        assert import_run(store, wanted(times=2)).version == "12/demov90"
        assert assess(store, wanted(times=2)).state is ImportState.SAME

    def test_an_update_that_a_foreign_version_would_hide_is_not_written(self, store: ArtdaqStore) -> None:
        """An alias set with the library's own tools turns a version into `notprovided`, greater than any of ours."""
        import_run(store, wanted(times=1))
        foreign = new(12, "metadata", 'config_name: "demo"\n' + START, version="notprovided")
        store.insert([foreign])
        before = store.collections()
        with pytest.raises(ArchiveError) as caught:
            import_run(store, wanted(times=2))
        assert caught.value.code is Code.CONFLICT
        assert "metadata 'notprovided'" in caught.value.message
        assert store.collections() == before
        assert import_run(store, wanted(times=1)).written == ()

    def test_other_content_is_a_conflict_with_names(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        changed = wanted(tpc01="daq: { board: 9 }\n")
        found = assess(store, changed)
        assert found.state is ImportState.CONFLICT
        assert set(found.different) == {"tpc01", "originals"}
        with pytest.raises(ArchiveError, match="tpc01") as caught:
            import_run(store, changed)
        assert caught.value.code is Code.CONFLICT
        assert caught.value.run == 12
        assert store.collections() == {"RunHistory": 5, "SystemLayout": 1}

    def test_a_conflict_can_be_added_to(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        changed = wanted(tpc01="daq: { board: 9 }\n")
        outcome = import_run(store, changed, add=True)
        assert outcome.version == "12/demov1"
        assert set(outcome.written) == {"originals", "tpc01", "schema"}
        assert assess(store, changed).state is ImportState.SAME

    def test_times_taken_back_are_a_conflict(self, store: ArtdaqStore) -> None:
        import_run(store, wanted(times=2))
        assert assess(store, wanted(times=1)).state is ImportState.CONFLICT

    def test_a_document_nobody_knows_is_a_conflict(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        store.insert([new(12, "tpc99", "a: 1\n")])
        found = assess(store, wanted())
        assert found.state is ImportState.CONFLICT
        assert found.extra == ("tpc99",)

    def test_two_configurations_are_refused(self, store: ArtdaqStore) -> None:
        store.insert([new(12, "boot", "a: 1\n"), new(12, "boot", "a: 1\n", name="other")])
        found = assess(store, wanted())
        assert found.state is ImportState.TWO_CONFIGURATIONS
        assert found.configurations == ("12/demo", "12/other")
        with pytest.raises(ArchiveError) as caught:
            import_run(store, wanted())
        assert caught.value.code is Code.TWO_CONFIGURATIONS

    def test_the_run_keeps_the_name_it_has(self, store: ArtdaqStore) -> None:
        store.insert([new(12, "boot", "debug_level: 1 # low\n", name="de mo")])
        outcome = import_run(store, wanted())
        assert outcome.version == "12/de mo"
        assert store.configurations_of(12) == ("12/de mo",)

    def test_another_schema_is_no_conflict(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        other = Wanted(12, "demo", wanted().entities, "run_history: []\n", wanted().originals)
        assert assess(store, other).state is ImportState.SAME

    def test_a_run_number_is_no_prefix(self, store: ArtdaqStore) -> None:
        import_run(store, wanted(12))
        assert assess(store, wanted(1)).state is ImportState.ABSENT
        assert assess(store, wanted(120)).state is ImportState.ABSENT


class TestCheck:
    def faults(self, store: ArtdaqStore) -> list[Finding]:
        return [finding for finding in check_store(store) if not finding.advice]

    def test_a_whole_run_has_no_fault(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        import_run(store, wanted(times=2))
        assert self.faults(store) == []

    def test_what_a_run_lacks_is_told_by_its_originals(self, store: ArtdaqStore) -> None:
        run = wanted()
        store.insert([new(12, entity, text) for entity, text in run.entities if entity not in ("tpc01", "boot")])
        store.insert([new(12, "originals", run.originals or ""), new(12, "schema", run.schema)])
        (fault,) = self.faults(store)
        assert (fault.kind, fault.run) == ("partial", 12)
        assert "no tpc01" in fault.message
        assert "boot" not in fault.message

    def test_without_originals_four_documents_make_a_run(self, store: ArtdaqStore) -> None:
        run = wanted(originals=False)
        store.insert([new(12, entity, text) for entity, text in run.entities if entity != "boot"])
        (fault,) = self.faults(store)
        assert fault.message.endswith("no boot, no schema")

    def test_one_version_with_two_contents_is_told(self, store: ArtdaqStore) -> None:
        import_run(store, wanted(originals=False))
        store.insert([new(12, "tpc01", "other: 1\n")])
        assert [fault.kind for fault in self.faults(store)] == ["hidden"]

    @pytest.mark.parametrize(("latest", "told"), [("a: 10\n", True), ("a: 9\n", False)])
    def test_an_update_that_the_library_never_reads_is_told(self, store: ArtdaqStore, latest: str, told: bool) -> None:
        import_run(store, wanted(originals=False))
        for number in range(1, 11):
            text = latest if number == 10 else f"a: {number}\n"
            store.insert([new(12, "RunHistory2", text, version=f"12/demov{number}")])
            store.insert([new(12, "schema", text, version=f"12/demov{number}")])
        assert texts(store)["RunHistory2"] == "\na: 9 \n"
        assert [fault.kind for fault in self.faults(store)] == ["hidden"] * told
        assert all("RunHistory2 12/demov10 is never read" in fault.message for fault in self.faults(store))

    def test_two_configurations_and_blanks_are_told(self, store: ArtdaqStore) -> None:
        for name in ("a", "b c"):
            run = replace(wanted(), configuration=name)
            store.insert([new(12, entity, text, name=name) for entity, text in run.entities])
            store.insert([new(12, "schema", run.schema, name=name)])
        assert [(one.kind, one.advice) for one in check_store(store) if one.run == 12] == [
            ("two configurations", False),
            ("blank in name", True),
        ]

    def test_what_harms_nobody_is_no_fault(self, store: ArtdaqStore) -> None:
        import_run(store, wanted(originals=False))
        twin = record(new(12, "schema", wanted().schema), "2017-07-18T12:48:10.123-0500")
        twin.table("_id").set("$oid", "ab" * 12)
        store.insert_records([twin])
        assert [(one.kind, one.advice) for one in check_store(store) if one.run == 12] == [("double", True)]

    def test_a_document_of_no_configuration_is_told(self, store: ArtdaqStore) -> None:
        import_run(store, wanted())
        orphan = record(new(12, "tpc02", "a: 1\n"), "2017-07-18T12:48:10.123-0500")
        orphan.set("configurations", [])
        store.insert_records([orphan])
        (fault,) = self.faults(store)
        assert fault.kind == "orphan"
        assert "tpc02" in fault.message

    def test_a_document_that_cannot_be_exported_is_told(self, store: ArtdaqStore) -> None:
        broken = record(new(12, "boot", "a: 1\n"), "2017-07-18T12:48:10.123-0500")
        broken.table("document").set("metadata", Pairs())
        store.insert_records([broken])
        assert "not loadable" in [fault.kind for fault in self.faults(store)]


class TestOtherWriters:
    """A run that the older archiver imported: no `originals`, other texts, perhaps `hashes`."""

    RENDERING = Rendering(
        "older archiver",
        {entity: canonical_text(text) for entity, text in wanted(metadata="config_name: demo\n").entities},
        frozenset({"hashes"}),
        ("comments of text files",),
    )

    def fill(self, store: ArtdaqStore, *entities: str) -> None:
        store.insert([new(12, one, self.RENDERING.documents.get(one, DEFAULT_SCHEMA)) for one in entities])

    def look(self, store: ArtdaqStore) -> Assessment:
        return assess(store, wanted(), lambda: (self.RENDERING,))

    def test_it_is_left_as_it_is(self, store: ArtdaqStore) -> None:
        self.fill(store, "RunHistory", "boot", "metadata", "tpc01", "schema", "hashes")
        found = self.look(store)
        assert (found.state, found.writer) == (ImportState.OTHER_WRITER, "older archiver")
        assert found.lost == ("comments of text files",)
        outcome = import_run(store, wanted(), lambda: (self.RENDERING,))
        assert outcome.written == ()
        assert not outcome.imported

    def test_ours_can_be_added_beside_it(self, store: ArtdaqStore) -> None:
        self.fill(store, "RunHistory", "boot", "metadata", "tpc01", "schema", "hashes")
        outcome = import_run(store, wanted(), lambda: (self.RENDERING,), add=True)
        assert outcome.version == "12/demov1"
        assert set(outcome.written) == {"originals", "metadata", "schema"}
        assert self.look(store).state is ImportState.SAME

    def test_what_it_left_incomplete_is_for_a_person(self, store: ArtdaqStore) -> None:
        self.fill(store, "RunHistory", "metadata", "tpc01", "schema")
        found = self.look(store)
        assert found.state is ImportState.OTHER_PARTIAL
        assert found.missing == ("boot",)
        with pytest.raises(ArchiveError) as caught:
            import_run(store, wanted(), lambda: (self.RENDERING,))
        assert caught.value.code is Code.PARTIAL

    def test_changed_afterwards_it_is_a_conflict(self, store: ArtdaqStore) -> None:
        self.fill(store, "RunHistory", "boot", "metadata", "schema")
        store.insert([new(12, "tpc01", "other: 1\n")])
        assert self.look(store).state is ImportState.CONFLICT

    def test_nobody_is_asked_about_a_run_of_ours(self, store: ArtdaqStore) -> None:
        def others() -> tuple[Rendering, ...]:
            raise AssertionError("asked")

        import_run(store, wanted(), others)
        import_run(store, wanted(), others)
        import_run(store, wanted(times=2), others)
