"""Line differences of texts of any size: rows for two columns or one, with what to ignore."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from functools import lru_cache
from itertools import groupby

EXACT_PRODUCT = 250_000
"""Blocks of up to this many line pairs go through difflib; larger ones without a unique line count as replaced."""
INTRA_LINE = 2_000
"""Longer lines are compared by their common beginning and end alone."""
CONTEXT = 3


class Kind(StrEnum):
    """What a row of the difference is."""

    SAME = " "
    REMOVED = "-"
    ADDED = "+"
    CHANGED = "~"
    IGNORED = "."


@dataclass(frozen=True, slots=True)
class Row:
    """One row: line indices left and right, None where that side has nothing; both None is a fold of `folded` lines."""

    kind: Kind
    left: int | None
    right: int | None
    folded: int = 0


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """What makes no difference: white space, case, blank lines, lines in which `pattern` is found."""

    space: bool = False
    case: bool = False
    blank: bool = False
    pattern: str = ""

    def normaliser(self) -> Callable[[str], str]:
        """The function under which two lines are the same."""
        if self.space and self.case:
            return lambda line: "".join(line.split()).casefold()
        if self.space:
            return lambda line: "".join(line.split())
        return str.casefold if self.case else lambda line: line

    def ignorer(self) -> Callable[[str], bool]:
        """Which lines count for nothing; raises re.error for a pattern that is none."""
        pattern = re.compile(self.pattern) if self.pattern else None
        if pattern is None:
            return (lambda line: not line.strip()) if self.blank else lambda line: False
        return lambda line: pattern.search(line) is not None or (self.blank and not line.strip())


def compare(left: Sequence[str], right: Sequence[str], options: DiffOptions) -> list[Row]:
    """Every row of the difference between two texts given as lines; raises re.error for a bad pattern.

    A replaced block is rows of pairs as far as both sides have lines, then what one side has more.
    """
    normal, ignored = options.normaliser(), options.ignorer()
    keep_a = [index for index, line in enumerate(left) if not ignored(line)]
    keep_b = [index for index, line in enumerate(right) if not ignored(line)]
    pairs = _matches([normal(left[index]) for index in keep_a], [normal(right[index]) for index in keep_b])
    rows: list[Row] = []
    a = b = 0
    for i, j in (*((keep_a[i], keep_b[j]) for i, j in pairs), (len(left), len(right))):
        rows += _between(range(a, i), range(b, j), left, right, ignored)
        if i < len(left):
            rows.append(Row(Kind.SAME, i, j))
        a, b = i + 1, j + 1
    return rows


def _between(
    a: range, b: range, left: Sequence[str], right: Sequence[str], ignored: Callable[[str], bool]
) -> Iterator[Row]:
    i, j = a.start, b.start
    while i < a.stop or j < b.stop:
        skip_left = i < a.stop and ignored(left[i])
        skip_right = j < b.stop and ignored(right[j])
        if skip_left or skip_right:
            take_left, take_right, kind = skip_left, skip_right, Kind.IGNORED
        else:
            take_left, take_right = i < a.stop, j < b.stop
            kind = Kind.CHANGED if take_left and take_right else Kind.REMOVED if take_left else Kind.ADDED
        yield Row(kind, i if take_left else None, j if take_right else None)
        i, j = i + take_left, j + take_right


def _matches(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs of equal lines that stand in the same order: common ends first, then unique lines, then difflib."""
    found: list[tuple[int, int]] = []
    work = [(0, len(a), 0, len(b))]
    while work:
        a0, a1, b0, b1 = work.pop()
        while a0 < a1 and b0 < b1 and a[a0] == b[b0]:
            found.append((a0, b0))
            a0, b0 = a0 + 1, b0 + 1
        while a0 < a1 and b0 < b1 and a[a1 - 1] == b[b1 - 1]:
            a1, b1 = a1 - 1, b1 - 1
            found.append((a1, b1))
        if a0 == a1 or b0 == b1:
            continue
        anchors = _anchors(a, b, (a0, a1, b0, b1))
        if anchors:
            before = (a0, b0)
            for i, j in anchors:
                work.append((before[0], i, before[1], j))
                found.append((i, j))
                before = (i + 1, j + 1)
            work.append((before[0], a1, before[1], b1))
        elif (a1 - a0) * (b1 - b0) <= EXACT_PRODUCT:
            for block in SequenceMatcher(None, a[a0:a1], b[b0:b1], autojunk=False).get_matching_blocks():
                found += [(a0 + block.a + at, b0 + block.b + at) for at in range(block.size)]
    return sorted(found)


def _anchors(a: Sequence[str], b: Sequence[str], window: tuple[int, int, int, int]) -> list[tuple[int, int]]:
    """The longest rising run of lines that occur once on each side."""
    a0, a1, b0, b1 = window
    count_a, count_b = Counter(a[a0:a1]), Counter(b[b0:b1])
    place = {b[j]: j for j in range(b0, b1) if count_b[b[j]] == 1}
    pairs = [(i, place[a[i]]) for i in range(a0, a1) if count_a[a[i]] == 1 and a[i] in place]
    tops: list[int] = []
    top_pair: list[int] = []
    previous = [-1] * len(pairs)
    for at, (_, j) in enumerate(pairs):
        pile = bisect_left(tops, j)
        previous[at] = top_pair[pile - 1] if pile else -1
        if pile == len(tops):
            tops.append(j)
            top_pair.append(at)
        else:
            tops[pile], top_pair[pile] = j, at
    chain: list[tuple[int, int]] = []
    at = top_pair[-1] if top_pair else -1
    while at >= 0:
        chain.append(pairs[at])
        at = previous[at]
    return chain[::-1]


def fold(rows: Sequence[Row], context: int = CONTEXT) -> list[Row]:
    """The rows with each run of more than `context` equal lines, away from a difference, folded to one that says so."""
    near = bytearray(len(rows))
    for at, row in enumerate(rows):
        if row.kind not in (Kind.SAME, Kind.IGNORED):
            first = max(0, at - context)
            near[first : at + context + 1] = b"\1" * (min(len(rows), at + context + 1) - first)
    shown: list[Row] = []
    for is_near, group in groupby(range(len(rows)), near.__getitem__):
        part = [rows[at] for at in group]
        shown += part if is_near or len(part) <= context else [Row(Kind.SAME, None, None, len(part))]
    return shown


def unified(rows: Sequence[Row]) -> list[Row]:
    """Rows for one column: of a changed block first what left, then what came."""
    shown: list[Row] = []
    gone: list[Row] = []
    come: list[Row] = []
    for row in (*rows, None):
        if row is not None and row.kind in (Kind.CHANGED, Kind.REMOVED, Kind.ADDED):
            if row.left is not None:
                gone.append(Row(Kind.REMOVED, row.left, row.right if row.kind is Kind.CHANGED else None))
            if row.right is not None:
                come.append(Row(Kind.ADDED, row.left if row.kind is Kind.CHANGED else None, row.right))
            continue
        shown += gone
        shown += come
        gone, come = [], []
        if row is not None:
            shown.append(row)
    return shown


def hunks(rows: Sequence[Row]) -> list[int]:
    """The rows at which a difference begins."""
    starts: list[int] = []
    inside = False
    for at, row in enumerate(rows):
        different = row.kind not in (Kind.SAME, Kind.IGNORED)
        if different and not inside:
            starts.append(at)
        inside = different
    return starts


@lru_cache(maxsize=2000)
def spans(left: str, right: str) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Where two lines differ, as character ranges in each."""
    if len(left) > INTRA_LINE or len(right) > INTRA_LINE:
        return _rough_spans(left, right)
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    parts_a: list[tuple[int, int]] = []
    parts_b: list[tuple[int, int]] = []
    a = b = 0
    for block in blocks:
        if block.a > a:
            parts_a.append((a, block.a))
        if block.b > b:
            parts_b.append((b, block.b))
        a, b = block.a + block.size, block.b + block.size
    return tuple(parts_a), tuple(parts_b)


def _rough_spans(left: str, right: str) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    shorter = min(len(left), len(right))
    low, high = 0, shorter
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if left[:middle] == right[:middle] else (low, middle - 1)
    head = low
    low, high = 0, shorter - head
    while low < high:
        middle = (low + high + 1) // 2
        same = left[len(left) - middle :] == right[len(right) - middle :]
        low, high = (middle, high) if same else (low, middle - 1)
    return ((head, len(left) - low),), ((head, len(right) - low),)
