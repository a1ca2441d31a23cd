"""Imports of a run, the same on every native artdaqDB provider: written once, completed, updated, never overwritten."""

from __future__ import annotations

import pytest

from runarchive.artdaqdb.documents import canonical_text
from runarchive.artdaqdb.importing import Assessment, ImportState, Rendering, Wanted, assess, import_run
from runarchive.artdaqdb.schema import DEFAULT_SCHEMA
from runarchive.artdaqdb.store import ArtdaqStore
from runarchive.errors import ArchiveError, Code
from tests.small_runs import START, STOP, new, texts, wanted


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
