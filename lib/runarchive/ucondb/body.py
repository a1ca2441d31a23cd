"""The bytes of one version: their checksums, how a put of them ended, and how a read of them is checked."""

from __future__ import annotations

import errno
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store
from runarchive.ucondb.listing import UconVersion

CHUNK = 1 << 18


class PutKind(StrEnum):
    """How a put ended."""

    STORED = "stored"
    SAME = "same"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class PutOutcome:
    """What a put found and did; `sha256` is that of the bytes it wanted to store.

    SAME: the server had this content already, "Packed on" lines apart. DIFFERENT: it holds other content under this
    key, and nothing was written. `made_folder`: there was no such folder, and it was made for this.
    """

    kind: PutKind
    version: UconVersion | None
    sha256: str
    made_folder: bool = False


@dataclass(frozen=True, slots=True)
class Checksums:
    """Size in bytes, adler32 as the server keeps it, and SHA-256 as we keep it."""

    size: int
    adler32: int
    sha256: str

    @classmethod
    def of(cls, chunks: Iterable[bytes]) -> Checksums:
        """The checksums of a body read in pieces."""
        size, adler, digest = 0, 1, hashlib.sha256()
        for chunk in chunks:
            size += len(chunk)
            adler = zlib.adler32(chunk, adler)
            digest.update(chunk)
        return cls(size, adler, digest.hexdigest())


def read_file(file: IO[bytes]) -> Iterator[bytes]:
    """A file from its start, in pieces."""
    file.seek(0)
    while chunk := file.read(CHUNK):
        yield chunk


def write_file(chunks: Iterable[bytes], out: IO[bytes]) -> Iterator[bytes]:
    """Replace a file's content by the pieces, and hand them on; raises ArchiveError when they cannot be written."""
    with _write_errors():
        out.seek(0)
        out.truncate()
    for chunk in chunks:
        with _write_errors():
            out.write(chunk)
        yield chunk


@contextmanager
def _write_errors() -> Iterator[None]:
    """The disk's errors as the disk's, so that nobody takes them for the network's."""
    try:
        yield
    except OSError as error:
        code = Code.DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else Code.PERMISSION
        raise ArchiveError(code, f"cannot write the blob: {error.strerror}", phase=Phase.WRITE) from error


def checked(
    chunks: Iterable[bytes], size: str | None, adler32: str | None, what: str, run: int | None
) -> Iterator[bytes]:
    """The same pieces; at their end raises ArchiveError unless they have this size and adler32 (None: not known).

    CONNECTION_CUT: bytes are missing; MISMATCH: they are not those that were stored.
    """
    got = 0
    checksum = 1
    for chunk in chunks:
        got += len(chunk)
        checksum = zlib.adler32(chunk, checksum)
        yield chunk
    if size is not None and got < int(size):
        message = f"{what}: the answer was cut off after {got} of {size} bytes"
        raise ArchiveError(Code.CONNECTION_CUT, message, store=Store.UCONDB, phase=Phase.READ, run=run)
    if (size is not None and got != int(size)) or (adler32 is not None and checksum != int(adler32) & 0xFFFFFFFF):
        message = f"{what}: {got} bytes with adler32 {checksum} came, {size} with {adler32} were announced"
        raise ArchiveError(
            Code.MISMATCH, message, store=Store.UCONDB, phase=Phase.READ, run=run,
            hint="the bytes were altered on their way, or in the store; read again, then ask the server's keeper",
        )
