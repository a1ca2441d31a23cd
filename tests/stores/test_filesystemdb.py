"""FilesystemDB against databases of the C++ library, and against what disks, crashes and other programs do to it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runarchive.artdaqdb import files as files_module
from runarchive.artdaqdb.check import check_store
from runarchive.artdaqdb.documents import OLD_ENTITY
from runarchive.artdaqdb.export import export_configuration, write_export
from runarchive.artdaqdb.filesystem_check import reindex, reindex_sibling
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
from runarchive.artdaqdb.store import NewDocument
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.json_text import read_json, write_json
from runarchive.fhicl.pairs import Pairs
from tests.trees import unpack

GOLDEN = Path(__file__).parents[1] / "golden"
STAGES = ("1_after_3_runs", "2_after_update_9002_new_entity", "3_after_update_9003_same_entity")
MODES = ("raw", "bulk", "python")
RUNS = {"9001": "Cosmics_04863", "9002": "Laser_36106", "9003": "Physics_74537"}
ORDER = "DataLogger1 EventBuilder1 RunHistory boot component01 component02 component03 metadata schema"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}")


NAMES = st.sampled_from(("1/demo", "boot", "notprovided", "", 'q"', "7/x"))
NAMED = st.builds(lambda name, at: Pairs([("name", name), ("assigned", at)]), NAMES, NAMES)
ODD = st.recursive(
    st.one_of(NAMES, st.booleans(), st.integers(-5, 5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(st.tuples(NAMES, inner), max_size=3).map(Pairs),
        st.lists(NAMED, max_size=2),
    ),
    max_leaves=8,
)
MEMBERS = st.lists(
    st.tuples(
        st.sampled_from(
            ("document", "origin", "version", "entities", "configurations", "runs", "aliases", "_id", "odd")
        ),
        st.one_of(ODD, st.lists(NAMED, max_size=2)),
    ),
    max_size=8,
).map(Pairs)
"""Records as nobody should write them."""


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Databases, inputs and exports of the C++ library."""
    directory = unpack(GOLDEN / "artdaqdb_peer.tar.xz", tmp_path_factory.mktemp("peer"))
    subprocess.run(["chmod", "-R", "u+w", str(directory)], check=True)
    return directory / "peer"


@pytest.fixture
def db(tmp_path: Path) -> FilesystemDB:
    return FilesystemDB(f"filesystemdb://{tmp_path}/db")


def opened(path: Path) -> FilesystemDB:
    return FilesystemDB(f"filesystemdb://{path}")


def document(run: int, entity: str, text: str = "a: 1\n") -> NewDocument:
    collection = "SystemLayout" if entity == "schema" else "RunHistory"
    return NewDocument(collection, entity, f"{run}/demo", f"{run}/demo", run, text)


def kinds(store: FilesystemDB) -> list[str]:
    return [finding.kind for finding in check_store(store)]


def golden_documents(peer: Path) -> list[NewDocument]:
    """The documents of the three runs in the order in which the library was given them."""
    made = []
    for run, name in RUNS.items():
        for entity in ORDER.split():
            text = (peer / "inputs/runs" / run / f"{entity}.fcl").read_text()
            collection = "SystemLayout" if entity == "schema" else "RunHistory"
            made.append(NewDocument(collection, entity, f"{run}/{name}", f"{run}/{name}", int(run), text))
    return made


class TestMadeByTheLibrary:
    @pytest.mark.parametrize("stage", STAGES)
    @pytest.mark.parametrize("mode", MODES)
    def test_exports_are_the_same_bytes(self, peer: Path, tmp_path: Path, stage: str, mode: str) -> None:
        store = opened(peer / "db_trees" / stage / f"{mode}_db")
        layout = "bulkdownloader" if mode == "bulk" else "flat"
        for run, name in RUNS.items():
            out = tmp_path / run
            export = export_configuration(store, f"{run}/{name}")
            assert write_export(export, f"{run}/{name}", out, layout) == (len(export.files), ())
            ours = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
            directory = peer / "exports" / stage / mode / run
            theirs = {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*.fcl")}
            assert ours == theirs

    @pytest.mark.parametrize("stage", STAGES)
    @pytest.mark.parametrize("mode", MODES)
    def test_listing_is_in_the_same_order(self, peer: Path, stage: str, mode: str) -> None:
        store = opened(peer / "db_trees" / stage / f"{mode}_db")
        answer = (peer / "exports" / stage / f"{mode}.configs.json").read_text()
        names = [row["name"] for row in json.loads(answer)["search"]]
        assert [one.name for one in store.list_configurations()] == names

    @pytest.mark.parametrize("stage", STAGES)
    @pytest.mark.parametrize("mode", MODES)
    def test_nothing_is_found_wrong_and_nothing_is_touched(self, peer: Path, stage: str, mode: str) -> None:
        path = peer / "db_trees" / stage / f"{mode}_db"
        before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
        found = {finding.kind for finding in check_store(opened(path))}
        expected = {"double", "hidden"} if stage == STAGES[2] else {"double"} if stage == STAGES[1] else set()
        assert found == (set() if mode == "python" else expected)
        assert before == {file: file.stat().st_mtime_ns for file in path.rglob("*")}

    def test_index_text_is_the_same(self, peer: Path) -> None:
        texts = [path.read_text() for path in sorted(peer.glob("db_trees/*/*/[RS]*[ty]*/index.json"))]
        written = [text for text in texts if not text.startswith('{"ouid":[]')]
        assert len(written) == 18
        for text in written:
            assert parse_index(text).text() == text
            quick, whole = parse_configurations(text), parse_index(text)
            for table in ("configurations.name", "configurations.assigned"):
                assert quick.tables[table] == whole.tables[table]

    def test_ours_differs_from_theirs_only_in_ids_and_times(self, peer: Path, db: FilesystemDB) -> None:
        for new in golden_documents(peer):
            db.insert([new])
        db.fold()
        theirs = opened(peer / "db_trees" / STAGES[0] / "raw_db")
        assert _anonymous(db) == _anonymous(theirs)
        assert sorted(path.name for path in db.path.iterdir()) == ["RunHistory", "SystemLayout", "SystemMetadata"]

    def test_an_update_goes_into_their_database(self, peer: Path, tmp_path: Path) -> None:
        shutil.copytree(peer / "db_trees" / STAGES[0] / "raw_db", tmp_path / "db")
        store = opened(tmp_path / "db")
        (there,) = store.configurations_of(9002)
        store.insert([NewDocument("RunHistory", "RunHistory2", f"{there}v1", there, 9002, "stop_time: 1\n")])
        store.fold()
        exported = {file.entity: file.text for file in export_configuration(opened(tmp_path / "db"), there).files}
        assert len(exported) == 10
        assert exported["RunHistory2"] == "\nstop_time: 1 \n"
        assert kinds(store) == []
        index = parse_index((tmp_path / "db/RunHistory/index.json").read_text())
        assert len(index.tables["configurations.name"][there]) == 9


def _anonymous(store: FilesystemDB) -> dict[str, object]:
    """A database with its ids replaced by what they belong to and its times by T."""
    found: dict[str, object] = {}
    for collection in store.collections():
        names: dict[str, str] = {}
        for oid in store.document_files(collection):
            text = (store.path / collection / f"{oid}.json").read_text()
            one = store.read(collection, oid)
            names[oid] = f"{one.version}:{one.entities[0]}"
            found[names[oid]] = TIME.sub("T", text.replace(oid, "ID"))
        index = (store.path / collection / "index.json").read_text()
        for oid, name in names.items():
            index = index.replace(oid, name)
        tables = json.loads(TIME.sub("T", index))
        found[collection] = {name: _sorted(table) for name, table in tables.items()}
        found[f"{collection} order"] = [list(table) for table in tables.values()][1:]
    (metadata,) = [path for path in (store.path / "SystemMetadata").iterdir() if path.name != "index.json"]
    text = metadata.read_text().replace(metadata.stem, "ID").replace(store.uri, "URI")
    found["metadata"] = re.sub(r'(:)"[^"]*"', r'\1""', text)
    return found


def _sorted(table: object) -> object:
    if isinstance(table, list):
        return sorted(set(table))
    assert isinstance(table, dict)
    return {name: sorted(set(ids)) for name, ids in table.items()}


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

    @given(record=MEMBERS)
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    def test_whatever_others_wrote_breaks_nothing(self, tmp_path: Path, record: Pairs) -> None:
        store = opened(tmp_path / uuid.uuid4().hex)
        store.insert([document(1, "boot")])
        text = write_json(record)
        (store.path / f"RunHistory/{'a' * 24}.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        reindex(store)
        again = opened(store.path)
        assert "1/demo" in [one.name for one in again.list_configurations(details=True)]
        found = list(check_store(again))
        for one in again.list_configurations():
            export_configuration(again, one.name)
        assert all(finding.kind != "index" for finding in found)
        assert "boot" in [file.entity for file in export_configuration(again, "1/demo").files]

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

    def test_a_sibling_leaves_the_original_alone(self, peer: Path, tmp_path: Path) -> None:
        shutil.copytree(peer / "db_trees" / STAGES[2] / "python_db", tmp_path / "db")
        before = {path: path.read_bytes() for path in (tmp_path / "db").rglob("*.json")}
        made = reindex_sibling(opened(tmp_path / "db"))
        assert made.path == tmp_path / "db_new"
        assert before == {path: path.read_bytes() for path in (tmp_path / "db").rglob("*.json")}
        for name in ("RunHistory", "SystemLayout"):
            old, new = (parse_index((tmp_path / path / name / "index.json").read_text()) for path in ("db", "db_new"))
            assert old == new
        with pytest.raises(ArchiveError):
            reindex_sibling(opened(tmp_path / "db"))

    @pytest.mark.parametrize("text", ["{", '{"ouid":1}', "null", '{"ouid":[1]}', "{}"])
    def test_what_is_no_index_is_told(self, text: str) -> None:
        with pytest.raises(IndexProblem):
            parse_index(text)


def _ids(text: str) -> dict[str, dict[str, list[str]]]:
    return parse_index(text).tables


class TestDisk:
    @pytest.mark.parametrize("call", ["write", "fsync", "rename", "fdatasync"])
    @pytest.mark.parametrize("after", range(0, 7, 2))
    def test_a_full_disk_leaves_nothing_half(
        self, db: FilesystemDB, monkeypatch: pytest.MonkeyPatch, call: str, after: int
    ) -> None:
        db.insert([document(1, "boot")])
        real, count = getattr(os, call), [0]

        def full(*args: object) -> object:
            count[0] += 1
            if count[0] > after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args)

        run = [document(2, entity) for entity in ("boot", "RunHistory", "metadata", "schema")]
        caught = None
        with monkeypatch.context() as patched:
            patched.setattr(os, call, full)
            try:
                db.insert(run)
                db.fold()
            except ArchiveError as error:
                caught = error
        assert (caught is not None and caught.code is Code.DISK_FULL and caught.retryable) == (count[0] > after)
        assert list(db.path.glob(".archiver-*.tmp")) == []
        again = opened(db.path)
        assert len(again.documents("1/demo")) == 1
        again.insert(run)
        again.fold()
        assert len(opened(db.path).documents("2/demo")) == 4
        assert [kind for kind in kinds(again) if kind != "partial"] == []

    def test_where_a_directory_cannot_be_locked_a_file_in_it_is(
        self, db: FilesystemDB, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on NFS, which locks only what is open for writing."""
        real = fcntl.flock

        def flock(descriptor: int, operation: int) -> None:
            if operation & fcntl.LOCK_EX and stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            real(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", flock)
        db.insert([document(1, "boot")])
        with files_module.locked(db.path, 1), pytest.raises(ArchiveError) as caught, files_module.locked(db.path, 0.01):
            pass
        assert caught.value.code is Code.LOCK_HELD
        db.fold()
        assert [one.name for one in opened(db.path).list_configurations()] == ["1/demo"]
        assert (db.path / files_module.LOCK_FILE).is_file()

    def test_a_directory_that_may_not_be_written_says_so(self, db: FilesystemDB) -> None:
        """As a user without rights; root is not refused, so the attempt is made by another account's process."""
        db.insert([document(1, "boot")])
        db.fold()
        subprocess.run(["chmod", "-R", "a+rX,a-w", str(db.path)], check=True)
        for directory in db.path.parents[:4]:
            directory.chmod(directory.stat().st_mode | 0o055)
        program = (
            "import os, sys\n"
            "from runarchive.artdaqdb.filesystemdb import FilesystemDB\n"
            "from runarchive.artdaqdb.store import NewDocument\n"
            "from runarchive.errors import ArchiveError\n"
            "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
            "db = FilesystemDB(sys.argv[1])\n"
            "assert len(db.documents('1/demo')) == 1\n"
            "try: db.insert([NewDocument('RunHistory', 'boot', '2/demo', '2/demo', 2, 'a: 1')])\n"
            "except ArchiveError as error: print(error.code, error.store, error.message)\n"
        )
        environment = os.environ | {"PYTHONPATH": str(Path(files_module.__file__).parents[2]), "HOME": "/nonexistent"}
        done = subprocess.run(
            [sys.executable, "-c", program, db.uri], capture_output=True, text=True, env=environment, check=False
        )
        subprocess.run(["chmod", "-R", "u+w", str(db.path)], check=True)
        assert done.stdout.startswith("permission artdaqdb cannot write to"), done.stderr

    def test_a_path_that_is_no_directory_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ArchiveError):
            opened(tmp_path / "file" / "db").insert([document(1, "boot")])
        for uri in ("filesystemdb://", "filesystemdb:///", "filesystemdb://relative"):
            with pytest.raises(ArchiveError):
                FilesystemDB(uri)


class TestSystemMetadata:
    def test_a_database_cut_off_before_its_first_record_is_mended(self, db: FilesystemDB) -> None:
        (db.path / "SystemMetadata").mkdir(parents=True)
        db.insert([document(1, "boot")])
        (record,) = (db.path / "SystemMetadata").iterdir()
        assert json.loads(record.read_text())["document"]["database_format"] == 3
        db.insert([document(2, "boot")])
        assert len(list((db.path / "SystemMetadata").iterdir())) == 1


class TestRememberedListing:
    def test_a_new_process_need_not_read_a_large_index(
        self, db: FilesystemDB, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr("runarchive.artdaqdb.filesystemdb.CACHE_FROM", 1)
        db.insert([document(run, "boot") for run in range(1, 20)])
        db.fold()
        listing = opened(db.path).list_configurations()

        def unwanted(text: str) -> None:
            raise AssertionError("the index was read")

        monkeypatch.setattr("runarchive.artdaqdb.directory.parse_configurations", unwanted)
        assert opened(db.path).list_configurations() == listing
        monkeypatch.undo()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        db.insert([document(20, "boot")])
        assert len(opened(db.path).list_configurations()) == 20

    def test_a_damaged_cache_is_not_believed(
        self, db: FilesystemDB, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr("runarchive.artdaqdb.filesystemdb.CACHE_FROM", 1)
        db.insert([document(1, "boot")])
        opened(db.path).list_configurations()
        (cache,) = (tmp_path / "cache/tui-archiver").iterdir()
        cache.write_text('{"token": 1, "configurations": [[1]]}')
        assert [one.name for one in opened(db.path).list_configurations()] == ["1/demo"]
