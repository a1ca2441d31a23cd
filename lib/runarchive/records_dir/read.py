"""Reading one run record: every byte, mode and time, and proof that nothing changed meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runarchive.errors import TAXONOMY, ArchiveError, Code
from runarchive.fhicl.originals import FileKind, OriginalFile, file_name_bytes
from runarchive.fhicl.times import RunTimes, run_times
from runarchive.model import Failure, Phase, Store

LARGEST_RECORD = 1 << 30
"""Bytes of one record beyond which its files are no longer read: such a directory holds something else."""

_CHUNK = 1 << 20
_LEADS_NOWHERE = {
    errno.ENOENT: "which is not there",
    errno.ENOTDIR: "which is not there",
    errno.ELOOP: "which leads in a circle",
}


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run-record directory as it was read.

    `files` holds the directory itself first (name "."), then every file, directory and link below it by name.
    `problems` names what could not be read or changed while it was read; without problems the record is whole.
    `newest_mtime_ns` is the newest modification time of anything in it; `size` the bytes of its files.
    """

    run: int
    path: Path
    files: tuple[OriginalFile, ...]
    problems: tuple[Failure, ...]
    newest_mtime_ns: int
    size: int

    @property
    def is_empty(self) -> bool:
        """Whether the directory holds nothing at all."""
        return not self.problems and all(file.name == "." for file in self.files)

    @property
    def times(self) -> RunTimes:
        """The start and stop lines of its metadata.txt; none when there is no such file."""
        return next((run_times(file.data) for file in self.files if file.name == "metadata.txt"), RunTimes())


def newest_mtime_ns(path: Path) -> int | None:
    """The newest modification time in the record directory, nanoseconds since 1970 UTC; None if it is not there.

    Reads no file; entries that vanish meanwhile are left out. For asking often whether a record still changes.
    """
    try:
        newest = os.stat(path).st_mtime_ns
    except OSError:
        return None
    pending = [os.fspath(path)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    newest = max(newest, status.st_mtime_ns)
                    if stat.S_ISDIR(status.st_mode):
                        pending.append(entry.path)
        except OSError:
            continue
    return newest


def read_record(path: Path, run: int) -> RunRecord:
    """One run record, whole; what stands in the way becomes a Failure in `problems`, never an exception.

    Links are kept as links, with the bytes they lead to. A directory linked from outside the record is read through
    its link, so that its files are kept too.
    """
    reader = _Reader(path, run)
    reader.read()
    files = tuple(sorted(reader.files, key=lambda file: (file.name != ".", file_name_bytes(file.name))))
    return RunRecord(run, path, files, tuple(reader.problems), reader.newest, reader.size)


class _ChangedError(OSError):
    """The file is not what it was when reading it began."""


class _TooLargeError(OSError):
    """The record holds more than a record can."""


@dataclass
class _Reader:
    """Walks one record and collects what it finds."""

    path: Path
    run: int
    files: list[OriginalFile] = field(default_factory=list)
    problems: list[Failure] = field(default_factory=list)
    newest: int = 0
    size: int = 0
    visited: set[tuple[int, int]] = field(default_factory=set)

    def read(self) -> None:
        with self._noting("."):
            status = os.stat(self.path)
            self._directory(os.fspath(self.path), "", status)

    def _problem(self, code: Code, name: str, what: str) -> None:
        where = f"run {self.run}: {clean_name(name)} " if name != "." else f"run {self.run}: the record "
        kind = TAXONOMY[code]
        self.problems.append(Failure(Store.FILESYSTEM, Phase.READ, code.value, kind.retryable, where + what, kind.hint))

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        try:
            yield
        except _ChangedError:
            self._problem(Code.CHANGED_WHILE_READING, name, "changed while it was read")
        except _TooLargeError:
            self._problem(Code.TOO_LARGE, name, f"takes the record beyond {LARGEST_RECORD >> 20} MiB")
        except FileNotFoundError:
            self._problem(Code.CHANGED_WHILE_READING, name, "vanished while the record was read")
        except PermissionError:
            self._problem(Code.UNREADABLE_FILE, name, "cannot be read: permission denied")
        except OSError as error:
            self._problem(Code.UNREADABLE_FILE, name, f"cannot be read: {error.strerror or error}")

    def _add(self, name: str, status: os.stat_result, kind: FileKind, data: bytes = b"", target: str = "") -> None:
        self.newest = max(self.newest, status.st_mtime_ns)
        self.size += len(data)
        self.files.append(OriginalFile(name, stat.S_IMODE(status.st_mode), status.st_mtime_ns, data, kind, target))

    def _directory(self, place: str, name: str, status: os.stat_result) -> None:
        """Read a directory and everything below it; `name` is "" for the record itself."""
        self.visited.add((status.st_dev, status.st_ino))
        self._add(name or ".", status, FileKind.DIRECTORY)
        names = sorted(os.listdir(place))
        for child in names:
            self._entry(os.path.join(place, child), f"{name}/{child}" if name else child)
        after = os.stat(place)
        if after.st_mtime_ns != status.st_mtime_ns or sorted(os.listdir(place)) != names:
            raise _ChangedError

    def _entry(self, place: str, name: str) -> None:
        with self._noting(name):
            status = os.lstat(place)
            if stat.S_ISLNK(status.st_mode):
                self._link(place, name, status)
            elif stat.S_ISDIR(status.st_mode):
                self._directory(place, name, status)
            elif stat.S_ISREG(status.st_mode):
                data, settled = self._bytes(place)
                self._add(name, settled, FileKind.FILE, data)
            else:
                self._problem(Code.UNREADABLE_FILE, name, "is no file but a pipe, socket or device")

    def _link(self, place: str, name: str, status: os.stat_result) -> None:
        target = os.readlink(place)
        try:
            behind = os.stat(place)
        except OSError as error:
            if error.errno not in _LEADS_NOWHERE:
                raise
            self._add(name, status, FileKind.LINK, target=target)
            what = _LEADS_NOWHERE[error.errno]
            self._problem(Code.DANGLING_LINK, name, f"is a link to {clean_name(target)}, {what}")
            return
        if stat.S_ISREG(behind.st_mode):
            data, _ = self._bytes(place)
            self._add(name, status, FileKind.LINK, data, target)
            return
        self._add(name, status, FileKind.LINK, target=target)
        if (
            stat.S_ISDIR(behind.st_mode)
            and self._is_outside(place)
            and (behind.st_dev, behind.st_ino) not in self.visited
        ):
            self._directory(place, name + LINKED, behind)

    def _is_outside(self, place: str) -> bool:
        """Whether a linked directory is neither part of the record nor holds it."""
        own, other = os.path.realpath(self.path), os.path.realpath(place)
        return not (f"{other}/".startswith(f"{own}/") or f"{own}/".startswith(f"{other.rstrip('/')}/"))

    def _bytes(self, place: str) -> tuple[bytes, os.stat_result]:
        """The bytes of a regular file and its status, the same before and after reading."""
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            before = os.fstat(descriptor)
            if self.size + before.st_size > LARGEST_RECORD:
                raise _TooLargeError
            chunks: list[bytes] = []
            length = 0
            while chunk := file.read(_CHUNK):
                chunks.append(chunk)
                length += len(chunk)
                if self.size + length > LARGEST_RECORD:
                    raise _TooLargeError
            after = os.fstat(descriptor)
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size) or length != after.st_size:
            raise _ChangedError
        return b"".join(chunks), after


LINKED = "/"
"""What a linked directory's name gets when its files are kept too ("link/", "link//file"): no name on disk looks so.

They are evidence of what stood behind the link, and are not restored.
"""


def clean_name(name: str) -> str:
    """A name fit for a message: printable, other characters as escapes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode() for char in name
    )


def whole(record: RunRecord) -> RunRecord:
    """The record itself; raises its first problem as an ArchiveError when it could not be read whole."""
    for problem in record.problems:
        raise ArchiveError(
            Code(problem.code),
            problem.message,
            store=problem.store,
            phase=problem.phase,
            run=record.run,
            hint=problem.hint,
            retryable=problem.retryable,
        )
    return record
