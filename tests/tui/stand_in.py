"""An archive that stands still: fixed runs, times and answers, for pictures of the screens and tests of the widgets."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

from runarchive.archive import (
    Archive,
    Attempt,
    Changes,
    CheckRecord,
    Comparison,
    Decision,
    Exit,
    Explanation,
    FileComparison,
    Health,
    HopHash,
    JobKind,
    JobOptions,
    LockHolder,
    Plan,
    PlannedRun,
    RecoveryKind,
    RecoveryPreview,
    RunFailure,
    RunLife,
    RunOutcome,
    RunResult,
)
from runarchive.errors import ArchiveError, Code
from runarchive.model import (
    TROUBLED_STATES,
    CheckResult,
    Event,
    Failure,
    Job,
    JobState,
    Mark,
    Marks,
    Phase,
    Run,
    RunState,
    Severity,
    Stage,
    Store,
    Verdict,
)

NOW = datetime(2026, 11, 21, 6, 14, tzinfo=UTC)
CONFIGURATIONS = ("run2-beam-noSN-00012", "nsCrossingMuon-00015", "BNBZeroBias-00031", "Résumé µBooNE 00012")

_OK, _NO = Mark.VERIFIED, Mark.MISSING
_KINDS: tuple[tuple[RunState, str, Marks, int], ...] = (
    (RunState.ARCHIVED, "", Marks(_OK, _OK, _OK), 0),
    (RunState.FAILED, "timeout ×3", Marks(_OK, _OK, Mark.ERROR), 3),
    (RunState.ARCHIVED, "older archiver", Marks(_OK, Mark.OTHER_WRITER, Mark.OTHER_WRITER), 0),
    (RunState.NEW, "", Marks(_OK, _NO, _NO), 0),
    (RunState.PARTIAL, "41 of 49 docs", Marks(_OK, Mark.PARTIAL, _NO), 1),
    (RunState.ARCHIVED, "", Marks(_OK, Mark.LISTED, Mark.LISTED), 0),
    (RunState.CONFLICT, "two configurations", Marks(_OK, Mark.DIFFERS, _NO), 1),
    (RunState.WAITING, "no stop, 2 h", Marks(_OK, _NO, _NO), 0),
)


def made_runs(count: int, first: int = 18000) -> list[Run]:
    """`count` runs whose states, marks and configurations repeat in a fixed order."""
    runs = []
    for at in range(count):
        state, reason, marks, attempts = _KINDS[at % len(_KINDS)]
        start = NOW - timedelta(minutes=47 * (count - at))
        stop = None if state is RunState.WAITING else start + timedelta(minutes=31)
        configuration = CONFIGURATIONS[at % len(CONFIGURATIONS)]
        size = 100_000 + 1_234 * (at % 977)
        runs.append(Run(first + at, state, reason, marks, configuration, start, stop, attempts, size))
    return runs


def likely_runs(count: int, first: int = 12000) -> list[Run]:
    """Runs as an archive holds them on a good day: nearly all archived, the newest on their way, a few with a fault."""
    runs = made_runs(count, first)
    good = Marks(_OK, _OK, _OK)
    return [
        run
        if at > count - 14 or at % 97 in (1, 2, 4)
        else replace(run, state=RunState.ARCHIVED, reason="", attempts=0, marks=good)
        for at, run in enumerate(runs)
    ]


class StandIn:
    """The front door's methods that the console calls, answered from memory; `push` is what another process did."""

    name = "sbnd"
    notices: tuple[str, ...] = ()

    def __init__(self, runs: Iterable[Run] | int = 200, *, armed: bool = True) -> None:
        given = made_runs(runs) if isinstance(runs, int) else runs
        self.known = {run.run: run for run in given}
        self.armed = armed
        self.calls: list[tuple[object, ...]] = []
        self.broken: ArchiveError | None = None
        self.text = _text
        self.jobs_known: dict[int, Job] = {}
        self.events_known: list[Event] = []
        self.holder: LockHolder | None = None
        self.busy = False
        self.own_jobs: set[int] = set()
        self._log: list[tuple[int, Run | Event | Job | int]] = []
        self._revision = 1
        self._lock = threading.Lock()
        self.config = SimpleNamespace(
            path="/daq/config.yaml",
            source_files=SimpleNamespace(run_records_dir="/nowhere"),
            ucon_db=SimpleNamespace(verify=True),
            origins={"app.work_dir": SimpleNamespace(shown="/data", source="line 2")},
        )

    def as_archive(self) -> Archive:
        """The same, by the type that the console asks for."""
        return cast(Archive, self)

    def push(self, *things: Run | Event | Job | int) -> None:
        """Changes for the next poll; a number is a run that is gone."""
        with self._lock:
            for thing in things:
                self._revision += 1
                self._log.append((self._revision, thing))
                if isinstance(thing, Run):
                    self.known[thing.run] = thing
                elif isinstance(thing, Job):
                    self.jobs_known[thing.job] = thing
                elif isinstance(thing, Event):
                    self.events_known.append(thing)
                else:
                    self.known.pop(thing, None)

    def _answer(self) -> None:
        if self.broken is not None:
            raise self.broken

    @property
    def read_only(self) -> bool:
        return not self.armed

    def arm(self) -> None:
        self.armed = True

    def disarm(self) -> None:
        self.armed = False

    def runs(self) -> tuple[Run, ...]:
        return tuple(self.known.values())

    def revision(self) -> int:
        return self._revision

    def changes_since(self, revision: int) -> Changes:
        with self._lock:
            new = [thing for at, thing in self._log if at > revision]
            return Changes(
                self._revision,
                tuple({run.run: run for run in new if isinstance(run, Run)}.values()),
                tuple(thing for thing in new if isinstance(thing, int)),
                tuple(thing for thing in new if isinstance(thing, Event)),
                tuple({job.job: job for job in new if isinstance(job, Job)}.values()),
            )

    def refresh(self, stores: Sequence[Store] = (), *, full: bool = False) -> None:
        self.calls.append(("refresh", full))
        self._answer()

    def glance_at(self, runs: Iterable[int]) -> None:
        self.calls.append(("glance_at", tuple(runs)))

    def health(self) -> dict[Store, Health]:
        return {
            Store.FILESYSTEM: Health(Store.FILESYSTEM, True, 0.2, "200 records", NOW),
            Store.ARTDAQDB: Health(Store.ARTDAQDB, True, 0.012, "190 runs", NOW),
            Store.UCONDB: Health(Store.UCONDB, False, None, "connection refused", NOW - timedelta(minutes=2)),
        }

    def lock_holder(self) -> LockHolder | None:
        return self.holder

    def plan(self, kind: str, runs: Iterable[int] | None = None, options: JobOptions | None = None) -> Plan:
        self._answer()
        wanted = [r.run for r in self.known.values() if r.state is RunState.NEW] if runs is None else sorted(runs)
        waits = [run for run in wanted if self.known[run].state is RunState.WAITING]
        steps = [run for run in wanted if run not in waits]
        held = tuple(PlannedRun(run, RunState.WAITING, (), "no stop, 2 h") for run in waits)
        return Plan(JobKind(kind), tuple(PlannedRun(r, self.known[r].state, (Stage.IMPORT,), "") for r in steps), held)

    def start(self, kind: str, runs: Iterable[int] | None = None, options: JobOptions | None = None) -> int:
        self._answer()
        self.calls.append(("start", str(kind), tuple(runs or ())))
        job = Job(len(self.jobs_known) + 1, str(kind), JobState.RUNNING, "shift@evb01:4711", len(tuple(runs or ())))
        self.own_jobs.add(job.job)
        self.push(replace(job, started=NOW, workers=("w1 import 18003", "w2 migrate 18011"), rate=9.8, eta_seconds=2.0))
        return job.job

    def cancel(self, job: int, *, now: bool = False) -> None:
        self.calls.append(("cancel", job, now))

    def stop(self, *, now: bool = False) -> None:
        self.calls.append(("stop", now))
        self.busy = self.busy and not now

    def working(self, job: int | None = None) -> bool:
        return self.busy if job is None else job in self.own_jobs

    def close(self) -> None:
        self.calls.append(("close",))

    def jobs(self, limit: int = 100) -> tuple[Job, ...]:
        return tuple(self.jobs_known.values())

    def job_log(self, job: int) -> tuple[Event, ...]:
        return tuple(self.events_known)

    def job_outcomes(self, job: int) -> tuple[RunOutcome, ...]:
        return (
            RunOutcome(18003, RunResult.DONE, RunState.IMPORTED, (Stage.IMPORT,)),
            RunOutcome(18004, RunResult.FAILED, RunState.FAILED, (), "timeout ×3"),
        )

    def events(self, limit: int = 1000, *, run: int | None = None) -> tuple[Event, ...]:
        return tuple(self.events_known)

    def compare(self, run: int) -> Comparison:
        self._answer()
        differs = Marks(_OK, _OK, Mark.DIFFERS)
        files = [FileComparison("boot.fcl", differs, "as the older archiver wrote it", 2_410, NOW)]
        files.append(FileComparison("metadata.fcl", Marks(_OK, Mark.OTHER_WRITER, Mark.OTHER_WRITER)))
        files += [
            FileComparison(f"tpc{n:02}.fcl", Marks(_OK, _OK, _NO if n < 3 else _OK), "", 18_000 + n, NOW)
            for n in range(40)
        ]
        return Comparison(run, differs, tuple(files), CONFIGURATIONS[0], (), "Nov 21 06:14 UTC", run)

    def file_text(self, run: int, store: Store, name: str, *, original: bool = False) -> str:
        self._answer()
        if store is Store.UCONDB and name < "tpc03" and name.startswith("tpc"):
            raise ArchiveError(Code.NOT_FOUND, f"{name} is not there", store=store, run=run)
        return self.text(store, name)

    def life(self, run: int) -> RunLife:
        self._answer()
        late = NOW + timedelta(seconds=12)
        return RunLife(
            self.known[run],
            (
                Attempt(Stage.IMPORT, 1, NOW, NOW + timedelta(seconds=2), "shift@evb01:4711"),
                Attempt(Stage.MIGRATE, 1, NOW, late, "cron@evb01:99", _TIMEOUT),
            ),
            (CheckRecord(NOW, CheckResult("artdaqdb read back", Verdict.PASS, "49 of 49 documents equal")),),
            (HopHash(Stage.IMPORT, "a" * 64, "b" * 64, NOW, "tui-archiver 0.1.0"),),
            (Event(1, NOW, Severity.WARNING, "put: no answer in 10 s", run),),
            (Decision("note", "evb03 was rebooted", "shift", NOW),),
            (("directory", f"/daq/run_records/{run}"),),
        )

    def explain(self, run: int) -> Explanation:
        if self.known[run].state is RunState.CONFLICT:
            compare = Exit("look at the difference", f"tui-archiver compare {run} --show-diff", "compare")
            add = Exit("write ours beside it into artdaqDB", f"tui-archiver import {run} --add", "add")
            waive = Exit("take it out of every plan", f"tui-archiver waive {run} --reason TEXT", "waive")
            return Explanation(self.known[run], (), (compare, add, waive), "nothing")
        way = Exit("try again", f"tui-archiver retry {run}", "retry")
        return Explanation(self.known[run], ("UconDB did not answer three times",), (way,), "the next start retries it")

    def failures(self) -> tuple[RunFailure, ...]:
        self._answer()
        return tuple(
            RunFailure(run.run, run.state, Stage.MIGRATE, _failure(run), NOW - timedelta(hours=3), NOW, run.attempts)
            for run in self.known.values()
            if run.state in TROUBLED_STATES
        )

    def waive(self, run: int, reason: str) -> None:
        self.calls.append(("waive", run, reason))

    def unwaive(self, run: int, reason: str) -> None:
        self.calls.append(("unwaive", run, reason))

    def break_lock(self) -> None:
        self.calls.append(("break_lock",))

    def note(self, run: int, text: str) -> None:
        self.calls.append(("note", run, text))

    def recovery_preview(self, kind: RecoveryKind) -> RecoveryPreview:
        self._answer()
        lines = (("last_contiguous_run", "18003", "18010"), ("last_attempted_run", "18190", "18190"))
        return RecoveryPreview(kind, lines, (f"/data/{kind}er_state.json",), ("run 18001 holds it",))

    def recovery_apply(self, kind: RecoveryKind) -> RecoveryPreview:
        self.calls.append(("recover", kind.value))
        return self.recovery_preview(kind)

    def doctor(self) -> tuple[CheckResult, ...]:
        self._answer()
        return (
            CheckResult("artdaqDB", Verdict.PASS, "MongoDB 6.0.5 answers in 12 ms", "", 0.012),
            CheckResult("UconDB", Verdict.FAIL, "connection refused", "start the server or correct its address", 0.1),
            CheckResult("clock", Verdict.UNKNOWN, "no time server known", ""),
        )


_TIMEOUT = Failure(Store.UCONDB, Phase.WRITE, "timeout", True, "put: no answer in 10 s", "retry, or raise its timeout")


def _failure(run: Run) -> Failure:
    if run.state is RunState.FAILED:
        return _TIMEOUT
    code = run.state.value.lower()
    partial = run.state is RunState.PARTIAL
    hint = "import it again" if partial else "compare it, then waive"
    return Failure(Store.ARTDAQDB, Phase.VERIFY, code, partial, run.reason, hint)


def _text(store: Store, name: str) -> str:
    lines = [f"key_{n}: {n * n}" for n in range(300)]
    if store is Store.UCONDB and name == "boot.fcl":
        lines[20] = "key_20: 4[00]1"
        lines[200] = "kEy_200: 40000"
        del lines[100]
    return "\n".join(lines)
