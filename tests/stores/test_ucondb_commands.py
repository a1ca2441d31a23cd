"""The commands `ucondb` and `blob`, as a person or a script runs them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runarchive.artdaqdb.export import export_configuration
from runarchive.artdaqdb.store import NewDocument, open_store
from runarchive.cli.main import main
from runarchive.ucondb.blob import pack
from runarchive.ucondb.embedded import EmbeddedServer

Run = Callable[..., tuple[int, str, str]]
CONFIG = """
app: {{work_dir: {place}/work}}
source_files: {{run_records_dir: {place}/records}}
artdaq_db: {{database_uri: "filesystemdb://{place}/artdaqdb/run_records", fcl_conf_dir: {place}/conf}}
ucon_db:
  server_url: embedded://{place}/u.sqlite
  folder_name: run_records
  object_name: configuration
  writer_user: writer
  writer_password: secret
"""


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command line: exit status, stdout, stderr."""
    monkeypatch.delenv("TUI_ARCHIVER_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        capfdbinary.readouterr()
        status = main([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        return status, out.decode("utf-8", "surrogateescape"), err.decode()

    return call


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    """The blob of run 12000 in a file."""
    file = tmp_path / "12000.txt"
    file.write_bytes(pack([("metadata.fcl", b'config_name: "x" \n')], 12000, datetime.now(UTC)))
    return file


def test_put_list_and_get_on_a_url(run: Run, tmp_path: Path, blob: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    with EmbeddedServer(tmp_path / "u.sqlite", "f", "o", "writer", "secret") as server:
        store = ("--url", server.url, "--folder", "f", "--object", "o")
        login = ("--user", "writer", "--password-file", password)
        assert run("ucondb", "list", *store)[:2] == (0, "")
        assert json.loads(run("--json", "ucondb", "list", *store)[1])["runs"] == []
        mistyped = ("--url", server.url, "--folder", "ff", "--object", "o")
        status, out, err = run("ucondb", "list", *mistyped)
        assert (status, out, "there is no folder ff yet (the server has f)" in err) == (0, "", True)
        assert "folder ff was not there and was made" in run("ucondb", "put", "1", blob, *mistyped, *login)[2]
        assert json.loads(run("--json", "ucondb", "put", "2", blob, *mistyped, *login)[1])["made_folder"] is False
        assert run("ucondb", "put", "12000", blob, *store)[0] == 1
        status, out, _ = run("--json", "ucondb", "put", "12000", blob, *store, *login, "--tag", "a,b", "--tag", "c")
        assert (status, json.loads(out)["outcome"], json.loads(out)["tags"]) == (0, "stored", ["a,b", "c"])
        assert "is there already" in run("ucondb", "put", "12000", blob, *store, *login)[2]
        other = tmp_path / "other"
        other.write_bytes(b"other content")
        status, _, err = run("ucondb", "put", "12000", other, *store, *login)
        assert (status, "nothing was written" in err) == (1, True)
        assert run("ucondb", "get", "12000", *store)[1] == blob.read_text()
        assert run("ucondb", "put", "12000", other, *store, *login, "--override")[0] == 0
        assert run("ucondb", "get", "12000", *store, "--out", tmp_path / "got")[0] == 0
        assert (tmp_path / "got").read_bytes() == b"other content"
        assert not list(tmp_path.glob(".got*"))
        status, out, err = run("ucondb", "get", "12001", *store, "--out", tmp_path / "missing")
        assert (status, out, (tmp_path / "missing").exists()) == (1, "", False)
        assert "12001" in err
        status, out, err = run("ucondb", "list", *store)
        assert (out.split()[0], "1 more versions" in err) == ("12000", True)
        assert "secret" not in out + err


def test_read_only_refuses_to_put_and_a_dead_server_is_out_of_reach(run: Run, blob: Path) -> None:
    assert run("--read-only", "ucondb", "put", "1", blob, "--url", "http://127.0.0.1:1/app")[0] == 77
    assert run("ucondb", "list", "--url", "http://127.0.0.1:1/app")[0] == 75
    assert run("ucondb", "list", "--url", "nonsense")[0] == 1
    assert run("ucondb", "list")[0] == 1


def test_the_store_of_the_config(run: Run, tmp_path: Path, blob: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(place=tmp_path))
    assert run("-c", config, "ucondb", "put", "12000", blob)[0] == 0
    assert json.loads(run("-c", config, "--json", "ucondb", "list")[1])["runs"][0]["run"] == 12000
    assert run("-c", config, "ucondb", "get", "12000")[1] == blob.read_text()


def test_pack_and_unpack_a_directory(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    for name, data in {"a.fcl": b"x: 1\n", "A.fcl": b"\xff\r\n", "sub/a.fcl": b"", "boot.fcl": b"y: 2"}.items():
        (source / name).write_bytes(data)
    assert run("blob", "pack", source, "--run", "7", "--out", tmp_path / "blob")[0] == 0
    status, out, _ = run("--json", "blob", "unpack", tmp_path / "blob", "--out", tmp_path / "out")
    assert (status, json.loads(out)["files"]) == (0, ["A.fcl", "a.fcl", "sub/a.fcl", "boot.fcl"])
    for path in (tmp_path / "out").rglob("*.fcl"):
        assert path.read_bytes() == (source / path.relative_to(tmp_path / "out")).read_bytes()
    assert run("blob", "unpack", tmp_path / "blob", "--out", tmp_path / "out")[0] == 1
    assert run("blob", "pack", tmp_path / "nosuch", "--run", "7")[0] == 1
    packed = run("blob", "pack", source, "--run", "7")[1]
    assert packed.startswith("Start of Record\nRun Number: 7\n")


def test_a_doubt_ends_with_1_and_artdaqdb_settles_it(run: Run, tmp_path: Path) -> None:
    store = open_store(f"filesystemdb://{tmp_path}/artdaqdb/run_records")
    texts = {"EventBuilder1": 's: "one\n#####\n../escape.fcl:\n#####\ntwo" \n', "metadata": 'config_name: "cfg" \n'}
    store.insert([NewDocument("RunHistory", entity, "7/cfg", "7/cfg", 7, text) for entity, text in texts.items()])
    store.fold()
    files = [(f"{one.entity}.fcl", one.text.encode()) for one in export_configuration(store, "7/cfg").files]
    store.close()
    doubtful = tmp_path / "doubtful"
    doubtful.write_bytes(pack(files, 7, datetime.now(UTC)))
    status, _, err = run("blob", "unpack", doubtful, "--out", tmp_path / "out")
    assert (status, "escape" in err, (tmp_path / "out").exists()) == (1, True, False)
    config = tmp_path / "archive.yaml"
    config.write_text(CONFIG.format(place=tmp_path))
    assert run("-c", config, "blob", "unpack", doubtful, "--out", tmp_path / "out")[0] == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == dict(files)
    assert not list(tmp_path.rglob("escape*"))
    changed = [(files[0][0], files[0][1].replace(b"one", b"not what artdaqDB has")), *files[1:]]
    doubtful.write_bytes(pack(changed, 7, datetime.now(UTC)))
    assert run("-c", config, "blob", "unpack", doubtful, "--out", tmp_path / "out2")[0] == 1
    assert not (tmp_path / "out2").exists()


def test_check_sets_the_exit_code(run: Run, tmp_path: Path, blob: Path) -> None:
    status, out, _ = run("--json", "blob", "check", blob)
    assert (status, json.loads(out)["verdict"]) == (1, "fail")
    config = tmp_path / "archive.yaml"
    config.write_text(CONFIG.format(place=tmp_path) + "validation: {patterns: {config_name: '^config_name:'}}\n")
    assert run("-c", config, "blob", "check", blob)[0] == 0
    assert run("-c", config, "blob", "check", blob, "--run", "12001")[0] == 1
    blob.write_bytes(os.urandom(100))
    assert run("blob", "check", blob)[0] == 1
    assert run("blob", "check", tmp_path / "nosuch")[0] == 1


def test_a_place_that_cannot_be_written_is_said_so(run: Run, tmp_path: Path, blob: Path) -> None:
    for place in (blob, Path("/proc/none/here"), blob / "below"):
        code, _, err = run("blob", "unpack", str(blob), "--out", str(place))
        assert code == 1
        assert "cannot write" in err


def test_a_run_number_is_not_negative(run: Run, tmp_path: Path, blob: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        run("blob", "pack", str(tmp_path), "--run", "-3", "--out", str(tmp_path / "x"))
    assert caught.value.code == 64


def test_a_link_is_not_followed_even_to_make_a_directory(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    file = tmp_path / "blob"
    file.write_bytes(pack([("link/deeper/a.fcl", b"a: 1\n")], 7, datetime.now(UTC)))
    code, _, _ = run("blob", "unpack", file, "--out", tmp_path / "out")
    assert code == 1
    assert not list((tmp_path / "elsewhere").iterdir())


def test_what_cannot_be_packed_is_named_and_not_left_out(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    (source / "a.fcl").write_text("a: 1\n")
    for name, make in (
        ("dangling.fcl", lambda path: path.symlink_to("nowhere")),
        ("linked", lambda path: path.symlink_to(tmp_path)),
        ("pipe", os.mkfifo),
    ):
        place = source / "sub" / name
        make(place)
        status, out, err = run("blob", "pack", source, "--run", "7")
        assert (status, out, name in err) == (1, "", True), err
        place.unlink()
    (source / "linked.fcl").symlink_to("a.fcl")
    assert "linked.fcl" in run("blob", "pack", source, "--run", "7")[1]


def test_nothing_is_unpacked_where_one_file_is_in_the_way(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "blob"
    file.write_bytes(pack([("a.fcl", b"a: 1\n"), ("b.fcl", b"b: 1\n")], 7, datetime.now(UTC)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.fcl").write_text("mine")
    status, _, err = run("blob", "unpack", file, "--out", tmp_path / "out")
    assert (status, "directory of its own" in err) == (1, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.fcl"]
    assert (tmp_path / "out" / "b.fcl").read_text() == "mine"
