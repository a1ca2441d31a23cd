"""Files that no crash leaves half written, and a lock between processes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_MISPLACED = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP})
LOCK_FILE = ".archiver-lock"
ABANDONED_SECONDS = 600.0
_waiting = ThreadPoolExecutor(8, "sync")
"""The filesystem joins waits for its journal that overlap into one: many waits at once cost hardly more than one."""


def failed(error: OSError, phase: Phase, doing: str, run: int | None = None) -> ArchiveError:
    """The ArchiveError for a refused system call, by what refused it: disk, permission, path, or store."""
    why = error.strerror or str(error)
    where = f" ({error.filename})" if error.filename else ""
    code = Code.UNAVAILABLE
    if error.errno in _FULL:
        code = Code.DISK_FULL
    elif error.errno in _FORBIDDEN:
        code = Code.PERMISSION
    elif error.errno in _MISPLACED:
        code = Code.BAD_CONFIG
    hint = {
        Code.UNAVAILABLE: "see whether the filesystem of the database is there and answers, then retry",
        Code.BAD_CONFIG: "correct artdaq_db.database_uri",
    }.get(code)
    return ArchiveError(code, f"{doing}: {why}{where}", store=Store.ARTDAQDB, phase=phase, run=run, hint=hint)


@contextlib.contextmanager
def os_errors(phase: Phase, doing: str, run: int | None = None) -> Iterator[None]:
    """Turn every OSError inside into its ArchiveError."""
    try:
        yield
    except OSError as error:
        raise failed(error, phase, doing, run) from error


def sync_directory(path: Path) -> None:
    """Make renames and removals in a directory survive loss of power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_for_lock(directory: Path) -> int:
    """A descriptor that flock takes: the directory, or a file in it where a network filesystem refuses that."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return descriptor
    except BlockingIOError:
        return descriptor
    except OSError:
        os.close(descriptor)
        return os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)


@contextlib.contextmanager
def locked(directory: Path, seconds: float) -> Iterator[int]:
    """Hold the directory's lock against every other thread and process.

    The kernel frees it when the holder dies, and every process that was given the descriptor this yields. Raises
    ArchiveError(LOCK_HELD) after `seconds`.
    """
    descriptor = _open_for_lock(directory)
    try:
        deadline, pause = time.monotonic() + seconds, 0.001
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    message = f"another process has been writing to {directory} for {seconds:g} s"
                    raise ArchiveError(Code.LOCK_HELD, message, store=Store.ARTDAQDB, phase=Phase.WRITE) from None
                time.sleep(pause)
                pause = min(pause * 2, 0.05)
        yield descriptor
    finally:
        os.close(descriptor)


def sync_all(descriptors: Sequence[int]) -> None:
    """Wait until all of these files and directories are on the disk."""
    if len(descriptors) == 1:
        os.fsync(descriptors[0])
    elif descriptors:
        done = [_waiting.submit(os.fsync, descriptor) for descriptor in descriptors]
        wait(done)
        for one in done:
            one.result()


class NewFiles:
    """Files written beside their place, made durable together, then moved in one by one.

    A file under its final name is always whole. Leaving the block without `move_in` removes what was prepared.
    """

    def __init__(self, scratch: Path) -> None:
        self._prefix = f"{scratch}/.archiver-{os.getpid()}-{os.urandom(6).hex()}"
        self._count = 0
        self._moves: dict[str, str] = {}
        """By target, the prepared file."""
        self._descriptors: list[int] = []

    def __enter__(self) -> NewFiles:
        return self

    def add(self, target: str | Path, data: bytes, mode: int | None = None) -> None:
        """Prepare the content of `target`, with these permissions or the account's usual ones."""
        self._count += 1
        temporary = f"{self._prefix}-{self._count}.tmp"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._moves[str(target)] = temporary
        self._descriptors.append(descriptor)
        if mode is not None:
            os.fchmod(descriptor, mode)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if len(self._descriptors) >= 128:
            self.sync()

    def sync(self, others: Sequence[int] = ()) -> None:
        """Wait until what was added so far, and what was written to these other descriptors, is on the disk."""
        descriptors, self._descriptors = self._descriptors, []
        try:
            sync_all([*descriptors, *others])
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def drop(self, target: str | Path) -> None:
        """Forget what was prepared for `target`."""
        os.unlink(self._moves.pop(str(target)))

    def move_in(self) -> None:
        """Give every prepared file its name, in the order they were added, and make the names durable."""
        self.sync()
        directories: dict[str, None] = {}
        for target, temporary in list(self._moves.items()):
            os.rename(temporary, target)
            del self._moves[target]
            directories[os.path.dirname(target)] = None
        with contextlib.ExitStack() as stack:
            opened = []
            for directory in directories:
                opened.append(os.open(directory, os.O_RDONLY | os.O_DIRECTORY))
                stack.callback(os.close, opened[-1])
            sync_all(opened)

    def __exit__(self, *_: object) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
        for temporary in self._moves.values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


def left_over(scratch: Path) -> Sequence[Path]:
    """Prepared files that an interrupted write left behind, old enough that nobody is still writing them."""
    limit = time.time() - ABANDONED_SECONDS
    return [path for path in sorted(scratch.glob(".archiver-*.tmp")) if path.stat().st_mtime < limit]
