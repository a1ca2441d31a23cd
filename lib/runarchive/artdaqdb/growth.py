"""Telling a record that only went on from one that was changed, and naming the version of what came later."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from runarchive.errors import ArchiveError
from runarchive.fhicl.originals import FileKind, OriginalFile, unpack_originals
from runarchive.fhicl.pairs import Pairs
from runarchive.fhicl.parser import parse
from runarchive.fhicl.printer import print_fhicl

METADATA_FILE = "metadata.txt"
_TIME_KEY = re.compile(r"daqinterface_(start|stop)_time", re.IGNORECASE)
_TIME_LINE = re.compile(rb"[ \t]*DAQInterface (start|stop) time[ \t]*:")


def _parts(text: str) -> tuple[str, list[object]]:
    """A FHiCL text without its start and stop times, printed; and those times in order."""
    document = parse(text)
    main, children = document.data.table("main"), document.metadata.table("main").table("children")
    times = [(name, value) for name, value in main.items if _TIME_KEY.fullmatch(name)]
    data, metadata = Pairs(document.data.items), Pairs(document.metadata.items)
    data.set("main", Pairs(item for item in main.items if not _TIME_KEY.fullmatch(item[0])))
    kept = Pairs(document.metadata.table("main").items)
    kept.set("children", Pairs(item for item in children.items if not _TIME_KEY.fullmatch(item[0])))
    metadata.set("main", kept)
    return print_fhicl(data, metadata), list(times)


def _begins_or_is_within(earlier: list[object], later: list[object]) -> bool:
    """Whether the earlier list can be had from the later one by leaving some out."""
    rest: Iterator[object] = iter(later)
    return all(any(one == other for other in rest) for one in earlier)


def times_added(earlier: str, later: str) -> bool:
    """Whether two FHiCL texts differ in start and stop times alone, and none that the earlier one has is gone or
    changed."""
    try:
        earlier_rest, earlier_times = _parts(earlier)
        later_rest, later_times = _parts(later)
    except ArchiveError:
        return False
    return earlier_rest == later_rest and _begins_or_is_within(earlier_times, later_times)


def _metadata_grew(earlier: bytes, later: bytes) -> bool:
    def split(data: bytes) -> tuple[list[object], list[object]]:
        lines = [line for line in re.split(rb"\r\n|\r|\n", data) if line.strip()]
        times = [line for line in lines if _TIME_LINE.match(line)]
        return list(times), [line for line in lines if not _TIME_LINE.match(line)]

    earlier_times, earlier_rest = split(earlier)
    later_times, later_rest = split(later)
    return earlier_rest == later_rest and _begins_or_is_within(earlier_times, later_times)


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
