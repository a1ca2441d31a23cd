"""The index of FilesystemDB, its journal and its documents: torn, lost, damaged, written by two programs at once."""

from __future__ import annotations

import re
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runarchive.artdaqdb import files as files_module
from runarchive.artdaqdb.check import check_store
from runarchive.artdaqdb.documents import OLD_ENTITY
from runarchive.artdaqdb.export import export_configuration
from runarchive.artdaqdb.filesystem_check import reindex
from runarchive.artdaqdb.filesystemdb import FilesystemDB
from runarchive.artdaqdb.importing import ImportState, Wanted, assess, import_run
from runarchive.artdaqdb.index import (
    TABLES,
    Entry,
    IndexProblem,
    build_index,
    parse_configurations,
    parse_index,
)
from runarchive.artdaqdb.journal import JOURNAL_FILE, Journal, Line
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.json_text import read_json, write_json
from runarchive.fhicl.pairs import Pairs
from tests.filesystem_databases import document, kinds, opened

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}")


class TestIndex:
    def test_documents_are_found_before_they_are_folded(self, db: FilesystemDB) -> None:
        db.insert([document(1, "boot")])
        assert not (db.path / "RunHistory/index.json").exists()
        assert [one.name for one in opened(db.path).list_configurations()] == ["1/demo"]
        assert kinds(opened(db.path))[0] == "unfolded"
        db.fold()
        assert not (db.path / JOURNAL_FILE).exists()
        assert [one.name for one in opened(db.path).list_configurations()] == ["1/demo"]
        assert list(parse_index((db.path / "RunHistory/index.json").read_text()).tables) == list(TABLES)

    def test_a_fold_that_is_cut_off_before_the_journal_ends_is_done_again(self, db: FilesystemDB) -> None:
        db.insert([document(1, "boot"), document(1, "schema")])
        journal = (db.path / JOURNAL_FILE).read_bytes()
        db.fold()
        text = (db.path / "RunHistory/index.json").read_text()
        (db.path / JOURNAL_FILE).write_bytes(journal)
        again = opened(db.path)
        assert len(again.documents("1/demo")) == 2
        again.fold()
        assert (db.path / "RunHistory/index.json").read_text() == text

    def test_a_torn_journal_line_is_passed_over(self, db: FilesystemDB) -> None:
        db.insert([document(1, "boot")])
        with (db.path / JOURNAL_FILE).open("ab") as journal:
            journal.write(b'["RunHistory","0123')
        again = opened(db.path)
        again.insert([document(2, "boot")])
        assert {one.name for one in opened(db.path).list_configurations()} == {"1/demo", "2/demo"}
        again.fold()
        assert kinds(again).count("partial") == 2

    def test_a_document_announced_and_never_written_is_named(self, db: FilesystemDB) -> None:
        db.insert([document(1, "boot"), document(1, "RunHistory")])
        victim = next(one for one in db.documents("1/demo") if one.entities == ("boot",))
        (db.path / "RunHistory" / f"{victim.id}.json").unlink()
        assert "cut off" in kinds(opened(db.path))
        assert len(opened(db.path).documents("1/demo")) == 1

    def test_many_documents_are_folded_on_the_way(self, db: FilesystemDB, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("runarchive.artdaqdb.filesystemdb.FOLD_AFTER", 10)
        for run in range(1, 25):
            db.insert([document(run, "boot")])
        indexed = parse_index((db.path / "RunHistory/index.json").read_text())
        assert len(indexed.ouid) == 20
        assert len(opened(db.path).list_configurations()) == 24

    def test_an_index_that_the_library_writes_during_a_fold_is_not_lost(
        self, db: FilesystemDB, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        db.insert([document(1, "boot")])
        db.fold()
        db.insert([document(2, "boot")])
        place = db.path / "RunHistory/index.json"
        real = files_module.NewFiles.sync

        def sync_while_another_writes(self: files_module.NewFiles) -> None:
            if "foreign" not in place.read_text():
                text = place.read_text().replace('"1/demo" : [', '"foreign" : [\n"x"\n],\n"1/demo" : [', 1)
                place.write_text(text)
            real(self)

        monkeypatch.setattr(files_module.NewFiles, "sync", sync_while_another_writes)
        db.fold()
        assert set(parse_index(place.read_text()).tables["version"]) == {"foreign", "1/demo", "2/demo"}

    @pytest.mark.parametrize("moment", range(1, 6))
    def test_the_first_documents_of_another_process_are_no_lost_index(
        self, db: FilesystemDB, monkeypatch: pytest.MonkeyPatch, moment: int
    ) -> None:
        """Another process writes into the empty database just after the journal was read for the n-th time."""
        (db.path / "RunHistory").mkdir(parents=True)
        other, real, count = opened(db.path), Journal.read_on, [0]

        def read_then_let_another_write(self: Journal) -> list[Line]:
            lines = real(self)
            count[0] += 1
            if count[0] == moment:
                other.insert([document(2, "boot")])
            return lines

        monkeypatch.setattr(Journal, "read_on", read_then_let_another_write)
        db.insert([document(1, "boot")])
        db.insert([document(1, "RunHistory")])
        monkeypatch.undo()
        other.insert([document(2, "boot")])
        assert {one.name: one.documents for one in db.list_configurations()} == {"1/demo": 2, "2/demo": 1}

    def test_an_index_that_the_library_is_just_writing_is_waited_for(self, db: FilesystemDB) -> None:
        db.insert([document(1, "boot")])
        db.fold()
        place = db.path / "RunHistory/index.json"
        text = place.read_text()
        place.write_text(text[: len(text) // 2])
        finish = threading.Timer(0.3, place.write_text, (text,))
        finish.start()
        assert len(opened(db.path).list_configurations()) == 1
        opened(db.path).insert([document(2, "boot")])
        finish.join()

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            ("damaged", '{\n"ouid" : [\n"0123'),
            ("damaged", ""),
            ("damaged", "[]"),
            ("damaged", '{"ouid":[], "version":[]}'),
            ("old", '{"version":{},"configurations.name":{},"configurable_entity.name":{}}'),
            ("missing", None),
        ],
    )
    def test_a_bad_index_is_read_around_named_and_mended(self, db: FilesystemDB, kind: str, text: str | None) -> None:
        db.insert([document(1, entity) for entity in ("boot", "RunHistory", "metadata", "schema")])
        db.fold()
        place = db.path / "RunHistory/index.json"
        good = place.read_text()
        place.unlink() if text is None else place.write_text(text)
        store = opened(db.path)
        assert len(store.documents("1/demo")) == 4
        assert len(store.list_configurations(details=True)) == 1
        (finding,) = [one for one in check_store(store) if one.kind == "index"]
        assert kind in finding.message
        assert "reindex" in finding.mend
        with pytest.raises(ArchiveError, match="index") as caught:
            store.insert([document(2, "boot")])
        assert caught.value.code is Code.CORRUPT
        reindex(store)
        assert _ids(place.read_text()) == _ids(good)
        assert kinds(opened(db.path)) == []
        store.insert([document(2, "boot")])

    def test_a_document_outside_the_index_is_named(self, db: FilesystemDB) -> None:
        db.insert([document(1, "boot")])
        db.fold()
        (one,) = db.documents("1/demo")
        copy = "f" * 24
        text = (db.path / f"RunHistory/{one.id}.json").read_text().replace(one.id, copy).replace("1/demo", "2/demo")
        (db.path / f"RunHistory/{copy}.json").write_text(text)
        assert "unindexed" in kinds(db)
        assert opened(db.path).configurations_of(2) == ()
        reindex(db)
        assert opened(db.path).configurations_of(2) == ("2/demo",)

    def test_an_index_entry_without_a_file_is_named(self, db: FilesystemDB) -> None:
        db.insert([document(1, "boot"), document(1, "RunHistory")])
        db.fold()
        (db.path / f"RunHistory/{db.documents('1/demo')[0].id}.json").unlink()
        assert "stale" in kinds(opened(db.path))
        failures = export_configuration(opened(db.path), "1/demo").failures
        assert len(failures) == 1
        assert "missing" in failures[0][1]

    @pytest.mark.parametrize("text", [None, "", '{\n"document" : {\n'])
    def test_a_lost_or_damaged_document_of_ours_is_written_again(self, db: FilesystemDB, text: str | None) -> None:
        wanted = Wanted(1, "demo", [("boot", "a: 1\n"), ("RunHistory", "b: 1\n")], "run_history: []\n")
        import_run(db, wanted)
        db.fold()
        for one in db.documents("1/demo"):
            place = db.path / one.collection / f"{one.id}.json"
            before = place.read_text()
            place.unlink() if text is None else place.write_text(text)
            store = opened(db.path)
            assert assess(store, wanted).state is ImportState.PARTIAL
            assert import_run(store, wanted).written == one.entities
            assert TIME.sub("T", place.read_text()) == TIME.sub("T", before)
        assert opened(db.path).collections() == {"RunHistory": 2, "SystemLayout": 1}

    def test_a_damaged_document_of_another_writer_is_left_alone(self, db: FilesystemDB) -> None:
        wanted = Wanted(1, "demo", [("boot", "a: 1\n")], "run_history: []\n")
        import_run(db, wanted)
        (boot,) = [one for one in db.documents("1/demo") if one.entities == ("boot",)]
        theirs = "f" * 24
        text = (db.path / f"RunHistory/{boot.id}.json").read_text()
        db.insert_records([read_json(text.replace(boot.id, theirs))])
        (db.path / f"RunHistory/{theirs}.json").write_text("{")
        found = assess(opened(db.path), wanted)
        assert (found.state, found.different) == (ImportState.CONFLICT, (theirs,))

    def test_a_document_of_the_old_format_is_read_and_named(self, db: FilesystemDB) -> None:
        db.insert([document(1, "boot")])
        db.fold()
        place = db.path / f"RunHistory/{db.documents('1/demo')[0].id}.json"
        old = read_json(place.read_text())
        entities = old.get("entities")
        assert isinstance(entities, list)
        place.write_text(
            write_json(Pairs([*(pair for pair in old.items if pair[0] != "entities"), (OLD_ENTITY, entities[0])]))
        )
        (db.path / "RunHistory/index.json").write_text('{"version":{},"configurable_entity.name":{}}')
        assert {"index", "old format"} <= set(kinds(opened(db.path)))
        assert [file.entity for file in export_configuration(opened(db.path), "1/demo").files] == ["boot"]

    def test_a_document_that_is_no_json_is_named(self, db: FilesystemDB) -> None:
        db.insert([document(1, "boot"), document(1, "RunHistory")])
        db.fold()
        place = db.path / f"RunHistory/{db.documents('1/demo')[0].id}.json"
        place.write_text(place.read_text()[:300])
        assert "unreadable" in kinds(opened(db.path))
        assert len(export_configuration(opened(db.path), "1/demo").files) == 1

    @example([('"', ['"'])])
    @example([("\n", ["\n", "\\"])])
    @given(st.lists(st.tuples(st.text(max_size=6), st.lists(st.text(max_size=4), max_size=4)), max_size=5))
    def test_an_index_is_read_as_it_was_written(self, rows: list[tuple[str, list[str]]]) -> None:
        entries = [Entry(str(n), name, tuple((one, name) for one in more)) for n, (name, more) in enumerate(rows)]
        index = build_index(entries)
        assert parse_index(index.text()) == index
        quick = parse_configurations(index.text())
        assert quick.tables["configurations.name"] == index.tables["configurations.name"]

    @pytest.mark.parametrize("text", ["{", '{"ouid":1}', "null", '{"ouid":[1]}', "{}"])
    def test_what_is_no_index_is_told(self, text: str) -> None:
        with pytest.raises(IndexProblem):
            parse_index(text)


def _ids(text: str) -> dict[str, dict[str, list[str]]]:
    return parse_index(text).tables
