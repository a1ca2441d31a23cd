"""The entity `originals`: a whole run record, byte for byte, as one ASCII FHiCL document.

Each entry of the directory becomes one table of the sequence `entries`; `docs/formats.md` describes every key.
The text is already canonical: printing it again changes no byte.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase

FORMAT = "run-record-originals-1"
ORIGINALS = "originals"
_LARGEST_CACHED = 1 << 20


class FileKind(StrEnum):
    """What an entry of a record directory is."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """One entry of a record directory.

    `name` is relative, '/' separated, bytes outside UTF-8 as Python's surrogates; the directory itself is ".".
    `mode` holds the permission bits, `mtime_ns` nanoseconds since 1970 UTC. Of a link, `target` is its text and
    `data` the bytes of the file it leads to (empty when it leads to none); of a directory, `data` is empty.
    """

    name: str
    mode: int
    mtime_ns: int
    data: bytes
    kind: FileKind = FileKind.FILE
    target: str = ""


def file_name_bytes(name: str) -> bytes:
    """The bytes a name has on disk, whatever the locale."""
    return name.encode("utf-8", "surrogateescape")


def escape_name(name: str) -> str:
    """A name as printable ASCII without quotes, blanks, '#' or '//': other bytes become %XX."""
    escaped = re.sub(
        rb"[^A-Za-z0-9_./+@:,=~-]",
        lambda match: b"%%%02X" % match.group()[0],
        file_name_bytes(name),
    ).decode("ascii")
    return escaped.replace("//", "/%2F")


def unescape_name(text: str) -> str:
    """The inverse of `escape_name`."""
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match.group(1), 16)]), text.encode("ascii"))
    return raw.decode("utf-8", "surrogateescape")


def _encode(data: bytes) -> tuple[str, str]:
    return hashlib.sha256(data).hexdigest(), base64.urlsafe_b64encode(zlib.compress(data, 6)).decode("ascii")


_encode_cached = lru_cache(maxsize=256)(_encode)
"""Configurations repeat from run to run, so most files of a record were encoded for the record before."""


def _encoded(data: bytes) -> tuple[str, str]:
    return _encode_cached(data) if len(data) <= _LARGEST_CACHED else _encode(data)


def _items(entry: OriginalFile) -> Iterator[tuple[str, str]]:
    yield "name", f'"{escape_name(entry.name)}"'
    yield "kind", f'"{entry.kind}"'
    yield "mode", f'"{entry.mode:04o}"'
    yield "mtime_ns", f'"{entry.mtime_ns}"'
    if entry.kind is FileKind.LINK:
        yield "target", f'"{escape_name(entry.target)}"'
    if entry.kind is not FileKind.DIRECTORY:
        digest, text = _encoded(entry.data)
        yield "size", f'"{len(entry.data)}"'
        yield "sha256", f'"{digest}"'
        yield "data", f'"{text}"'


def pack_originals(files: Iterable[OriginalFile]) -> str:
    """The FHiCL text of the entity `originals` for these entries, in the order of their names."""
    tables = [
        "{\n" + "".join(f"\n{key}: {value} \n" for key, value in _items(entry)) + "\n}"
        for entry in sorted(files, key=lambda entry: file_name_bytes(entry.name))
    ]
    return f'\nformat: "{FORMAT}" \n\nentries: [' + ", ".join(tables) + "] \n"


_ENTRY = re.compile(r"\{\s*((?:\w+\s*:\s*\"[^\"]*\"\s*)*)\}")
_ITEM = re.compile(r"(\w+)\s*:\s*\"([^\"]*)\"")
_DOCUMENT = re.compile(
    r"\s*format\s*:\s*\"([^\"]*)\"\s*entries\s*:\s*\[((?>(?:\s|,|\{\s*(?:\w+\s*:\s*\"[^\"]*\"\s*)*\})*))\]\s*\Z"
)


def _corrupt(message: str) -> ArchiveError:
    return ArchiveError(Code.CORRUPT, f"originals: {message}", phase=Phase.READ)


def unpack_originals(text: str) -> tuple[OriginalFile, ...]:
    """The entries held by an `originals` text, as packed or as any store prints it again.

    Raises ArchiveError(CORRUPT) when the text is none, an entry lacks a key, or a file's bytes do not have its
    size and sha256.
    """
    document = _DOCUMENT.match(text)
    if document is None:
        raise _corrupt("the text is no list of entries")
    if document.group(1) != FORMAT:
        raise _corrupt(f"unknown format {document.group(1)!r}")
    return tuple(_entry(dict(_ITEM.findall(match.group(1)))) for match in _ENTRY.finditer(document.group(2)))


def _entry(items: dict[str, str]) -> OriginalFile:
    try:
        name = unescape_name(items["name"])
        kind = FileKind(items["kind"])
        mode, mtime_ns = int(items["mode"], 8), int(items["mtime_ns"])
        target = unescape_name(items["target"]) if kind is FileKind.LINK else ""
        data = b"" if kind is FileKind.DIRECTORY else _decode(name, items)
    except KeyError as error:
        raise _corrupt(f"an entry has no {error.args[0]}") from error
    except ValueError as error:
        raise _corrupt(f"an entry cannot be read: {error}") from error
    return OriginalFile(name, mode, mtime_ns, data, kind, target)


def _decode(name: str, items: dict[str, str]) -> bytes:
    try:
        data = zlib.decompress(base64.b64decode(items["data"], altchars=b"-_", validate=True))
    except (binascii.Error, zlib.error) as error:
        raise _corrupt(f"{name!r} cannot be unpacked: {error}") from error
    if len(data) != int(items["size"]) or hashlib.sha256(data).hexdigest() != items["sha256"]:
        raise _corrupt(f"{name!r} does not have its sha256")
    return data


def same_originals(left: str, right: str) -> bool:
    """Whether two `originals` texts hold the same entries, however either was compressed or laid out."""
    return left == right or unpack_originals(left) == unpack_originals(right)
