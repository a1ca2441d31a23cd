"""The lines that open and close a blob, and what two blobs have in common when only their "Packed on" lines differ."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from runarchive.errors import ArchiveError, Code
from runarchive.model import Store

_HEADER = re.compile(rb"Start of Record\nRun Number: (\d+)\nPacked on ([^\n]*)\n")
_FOOTER = re.compile(rb"\nEnd of Record\nRun Number: (\d+)\nPacked on ([^\n]*)\n\Z")
_LONGEST_END = 512
"""The most bytes that a header, or a footer, may have."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the content of a blob starts and ends, and what the lines around it say; `packed_on` has no year."""

    run: int
    packed_on: str
    start: int
    end: int


def find_frame(blob: bytes) -> Frame:
    """The frame of a blob; raises ArchiveError(CORRUPT) when it is none, or was cut or torn."""
    header = _HEADER.match(blob, 0, _LONGEST_END)
    footer = _FOOTER.search(blob, max(0, len(blob) - _LONGEST_END))
    if header is None or footer is None or footer.start() < header.end() - 1:
        raise _torn("this is no blob: its first or last three lines are missing or torn")
    if footer.groups() != header.groups():
        raise _torn("the blob's first and last lines name different runs")
    return Frame(int(header[1]), header[2].decode("utf-8", "replace"), header.end(), footer.start())


def same_content(a: bytes, b: bytes) -> bool:
    """Whether two blobs hold the same but for their two "Packed on" lines; anything that is no blob must be equal."""
    if a == b:
        return True
    try:
        first, second = find_frame(a), find_frame(b)
    except ArchiveError:
        return False
    return first.run == second.run and (
        memoryview(a)[first.start : first.end] == memoryview(b)[second.start : second.end]
    )


def content_hash(pieces: Iterable[bytes]) -> str:
    """SHA-256 of a blob without its "Packed on" lines; of all bytes when it is no blob.

    The blob comes in pieces, of which one is held at a time. Blobs with the same hash are those that `same_content`
    calls the same.
    """
    pieces = iter(pieces)
    kept = b""
    while len(kept) < 2 * _LONGEST_END and (piece := next(pieces, b"")):
        kept += piece
    everything = hashlib.sha256(kept)
    header = _HEADER.match(kept, 0, _LONGEST_END)
    if header is None:
        for piece in pieces:
            everything.update(piece)
        return everything.hexdigest()
    content = hashlib.sha256(f"blob of run {int(header[1])}\n".encode())
    # The line feed that ends an empty blob's header begins its footer too.
    kept, begin = kept[header.end() - 1 :], 1
    for piece in pieces:
        everything.update(piece)
        kept += piece
        if len(kept) > _LONGEST_END + begin:
            content.update(kept[begin:-_LONGEST_END])
            kept, begin = kept[-_LONGEST_END:], 0
    footer = _FOOTER.search(kept, max(0, len(kept) - _LONGEST_END))
    if footer is None or footer.groups() != header.groups():
        return everything.hexdigest()
    content.update(kept[begin : footer.start()])
    return content.hexdigest()


def _torn(message: str) -> ArchiveError:
    return ArchiveError(Code.CORRUPT, message, store=Store.UCONDB, hint="fetch it again with `tui-archiver ucondb get`")
