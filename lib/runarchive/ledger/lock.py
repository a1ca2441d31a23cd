"""The lock of the one writer: `flock` on `app.lock_file`, whose content is the holder's pid."""

from __future__ import annotations

import fcntl
import os
import pwd
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runarchive.errors import ArchiveError, Code
from runarchive.ledger.place import NETWORK_FILESYSTEMS, filesystem_type
from runarchive.model import Job, Phase

_POLL_SECONDS = 0.1
_WATCH_SECONDS = 1.0
_PROBES = 3
"""Tries before a lock counts as held: somebody asking who holds it has it for an instant."""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds a lock file: the pid it names, since when, and the job of that process where the ledger knows one.

    `owner` reads `user@host:pid`, or as much of it as can be told.
    """

    path: Path
    pid: int | None
    owner: str
    since: datetime | None
    job: Job | None = None
    stuck: bool = False

    @property
    def name(self) -> str:
        """The holder in words: `user@host:pid (job 12, import 7/40)`, or its owner alone."""
        if self.job is None:
            return self.owner
        text = f"{self.job.owner} (job {self.job.job}, {self.job.kind} {self.job.done}/{self.job.total})"
        return f"{text}, without progress since {self.job.updated:%H:%M:%S} UTC" if self.stuck else text


class WriterLock:
    """The lock of one process; the kernel frees it when that process ends, however it ends.

    Asking for a held lock changes nothing in the file, so it cannot disturb its holder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        os.register_at_fork(after_in_child=self._drop)

    @property
    def held(self) -> bool:
        """Whether this process holds it."""
        return self._descriptor is not None

    def acquire(
        self, wait: float = 0, *, cancelled: Callable[[], bool] = lambda: False, holder: Callable[[], str] = str
    ) -> None:
        """Take the lock, waiting up to `wait` seconds, and write this pid into the file.

        Raises ArchiveError: LOCK_HELD (naming the holder as `holder` does then), CANCELLED, or PERMISSION.
        """
        end = time.monotonic() + wait
        probes = 0
        while not self._try():
            probes += 1
            if cancelled():
                raise ArchiveError(
                    Code.CANCELLED, f"waiting for the lock {self.path} was cancelled", phase=Phase.CONNECT
                )
            if time.monotonic() >= end and probes >= _PROBES:
                who = holder() or f"pid {read_pid(self.path) or 'unknown'}"
                raise ArchiveError(
                    Code.LOCK_HELD,
                    f"Another process may be running. Lock file '{self.path}' is held. By {who}.",
                    phase=Phase.CONNECT,
                )
            time.sleep(_POLL_SECONDS if time.monotonic() < end else 0.02)

    def _try(self) -> bool:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ArchiveError(
                Code.PERMISSION, f"the lock file {self.path} cannot be opened: {error}", phase=Phase.CONNECT
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        if not _names(self.path, descriptor):  # removed or replaced between open and flock
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self._write_pid()
        return True

    def _write_pid(self) -> None:
        assert self._descriptor is not None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)

    def removed(self) -> bool:
        """Whether somebody asked this process to stop, by removing the lock file or writing something else into it.

        An older archiver that starts empties the file before it notices the lock; that asks for nothing, and the pid is
        written again.
        """
        if self._descriptor is None:
            return False
        if not _names(self.path, self._descriptor):
            return True
        content = os.pread(self._descriptor, 64, 0).strip()
        if not content:
            self._write_pid()
            return False
        return content != str(os.getpid()).encode("ascii")

    def release(self) -> None:
        """Free the lock; the file stays, as whoever waits for it may have it open."""
        self._drop()

    def _drop(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def watch(self, on_removed: Callable[[], None]) -> LockWatch:
        """Start to watch for the file's removal; `on_removed` is called once, in a thread of its own."""
        watch = LockWatch(self, on_removed)
        watch.start()
        return watch


class LockWatch(threading.Thread):
    """Looks at the lock file once a second while it is held."""

    def __init__(self, lock: WriterLock, on_removed: Callable[[], None]) -> None:
        super().__init__(name="lock-watch", daemon=True)
        self._lock = lock
        self._on_removed = on_removed
        self._done = threading.Event()

    def run(self) -> None:
        """Look until `stop` or until the file is gone."""
        while not self._done.wait(_WATCH_SECONDS):
            if self._lock.removed():
                self._on_removed()
                return

    def stop(self) -> None:
        """End the watch; returns when the thread is gone."""
        self._done.set()
        if self is not threading.current_thread():
            self.join()


def read_pid(path: Path) -> int | None:
    """The pid that a lock file names, or None."""
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def is_held(path: Path) -> bool:
    """Whether some process holds the lock file now.

    The kernel's own table is asked, `/proc/locks` (proc(5)); where it does not show the lock's owner (another pid
    namespace, a network filesystem) the lock itself is tried for an instant.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if _in_kernel_table(os.fstat(descriptor)):
            return True
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def lock_holder(
    path: Path, running: tuple[Job, ...] = (), stuck: Callable[[Job], bool] | None = None
) -> LockHolder | None:
    """Who holds the lock file, or None where nobody does; `running` are the ledger's jobs that have not ended."""
    if not is_held(path):
        return None
    pid = read_pid(path)
    try:
        since = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        since = None
    job = next((item for item in running if item.owner.rpartition(":")[2] == str(pid)), None)
    owner = job.owner if job else _owner_of(path, pid)
    return LockHolder(path, pid, owner, since, job, bool(job and stuck and stuck(job)))


def _owner_of(path: Path, pid: int | None) -> str:
    """Whose process a lock file names; another host's cannot be told apart from one of ours but by the kernel."""
    if pid is None:
        return "an unknown process"
    try:
        if _in_kernel_table(path.stat()):
            user = pwd.getpwuid(Path("/proc", str(pid)).stat().st_uid).pw_name
            return f"{user}@{socket.gethostname()}:{pid}"
    except (OSError, KeyError):
        """The process, or its account, cannot be looked at."""
    return f"pid {pid}"


def break_lock(path: Path) -> bool:
    """Remove the lock file, which asks a living holder to stop after the runs in hand; False where there is none."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ArchiveError(
            Code.PERMISSION, f"the lock file {path} cannot be removed: {error}", phase=Phase.WRITE
        ) from error
    return True


def lock_remark(path: Path) -> str:
    """What an operator should know about locking where this file lies; empty on a local disk."""
    kind = filesystem_type(path.parent)
    if kind not in NETWORK_FILESYSTEMS:
        return ""
    return (
        f"{path} is on a network filesystem ({kind}): its lock may not hold between hosts;"
        " set app.lock_file to a local path and start writers on one host only"
    )


def _names(path: Path, descriptor: int) -> bool:
    """Whether the path still leads to the file that is open."""
    try:
        there = os.stat(path)
    except OSError:
        return False
    ours = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _in_kernel_table(status: os.stat_result) -> bool:
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    return any("FLOCK" in line and "WRITE" in line and wanted in line.split() for line in lines)
