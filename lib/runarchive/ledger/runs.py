"""What the ledger remembers of each run: its state, marks and reason at the last look."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from runarchive.ledger.database import Database
from runarchive.model import Mark, Marks, Run, RunState

_COLUMNS = "run, state, reason, marks, configuration, start, stop, attempts, size, percent"


class RunTable:
    """The memory of runs, one row each; rows carry the revision of their last change."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[Run, ...]:
        """Every run, by number."""
        return _runs(self._database.rows(f"SELECT {_COLUMNS} FROM runs ORDER BY run"))

    def since(self, revision: int) -> tuple[Run, ...]:
        """The runs that changed after this revision, by number."""
        found = self._database.rows(f"SELECT {_COLUMNS} FROM runs WHERE rev > ? ORDER BY run", (revision,))
        return _runs(found)

    def gone_since(self, revision: int) -> tuple[int, ...]:
        """The runs that were forgotten after this revision."""
        found = self._database.rows("SELECT run FROM gone WHERE rev > ? ORDER BY run", (revision,))
        return tuple(int(str(row[0])) for row in found)

    def get(self, run: int) -> Run | None:
        """One run, or None where it is not known."""
        found = _runs(self._database.rows(f"SELECT {_COLUMNS} FROM runs WHERE run = ?", (run,)))
        return found[0] if found else None

    def in_states(self, states: Iterable[RunState]) -> tuple[Run, ...]:
        """Every run that is in one of these states, by number."""
        wanted = tuple(state.value for state in states)
        sql = f"SELECT {_COLUMNS} FROM runs WHERE state IN ({', '.join('?' * len(wanted))}) ORDER BY run"
        return _runs(self._database.rows(sql, wanted))

    def count(self, state: RunState) -> int:
        """How many runs are in this state."""
        return int(self._database.one("SELECT count(*) FROM runs WHERE state = ?", (state.value,))[0])

    def some(self, runs: Iterable[int]) -> tuple[Run, ...]:
        """These runs as far as they are known, by number."""
        return tuple(run for run in map(self.get, sorted(set(runs))) if run is not None)

    def states(self) -> list[tuple[int, RunState, str]]:
        """Number, state and the ASCII marks of every run, by number."""
        found: list[Any] = self._database.rows("SELECT run, state, marks FROM runs ORDER BY run")
        return [(run, _STATES[state], marks) for run, state, marks in found]

    def newest_revision(self) -> int:
        """The revision of the newest change to any run; 0 where none is known."""
        found: Any = self._database.one("SELECT max(rev) FROM (SELECT rev FROM runs UNION ALL SELECT rev FROM gone)")
        return int(found[0] or 0)

    def ignored_otherwise(self, ranges: Iterable[tuple[int, int]]) -> tuple[int, ...]:
        """The runs whose state is not what these ranges of ignored runs make it, by number."""
        ignored = {int(str(row[0])) for row in self._database.rows("SELECT run FROM runs WHERE state = 'IGNORED'")}
        wanted: set[int] = set()
        for first, last in ranges:
            found = self._database.rows("SELECT run FROM runs WHERE run BETWEEN ? AND ?", (first, last))
            wanted.update(int(str(row[0])) for row in found)
        return tuple(sorted(ignored ^ wanted))

    def put(self, runs: Iterable[Run]) -> int:
        """Remember these runs; rows that say the same already keep their revision. Returns how many changed."""
        rows = [_row(run) for run in runs]
        if not rows:
            return 0
        with self._database.write() as db:
            revision = self._database.revision()
            before = db.total_changes
            db.executemany(
                f"INSERT INTO runs ({_COLUMNS}, rev) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {revision})"
                " ON CONFLICT (run) DO UPDATE SET state = excluded.state, reason = excluded.reason,"
                " marks = excluded.marks, configuration = excluded.configuration, start = excluded.start,"
                " stop = excluded.stop, attempts = excluded.attempts, size = excluded.size,"
                " percent = excluded.percent, rev = excluded.rev"
                " WHERE (state, reason, marks, configuration, start, stop, attempts, size, percent) IS NOT"
                " (excluded.state, excluded.reason, excluded.marks, excluded.configuration, excluded.start,"
                " excluded.stop, excluded.attempts, excluded.size, excluded.percent)",
                rows,
            )
            changed = db.total_changes - before
            if db.execute("SELECT 1 FROM gone LIMIT 1").fetchone():
                db.executemany("DELETE FROM gone WHERE run = ?", [(row[0],) for row in rows])
        return changed

    def show_percents(self, percents: Iterable[tuple[int, RunState, int]]) -> None:
        """Show how far runs are in the state given; one that is in another state by now stays as it is."""
        with self._database.write() as db:
            revision = self._database.revision()
            db.executemany(
                "UPDATE runs SET percent = ?, rev = ? WHERE run = ? AND state = ? AND percent IS NOT ?",
                [(percent, revision, run, state.value, percent) for run, state, percent in percents],
            )

    def forget(self, runs: Iterable[int]) -> None:
        """Drop runs that no store and no directory holds any more; their history stays."""
        with self._database.write() as db:
            revision = self._database.revision()
            for run in runs:
                db.execute("DELETE FROM runs WHERE run = ?", (run,))
                db.execute("INSERT OR REPLACE INTO gone VALUES (?, ?)", (run, revision))


_STATES = {state.value: state for state in RunState}
_MARKS: dict[str, Marks] = {}


def _marks(text: str) -> Marks:
    if text not in _MARKS:
        first, second, third = (Mark.from_ascii(glyph) for glyph in text)
        _MARKS[text] = Marks(first, second, third)
    return _MARKS[text]


def _row(run: Run) -> tuple[object, ...]:
    marks = run.marks
    return (
        run.run,
        run.state.value,
        run.reason,
        marks.filesystem.ascii_glyph + marks.artdaqdb.ascii_glyph + marks.ucondb.ascii_glyph,
        run.configuration,
        run.start.timestamp() if run.start else None,
        run.stop.timestamp() if run.stop else None,
        run.attempts,
        run.size,
        run.percent,
    )


_SETTERS = tuple(getattr(Run, field.name).__set__ for field in dataclasses.fields(Run))
"""The slots of a run, in the order of its fields: `__init__` of a frozen class takes half of the time for a hundred
thousand runs, and every screen waits for them."""


def _runs(rows: list[tuple[Any, ...]]) -> tuple[Run, ...]:
    number, state, reason, marks, configuration, start, stop, attempts, size, percent = _SETTERS
    at, new = datetime.fromtimestamp, object.__new__
    found = []
    with _no_collection():
        for row in rows:
            run = new(Run)
            number(run, row[0])
            state(run, _STATES[row[1]])
            reason(run, row[2])
            marks(run, _MARKS.get(row[3]) or _marks(row[3]))
            configuration(run, row[4])
            start(run, at(row[5], UTC) if row[5] is not None else None)
            stop(run, at(row[6], UTC) if row[6] is not None else None)
            attempts(run, row[7])
            size(run, row[8])
            percent(run, row[9])
            found.append(run)
    return tuple(found)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the cycle collector, which would walk all runs made so far again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
