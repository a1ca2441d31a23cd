"""What was written to a FilesystemDB since its indexes were last brought up to date.

One file in the database directory, which the C++ library does not look at: its collections are the sub-directories.
A line a
document, appended before the documents get their names, so that no crash leaves a document that nobody knows of.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runarchive.artdaqdb.index import Entry

JOURNAL_FILE = ".archiver-journal"


@dataclass(frozen=True, slots=True)
class Line:
    """One document in the journal: where it is, and its entry in the index to come."""

    collection: str
    entry: Entry


def encode(line: Line) -> bytes:
    """A journal line: one JSON array and a line feed."""
    one = line.entry
    fields = [line.collection, one.id, one.version, one.configurations, one.entities, one.aliases, one.runs]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def decode(data: bytes) -> Line | None:
    """The line, or None for what is no journal line (a write that was cut off)."""
    try:
        collection, oid, version, configurations, entities, aliases, runs = json.loads(data)
        named = tuple((str(name), str(at)) for name, at in configurations)
    except (ValueError, TypeError):
        return None
    return Line(collection, Entry(oid, version, named, tuple(entities), tuple(aliases), tuple(runs)))


_HEAD = 40


@dataclass(slots=True)
class Journal:
    """Reads on from where it stood; the random line that a journal begins with tells whether it is still the same."""

    path: Path
    head: bytes = b""
    offset: int = 0

    @classmethod
    def of(cls, directory: Path) -> Journal:
        """The journal of a database directory."""
        return cls(directory / JOURNAL_FILE)

    def stat(self) -> tuple[int, int]:
        """Inode and size, for a change token; zeros while there is none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return (0, 0)
        return (found.st_ino, found.st_size)

    def rewind(self) -> None:
        """Read from the beginning next time."""
        self.head, self.offset = b"", 0

    def read_on(self) -> list[Line]:
        """The lines that came since the last call; all of them if the journal was replaced."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            self.rewind()
            return []
        with file:
            head = file.read(_HEAD)
            if head != self.head:
                self.head, self.offset = head, 0
            file.seek(self.offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        return [line for line in map(decode, whole.split(b"\n")) if line is not None]

    def append(self, lines: list[Line], sync: Callable[[Sequence[int]], None]) -> None:
        """Add lines and make them durable; on failure the file is as it was. The caller holds the database's lock.

        `sync` waits until the descriptors that it is given, and what else it knows of, are on the disk.
        """
        with contextlib.ExitStack() as stack:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)
            stack.callback(os.close, descriptor)
            size = os.lseek(descriptor, 0, os.SEEK_END)
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            before = b"\n" if torn else b"" if size else b"%s\n" % os.urandom(_HEAD).hex()[: _HEAD - 1].encode()
            view = memoryview(before + b"".join(map(encode, lines)))
            to_sync = [descriptor]
            if not size:
                to_sync.append(os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY))
                stack.callback(os.close, to_sync[-1])
            try:
                while view:
                    view = view[os.write(descriptor, view) :]
                sync(to_sync)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
