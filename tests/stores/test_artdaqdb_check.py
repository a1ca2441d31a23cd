"""What `check` finds in an artdaqDB, the same on every native provider."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runarchive.artdaqdb.check import check_store
from runarchive.artdaqdb.documents import record
from runarchive.artdaqdb.importing import import_run
from runarchive.artdaqdb.store import ArtdaqStore, Finding
from runarchive.fhicl.pairs import Pairs
from tests.small_runs import new, texts, wanted


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
