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
class StageRecord:
    """Where one stage of one run stands: its last outcome, the attempts since its last success, and that success."""

    run: int
    stage: Stage
    outcome: Outcome
    attempts: int
    succeeded: datetime | None


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
        return self._add(run, stage, Outcome.RUNNING, None, time.time(), None, job, worker)

    def end_attempt(self, attempt: int, failure: Failure | None = None, outcome: Outcome | None = None) -> None:
        """Note how an attempt ended: done, or with the failure given, or as `outcome` says."""
        ending = outcome or (Outcome.FAILED if failure else Outcome.DONE)
        with self._database.write() as db:
            row = db.execute(
                "UPDATE attempts SET outcome = ?, ended = ?, store = ?, phase = ?, code = ?, retryable = ?,"
                " message = ?, hint = ? WHERE id = ? RETURNING run, stage, number",
                (ending.value, time.time(), *_failure_row(failure), attempt),
            ).fetchall()
            if row:
                run, stage, number = row[0]
                self._note_stage(run, stage, number, attempt, ending)

    def record_attempt(
        self,
        run: int,
        stage: Stage,
        failure: Failure | None = None,
        *,
        started: float | None = None,
        job: int | None = None,
        worker: str = "",
    ) -> int:
        """Note a whole attempt at once (`started` in seconds since 1970); returns its id."""
        now = time.time()
        outcome = Outcome.FAILED if failure else Outcome.DONE
        return self._add(run, stage, outcome, failure, now if started is None else started, now, job, worker)

    def _add(
        self,
        run: int,
        stage: Stage,
        outcome: Outcome,
        failure: Failure | None,
        started: float,
        ended: float | None,
        job: int | None,
        worker: str,
    ) -> int:
        with self._database.write() as db:
            row = db.execute("SELECT attempts FROM stages WHERE run = ? AND stage = ?", (run, stage.value)).fetchone()
            number = (row[0] if row else 0) + 1
            cursor = db.execute(
                "INSERT INTO attempts (run, stage, number, outcome, started, ended, job, worker, store, phase, code,"
                " retryable, message, hint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (run, stage.value, number, outcome.value, started, ended, job, worker, *_failure_row(failure)),
            )
            attempt = int(cursor.lastrowid or 0)
            self._note_stage(run, stage.value, number, attempt, outcome)
        return attempt

    def _note_stage(self, run: int, stage: str, number: int, attempt: int, outcome: Outcome) -> None:
        done = outcome is Outcome.DONE
        self._database.read().execute(
            "INSERT INTO stages VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (run, stage) DO UPDATE SET outcome = ?3,"
            " attempts = ?4, last_attempt = ?5, succeeded = coalesce(?6, succeeded)",
            (run, stage, outcome.value, 0 if done else number, attempt, time.time() if done else None),
        )

    def attempts(self, run: int | None = None, *, job: int | None = None, limit: int = 1000) -> tuple[Attempt, ...]:
        """The attempts of one run, or of one job, oldest first; at most the newest `limit`."""
        where, value = ("run", run) if run is not None else ("job", job)
        found = self._database.rows(
            f"SELECT {_ATTEMPT} FROM attempts WHERE {where} = ? ORDER BY id DESC LIMIT ?", (value, limit)
        )
        return tuple(_attempt(row) for row in reversed(found))

    def last_failures(self) -> tuple[Attempt, ...]:
        """For every run and stage whose last attempt failed or crashed: that attempt, by run."""
        columns = ", ".join(f"a.{name}" for name in _ATTEMPT.split(", "))
        found = self._database.rows(
            f"SELECT {columns} FROM stages s JOIN attempts a ON a.id = s.last_attempt"
            " WHERE s.outcome IN ('failed', 'crashed') ORDER BY a.run, a.stage"
        )
        return tuple(_attempt(row) for row in found)

    def stages(self, run: int | None = None) -> tuple[StageRecord, ...]:
        """The stages of one run, or of all."""
        where, values = ("WHERE run = ?", (run,)) if run is not None else ("", ())
        found: list[Any] = self._database.rows(
            f"SELECT run, stage, outcome, attempts, succeeded FROM stages {where} ORDER BY run", values
        )
        return tuple(
            StageRecord(number, Stage(stage), Outcome(outcome), attempts, _time(succeeded))
            for number, stage, outcome, attempts, succeeded in found
        )

    def reset_stage(self, run: int, stage: Stage) -> None:
        """Forget that a stage of a run failed, as evidence from the stores shows; its attempts stay."""
        with self._database.write() as db:
            db.execute("DELETE FROM stages WHERE run = ? AND stage = ?", (run, stage.value))

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

    def last_checks(self, name: str) -> dict[int, CheckRecord]:
        """The newest check of this name for each run."""
        found: list[Any] = self._database.rows(
            "SELECT run, stage, at, name, verdict, evidence, hint, seconds FROM checks"
            " WHERE id IN (SELECT max(id) FROM checks WHERE name = ? AND run IS NOT NULL GROUP BY run)",
            (name,),
        )
        return {
            run: CheckRecord(
                run,
                Stage(stage) if stage else None,
                datetime.fromtimestamp(at, UTC),
                CheckResult(title, Verdict(verdict), evidence, hint, seconds),
            )
            for run, stage, at, title, verdict, evidence, hint, seconds in found
        }

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
