"""FilesystemDB against databases, inputs and exports of the C++ library."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from runarchive.artdaqdb import directory
from runarchive.artdaqdb.check import check_store
from runarchive.artdaqdb.documents import KEPT_BYTES
from runarchive.artdaqdb.export import export_configuration, write_export
from runarchive.artdaqdb.filesystem_check import reindex_sibling
from runarchive.artdaqdb.filesystemdb import FilesystemDB
from runarchive.artdaqdb.index import (
    parse_configurations,
    parse_index,
)
from runarchive.artdaqdb.store import NewDocument
from runarchive.errors import ArchiveError
from tests.filesystem_databases import kinds, opened
from tests.trees import unpack

GOLDEN = Path(__file__).parents[1] / "golden"
STAGES = ("1_after_3_runs", "2_after_update_9002_new_entity", "3_after_update_9003_same_entity")
MODES = ("raw", "bulk", "python")
RUNS = {"9001": "Cosmics_04863", "9002": "Laser_36106", "9003": "Physics_74537"}
ORDER = "DataLogger1 EventBuilder1 RunHistory boot component01 component02 component03 metadata schema"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}")


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Databases, inputs and exports of the C++ library."""
    unpacked = unpack(GOLDEN / "artdaqdb_peer.tar.xz", tmp_path_factory.mktemp("peer"))
    subprocess.run(["chmod", "-R", "u+w", str(unpacked)], check=True)
    return unpacked / "peer"


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
    @pytest.mark.parametrize("room", [0, KEPT_BYTES], ids=["read again", "kept"])
    @pytest.mark.parametrize("stage", STAGES)
    @pytest.mark.parametrize("mode", MODES)
    def test_exports_are_the_same_bytes(
        self, peer: Path, tmp_path: Path, stage: str, mode: str, room: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(directory, "KEPT_BYTES", room)
        store = opened(peer / "db_trees" / stage / f"{mode}_db")
        layout = "bulkdownloader" if mode == "bulk" else "flat"
        for run, name in RUNS.items():
            out = tmp_path / run
            export = export_configuration(store, f"{run}/{name}")
            assert write_export(export, f"{run}/{name}", out, layout) == (len(export.files), ())
            ours = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
            exported = peer / "exports" / stage / mode / run
            theirs = {str(path.relative_to(exported)): path.read_bytes() for path in exported.rglob("*.fcl")}
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
