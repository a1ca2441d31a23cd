"""Telling a record that only went on from one that was changed, and naming the version of what came later."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from runarchive.errors import ArchiveError
from runarchive.fhicl.originals import FileKind, OriginalFile, unpack_originals
from runarchive.fhicl.pairs import Pairs
from runarchive.fhicl.parser import FhiclDocument, parse
from runarchive.fhicl.printer import print_fhicl

METADATA_FILE = "metadata.txt"
_TIME_KEY = re.compile(r"daqinterface_(start|stop)_time(?:_repeated)?", re.IGNORECASE)
_TIME_LINE = re.compile(rb"[ \t]*DAQInterface (start|stop) time[ \t]*:")
ADDED_TO = frozenset({"RunHistory", "RunHistory2"})
"""Entities that also take up what run control writes when a run starts and stops."""


def _times(main: Pairs) -> Counter[tuple[str, str]]:
    """Every start and stop time, by which it is and its text."""
    found: Counter[tuple[str, str]] = Counter()
    for name, value in main.items:
        key = _TIME_KEY.fullmatch(name)
        if key:
            found.update((key[1].lower(), str(one)) for one in (value if isinstance(value, list) else [value]))
    return found


def _without_times(table: Pairs) -> Pairs:
    return Pairs(item for item in table.items if not _TIME_KEY.fullmatch(item[0]))


def _rest(document: FhiclDocument) -> str:
    """A document without its start and stop times, printed."""
    data, metadata = Pairs(document.data.items), Pairs(document.metadata.items)
    data.set("main", _without_times(data.table("main")))
    main = Pairs(metadata.table("main").items)
    main.set("children", _without_times(main.table("children")))
    metadata.set("main", main)
    return print_fhicl(data, metadata)


def _is_within(earlier: Iterable[object], later: Iterable[object]) -> bool:
    """Whether the earlier list can be had from the later one by leaving some out."""
    rest = iter(later)
    return all(any(one == other for other in rest) for one in earlier)


def entity_grew(entity: str, earlier: str, later: str) -> bool:
    """Whether one text of an entity is an earlier stage of the other.

    Start and stop times may be added, none of them may be gone; to RunHistory and RunHistory2 other keys may be
    added too.
    """
    try:
        old, new = parse(earlier), parse(later)
        before, after = old.data.table("main"), new.data.table("main")
        if not _times(before) <= _times(after):
            return False
        if entity in ADDED_TO:
            return _is_within(_without_times(before).items, _without_times(after).items)
        return _rest(old) == _rest(new)
    except ArchiveError:
        return False


def _metadata_grew(earlier: bytes, later: bytes) -> bool:
    def split(data: bytes) -> tuple[list[object], list[object]]:
        lines = [line for line in re.split(rb"\r\n|\r|\n", data) if line.strip()]
        times = [line for line in lines if _TIME_LINE.match(line)]
        return list(times), [line for line in lines if not _TIME_LINE.match(line)]

    earlier_times, earlier_rest = split(earlier)
    later_times, later_rest = split(later)
    return earlier_rest == later_rest and _is_within(earlier_times, later_times)


def _content(files: Iterable[OriginalFile]) -> dict[str, tuple[FileKind, str, bytes]]:
    return {one.name: (one.kind, one.target, one.data) for one in files}


def compare_originals(earlier: str, later: str) -> bool | None:
    """True for the same files with the same bytes, whatever their modes and times; False if only times were added to
    the metadata or files were added; None if anything else changed.

    Raises ArchiveError(CORRUPT) if either text is damaged.
    """
    if earlier == later:
        return True
    old, new = _content(unpack_originals(earlier)), _content(unpack_originals(later))
    if old == new:
        return True
    for name, held in old.items():
        now = new.get(name)
        if now == held:
            continue
        if now is None or name != METADATA_FILE or now[:2] != held[:2] or not _metadata_grew(held[2], now[2]):
            return None
    return False


def update_numbers() -> Iterator[int]:
    """1 … 9, 90 … 99, 990 … 999, …: each is greater than the one before by number and as text."""
    first = 1
    while True:
        power = 10 ** len(str(first))
        yield from range(first, power)
        first = (power - 1) * 10


def next_version(configuration: str, versions: Iterable[str]) -> str:
    """The version of the next update of a configuration: greater, by number and as text, than each one there is."""
    prefix = f"{configuration}v"
    taken = [version[len(prefix) :] for version in versions if version.startswith(prefix)]
    highest = max((int(one) for one in taken if one.isascii() and one.isdigit()), default=0)
    last = max(taken, default="")
    return next(f"{prefix}{number}" for number in update_numbers() if number > highest and str(number) > last)
