"""The runs as the console holds them: rows by run number, and an order that is filter and sort in one index list."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from runarchive.errors import UsageError
from runarchive.filters import RunFilter, parse_filter
from runarchive.model import TROUBLED_STATES, Mark, Run, RunState

THREAD_ABOVE = 200_000
"""From this many rows on, deriving an order takes longer than a frame and belongs into a thread."""

NUMBER = attrgetter("run")
_FAR_PAST = datetime(1, 1, 1, tzinfo=UTC)
_MARK_RANK = {mark: rank for rank, mark in enumerate(Mark)}
_STATE_RANK = {state: rank for rank, state in enumerate(RunState)}

SORT_KEYS: dict[str, Callable[[Run], Any]] = {
    "run": lambda run: run.run,
    "start": lambda run: run.start or _FAR_PAST,
    "stop": lambda run: run.stop or _FAR_PAST,
    "configuration": lambda run: run.configuration.casefold(),
    "filesystem": lambda run: _MARK_RANK[run.marks.filesystem],
    "artdaqdb": lambda run: _MARK_RANK[run.marks.artdaqdb],
    "ucondb": lambda run: _MARK_RANK[run.marks.ucondb],
    "state": lambda run: _STATE_RANK[run.state],
    "reason": lambda run: run.reason.casefold(),
    "attempts": lambda run: run.attempts,
    "size": lambda run: -1 if run.size is None else run.size,
}
"""What each column is sorted by; values, never their text."""


@dataclass(frozen=True, slots=True)
class View:
    """What of the runs is shown and in which order."""

    filter: RunFilter
    faults_only: bool = False
    sort: str = "run"
    descending: bool = True


def remembered_view(text: str, sort: str, descending: bool, marked: Collection[int]) -> View:
    """The view with this filter and sort, as far as they still mean something."""
    try:
        wanted = parse_filter(text, marked)
    except UsageError:
        wanted = parse_filter("")
    return View(wanted, False, sort if sort in SORT_KEYS else "run", descending)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch of changes touched: the changed row indices, and whether the order no longer holds.

    `rearranged` says that runs came in between or went, and that the order was derived anew for it.
    """

    dirty: frozenset[int]
    stale: bool
    rearranged: bool = False


def derive(rows: Sequence[Run], view: View) -> Sequence[int]:
    """The row indices that `view` shows, in its order, of rows that lie lowest run first.

    Equal values keep the highest run first.
    """
    among: Sequence[int] = range(len(rows) - 1, -1, -1)
    if view.faults_only:
        among = [index for index in among if rows[index].state in TROUBLED_STATES]
    if view.filter.words:
        among = view.filter.select(rows, among)
    if view.sort == "run":
        return among if view.descending else among[::-1]
    key = SORT_KEYS[view.sort]
    return sorted(among, key=lambda index: key(rows[index]), reverse=view.descending)


class RunBook:
    """Every run the console knows, lowest first, which of them are shown in what order, and which are marked.

    `rows` is replaced by another list when a run comes between others or goes; `order` holds indices into it; `marked`
    holds run numbers, so that marks survive every filter and sort.
    """

    def __init__(self) -> None:
        self.rows: list[Run] = []
        self.order: Sequence[int] = ()
        self.marked: set[int] = set()
        self.view = View(parse_filter(""))

    def load(self, runs: Iterable[Run]) -> None:
        """Take these runs, lowest first, in place of all others and derive the order."""
        self.rows = list(runs)
        self.marked = {number for number in self.marked if self.get(number) is not None}
        self.arrange()

    def apply(self, changed: Iterable[Run], gone: Iterable[int] = ()) -> Applied:
        """Take changed and new runs in; rows of runs that are gone leave, and their marks with them."""
        leaving = {number for number in gone if self.get(number) is not None}
        dirty: set[int] = set()
        new: dict[int, Run] = {}
        stale = False
        for run in changed:
            index = self.index_of(run.run)
            if index is None:
                new[run.run] = run
            elif (old := self.rows[index]) != run:
                stale = stale or self._moves(old, run)
                self.rows[index] = run
                dirty.add(index)
        if leaving or (new and self.rows and min(new) < self.rows[-1].run):
            staying = (run for run in self.rows if run.run not in leaving)
            self.load(sorted((*staying, *new.values()), key=NUMBER))
            return Applied(frozenset(), False, True)
        self.rows += sorted(new.values(), key=NUMBER)
        return Applied(frozenset(dirty), stale or bool(new))

    def _moves(self, old: Run, new: Run) -> bool:
        view = self.view
        if view.sort != "run" and SORT_KEYS[view.sort](old) != SORT_KEYS[view.sort](new):
            return True
        if view.faults_only and (old.state in TROUBLED_STATES) != (new.state in TROUBLED_STATES):
            return True
        return bool(view.filter.words) and view.filter.matches(old) != view.filter.matches(new)

    def arrange(self) -> None:
        """Derive the order here and now."""
        self.order = derive(self.rows, self.view)

    def shown(self, line: int) -> Run | None:
        """The run on this line of the order, or None beyond its end."""
        return self.rows[self.order[line]] if 0 <= line < len(self.order) else None

    def index_of(self, number: int) -> int | None:
        """Where in `rows` a run lies, or None."""
        index = bisect_left(self.rows, number, key=NUMBER)
        return index if index < len(self.rows) and self.rows[index].run == number else None

    def get(self, number: int) -> Run | None:
        """One run by its number, or None."""
        index = self.index_of(number)
        return None if index is None else self.rows[index]

    def line_of(self, number: int) -> int | None:
        """The line on which a run is shown, or None."""
        index = self.index_of(number)
        try:
            return None if index is None else self.order.index(index)
        except ValueError:
            return None

    def targets(self, cursor: int) -> tuple[int, ...]:
        """The runs an action is meant for: the marked ones, lowest first, else the one on the cursor's line."""
        if self.marked:
            return tuple(sorted(self.marked))
        run = self.shown(cursor)
        return () if run is None else (run.run,)

    def hidden_marks(self) -> int:
        """How many marked runs the view does not show."""
        view = self.view
        if not view.faults_only and not view.filter.words:
            return 0
        marked = [run for number in self.marked if (run := self.get(number)) is not None]
        return len(marked) - len(derive(marked, view))

    def toggle(self, line: int) -> None:
        """Mark the run on this line, or take its mark away."""
        run = self.shown(line)
        if run is not None:
            self.marked ^= {run.run}

    def mark_lines(self, first: int, last: int) -> None:
        """Mark every run between two lines, both included, in either direction."""
        low, high = sorted((first, last))
        self.marked |= {self.rows[index].run for index in self.order[max(low, 0) : high + 1]}

    def invert(self) -> None:
        """Among the runs shown, mark what is not marked and unmark what is."""
        self.marked ^= {self.rows[index].run for index in self.order}

    def next_line(self, line: int, step: int, wanted: Callable[[Run], bool]) -> int | None:
        """The next line in direction `step` whose run is wanted, round the end; None when there is none."""
        count = len(self.order)
        for distance in range(1, count + 1):
            at = (line + step * distance) % count
            if wanted(self.rows[self.order[at]]):
                return at
        return None
