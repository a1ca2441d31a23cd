"""Events of every process on this archive, operators' decisions, and listings kept to spare the stores."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from runarchive.ledger.database import Database
from runarchive.model import Event, Severity, Stage

_EVENT = "id, at, severity, message, run, stage, writer"


class Journal:
    """The events; their numbers are revisions, so that `since` needs no second counter."""

    def __init__(self, database: Database, writer: str) -> None:
        self._database = database
        self._writer = writer
        self.heard: Callable[[str, Severity], None] = lambda message, severity: None
        """Told of each event of this process that is about no single run, stage or job; from any thread."""

    def record(
        self,
        message: str,
        *,
        severity: Severity = Severity.INFO,
        run: int | None = None,
        stage: Stage | None = None,
        job: int | None = None,
    ) -> int:
        """Note one event; returns its number."""
        if run is None and stage is None and job is None:
            self.heard(message, severity)
        with self._database.write() as db:
            number = self._database.next_number()
            db.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (number, time.time(), severity.value, message, run, stage and stage.value, job, self._writer),
            )
        return number

    def since(self, revision: int, *, limit: int = 5000) -> tuple[Event, ...]:
        """The newest `limit` events after this revision, oldest first."""
        return _events(
            self._database.rows(f"SELECT {_EVENT} FROM events WHERE id > ? ORDER BY id DESC LIMIT ?", (revision, limit))
        )

    def latest(self, *, limit: int = 500, run: int | None = None, job: int | None = None) -> tuple[Event, ...]:
        """The newest `limit` events, oldest first: all, or those of one run or job."""
        terms, values = ["1"], []
        for column, value in (("run", run), ("job", job)):
            if value is not None:
                terms.append(f"{column} = ?")
                values.append(value)
        where = " AND ".join(terms)
        return _events(
            self._database.rows(f"SELECT {_EVENT} FROM events WHERE {where} ORDER BY id DESC LIMIT ?", (*values, limit))
        )


def _events(rows: list[Any]) -> tuple[Event, ...]:
    return tuple(
        Event(
            number,
            datetime.fromtimestamp(at, UTC),
            Severity(severity),
            message,
            run,
            Stage(stage) if stage else None,
            writer,
        )
        for number, at, severity, message, run, stage, writer in reversed(rows)
    )


class DecisionKind(StrEnum):
    """What a person can decide about a run."""

    WAIVE = "waive"
    UNWAIVE = "unwaive"
    NOTE = "note"
    FORCE = "force"
    ADD = "add"
    SUPERSEDE = "supersede"


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decided what about which run, when, and why."""

    number: int
    at: datetime
    who: str
    kind: DecisionKind
    run: int | None
    reason: str


class Decisions:
    """Operators' decisions; taking one back is a further one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, kind: DecisionKind, run: int | None, reason: str, who: str, at: datetime | None = None) -> int:
        """Note a decision; returns its number."""
        with self._database.write() as db:
            cursor = db.execute(
                "INSERT INTO decisions (at, who, kind, run, reason) VALUES (?, ?, ?, ?, ?)",
                (at.timestamp() if at else time.time(), who, kind.value, run, reason),
            )
        return int(cursor.lastrowid or 0)

    def all(self, run: int | None = None) -> tuple[Decision, ...]:
        """Every decision, or those about one run, oldest first."""
        where, values = ("WHERE run = ?", (run,)) if run is not None else ("", ())
        found: list[Any] = self._database.rows(
            f"SELECT id, at, who, kind, run, reason FROM decisions {where} ORDER BY id", values
        )
        return tuple(
            Decision(number, datetime.fromtimestamp(at, UTC), who, DecisionKind(kind), about, reason)
            for number, at, who, kind, about, reason in found
        )

    def waived(self) -> dict[int, str]:
        """The runs that are waived now, each with the reason of its newest waiver."""
        newest = "SELECT max(id) FROM decisions WHERE kind IN ('waive', 'unwaive') GROUP BY run"
        sql = f"SELECT run, reason FROM decisions WHERE id IN ({newest}) AND kind = 'waive' AND run IS NOT NULL"
        return dict(self._database.rows(sql))


@dataclass(frozen=True, slots=True)
class Listing:
    """What a store listed when its change token was `token`; `at` is when it was asked."""

    token: str
    at: datetime
    data: bytes


class Listings:
    """Listings of stores, kept by the store's own change token."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Listing | None:
        """The listing kept under this name, or None."""
        row: Any = self._database.one("SELECT token, at, data FROM listings WHERE name = ?", (name,))
        if not row:
            return None
        try:
            data = zlib.decompress(row[2])
        except zlib.error:
            return None  # a cache only: the store is asked again
        return Listing(row[0], datetime.fromtimestamp(row[1], UTC), data)

    def put(self, name: str, token: str, data: bytes) -> None:
        """Keep a listing in place of the one before."""
        with self._database.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO listings VALUES (?, ?, ?, ?)",
                (name, token, time.time(), zlib.compress(data, 1)),
            )

    def drop(self, names: Iterable[str]) -> None:
        """Forget listings, so that the stores are asked again."""
        with self._database.write() as db:
            db.executemany("DELETE FROM listings WHERE name = ?", [(name,) for name in names])
