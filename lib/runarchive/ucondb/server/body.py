"""The body of a request: read in pieces, with a size limit and a time limit, chunked or not."""

from __future__ import annotations

import hashlib
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Protocol

from runarchive.ucondb.server.storage import PIECE, WHOLE, NewBody

_SECONDS_AT_LEAST = 30.0
_SLOWEST_BYTES_A_SECOND = 50_000
_LONGEST_CHUNK_LINE = 1024
_DROPPED_AT_MOST = 64 << 20


class Source(Protocol):
    """The connection a body is read from."""

    def read1(self, size: int = ..., /) -> bytes:
        """At most `size` bytes, as soon as there are any; none at the end."""

    def readline(self, size: int = ..., /) -> bytes:
        """One line with its line feed, cut at `size` bytes."""


class BodyError(Exception):
    """A body that is not accepted; `status` is what to answer."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class RequestBody:
    """One request's body; `length` is None for a chunked one, `limit` the most bytes it may have."""

    def __init__(self, source: Source, length: int | None, limit: int) -> None:
        self._source = source
        self._length = length
        self._limit = limit
        self._start = time.monotonic()
        self.received = 0
        self.finished = length == 0
        self._pieces = self._known() if length is not None else self._chunked()

    def pieces(self) -> Iterator[bytes]:
        """What has not been read yet; raises BodyError when it is cut off, too large or too slow."""
        if self._length is not None and self._length > self._limit:
            raise BodyError("413 Request Entity Too Large", f"A body may have {self._limit} bytes")
        for piece in self._pieces:
            self.received += len(piece)
            if self.received > self._limit:
                raise BodyError("413 Request Entity Too Large", f"A body may have {self._limit} bytes")
            if self._is_slow():
                raise BodyError("408 Request Timeout", "The body comes too slowly")
            yield piece

    def whole(self, limit: int) -> bytes:
        """A body that is a question, not a blob: all of it, of at most `limit` bytes."""
        self._limit = min(self._limit, limit)
        return b"".join(self.pieces())

    def drop(self) -> None:
        """Read the rest and forget it, so that a client that is still sending gets to read the answer."""
        try:
            for piece in self._pieces:
                self.received += len(piece)
                if self.received > max(self._limit, _DROPPED_AT_MOST) or self._is_slow():
                    return
        except (BodyError, OSError):
            return

    def _is_slow(self) -> bool:
        return time.monotonic() - self._start > _SECONDS_AT_LEAST + self.received / _SLOWEST_BYTES_A_SECOND

    def _known(self) -> Iterator[bytes]:
        left = self._length or 0
        while left:
            left -= len(piece := self._read(min(left, PIECE)))
            yield piece
        self.finished = True

    def _chunked(self) -> Iterator[bytes]:
        while True:
            line = self._source.readline(_LONGEST_CHUNK_LINE)
            try:
                left = int(line.split(b";")[0].strip(), 16) if line.endswith(b"\n") else -1
            except ValueError:
                left = -1
            if left < 0:
                raise BodyError("400 Bad Request", "The chunked body is cut off or malformed")
            if left == 0:
                break
            while left:
                left -= len(piece := self._read(min(left, PIECE)))
                yield piece
            self._source.readline(_LONGEST_CHUNK_LINE)
        while self._source.readline(_LONGEST_CHUNK_LINE).strip():
            continue
        self.finished = True

    def _read(self, size: int) -> bytes:
        piece = self._source.read1(size)
        if not piece:
            raise BodyError("400 Bad Request", "The body was cut off")
        return piece


@contextmanager
def kept(body: RequestBody) -> Iterator[NewBody]:
    """The body in a temporary file, in memory while it is small, with its checksums."""
    file: IO[bytes]
    with tempfile.SpooledTemporaryFile(max_size=WHOLE) as file:
        adler32 = 1
        digest = hashlib.sha256()
        for piece in body.pieces():
            adler32 = zlib.adler32(piece, adler32)
            digest.update(piece)
            file.write(piece)
        yield NewBody(file, body.received, adler32, digest.digest())
