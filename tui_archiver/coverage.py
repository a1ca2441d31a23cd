"""The coverage strip's arithmetic: every run summed up in one of a few cells over the whole run range."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from operator import attrgetter

from runarchive.model import TROUBLED_STATES, Run, RunState


class Cover(Enum):
    """What one cell says of its runs: glyph, ASCII glyph and words."""

    NONE = (" ", " ", "no run")
    DONE = ("█", "#", "all archived")
    PART = ("▓", "+", "some archived")
    OPEN = ("░", ".", "none archived yet")
    TROUBLE = ("!", "!", "a fault among them")

    def __init__(self, glyph: str, ascii_glyph: str, words: str) -> None:
        self.glyph = glyph
        self.ascii_glyph = ascii_glyph
        self.words = words


_SETTLED = frozenset({RunState.ARCHIVED, RunState.WAIVED, RunState.IGNORED, RunState.EMPTY})


def run_span(runs: Sequence[Run]) -> tuple[int, int]:
    """The first and the last run number of runs that lie lowest first; (0, 0) without any run."""
    return (runs[0].run, runs[-1].run) if runs else (0, 0)


class Coverage:
    """Counts of settled, open and troubled runs in each of at most `width` cells; kept up to date run by run.

    It is made of runs that lie lowest first. Where there are fewer run numbers than cells, a cell is one run number.
    """

    def __init__(self, width: int, runs: Sequence[Run]) -> None:
        self.low, self.high = run_span(runs)
        self._span = self.high - self.low + 1
        self.width = max(1, min(width, self._span))
        self.version = 0
        self._settled = [0] * self.width
        self._open = [0] * self.width
        self._troubled = [0] * self.width
        first = 0
        for cell in range(self.width):
            beyond = bisect_right(runs, self.span_of(cell)[1], key=attrgetter("run"))
            for state, count in Counter(map(attrgetter("state"), runs[first:beyond])).items():
                self._counts(state)[cell] += count
            first = beyond

    def _counts(self, state: RunState) -> list[int]:
        if state in _SETTLED:
            return self._settled
        return self._troubled if state in TROUBLED_STATES else self._open

    def cell_of(self, number: int) -> int:
        """The cell in which a run number lies."""
        return (number - self.low) * self.width // self._span

    def fits(self, numbers: Iterable[int]) -> bool:
        """Whether these run numbers lie within the strip's range; none does before it was made of any run."""
        return bool(self.high) and all(self.low <= number <= self.high for number in numbers)

    def move(self, old: RunState | None, new: Run) -> None:
        """Count one run in its new state, no longer in its old one (None: a run that was not there)."""
        self.version += 1
        cell = self.cell_of(new.run)
        if old is not None:
            self._counts(old)[cell] -= 1
        self._counts(new.state)[cell] += 1

    def span_of(self, cell: int) -> tuple[int, int]:
        """The first and last run number of a cell."""
        first = self.low + -(-cell * self._span // self.width)
        last = self.low + -(-(cell + 1) * self._span // self.width) - 1
        return first, max(first, last)

    def cover(self, cell: int) -> Cover:
        """What one cell says."""
        settled, still, troubled = self._settled[cell], self._open[cell], self._troubled[cell]
        if troubled:
            return Cover.TROUBLE
        if not settled + still:
            return Cover.NONE
        if not still:
            return Cover.DONE
        return Cover.PART if settled else Cover.OPEN

    def next_hole(self, cell: int, step: int) -> int | None:
        """The next cell in direction `step`, round the end, with runs that are not settled; None when there is none."""
        for distance in range(1, self.width + 1):
            at = (cell + step * distance) % self.width
            if self.cover(at) in (Cover.TROUBLE, Cover.PART, Cover.OPEN):
                return at
        return None

    def words(self, cell: int) -> str:
        """One cell in words, with its range and counts."""
        first, last = self.span_of(cell)
        span = str(first) if first == last else f"{first}-{last}"
        counts = f"{self._settled[cell]} settled, {self._open[cell]} open, {self._troubled[cell]} with a fault"
        return f"{span}: {self.cover(cell).words}; {counts}"
