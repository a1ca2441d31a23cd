"""artdaqDB through bulkloader and bulkdownloader, here and over ssh: what they say is never taken on trust."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from runarchive.artdaqdb.documents import canonical_text
from runarchive.artdaqdb.export import export_configuration
from runarchive.artdaqdb.files import locked
from runarchive.artdaqdb.store import ArtdaqStore, NewDocument, open_store
from runarchive.artdaqdb.tool_programs import ToolRun, scratch_directory
from runarchive.artdaqdb.tools import ToolsStore, loadable, loader_problem
from runarchive.errors import ArchiveError, Code
from tests import fake_tools

Open = Callable[..., ArtdaqStore]


@pytest.fixture(params=[None, "far"], ids=["local", "ssh"])
def host(request: pytest.FixtureRequest) -> str | None:
    return str(request.param) if request.param else None


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-ins, on the PATH."""
    directory = tmp_path / "bin"
    fake_tools.install(directory)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SSH_LOG", str(tmp_path / "ssh.log"))
    monkeypatch.setenv("FAKE_CHILD", str(tmp_path / "child"))
    monkeypatch.delenv("FAKE_TOOLS", raising=False)
    monkeypatch.delenv("ARTDAQ_DATABASE_REMOTEHOST", raising=False)
    return directory


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"filesystemdb://{tmp_path}/db"


@pytest.fixture
def opened(tools: Path, uri: str) -> Iterator[Open]:
    with ExitStack() as stack:

        def make(host: str | None = None, timeout: float = 6, at: str = uri, **options: str) -> ArtdaqStore:
            store = open_store(at, timeout=timeout, use_tools=True, remote_host=host, **options)
            return stack.enter_context(closing(store))

        yield make


def new(entity: str, text: str = "a: 1 # one\nb: 2\n", version: str = "7/conf00001") -> NewDocument:
    collection = "SystemLayout" if entity == "schema" else "RunHistory"
    return NewDocument(collection, entity, version, "7/conf00001", 7, text)


RUN = [new("boot"), new("metadata", "c: [1, 2]\n"), new("schema", "s: {}\n")]


def refused(store: ArtdaqStore, documents: list[NewDocument] | None = None) -> ArchiveError:
    with pytest.raises(ArchiveError) as caught:
        store.insert(documents or RUN)
    return caught.value


def test_a_run_goes_in_and_comes_out(opened: Open, host: str | None) -> None:
    store = opened(host)
    store.insert(RUN)
    export = export_configuration(store, "7/conf00001")
    assert {one.entity: one.text for one in export.files} == {one.entity: canonical_text(one.text) for one in RUN}
    assert store.collections() == {"RunHistory": 2, "SystemLayout": 1}
    store.insert([*RUN, new("more")])
    assert store.collections() == {"RunHistory": 3, "SystemLayout": 1}
    assert store.configurations_of(7) == ("7/conf00001",)
    assert [one.name for one in store.list_configurations()] == ["7/conf00001"]


def test_a_real_mongodb_behind_the_tools(opened: Open, mongodb_database: str) -> None:
    store = opened(at=mongodb_database)
    store.insert(RUN)
    assert len(store.documents("7/conf00001")) == 3
    assert len(list(store.all_documents())) == 3


@pytest.mark.parametrize(
    ("lie", "code", "word"),
    [
        ("lose", Code.MISMATCH, "not in the database"),
        ("alter", Code.MISMATCH, "not in the database"),
        ("miscount", Code.TOOL_FAILED, "1 files of 2"),
        ("crash", Code.TOOL_FAILED, "ended with 3"),
    ],
)
def test_what_the_loader_gets_wrong_is_seen(
    opened: Open, host: str | None, monkeypatch: pytest.MonkeyPatch, lie: str, code: Code, word: str
) -> None:
    monkeypatch.setenv("FAKE_TOOLS", lie)
    error = refused(opened(host))
    assert error.code is code
    assert word in error.message
    assert error.run == 7


@pytest.mark.parametrize(
    ("lie", "word"),
    [("leave_out", "left out boot, metadata"), ("alter_export", "otherwise"), ("crash", "ended with 3")],
)
def test_what_the_downloader_gets_wrong_is_seen(
    opened: Open, host: str | None, monkeypatch: pytest.MonkeyPatch, lie: str, word: str
) -> None:
    store = opened(host)
    store.insert(RUN)
    monkeypatch.setenv("FAKE_TOOLS", lie)
    with pytest.raises(ArchiveError, match=word) as caught:
        store.documents("7/conf00001")
    assert caught.value.run == 7


def test_at_the_time_limit_nothing_of_the_tool_is_left(
    opened: Open, host: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_TOOLS", "hang")
    error = refused(opened(host, timeout=0.1))
    assert error.code is Code.TIMEOUT
    assert error.retryable
    child = int((tmp_path / "child").read_text())
    limit = time.monotonic() + 20
    while _alive(child) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_what_bulkloader_cannot_store_is_stored_directly(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened()
    store.insert(RUN)
    monkeypatch.setenv("FAKE_TOOLS", "crash")
    store.insert([new("metadata", "c: 3\n", version="7/conf00001v1")])
    monkeypatch.delenv("FAKE_TOOLS")
    files = {one.entity: one.text for one in export_configuration(store, "7/conf00001").files}
    assert files["metadata"] == canonical_text("c: 3\n")


def test_a_name_that_bulkdownloader_loses_is_read_without_it(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened()
    monkeypatch.setenv("FAKE_TOOLS", "crash")
    store.insert([NewDocument("RunHistory", "boot", "7/with blank1", "7/with blank1", 7, "a: 1\n")])
    assert len(store.documents("7/with blank1")) == 1


def test_a_run_cut_off_is_known_by_its_originals(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened()
    monkeypatch.setenv("FAKE_TOOLS", "log")
    store.insert([new("boot"), new("schema", "s: {}\n"), new("originals", "o: {}\n"), new("metadata")])
    calls = Path(os.environ["FAKE_CHILD"]).read_text().splitlines()
    assert calls == ["originals.fcl", "boot.fcl metadata.fcl", "schema.fcl"]


IMPORTER = """
import sys
from runarchive.artdaqdb.store import NewDocument, open_store
store = open_store(sys.argv[1], timeout=6, use_tools=True)
store.insert([NewDocument("RunHistory", "boot", "7/c", "7/c", 7, "a: 1\\n")])
"""


def test_a_tool_that_outlives_its_importer_keeps_the_lock_and_its_files(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("FAKE_TOOLS", "hang")
    importer = subprocess.Popen([sys.executable, "-c", IMPORTER, f"filesystemdb://{tmp_path}/db"])
    limit = time.monotonic() + 20
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        assert time.monotonic() < limit
        time.sleep(0.02)
    importer.kill()
    importer.wait()
    child = int((tmp_path / "child").read_text())
    try:
        with pytest.raises(ArchiveError) as caught, locked(tmp_path / "db", 0.1):
            pass
        assert caught.value.code is Code.LOCK_HELD
        (left,) = temporary.iterdir()
        os.utime(left, (0, 0))
        with scratch_directory():
            assert (left / "files/boot.fcl").read_text() == "a: 1\n"
    finally:
        os.killpg(os.getpgid(child), signal.SIGKILL)
    with locked(tmp_path / "db", 20), scratch_directory() as (directory, _):
        assert list(temporary.iterdir()) == [directory]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        (new("boot"), True),
        (new("schema"), True),
        (new("boot", version="7/conf00001v1"), False),
        (NewDocument("RunHistory", "my_schema", "7/c", "7/c", 7, ""), False),
        (NewDocument("RunHistory", "schema", "7/c", "7/c", 7, ""), False),
        (NewDocument("Hashes", "hashes", "7/c", "7/c", 7, ""), False),
        (NewDocument("RunHistory", "boot", "7/a b", "7/a b", 7, ""), False),
        (NewDocument("RunHistory", "boot", "007/c", "007/c", 7, ""), False),
        (NewDocument("RunHistory", "../boot", "7/c", "7/c", 7, ""), False),
        (NewDocument("RunHistory", "boot", "7/-x", "7/-x", 7, ""), False),
    ],
)
def test_which_documents_bulkloader_can_store(document: NewDocument, answer: bool) -> None:
    assert loadable(document) is answer


@pytest.mark.parametrize(
    ("exit_code", "output", "errors", "word"),
    [
        (0, "Loaded 3 files with 1 threads in 5 msecs.\n", "WARNING: mongoc: counters\n", ""),
        (0, "Loaded 3 files with 1 threads in 5 msecs.\n", "Failed loading file:/x/boot.fcl\n", "refused 1"),
        (0, "", "", "did not say"),
        (1, "Loaded 3 files\n", "Failed loading file:/x/boot.fcl\nError: Failed to load 1 file(s).\n", "boot.fcl"),
        (136, "", "", "no file"),
        (-8, "", "", "no file"),
        (144, "", "terminate called", "144"),
    ],
)
def test_what_bulkloader_says(exit_code: int, output: str, errors: str, word: str) -> None:
    problem = loader_problem(ToolRun(exit_code, output, errors), 3)
    assert word in problem
    assert bool(problem) == bool(word)


@pytest.mark.parametrize(("host", "code"), [("down", Code.CONNECTION_REFUSED), ("closed", Code.PERMISSION)])
def test_a_host_out_of_reach_is_told_from_a_failing_tool(opened: Open, host: str, code: Code) -> None:
    error = refused(opened(host))
    assert error.code is code
    assert host in error.message


@pytest.mark.parametrize("host", ["-oProxyCommand=touch x", "a b", "$(id)", ""])
def test_a_host_name_is_no_option_and_no_command(opened: Open, host: str) -> None:
    if host:
        with pytest.raises(ArchiveError) as caught:
            opened(host)
        assert caught.value.code is Code.BAD_CONFIG
    else:
        opened(host).insert(RUN)


def test_no_secret_reaches_a_command_line_or_a_message(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened("far", timeout=1, at="mongodb://bob:s3cret@127.0.0.1:1/db")
    assert isinstance(store, ToolsStore)
    monkeypatch.setenv("FAKE_TOOLS", "crash")
    done, _ = store._programs.download(["-r", "7", "-c", "x", "-t", "1"])
    assert (done.exit_code, "something broke" in done.errors, "s3cret" in done.errors) == (3, True, False)
    with pytest.raises(ArchiveError) as caught:
        store.ping()
    assert "s3cret" not in caught.value.message
    assert "s3cret" not in (tmp_path / "ssh.log").read_text()
    assert "s3cret" not in repr(store.__dict__)


def test_nothing_stays_behind_on_the_other_host(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "far"))
    (tmp_path / "far").mkdir()
    store = opened("far")
    store.insert(RUN)
    store.documents("7/conf00001")
    monkeypatch.setenv("FAKE_TOOLS", "crash")
    refused(store, [new("late")])
    assert list((tmp_path / "far").iterdir()) == []


def test_the_doctor_is_told_where_the_tools_are(opened: Open, tools: Path, host: str | None) -> None:
    answer = opened(host).ping()
    assert f"{tools}/bulkloader" in answer
    (tools / "bulkdownloader").unlink()
    with pytest.raises(ArchiveError) as caught:
        opened(host).ping()
    assert caught.value.code is Code.TOOL_FAILED


def test_tools_in_a_directory_of_their_own(opened: Open, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"].removeprefix(f"{tools}:"))
    refused(opened())
    opened(tools_dir=str(tools)).insert(RUN)
