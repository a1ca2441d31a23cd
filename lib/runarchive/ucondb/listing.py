"""What UconDB says it holds: versions, read from the server's stream one by one, and kept between looks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store, run_number

OVERLAP_SECONDS = 900.0
"""How far an incremental look goes back: a record time is that of a put's beginning, not of its commit."""


class UconVersion(NamedTuple):
    """One version: `tv` and `tr` in Unix seconds, `data_size` in bytes; `key` is the caller's name or None."""

    id: int
    key: str | None
    tv: float
    tr: float
    tags: tuple[str, ...]
    data_size: int
    data_key: str
    adler32: int


@dataclass(frozen=True, slots=True)
class ListingCache:
    """An earlier listing of one folder and object, to be completed instead of read anew; `as_json` keeps it."""

    source: str
    versions: Mapping[int, UconVersion]

    @property
    def newest(self) -> float:
        """The greatest record time, in Unix seconds; 0 for an empty listing."""
        return max((version.tr for version in self.versions.values()), default=0.0)

    def is_followed_by(self, news: Iterable[UconVersion]) -> bool:
        """Whether these later versions begin with our newest one: else the store lost some, or is another one."""
        newest = max(self.versions.values(), key=lambda version: version.tr)
        return any((one.id, one.data_key) == (newest.id, newest.data_key) for one in news)

    def as_json(self) -> str:
        """The cache as JSON text."""
        return json.dumps({"source": self.source, "versions": [list(version) for version in self.versions.values()]})

    @classmethod
    def from_json(cls, text: str) -> ListingCache | None:
        """The cache of `as_json`; None when the text is not one, so that the listing is read anew."""
        try:
            value = json.loads(text)
            rows = [UconVersion._make([*row[:4], tuple(row[4]), *row[5:]]) for row in value["versions"]]
            return cls(str(value["source"]), {row.id: row for row in rows})
        except (ValueError, KeyError, TypeError, IndexError):
            return None


@dataclass(frozen=True, slots=True)
class Listing:
    """What an object holds: versions by run number, and those whose key is no run number.

    `exists` is False while the folder or the object has never been written to; `incremental` tells that only what is
    new was asked for; `cache` makes the next look incremental.
    """

    runs: dict[int, UconVersion]
    others: tuple[UconVersion, ...] = ()
    exists: bool = True
    incremental: bool = False
    cache: ListingCache | None = field(default=None, repr=False)


def make_listing(source: str, versions: Mapping[int, UconVersion], *, exists: bool, incremental: bool) -> Listing:
    """The listing of these versions."""
    runs: dict[int, UconVersion] = {}
    others: list[UconVersion] = []
    for version in versions.values():
        run = run_number(version.key or "")
        if run is None:
            others.append(version)
        else:
            runs[run] = version
    return Listing(runs, tuple(others), exists, incremental, ListingCache(source, versions))


def merge(cache: ListingCache, news: Iterable[UconVersion]) -> dict[int, UconVersion]:
    """The versions of a cache brought up to date; an older version loses its key to a newer one that took it."""
    versions = dict(cache.versions)
    changed = {version.id: version for version in news}
    taken = {version.key: version.id for version in changed.values() if version.key is not None}
    if any(version.key in taken and taken[version.key] != number for number, version in versions.items()):
        versions = {
            number: version._replace(key=None) if version.key in taken and taken[version.key] != number else version
            for number, version in versions.items()
        }
    versions.update(changed)
    return versions


def version_of(record: Any) -> UconVersion:
    """A version of its metadata object as the server writes it; raises ArchiveError(BAD_ANSWER)."""
    try:
        key = record["key"]
        return UconVersion(
            int(record["id"]),
            None if key is None else str(key),
            float(record["tv"]),
            float(record["tr"]),
            tuple(map(str, record["tags"])),
            int(record["data_size"]),
            str(record["data_key"]),
            int(record["adler32"]) & 0xFFFFFFFF,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(
            Code.BAD_ANSWER, f"the server describes a version without a proper {error}", store=Store.UCONDB,
            phase=Phase.LIST,
        ) from error


def read_json_array(chunks: Iterable[str]) -> Iterator[Any]:
    """The elements of a JSON array, each as soon as its text has arrived.

    Raises ArchiveError(CONNECTION_CUT) when the text ends before the array does, BAD_ANSWER when it is no array of
    objects.
    """
    decoder = json.JSONDecoder()
    stream = iter(chunks)
    text = ""
    position = 0
    opened = False
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        if not opened and position < len(text):
            if text[position] != "[":
                raise _bad_answer(text[position:])
            opened = True
            position += 1
            continue
        if opened and text.startswith("]", position):
            return
        if opened and position < len(text):
            if text[position] != "{":
                raise _bad_answer(text[position:])
            try:
                value, position = decoder.raw_decode(text, position)
            except json.JSONDecodeError:
                pass
            else:
                yield value
                continue
        chunk = next(stream, None)
        if chunk is None:
            raise ArchiveError(
                Code.CONNECTION_CUT, "the listing was cut off before its end", store=Store.UCONDB, phase=Phase.LIST
            )
        text = text[position:] + chunk
        position = 0


def _bad_answer(text: str) -> ArchiveError:
    return ArchiveError(
        Code.BAD_ANSWER, f"the server's listing is no list of versions: it reads {text[:60]!r}", store=Store.UCONDB,
        phase=Phase.LIST,
    )
