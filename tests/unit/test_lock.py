"""The writer's lock: one holder, never hurt by who asks, freed by the kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runarchive.errors import ArchiveError, Code
from runarchive.ledger import Ledger, WriterLock, break_lock, lock_holder, lock_remark, this_actor
from runarchive.ledger.lock import is_held, read_pid

HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom runarchive.ledger import WriterLock\n"
    "lock = WriterLock(Path(sys.argv[1]))\nlock.acquire()\nprint('held', flush=True)\nsys.stdin.read()\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work" / ".archiver.lock"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_holder_writes_its_pid_and_the_file_stays(path: Path) -> None:
    lock = WriterLock(path)
    lock.acquire()
    assert path.read_text() == f"{os.getpid()}\n"
    assert lock.held
    assert not lock.removed()
    lock.release()
    assert not lock.held
    assert path.exists()
    assert not is_held(path)


def test_asking_for_a_held_lock_changes_nothing(path: Path, holder: subprocess.Popen[str]) -> None:
    before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
    with pytest.raises(ArchiveError) as caught:
        WriterLock(path).acquire()
    assert caught.value.code is Code.LOCK_HELD
    assert f"Another process may be running. Lock file '{path}' is held." in caught.value.message
    assert str(holder.pid) in caught.value.message
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_a_killed_holder_frees_the_lock(path: Path, holder: subprocess.Popen[str]) -> None:
    assert is_held(path)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    lock = WriterLock(path)
    lock.acquire()
    assert read_pid(path) == os.getpid()
    lock.release()


def test_waiting_gets_the_lock_when_the_holder_leaves(path: Path, holder: subprocess.Popen[str]) -> None:
    lock = WriterLock(path)
    threading.Timer(0.2, lambda: holder.stdin.close()).start()  # type: ignore[union-attr]
    lock.acquire(wait=30)
    assert lock.held
    lock.release()


def test_waiting_can_be_cancelled(path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(ArchiveError) as caught:
        WriterLock(path).acquire(wait=60, cancelled=lambda: True)
    assert caught.value.code is Code.CANCELLED


@pytest.mark.parametrize("how", ["removed", "replaced", "other pid"])
def test_removing_the_file_is_seen(path: Path, how: str) -> None:
    lock = WriterLock(path)
    lock.acquire()
    seen = threading.Event()
    watch = lock.watch(seen.set)
    if how == "removed":
        assert break_lock(path)
    elif how == "replaced":
        path.unlink()
        path.write_text(f"{os.getpid()}\n")
    else:
        path.write_text("1\n")
    assert seen.wait(10)
    watch.stop()
    lock.release()


def test_an_older_archiver_that_empties_the_file_stops_nobody(path: Path) -> None:
    lock = WriterLock(path)
    lock.acquire()
    path.open("w").close()
    assert not lock.removed()
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_removed_lock_does_not_block_the_next_start(path: Path, holder: subprocess.Popen[str]) -> None:
    break_lock(path)
    assert not break_lock(path)
    lock = WriterLock(path)
    lock.acquire()
    assert read_pid(path) == os.getpid()
    lock.release()


def test_a_child_process_does_not_keep_the_lock(path: Path) -> None:
    lock = WriterLock(path)
    lock.acquire()
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    lock.release()
    other = WriterLock(path)
    other.acquire()
    other.release()
    os.write(done[1], b"x")
    os.waitpid(child, 0)
    for descriptor in (*ready, *done):
        os.close(descriptor)


def test_the_holder_is_named_by_its_job(tmp_path: Path, path: Path) -> None:
    assert lock_holder(path) is None
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    lock = WriterLock(path)
    lock.acquire()
    found = lock_holder(path, ledger.jobs.running(), ledger.jobs.is_stuck)
    assert found is not None
    assert found.name == f"{this_actor()}:{os.getpid()}"
    job = ledger.jobs.start("import", 40)
    ledger.jobs.progress(job, done=7)
    found = lock_holder(path, ledger.jobs.running(), ledger.jobs.is_stuck)
    assert found is not None
    assert f":{os.getpid()} (job {job}, import 7/40)" in found.name
    assert not found.stuck
    lock.release()
    ledger.close()


def test_a_lock_file_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError) as caught:
        WriterLock(tmp_path / "file" / "lock").acquire()
    assert caught.value.code is Code.PERMISSION


def test_a_local_lock_has_no_remark(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lock_remark(path) == ""
    monkeypatch.setattr("runarchive.ledger.lock.filesystem_type", lambda path: "nfs4")
    assert "one host only" in lock_remark(path)
