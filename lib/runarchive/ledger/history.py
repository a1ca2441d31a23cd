"""What happened to each run: attempts with their reasons, checks with their evidence, a hash for each hop."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from runarchive import __version__
from runarchive.ledger.database import Database
from runarchive.model import CheckResult, Failure, Phase, Stage, Store, Verdict

TOOL = f"tui-archiver {__version__}"


class Outcome(StrEnum):
    """How an attempt ended; CRASHED: its process went away."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one stage of one run; `number` counts within the stage since its last success."""

    id: int
    run: int
    stage: Stage
    number: int
    outcome: Outcome
    started: datetime
    ended: datetime | None
    job: int | None
    worker: str
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class HopHash:
    """The hash of what one hop carried: `digest` of `input`, when, and by which tool."""

    run: int
    hop: str
    digest: str
    input: str = ""
    at: datetime | None = None
    tool: str = TOOL


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One check that was done, when, and for which run."""

    run: int | None
    stage: Stage | None
    at: datetime
    result: CheckResult


_ATTEMPT = "id, run, stage, number, outcome, started, ended, job, worker, store, phase, code, retryable, message, hint"


class History:
    """The part of the ledger that only grows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin_attempt(self, run: int, stage: Stage, *, job: int | None = None, worker: str = "") -> int:
        """Note that an attempt starts; returns its id for `end_attempt`."""
        with self._database.write() as db:
            last = db.execute(
                "SELECT number, outcome FROM attempts WHERE run = ? AND stage = ? ORDER BY id DESC LIMIT 1",
                (run, stage.value),
            ).fetchone()
            number = 1 if last is None or last[1] == Outcome.DONE else last[0] + 1
            cursor = db.execute(
                "INSERT INTO attempts (run, stage, number, outcome, started, job, worker) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (run, stage.value, number, Outcome.RUNNING.value, time.time(), job, worker),
            )
        return int(cursor.lastrowid or 0)

    def end_attempt(self, attempt: int, failure: Failure | None = None, outcome: Outcome | None = None) -> None:
        """Note how an attempt ended: done, or with the failure given, or as `outcome` says."""
        ending = outcome or (Outcome.FAILED if failure else Outcome.DONE)
        with self._database.write() as db:
            db.execute(
                "UPDATE attempts SET outcome = ?, ended = ?, store = ?, phase = ?, code = ?, retryable = ?,"
                " message = ?, hint = ? WHERE id = ?",
                (ending.value, time.time(), *_failure_row(failure), attempt),
            )

    def attempts(self, run: int | None = None, *, job: int | None = None, limit: int = 1000) -> tuple[Attempt, ...]:
        """The attempts of one run, or of one job, oldest first; at most the newest `limit`."""
        where, value = ("run", run) if run is not None else ("job", job)
        found = self._database.rows(
            f"SELECT {_ATTEMPT} FROM attempts WHERE {where} = ? ORDER BY id DESC LIMIT ?", (value, limit)
        )
        return tuple(_attempt(row) for row in reversed(found))

    def record_checks(
        self,
        results: Sequence[CheckResult],
        *,
        run: int | None = None,
        stage: Stage | None = None,
        job: int | None = None,
    ) -> None:
        """Note checks that were done."""
        now = time.time()
        rows = [
            (
                run,
                stage and stage.value,
                item.name,
                item.verdict.value,
                item.evidence,
                item.hint,
                item.seconds,
                now,
                job,
            )
            for item in results
        ]
        with self._database.write() as db:
            db.executemany(
                "INSERT INTO checks (run, stage, name, verdict, evidence, hint, seconds, at, job)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def checks(self, run: int, *, limit: int = 1000) -> tuple[CheckRecord, ...]:
        """The checks of one run, oldest first; at most the newest `limit`."""
        found: list[Any] = self._database.rows(
            "SELECT run, stage, at, name, verdict, evidence, hint, seconds FROM checks WHERE run = ?"
            " ORDER BY id DESC LIMIT ?",
            (run, limit),
        )
        return tuple(
            CheckRecord(
                number,
                Stage(stage) if stage else None,
                datetime.fromtimestamp(at, UTC),
                CheckResult(name, Verdict(verdict), evidence, hint, seconds),
            )
            for number, stage, at, name, verdict, evidence, hint, seconds in reversed(found)
        )

    def record_hashes(self, hashes: Iterable[HopHash], *, job: int | None = None) -> None:
        """Note the hashes of hops; earlier ones of the same hop stay."""
        now = time.time()
        rows = [
            (item.run, item.hop, item.digest, item.input, item.at.timestamp() if item.at else now, item.tool, job)
            for item in hashes
        ]
        with self._database.write() as db:
            db.executemany(
                "INSERT INTO hashes (run, hop, digest, input, at, tool, job) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
            )

    def hashes(self, run: int | None = None) -> tuple[HopHash, ...]:
        """The newest hash of each hop, of one run or of all, by run."""
        where, values = ("WHERE run = ?", (run,)) if run is not None else ("", ())
        found: list[Any] = self._database.rows(
            "SELECT run, hop, digest, input, at, tool FROM hashes WHERE id IN"
            f" (SELECT max(id) FROM hashes {where} GROUP BY run, hop) ORDER BY run, id",
            values,
        )
        return tuple(
            HopHash(number, hop, digest, given, datetime.fromtimestamp(at, UTC), tool)
            for number, hop, digest, given, at, tool in found
        )


def _failure_row(failure: Failure | None) -> tuple[object, ...]:
    if failure is None:
        return (None,) * 6
    store = failure.store.value if failure.store else None
    return (store, failure.phase.value, failure.code, failure.retryable, failure.message, failure.hint)


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _attempt(row: Any) -> Attempt:
    (number, run, stage, count, outcome, started, ended, job, worker) = row[:9]
    store, phase, code, retryable, message, hint = row[9:]
    failure = None
    if code is not None:
        failure = Failure(Store(store) if store else None, Phase(phase), code, bool(retryable), message, hint)
    return Attempt(
        number,
        run,
        Stage(stage),
        count,
        Outcome(outcome),
        datetime.fromtimestamp(started, UTC),
        _time(ended),
        job,
        worker,
        failure,
    )
