"""The body of a request: read in pieces, with a size limit and a time limit, chunked or not."""

from __future__ import annotations

import hashlib
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Protocol

from runarchive.ucondb.server.storage import PIECE, WHOLE, NewBody, StorageDown

_SECONDS_AT_LEAST = 30.0
_SECONDS_FOR_A_QUESTION = 5.0
SLOWEST_BYTES_A_SECOND = 50_000
_LONGEST_CHUNK_LINE = 1024
_MOST_TRAILERS = 100


class Source(Protocol):
    """The connection a body is read from; reading past its monotonic `deadline` raises TimeoutError."""

    deadline: float

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
    """One request's body; `length` is None for a chunked one, `limit` the most bytes it may have.

    `give_leave`, where there is one, is called before the first byte is waited for.
    """

    def __init__(
        self, source: Source, length: int | None, limit: int, give_leave: Callable[[], None] | None = None
    ) -> None:
        self._source = source
        self._length = length
        self._limit = limit
        self._give_leave = give_leave
        self._start = time.monotonic()
        self._patience = _SECONDS_AT_LEAST
        self._is_broken = False
        self.received = 0
        self.finished = length == 0
        self._pieces = self._known() if length is not None else self._chunked()

    @property
    def left(self) -> int | None:
        """How many bytes the client will still send; None where that cannot be told."""
        if self.finished:
            return 0
        if self._length is None or self._give_leave is not None or self._is_broken:
            return None
        return self._length - self.received

    @property
    def is_chunked(self) -> bool:
        """Whether its length is not known beforehand."""
        return self._length is None

    def pieces(self) -> Iterator[bytes]:
        """What has not been read yet; raises BodyError when it is cut off, too large or too slow."""
        if self._length is not None and self._length > self._limit:
            raise self._too_large()
        if self._give_leave is not None and not self.finished:
            self._give_leave()
            self._give_leave = None
        for piece in self._pieces:
            self.received += len(piece)
            if self.received > self._limit:
                raise self._too_large()
            yield piece

    def whole(self, limit: int) -> bytes:
        """A body that is a question, not a blob: all of it, of at most `limit` bytes. Anybody may ask: in less time."""
        self._patience = _SECONDS_FOR_A_QUESTION
        self._limit = min(self._limit, limit)
        return b"".join(self.pieces())

    def _known(self) -> Iterator[bytes]:
        left = self._length or 0
        while left:
            left -= len(piece := self._read(min(left, PIECE)))
            yield piece
        self.finished = True

    def _chunked(self) -> Iterator[bytes]:
        while True:
            line = self._line()
            try:
                left = int(line.split(b";")[0].strip(), 16) if line.endswith(b"\n") else -1
            except ValueError:
                left = -1
            if left < 0:
                raise self._broken("400 Bad Request", "The chunked body is cut off or malformed")
            if left == 0:
                break
            while left:
                left -= len(piece := self._read(min(left, PIECE)))
                yield piece
            self._line()
        for _ in range(_MOST_TRAILERS):
            if not self._line().strip():
                self.finished = True
                return
        raise self._broken("400 Bad Request", "The chunked body has no end")

    def _line(self) -> bytes:
        with self._in_time():
            return self._source.readline(_LONGEST_CHUNK_LINE)

    def _read(self, size: int) -> bytes:
        with self._in_time():
            piece = self._source.read1(size)
        if not piece:
            raise self._broken("400 Bad Request", "The body was cut off")
        return piece

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        self._source.deadline = self._start + self._patience + self.received / SLOWEST_BYTES_A_SECOND
        try:
            yield
        except TimeoutError:
            raise self._broken("408 Request Timeout", "The body comes too slowly") from None
        except OSError:
            raise self._broken("400 Bad Request", "The body was cut off") from None

    def _too_large(self) -> BodyError:
        return BodyError("413 Request Entity Too Large", f"A body may have {self._limit} bytes")

    def _broken(self, status: str, message: str) -> BodyError:
        self._is_broken = True
        return BodyError(status, message)


@contextmanager
def kept(body: RequestBody) -> Iterator[NewBody]:
    """The body, with its checksums, in a file that is in memory while it is small; raises StorageDown without room."""
    file: IO[bytes]
    with tempfile.SpooledTemporaryFile(max_size=WHOLE) as file:
        adler32 = 1
        digest = hashlib.sha256()
        for piece in body.pieces():
            adler32 = zlib.adler32(piece, adler32)
            digest.update(piece)
            try:
                file.write(piece)
            except OSError as error:
                raise StorageDown(f"an upload cannot be kept: {error.strerror}") from error
        yield NewBody(file, body.received, adler32, digest.digest())
