"""The front door: one config's stores, ledger and jobs, as the commands and the console use them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from runarchive.config import Config, open_config
from runarchive.errors import ArchiveError, Code
from runarchive.ledger import lock as locks
from runarchive.ledger.jobs import this_actor
from runarchive.ledger.journal import DecisionKind
from runarchive.ledger.ledger import Ledger
from runarchive.model import CheckResult, Event, Job, Phase, Run, RunState, Severity, Stage, Store
from runarchive.pipeline import life, report
from runarchive.pipeline.alarms import Alarms
from runarchive.pipeline.context import Context, StoreCall
from runarchive.pipeline.look import Look
from runarchive.pipeline.memory import Clock, Memory, utc_now
from runarchive.pipeline.observer import JobObserver
from runarchive.pipeline.plan import STAGES_OF
from runarchive.pipeline.runner import Runner
from runarchive.pipeline.stores import Stores
from runarchive.pipeline.views import (
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
    ManifestEntry,
    Outcome,
    Plan,
    PlannedRun,
    RecoveryKind,
    RecoveryPreview,
    RunFailure,
    RunLife,
    RunOutcome,
    RunResult,
    StatusReport,
    StoreReport,
)

__all__ = [
    "Archive", "Attempt", "Changes", "CheckRecord", "Comparison", "Decision", "Exit", "Explanation",
    "FileComparison", "Health", "HopHash", "JobKind", "JobObserver", "JobOptions", "LockHolder", "ManifestEntry",
    "Outcome", "Plan", "PlannedRun", "RecoveryKind", "RecoveryPreview", "RunFailure", "RunLife", "RunOutcome",
    "RunResult", "StatusReport", "StoreCall", "StoreReport",
]  # fmt: skip


class Archive:
    """One archive: what is where, what to do about it, and the jobs that do it.

    Every method may be called from any thread. Reading methods never wait for a store unless their text says so.
    """

    def __init__(self, config: Config, ledger: Ledger, *, writable: bool, actor: str, clock: Clock = utc_now) -> None:
        self._config = config
        self._ledger = ledger
        self._actor = actor
        self._armed = writable and not config.app.read_only
        self._stores = Stores(config)
        self._memory = Memory(config, ledger, clock)
        self._look = Look(config, self._stores, ledger, self._memory)
        self._context = Context(config, self._stores, self._memory)
        self._runner = Runner(config, self._context, ledger, self._look)
        self.alarms = Alarms(config, ledger)
        self._runner.notify = self.alarms

    @classmethod
    def open(
        cls, config: Config | Path | str | None = None, *, writable: bool = False, actor: str = "console",
        examine: bool = False,
    ) -> Archive:
        """Open the archive of a config (None: the one that is found); no store is asked, no lock is taken.

        `writable` arms it at once; with `read_only: true` in the config it stays read-only all the same. Where the
        ledger cannot be written, its memory lasts as long as this process. `examine` reads the ledger through before,
        and sets it aside if it is damaged. Raises ConfigError with every problem of
        the config, ArchiveError where a ledger is there and cannot be used.
        """
        if not isinstance(config, Config):
            config = open_config(None if config is None else str(config))
        os.environ.update(config.environment)  # archiver.env is for the tools and drivers, too
        try:
            ledger = Ledger.open(config.app.ledger_file, actor=actor, examine=examine)
        except ArchiveError as error:
            if error.code is not Code.PERMISSION or writable:
                raise
            notice = f"{error.message}; what is found now is not remembered"
            ledger = Ledger.in_memory(notice, actor=actor, copy_of=config.app.ledger_file)
        return cls(config, ledger, writable=writable, actor=actor)

    def close(self) -> None:
        """Stop the jobs of this process after their runs in hand and let go of the stores."""
        self._runner.close()
        self.alarms.close()
        self._stores.close()
        self._ledger.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    # --- what is known

    @property
    def config(self) -> Config:
        """The config as it was read."""
        return self._config

    @property
    def name(self) -> str:
        """A short name of this archive for a title line, at most 20 characters: the config's directory."""
        return self._config.path.parent.name[:20] or "archive"

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences an operator should read: warnings of the config, a ledger in another place or damaged."""
        return (*self._config.warnings, *self._ledger.notices)

    @property
    def read_only(self) -> bool:
        """Whether writing is refused now (not armed)."""
        return not self._armed

    def arm(self) -> None:
        """Allow writing; raises ArchiveError(READ_ONLY) where the config says `read_only: true`."""
        self._armed = not self._config.app.read_only
        self._writing("arming")

    def disarm(self) -> None:
        """Refuse writing from now on; jobs that run go on."""
        self._armed = False

    def _writing(self, what: str) -> None:
        if self._armed:
            return
        why, hint = "this archive is read-only here", None
        if self._config.app.read_only:
            why, hint = "the config says read_only: true", "change app.read_only first"
        raise ArchiveError(Code.READ_ONLY, f"{what} refused: {why}", phase=Phase.WRITE, hint=hint)

    def runs(self) -> tuple[Run, ...]:
        """Every known run, lowest first, from the ledger's memory of the last look; at once."""
        return self._look.asked.honest(self._ledger.runs.all())

    def counts(self) -> tuple[Mapping[Store, int], int]:
        """How many runs each store held at the last look, and how many wait; at once, however many there are."""
        return dict(zip(Store, self._ledger.evidence.counts(), strict=True)), self._ledger.runs.count(RunState.WAITING)

    def run(self, number: int) -> Run | None:
        """One run as `runs` has it, or None."""
        found = self._ledger.runs.get(number)
        return None if found is None else self._look.asked.honest((found,))[0]

    def revision(self) -> int:
        """The ledger's revision; it grows with every change by any process."""
        return self._ledger.revision()

    def changes_since(self, revision: int) -> Changes:
        """What changed since that revision, by any process; cheap enough for four calls a second."""
        found = self._ledger.changes_since(revision)
        runs = self.runs() if self._look.asked.grew() else self._look.asked.honest(found.runs)
        return Changes(found.rev, runs, found.gone, found.events, found.jobs)

    def refresh(self, stores: Iterable[Store] = tuple(Store), *, full: bool = False) -> None:
        """Look at the stores and derive every state anew; `full` trusts no cached listing.

        Waits for the stores; a store out of reach is in `health`, keeps its old marks and raises nothing.
        """
        self._ledger.jobs.reap()
        self._look.refresh(stores, full=full)

    def glance_at(self, runs: Iterable[int]) -> None:
        """See the directories of these runs again, also of archived ones, which no look watches; raises nothing."""
        self._look.glance_at(runs)

    def unreachable(self) -> ArchiveError | None:
        """The failure of the first store that the last look could not ask, or None."""
        return next(iter(self._look.failures.values()), None)

    def silent_stores(self) -> Mapping[Store, ArchiveError]:
        """The stores that the last look could not ask, each with its failure."""
        return dict(self._look.failures)

    def judge(self, limit: int) -> int:
        """Compare runs that a store lists and nobody compared yet, newest first, at most so many; returns how many.

        Waits for the stores; what cannot be read stays as it is.
        """
        return self._runner.judge(limit)

    def health(self) -> Mapping[Store, Health]:
        """How each store answered last."""
        paused = self._runner.paused_stores()
        return {store: replace(known, paused=store in paused) for store, known in self._look.health.items()}

    def status(self) -> StatusReport:
        """What each store holds as ranges, the states' counts and what to do next, after the last look."""
        return report.make_status(self._config, self._ledger, self._memory, self._look.failures, self._look.health)

    def failures(self) -> tuple[RunFailure, ...]:
        """Every run that stands in FAILED, PARTIAL, CONFLICT or OUTDATED, lowest first; at once."""
        return life.failures_of(self._ledger, self._memory)

    # --- work

    def plan(self, kind: JobKind | str, runs: Iterable[int] | None = None, options: JobOptions | None = None) -> Plan:
        """What a job of this kind would do with these runs (None: all that is due), without doing it.

        Looks at the stores first unless the options say otherwise; raises the failure of a store that the plan needs.
        """
        kind, options = JobKind(kind), options or JobOptions()
        self._runner.look_for(kind, options)
        return self._runner.plan(kind, runs, options)

    def _startable(self, name: JobKind | str) -> JobKind:
        kind = JobKind(name)
        if Stage.VERIFY not in STAGES_OF[kind]:
            self._writing(kind.value)
        return kind

    def start(self, kind: JobKind | str, runs: Iterable[int] | None = None, options: JobOptions | None = None) -> int:
        """Start a job in the background threads of this process and return its number.

        Raises ArchiveError(READ_ONLY) when not armed, ArchiveError(LOCK_HELD) when another writer works.
        """
        return self._runner.start(self._startable(kind), runs, options or JobOptions())

    def run_job(
        self,
        kind: JobKind | str,
        runs: Iterable[int] | None = None,
        options: JobOptions | None = None,
        observer: JobObserver | None = None,
    ) -> Outcome:
        """Do a job here and now; the command line's way. Raises as `start` does, and the failure of a needed store."""
        return self._runner.run(self._startable(kind), runs, options or JobOptions(), observer)

    def exclusive(self, wait: float = 0) -> AbstractContextManager[None]:
        """Hold the writer's lock over several jobs; raises ArchiveError(LOCK_HELD) with the holder's name."""
        return self._runner.exclusive(wait)

    def cancel(self, job: int, *, now: bool = False) -> None:
        """Ask a job of any process to stop after the runs in hand; `now` does not wait for them."""
        self._runner.cancel(job, now=now)

    def wait(self, job: int, timeout: float | None = None) -> Outcome | None:
        """The outcome of a job of this process once it ended, or None when the time is over first."""
        return self._runner.wait(job, timeout)

    def stop(self, *, now: bool = False) -> None:
        """Cancel every job of this process; safe in a signal handler."""
        self._runner.stop(now=now)

    def working(self, job: int | None = None) -> bool:
        """Whether a job of this process still runs; with `job`, whether that one does."""
        return self._runner.working(job)

    def jobs(self, limit: int = 100) -> tuple[Job, ...]:
        """The newest jobs of every process on this archive, newest first."""
        return self._ledger.jobs.latest(limit)

    def job_log(self, job: int) -> tuple[Event, ...]:
        """The events of one job, oldest first."""
        return self._ledger.events.latest(job=job, limit=100_000)

    def job_outcomes(self, job: int) -> tuple[RunOutcome, ...]:
        """How each run of a job ended so far, lowest run first."""
        return life.outcomes_of(self._ledger, job)

    # --- one run

    def compare(self, run: int) -> Comparison:
        """One run's files across the three stores; asks the stores."""
        from runarchive.pipeline.compare import compare_run

        return compare_run(self._context, self._memory.evidence(run))

    def file_text(self, run: int, store: Store, name: str, *, original: bool = False) -> str:
        """One file's text in one store: canonical FHiCL, or with `original` the bytes as they were written.

        Asks the store. Raises ArchiveError(NOT_FOUND) where the store has no such file.
        """
        from runarchive.pipeline.compare import file_text

        return file_text(self._context, self._memory.evidence(run), store, name, original=original)

    def validate(self, run: int) -> CheckResult:
        """Look for `validation.patterns` in the run's blob as UconDB gives it, and note the verdict in the ledger.

        Raises the failure of UconDB.
        """
        from runarchive.ucondb.validation import validate_blob

        result = validate_blob(self._stores.ucondb.get(run), run, self._config.validation.patterns)
        self._ledger.history.record_checks([result], run=run, stage=Stage.MIGRATE)
        return result

    def life(self, run: int) -> RunLife:
        """One run's attempts, checks, hashes, events and decisions, oldest first; raises ArchiveError(NOT_FOUND)."""
        found = life.life_of(self._ledger, self._memory, run)
        return replace(found, run=self._look.asked.honest((found.run,))[0])

    def explain(self, run: int) -> Explanation:
        """Why a run is in its state, and what would change that; raises ArchiveError(NOT_FOUND)."""
        return life.explain_run(self._ledger, self._memory, self._look.asked, run)

    def _decide(self, kind: DecisionKind, run: int, text: str) -> None:
        self._writing(kind.value)
        if not text.strip():
            raise ArchiveError(Code.BAD_CONFIG, f"run {run}: a decision needs a reason", run=run, hint="--reason TEXT")
        life.known_run(self._ledger, run)
        with self._ledger.transaction():
            self._ledger.decisions.record(kind, run, text, this_actor())
            self._ledger.events.record(f"{run} {kind.value}: {text}", run=run)
            self._memory.read_decisions()
            self._memory.update([run], lambda evidence: evidence)

    def waive(self, run: int, reason: str) -> None:
        """Take a run out of every plan, with a reason; raises ArchiveError(READ_ONLY) when not armed."""
        self._decide(DecisionKind.WAIVE, run, reason)

    def unwaive(self, run: int, reason: str = "taken back") -> None:
        """Take a waiver back; raises ArchiveError(READ_ONLY) when not armed."""
        self._decide(DecisionKind.UNWAIVE, run, reason)

    def note(self, run: int, text: str) -> None:
        """Write a note to a run; raises ArchiveError(READ_ONLY) when not armed."""
        self._decide(DecisionKind.NOTE, run, text)

    # --- the archive as a whole

    def recovery_preview(self, kind: RecoveryKind | str) -> RecoveryPreview:
        """What rebuilding this from the stores would change; asks the stores, writes nothing."""
        from runarchive.pipeline.recover import preview

        return preview(RecoveryKind(kind), self._config, self._ledger, self._memory, self._look)

    def recovery_apply(self, kind: RecoveryKind | str) -> RecoveryPreview:
        """Rebuild it, the old files kept beside; raises ArchiveError(READ_ONLY) when not armed."""
        from runarchive.pipeline.recover import apply

        self._writing("recover")
        with self.exclusive():
            return apply(RecoveryKind(kind), self._config, self._ledger, self._memory, self._look)

    def manifest(self) -> tuple[ManifestEntry, ...]:
        """What is archived where with which hash, waivers included, lowest run first."""
        from runarchive.pipeline.manifest import make_manifest

        return make_manifest(self._ledger, self._memory)

    def doctor(self) -> tuple[CheckResult, ...]:
        """Ask everything the archive leans on whether it works; waits for the stores."""
        from runarchive.pipeline.doctor import examine

        return examine(self._config, self._stores, self._ledger)

    def events(self, limit: int = 1000, *, run: int | None = None) -> tuple[Event, ...]:
        """The newest events of every process on this archive, oldest first."""
        return self._ledger.events.latest(limit=limit, run=run)

    def on_event(self, heard: Callable[[str, Severity], None]) -> None:
        """Have each event of this process told that is about no single run, stage or job; from any thread."""
        self._ledger.events.heard = heard

    def on_store_call(self, heard: Callable[[StoreCall, float], None]) -> None:
        """Have the seconds of each call to a store told that a job of this process makes for a run; from any thread."""
        self._context.times.heard = heard

    def lock_holder(self) -> LockHolder | None:
        """Who holds the writer's lock, or None."""
        jobs = self._ledger.jobs
        holder = locks.lock_holder(self._config.app.lock_file, jobs.running(), jobs.is_stuck)
        if holder is None:
            return None
        host = holder.owner.rpartition(":")[0].rpartition("@")[2]
        return LockHolder(holder.pid or 0, holder.owner, host, holder.job, holder.stuck, self._runner.holds_lock)

    def break_lock(self) -> None:
        """Take the lock from a stuck holder; raises ArchiveError(READ_ONLY) when not armed."""
        self._writing("breaking the lock")
        if locks.break_lock(self._config.app.lock_file):
            self._ledger.events.record("the lock file was removed by a person")
