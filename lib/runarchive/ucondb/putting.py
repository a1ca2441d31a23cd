"""Storing one blob so that it is there once, whatever gets lost on the way."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store
from runarchive.repeating import retried
from runarchive.ucondb.body import CHUNK, Checksums, PutKind, PutOutcome, read_file
from runarchive.ucondb.frame import content_hash
from runarchive.ucondb.listing import UconVersion, version_of
from runarchive.ucondb.transport import Query, Transport, message_of
from runarchive.ucondb.wire import Body

_TAKEN = re.compile(r"already exists|duplicate key value violates unique constraint")
_MAY_HAVE_BEEN_DONE = (Code.CONNECTION_CUT, Code.TIMEOUT, Code.UNAVAILABLE)


class Reader(Protocol):
    """What a put needs to know of the object it writes to."""

    folder: str
    object_name: str

    def content_hash(self, run: int) -> str:
        """What the stored bytes of a run hold, "Packed on" lines apart."""

    def version(self, run: int) -> UconVersion | None:
        """What the server says of a run."""

    def create_folder(self) -> None:
        """Make the folder."""


class _CountedBytes(io.BytesIO):
    """Bytes to be sent, which tell how many of them were taken."""

    def __init__(self, data: bytes, taken: Callable[[int], None]) -> None:
        super().__init__(data)
        self._taken = taken

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self._taken(self.tell())
        return piece


class Put:
    """One blob on its way into the store; `data` is the bytes themselves or the file that holds them."""

    def __init__(
        self,
        reader: Reader,
        transport: Transport,
        run: int,
        data: bytes | Path,
        tags: tuple[str, ...],
        override: bool,
        sent: Callable[[int], None] | None = None,
    ) -> None:
        self._reader = reader
        self._transport = transport
        self._run = run
        self._data = data
        self._override = override
        self._made_folder = False
        self._sent = sent
        self._query: Query = (
            ("folder", reader.folder),
            ("object", reader.object_name),
            ("full_meta", "yes"),
            ("key", str(run)),
            *(("tag", tag) for tag in tags),
            ("override", "yes" if override else "no"),
        )
        with self._pieces() as pieces:
            self._sums = Checksums.of(pieces)

    def outcome(self) -> PutOutcome:
        """Store the blob, or find out that it need not or must not be stored; see `UconClient.put`."""
        if self._override:
            there = self._look()
            if there is not None and there.kind is not PutKind.DIFFERENT:
                return there
        try:
            return retried(self._attempt, before_retry=self._look_after_failure)
        except ArchiveError as error:
            if error.code not in _MAY_HAVE_BEEN_DONE:
                raise
            done = self._look_quietly()
            if done is None:
                raise
            return done

    def _attempt(self) -> PutOutcome:
        with self._body() as body:
            status, text = self._transport.write("put", self._query, self._counted(body), size=self._sums.size)
        if status == 200:
            return self._stored(text)
        message = message_of(text)
        if status in (409, 500) and _TAKEN.search(message):
            there = self._look()
            if there is None:
                raise self._failure(Code.BAD_ANSWER, "the server says that the run exists, and then that it does not")
            return there
        if status == 404 and "older not found" in message:
            if self._made_folder:
                raise self._failure(
                    Code.FOLDER_MISSING,
                    f"folder {self._reader.folder} was made and is not there: the server folds names to lower case",
                )
            self._reader.create_folder()
            self._made_folder = True
            return self._attempt()
        code = {403: Code.PERMISSION, 405: Code.PERMISSION, 413: Code.TOO_LARGE}.get(status, Code.BAD_ANSWER)
        raise self._failure(code, f"the server refuses the blob with {status}: {message}")

    def _stored(self, text: str) -> PutOutcome:
        try:
            version = version_of(json.loads(text))
        except ValueError as error:
            raise self._failure(Code.BAD_ANSWER, f"the server says of the stored blob {text[:60]!r}") from error
        if (version.data_size, version.adler32) != (self._sums.size, self._sums.adler32):
            raise self._failure(
                Code.MISMATCH,
                f"{self._sums.size} bytes with adler32 {self._sums.adler32} were sent, the server stored "
                f"{version.data_size} with {version.adler32}",
            )
        return PutOutcome(PutKind.STORED, version, self._sums.sha256, self._made_folder)

    def _look(self) -> PutOutcome | None:
        """What the server holds under our key, compared with what we want there; None when it holds nothing."""
        version = self._reader.version(self._run)
        if version is None:
            return None
        # "Packed on" has one length: another size is other content, without fetching it.
        kind = PutKind.DIFFERENT
        if version.data_size == self._sums.size and self._is_ours():
            kind = PutKind.SAME
        return PutOutcome(kind, version, self._sums.sha256)

    def _is_ours(self) -> bool:
        """Whether the stored bytes are ours; those that the server no longer has as it took them are not."""
        try:
            stored = self._reader.content_hash(self._run)
        except ArchiveError as error:
            if error.code is not Code.MISMATCH:
                raise
            return False
        with self._pieces() as pieces:
            return stored == content_hash(pieces)

    def _look_after_failure(self) -> PutOutcome | None:
        """Whether the put whose answer was lost was done; a put that may override is repeated unless it was."""
        there = self._look_quietly()
        return None if there is not None and self._override and there.kind is PutKind.DIFFERENT else there

    def _look_quietly(self) -> PutOutcome | None:
        try:
            return self._look()
        except ArchiveError:
            return None

    @contextmanager
    def _pieces(self) -> Iterator[Iterable[bytes]]:
        with self._body() as body:
            yield [body] if isinstance(body, bytes) else read_file(body)

    @contextmanager
    def _body(self) -> Iterator[Body]:
        if isinstance(self._data, bytes):
            yield self._data
            return
        try:
            file: IO[bytes] = self._data.open("rb")
        except OSError as error:
            raise self._failure(Code.UNREADABLE_FILE, f"cannot read {self._data}: {error.strerror}") from error
        with file:
            yield file

    def _counted(self, body: Body) -> Body:
        """The body; a large one in memory tells how much of it was taken to be sent."""
        if self._sent is None or not isinstance(body, bytes) or len(body) <= CHUNK:
            return body
        return _CountedBytes(body, self._sent)

    def _failure(self, code: Code, message: str) -> ArchiveError:
        return ArchiveError(code, message, store=Store.UCONDB, phase=Phase.WRITE, run=self._run)
