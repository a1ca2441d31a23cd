"""`tui-archiver artdaqdb …` as a person and a script use it, with a URI and no config."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runarchive.artdaqdb.documents import canonical_text
from runarchive.artdaqdb.export import document_text
from runarchive.artdaqdb.filesystemdb import FilesystemDB
from runarchive.artdaqdb.store import NewDocument
from runarchive.cli.main import main
from runarchive.config import load_config
from runarchive.errors import ExitCode
from runarchive.fhicl.convert import convert_record
from runarchive.fhicl.originals import unpack_originals
from runarchive.ledger.lock import WriterLock
from runarchive.records_dir import read_record
from runarchive.records_dir.make import Size, make_records

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("records")
    make_records(directory, runs=3, first=1000, size=Size.SMALL, seed=5, in_progress=0)
    return directory


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"filesystemdb://{tmp_path}/db"


@pytest.fixture
def command(uri: str, capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*words: object) -> tuple[int, str, str]:
        status = main(["artdaqdb", *map(str, words), "--uri", uri])
        return (status, *capsys.readouterr())

    return call


def directories(records: Path) -> list[Path]:
    return sorted(path for path in records.iterdir())


def loaded(answer: tuple[int, str, str]) -> Any:
    assert answer[0] == ExitCode.DONE, answer
    return json.loads(answer[1])


def test_import_then_list(command: Command, records: Path) -> None:
    rows = loaded(command("import", *directories(records), "--json"))["runs"]
    assert [row["run"] for row in rows] == [1000, 1001, 1002]
    assert all(row["state"] == "IMPORTED" and row["written"][0] == "originals" for row in rows)
    again = loaded(command("import", *directories(records), "--json"))["runs"]
    assert [row["written"] for row in again] == [[], [], []]
    listed = loaded(command("list", "--json"))["runs"]
    assert [row["run"] for row in listed] == [1000, 1001, 1002]
    assert [row["documents"] for row in listed] == [len(row["written"]) for row in rows]
    assert all(row["versions"] == [row["name"]] and row["assigned"][:2] == "20" for row in listed)
    status, out, _ = command("list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["1000", "1001", "1002"]
    assert command("check") == (
        0,
        "",
        f"{sum(row['documents'] for row in listed)} documents in 2 collections, 0 faults\n",
    )


def test_export_is_the_canonical_text_of_the_conversion(command: Command, records: Path, tmp_path: Path) -> None:
    command("import", *directories(records))
    status, _, _ = command("export", 1001, "--out", tmp_path / "out")
    assert status == 0
    record = read_record(records / "1001", 1001)
    conversion = convert_record(record.files, 1001)
    written = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    for entity, text in conversion.entities:
        assert written.pop(f"{entity}.fcl") == canonical_text(text)
    assert unpack_originals(written.pop("originals.fcl")) == record.files
    assert list(written) == ["schema.fcl"]


def test_export_all_in_the_layout_of_the_bulkdownloader(command: Command, records: Path, tmp_path: Path) -> None:
    command("import", *directories(records))
    exports = loaded(command("export", "--all", "--layout", "bulkdownloader", "--out", tmp_path / "out", "--json"))
    assert len(exports["exports"]) == 3
    (folder,) = [path for path in (tmp_path / "out/1000").iterdir() if path.is_dir()]
    assert not folder.name[-1].isdigit()
    assert (folder / "boot.fcl").is_file()
    assert (tmp_path / "out/1000/schema.fcl").is_file()


def test_what_cannot_be_exported_is_named_and_the_rest_written(command: Command, uri: str, tmp_path: Path) -> None:
    store = FilesystemDB(uri)
    store.insert([NewDocument("RunHistory", name, "7/demo", "7/demo", 7, "a: 1\n") for name in ("boot", "x/../../y")])
    status, out, talk = command("export", 7, "--out", tmp_path / "out")
    assert status == ExitCode.FAILED
    assert "x/../../y" in talk
    assert ": 1 files" in out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["boot.fcl"]
    assert not list(tmp_path.glob("y*"))


def test_a_name_that_climbs_matters_only_where_it_becomes_a_directory(
    command: Command, uri: str, tmp_path: Path
) -> None:
    FilesystemDB(uri).insert([NewDocument("RunHistory", "boot", "7/../../x", "7/../../x", 7, "a: 1\n")])
    assert command("export", 7, "--out", tmp_path / "out" / "flat")[0] == ExitCode.DONE
    assert command("export", 7, "--out", tmp_path / "out" / "bulk", "--layout", "bulkdownloader")[0] == ExitCode.FAILED
    assert [path.name for path in tmp_path.rglob("*.fcl")] == ["boot.fcl"]


def test_a_file_that_no_index_can_hold_is_unreadable_alone(command: Command, records: Path, tmp_path: Path) -> None:
    command("import", *directories(records))
    (tmp_path / "db/RunHistory" / f"{'ab' * 12}.json").write_text("[")
    found = json.loads(command("check", "--json")[1])["findings"]
    assert [one["kind"] for one in found] == ["unreadable"]


def test_a_run_under_two_names_needs_a_choice(command: Command, uri: str, tmp_path: Path) -> None:
    store = FilesystemDB(uri)
    for name in ("7/a", "7/b"):
        store.insert([NewDocument("RunHistory", "boot", name, name, 7, f"name: '{name}'\n")])
    status, _, talk = command("export", 7, "--out", tmp_path / "out")
    assert status == ExitCode.FAILED
    assert "7/a, 7/b" in talk
    assert command("export", 7, "--configuration", "b", "--out", tmp_path / "out")[0] == 0
    assert (tmp_path / "out/boot.fcl").read_text() == "\nname: '7/b' \n"
    assert command("export", "--all", "--out", tmp_path / "all")[0] == 0
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["7-a", "7-b"]
    assert command("export", 8, "--out", tmp_path / "no")[0] == ExitCode.FAILED
    assert not (tmp_path / "no").exists()


def test_check_names_findings_and_reindex_mends(command: Command, records: Path, tmp_path: Path) -> None:
    command("import", *directories(records))
    (tmp_path / "db/RunHistory/index.json").write_text("{")
    status, out, _ = command("check", "--json")
    assert status == ExitCode.FAILED
    (finding,) = json.loads(out)["findings"]
    assert (finding["kind"], finding["place"]) == ("index", "RunHistory/index.json")
    status, _, talk = command("import", *directories(records))
    assert status == 0, talk
    assert loaded(command("reindex", "--json"))["collections"].keys() == {"RunHistory", "SystemLayout"}
    assert command("check")[0] == 0


def test_a_store_that_is_not_there_says_so_and_nothing_is_done_with_it(command: Command, tmp_path: Path) -> None:
    status, out, talk = command("list", "--json")
    assert (status, json.loads(out)) == (ExitCode.DONE, {"runs": [], "other_configurations": []})
    assert "not there yet" in talk
    for words in (("export", "--all", "--out", tmp_path / "out"), ("reindex",)):
        status, _, talk = command(*words)
        assert status == ExitCode.FAILED
        assert "not there yet" in talk
    status, _, talk = command("copy", "--to", f"filesystemdb://{tmp_path}/copy")
    assert status == ExitCode.FAILED
    assert list(tmp_path.iterdir()) == []


def test_what_may_belong_to_any_run_is_named_by_each_export(command: Command, records: Path, tmp_path: Path) -> None:
    command("import", *directories(records))
    history = tmp_path / "db/RunHistory"
    (history / "index.json").unlink()
    status, _, talk = command("export", "--all", "--out", tmp_path / "out")
    assert status == ExitCode.DONE
    assert "RunHistory/index.json is missing" in talk
    victim = min(history.iterdir())
    victim.write_bytes(victim.read_bytes()[:-500])
    for words in (("1000",), ("--all",)):
        status, _, talk = command("export", *words, "--out", tmp_path / "again")
        assert status == ExitCode.FAILED
        assert f"RunHistory/{victim.name}: it is not a JSON document" in talk
    assert victim.name in command("list")[2]


def test_one_bad_directory_stops_no_other(command: Command, records: Path, tmp_path: Path) -> None:
    (tmp_path / "0012").mkdir()
    (tmp_path / "13").mkdir()
    status, out, talk = command(
        "import", tmp_path / "0012", tmp_path / "13", tmp_path / "14", records / "1000", "--json"
    )
    assert status == ExitCode.FAILED
    assert [row["state"] for row in json.loads(out)["runs"]] == ["FAILED", "FAILED", "FAILED", "IMPORTED"]
    assert "not named by a run number" in talk


@pytest.mark.parametrize("words", [("import", "1"), ("reindex",), ("copy", "--to", "filesystemdb:///tmp/never")])
def test_read_only_refuses_what_writes(uri: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["artdaqdb", *words, "--uri", uri, "--read-only"]) == ExitCode.REFUSED
    assert main(["--read-only", "artdaqdb", *words, "--uri", uri]) == ExitCode.REFUSED
    capsys.readouterr()


def test_copy_loses_nothing(command: Command, records: Path, tmp_path: Path) -> None:
    command("import", *directories(records))
    assert command("copy", "--to", f"filesystemdb://{tmp_path}/copy")[0] == 0
    for collection in ("RunHistory", "SystemLayout"):
        ours = {path.name: path.read_bytes() for path in (tmp_path / "db" / collection).glob("?" * 24 + ".json")}
        theirs = {path.name: path.read_bytes() for path in (tmp_path / "copy" / collection).glob("?" * 24 + ".json")}
        assert ours == theirs
    assert main(["artdaqdb", "check", "--uri", f"filesystemdb://{tmp_path}/copy"]) == 0


@pytest.fixture
def config(tmp_path: Path, uri: str) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(
        f"""
app: {{work_dir: {tmp_path}/work}}
source_files: {{run_records_dir: {tmp_path}/records}}
artdaq_db: {{database_uri: "{uri}", fcl_conf_dir: {tmp_path}/conf}}
ucon_db:
  server_url: embedded://{tmp_path}/ucondb.sqlite
  folder_name: test
  object_name: configuration
  writer_user: user
  writer_password: password
"""
    )
    return file


def test_the_config_gives_store_schema_and_lock(
    config: Path, records: Path, uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.parent / "conf").mkdir()
    (config.parent / "conf/schema.fcl").write_text("run_history: []\n")
    words = ["-c", str(config), "artdaqdb", "import", str(records / "1000")]
    lock = WriterLock(load_config(config).app.lock_file)
    lock.acquire()
    assert main(words) == ExitCode.FAILED
    assert "lock" in capsys.readouterr().err
    assert FilesystemDB(uri).collections() == {}
    lock.release()
    assert main(words) == ExitCode.DONE
    (schema,) = [one for one in FilesystemDB(uri).all_documents() if one.entities == ("schema",)]
    assert document_text(schema) == "\nrun_history: [] \n"
    config.write_text(config.read_text().replace("app: {", "app: {read_only: true, "))
    assert main(words) == ExitCode.REFUSED


def test_a_secret_in_a_uri_may_stay_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECRET", "db-of-mine")
    FilesystemDB(f"filesystemdb://{tmp_path}/db-of-mine").insert(
        [NewDocument("RunHistory", "boot", "7/demo", "7/demo", 7, "a: 1\n")]
    )
    assert main(["artdaqdb", "list", "--uri", f"filesystemdb://{tmp_path}/${{SECRET}}", "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["runs"][0]["run"] == 7
    with pytest.raises(SystemExit) as caught:
        main(["artdaqdb", "list", "--uri", "mongodb://u:${NO_SUCH_SECRET}@h/db"])
    assert caught.value.code == ExitCode.USAGE
    assert "NO_SUCH_SECRET is not set" in capsys.readouterr().err


@pytest.mark.parametrize("uri", ["http://x", "mysql://a:secret@b/c", "nonsense"])
def test_an_unknown_uri_is_told_without_its_password(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["artdaqdb", "list", "--uri", uri]) == ExitCode.FAILED
    assert "secret" not in capsys.readouterr().err


def test_what_the_config_has_converted_is_what_import_convert_and_check_mean(
    config: Path, records: Path, uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text() + "fhiclize_generate: [boot, metadata, RunHistory, known_boardreaders_list]\n")
    (tmp_path / "conf").mkdir()
    assert main(["-c", str(config), "artdaqdb", "import", str(records / "1000")]) == ExitCode.DONE
    assert main(["-c", str(config), "fhicl", "convert", str(records / "1000"), "--out", str(tmp_path / "own")]) == 0
    stored = {entity for one in FilesystemDB(uri).all_documents() for entity in one.entities}
    assert stored - {"schema", "originals"} == {path.stem for path in (tmp_path / "own").iterdir()}
    assert "settings" not in stored
    capsys.readouterr()
    assert main(["-c", str(config), "artdaqdb", "check"]) == ExitCode.DONE
    assert main(["artdaqdb", "check", "--uri", uri]) == ExitCode.FAILED
    assert "no settings" in capsys.readouterr().out


def test_each_document_that_a_run_of_ours_lacks_is_named(command: Command, records: Path, tmp_path: Path) -> None:
    command("import", records / "1000")
    collections = [tmp_path / "db" / name for name in ("RunHistory", "SystemLayout")]
    for file in [file for collection in collections for file in sorted(collection.glob("*.json"))]:
        if file.name == "index.json" or b'"originals"' in (text := file.read_bytes()):
            continue
        file.unlink()
        command("reindex")
        (finding,) = json.loads(command("check", "--json")[1])["findings"]
        assert finding["kind"] == "partial"
        file.write_bytes(text)
