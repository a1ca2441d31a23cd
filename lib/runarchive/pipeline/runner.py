"""Starting jobs: the writer's lock, the look before, the plan, and what has to be tidy when a job ends."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runarchive.config import Config
from runarchive.errors import ArchiveError, Code
from runarchive.ledger.jobs import this_actor
from runarchive.ledger.journal import DecisionKind
from runarchive.ledger.ledger import Ledger
from runarchive.ledger.lock import LockWatch, WriterLock, lock_holder
from runarchive.model import JobState, Run, RunState, Severity, Stage, Store
from runarchive.pipeline.context import Context, unexpected
from runarchive.pipeline.evidence import Evidence
from runarchive.pipeline.legacy import write_legacy_files
from runarchive.pipeline.look import Look
from runarchive.pipeline.observer import JobObserver
from runarchive.pipeline.plan import STAGES_OF, make_plan, oldest_verdict_first
from runarchive.pipeline.telling import tell
from runarchive.pipeline.trouble import LEDGER_STANDS, OUTAGE, STORE_OF_STAGE, backoff
from runarchive.pipeline.views import JobKind, JobOptions, Outcome, Plan, PlannedRun

if TYPE_CHECKING:
    from runarchive.pipeline.job import JobRun

LOCK_REMOVED = "Lock file removed"

NEEDED: dict[JobKind, tuple[Store, ...]] = {
    JobKind.IMPORT: (Store.FILESYSTEM, Store.ARTDAQDB),
    JobKind.MIGRATE: (Store.ARTDAQDB, Store.UCONDB),
    JobKind.ARCHIVE: (Store.FILESYSTEM, Store.ARTDAQDB),
    JobKind.RETRY: (Store.ARTDAQDB,),
    JobKind.VERIFY: (Store.ARTDAQDB,),
    JobKind.SCRUB: (Store.ARTDAQDB,),
}
"""The stores without whose listing a job cannot tell what is due."""

PLANNED_STATES = frozenset(RunState) - {RunState.ARCHIVED, RunState.EMPTY, RunState.IGNORED}
"""Where a run can be due, or has a reason why it is not."""


class Runner:
    """Does the jobs of one archive in this process."""

    def __init__(self, config: Config, context: Context, ledger: Ledger, look: Look) -> None:
        self._config = config
        self._context = context
        self._ledger = ledger
        self._look = look
        self._lock = WriterLock(config.app.lock_file)
        self._watch: LockWatch | None = None
        self._holders = 0
        self._guard = threading.RLock()
        self._jobs: dict[int, JobRun] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._errors: dict[int, BaseException] = {}
        self._claimed: set[int] = set()
        self._stop_requested = ""
        self.notify: Callable[[Outcome], None] = lambda outcome: None

    # --- the lock

    @contextmanager
    def exclusive(self, wait: float = 0) -> Iterator[None]:
        """Hold the writer's lock; inside another `exclusive` of this process it is shared. Raises LOCK_HELD."""
        with self._guard:
            if self._holders == 0:
                self._acquire(wait)
            self._holders += 1
        try:
            yield
        finally:
            with self._guard:
                self._holders -= 1
                if self._holders == 0:
                    self._stop_requested = ""
                    watch, self._watch = self._watch, None
                    if watch is not None:
                        watch.stop()
                    self._lock.release()

    def _acquire(self, wait: float) -> None:
        def holder() -> str:
            jobs = self._ledger.jobs
            found = lock_holder(self._config.app.lock_file, jobs.running(), jobs.is_stuck)
            return found.name if found is not None else ""

        self._lock.acquire(wait, cancelled=lambda: bool(self._stop_requested), holder=holder)
        for job in self._ledger.jobs.reap():
            tell(
                self._ledger,
                f"job {job.job} ({job.kind}) of {job.owner} was cut off; its runs are continued",
                severity=Severity.WARNING,
            )
        self._watch = self._lock.watch(self._lock_removed)

    def _forget_stop(self) -> None:
        """A stop that was asked for before this job does not stop it, unless the lock was taken away meanwhile."""
        if self._stop_requested != LOCK_REMOVED:
            self._stop_requested = ""

    def _lock_removed(self) -> None:
        tell(self._ledger, "the lock file was removed: stopping", severity=Severity.WARNING)
        self.stop(LOCK_REMOVED)

    @property
    def holds_lock(self) -> bool:
        """Whether a job of this process holds the writer's lock."""
        return self._lock.held

    # --- plans

    def plan(self, kind: JobKind, runs: Iterable[int] | None, options: JobOptions) -> Plan:
        """What a job would do, on the last look at the stores."""
        self._context.memory.read_decisions()
        asked = frozenset(runs) if runs is not None else None
        pairs = self._candidates(kind, asked)
        known = {run.run for run, _ in pairs}
        left_out = None
        if self._config.app.exclude_most_recent_run and Stage.IMPORT in STAGES_OF[kind] and asked is None:
            left_out = self._ledger.evidence.highest_on_disk()
        plan = make_plan(kind, pairs, options, asked=asked, left_out=left_out)
        if kind is JobKind.SCRUB:
            plan = oldest_verdict_first(plan, {run.run: evidence for run, evidence in pairs}, options.limit)
        elif options.sample and plan.steps:
            count = max(1, round(len(plan.steps) * options.sample))
            steps = sorted(random.sample(plan.steps, count), key=lambda step: step.run)
            plan = replace(plan, steps=tuple(steps), remaining=len(plan.steps) - count)
        unknown = sorted((asked or frozenset()) - known)
        nowhere = tuple(PlannedRun(run, RunState.NEW, (), "no store and no directory holds it") for run in unknown)
        return replace(plan, held=tuple(sorted((*plan.held, *nowhere), key=lambda step: step.run)))

    def _candidates(self, kind: JobKind, asked: frozenset[int] | None) -> list[tuple[Run, Evidence]]:
        memory = self._context.memory
        if asked is not None:
            found = memory.load(asked)
            return [(memory.derive(evidence), evidence) for evidence in found.values()]
        if Stage.VERIFY in STAGES_OF[kind]:
            known = self._ledger.runs.all()
        else:
            known = self._ledger.runs.in_states(PLANNED_STATES)
        found = memory.load(run.run for run in known)
        return [(memory.derive(found[run.run]), found[run.run]) for run in known if run.run in found]

    # --- jobs

    def run(
        self, kind: JobKind, runs: Iterable[int] | None, options: JobOptions, observer: JobObserver | None = None
    ) -> Outcome:
        """Do a job here and now; one that finds nothing to do leaves no trace. Raises ArchiveError."""
        self._forget_stop()
        if Stage.VERIFY in STAGES_OF[kind]:
            return self._looked(kind, runs, options, observer)
        with self.exclusive(options.wait):
            return self._looked(kind, runs, options, observer)

    def _looked(
        self, kind: JobKind, runs: Iterable[int] | None, options: JobOptions, observer: JobObserver | None
    ) -> Outcome:
        self.look_for(kind, options)
        plan = self.plan(kind, runs, options)
        if not plan.steps:
            self._fold(kind, 0)
            write_legacy_files(self._config, self._ledger, self._context.memory)
            outcome = Outcome(0, kind, remaining=plan.remaining)
            self.notify(outcome)
            return outcome
        job = self._ledger.jobs.start(kind.value, len(plan.steps))
        return self._do(job, plan, options, observer or JobObserver(), asked=runs is not None)

    def look_for(self, kind: JobKind, options: JobOptions) -> None:
        """Look at the stores before a job; raises the failure of a store without which it cannot be planned.

        A store that did not answer, though it may, is asked again as often as a run would be tried again.
        """
        if options.refresh:
            self._look.refresh(Store)
            for tries in range(1, self._config.app.run_process_retries + 1):
                again = [store for store in NEEDED[kind] if self._may_answer(store)]
                if not again or self._rest(backoff(tries, self._config.app.retry_delay_seconds)):
                    break
                self._look.refresh(again)
        for store in NEEDED[kind]:
            failure = self._look.failures.get(store)
            if failure is not None:
                raise failure

    def _rest(self, seconds: float) -> bool:
        """Wait so long, or until a stop is asked for; returns whether it was."""
        end = time.monotonic() + seconds
        while not self._stop_requested and time.monotonic() < end:
            time.sleep(0.05)
        return bool(self._stop_requested)

    def _may_answer(self, store: Store) -> bool:
        failure = self._look.failures.get(store)
        return failure is not None and failure.code in OUTAGE

    def start(
        self, kind: JobKind, runs: Iterable[int] | None, options: JobOptions, observer: JobObserver | None = None
    ) -> int:
        """Start a job in a thread of its own; raises LOCK_HELD at once."""
        self._forget_stop()
        asked = None if runs is None else tuple(runs)
        hold = self.exclusive(options.wait)
        writes = Stage.VERIFY not in STAGES_OF[kind]
        if writes:
            hold.__enter__()
        try:
            job = self._ledger.jobs.start(kind.value, len(asked) if asked is not None else 0)
        except BaseException:
            if writes:
                hold.__exit__(None, None, None)
            raise

        def work() -> None:
            try:
                self.look_for(kind, options)
                plan = self.plan(kind, asked, options)
                self._ledger.jobs.progress(job, total=len(plan.steps))
                self._do(job, plan, options, observer or JobObserver(), asked=asked is not None)
            except BaseException as error:
                self._errors[job] = error
                self._ended_badly(job, error)
            finally:
                if writes:
                    hold.__exit__(None, None, None)

        thread = threading.Thread(target=work, name=f"job-{job}", daemon=True)
        with self._guard:
            self._threads[job] = thread
        thread.start()
        return job

    def _ended_badly(self, job: int, error: BaseException) -> None:
        failure = error.failure if isinstance(error, ArchiveError) else unexpected(error)
        tell(self._ledger, failure.message, severity=Severity.ERROR, job=job)
        self._ledger.jobs.end(job, JobState.FAILED, failure.message)

    def _do(self, job: int, plan: Plan, options: JobOptions, observer: JobObserver, *, asked: bool) -> Outcome:
        # On use: the stages bring every converter.
        from runarchive.pipeline.job import JobRun

        work = JobRun(
            self._context, self._ledger, plan, options, job, observer, self._places(), asked,
            claim=self._claim, release=self._release,
        )  # fmt: skip
        with self._guard:
            self._jobs[job] = work
        if self._stop_requested:
            work.stop(self._stop_requested)
        count = len(plan.steps)
        tell(self._ledger, f"job {job}: {plan.kind} of {count} run{'s' if count != 1 else ''}", job=job)
        try:
            self._record_decisions(plan)
            outcome = work.run()
        except BaseException as error:
            self._ended_badly(job, error)
            raise
        finally:
            with self._guard:
                self._jobs.pop(job, None)
        self._outcomes[job] = outcome
        self._tidy(plan, outcome)
        return outcome

    def _record_decisions(self, plan: Plan) -> None:
        """Runs that are taken only because a person said so are that person's decision, by name."""
        overruled = [step for step in plan.steps if step.overruled]
        if not overruled:
            return
        with self._ledger.transaction():
            for step in overruled:
                kind = DecisionKind.FORCE if step.state is RunState.WAITING else DecisionKind.ADD
                if step.stages[0] is Stage.MIGRATE:
                    kind = DecisionKind.SUPERSEDE
                self._ledger.decisions.record(kind, step.run, step.overruled, this_actor())

    def _tidy(self, plan: Plan, outcome: Outcome) -> None:
        """What has to be done when a job ended; nothing here can undo what the job did."""
        self._fold(plan.kind, outcome.job)
        write_legacy_files(self._config, self._ledger, self._context.memory)
        try:
            self.notify(outcome)
        except Exception as error:
            message = f"the notification failed: {type(error).__name__}: {error}"
            tell(self._ledger, message, severity=Severity.WARNING, job=outcome.job)
        state = JobState.DONE
        if outcome.interrupted:
            state = JobState.CANCELLED
        elif outcome.failed or outcome.stop_failure:
            state = JobState.FAILED
        left = len(outcome.runs) - outcome.over
        counts = f"{outcome.over - len(outcome.failed)} done, {len(outcome.failed)} failed"
        summary = f"{counts}{f', {left} left' if left else ''} in {outcome.seconds:.1f} s"
        text = f"{summary}; {outcome.why_stopped}" if outcome.stopped else summary
        try:
            self._ledger.jobs.progress(outcome.job, done=outcome.over, failed=len(outcome.failed), workers=())
            self._ledger.jobs.end(outcome.job, state, text)
        except ArchiveError as error:
            if error.code not in LEDGER_STANDS:
                raise
        severity = Severity.WARNING if state is JobState.FAILED else Severity.INFO
        tell(self._ledger, f"job {outcome.job} ended: {text}", severity=severity, job=outcome.job)

    def _fold(self, kind: JobKind, job: int) -> None:
        """Let other programs see what was imported, also by a job that was cut off before it could."""
        if Stage.IMPORT not in STAGES_OF[kind]:
            return
        try:
            self._context.stores.artdaqdb.fold()
        except ArchiveError as error:
            tell(self._ledger, error.message, severity=Severity.WARNING, job=job or None)

    def _places(self) -> tuple[Path, ...]:
        """The directories that a job writes to, as far as they lie on this host's disks."""
        places = [self._ledger.path.parent if self._ledger.path else self._config.app.work_dir]
        uri = self._config.artdaq_db.database_uri
        if uri.startswith("filesystemdb://"):
            places.append(Path(uri.removeprefix("filesystemdb://")))
        if self._config.ucon_db.embedded is not None:
            places.append(self._config.ucon_db.embedded.parent)
        return tuple(places)

    def _claim(self, run: int) -> bool:
        with self._guard:
            if run in self._claimed:
                return False
            self._claimed.add(run)
            return True

    def _release(self, run: int) -> None:
        with self._guard:
            self._claimed.discard(run)

    def judge(self, limit: int) -> int:
        """Compare runs that a store lists and nobody compared yet, newest first; what cannot be read stays as it is."""
        if Store.ARTDAQDB in self._look.failures:
            return 0
        from runarchive.pipeline.judge import judge

        return judge(self._context, self._ledger, limit)

    def paused_stores(self) -> set[Store]:
        """The stores for which a job of this process waits."""
        return {
            STORE_OF_STAGE[stage] for work in tuple(self._jobs.values()) for stage in work.schedule.paused_stages()
        }

    # --- from outside

    def cancel(self, job: int, *, now: bool = False) -> None:
        """Ask a job of any process to stop; raises NOT_FOUND for one that does not run."""
        with self._guard:
            work = self._jobs.get(job)
        if not self._ledger.jobs.request_cancel(job, now=now):
            raise ArchiveError(Code.NOT_FOUND, f"job {job} does not run", hint="see `tui-archiver jobs`")
        if work is not None:
            work.stop("cancelled", now=now)
        else:
            self._ledger.events.record(f"{this_actor()} cancelled job {job}", severity=Severity.WARNING, job=job)

    def stop(self, why: str = "interrupted", *, now: bool = False) -> None:
        """Cancel every job of this process, and those about to start."""
        self._stop_requested = why
        for work in tuple(self._jobs.values()):
            work.stop(why, now=now)

    def wait(self, job: int, timeout: float | None = None) -> Outcome | None:
        """The outcome of a job of this process; raises what ended it before its plan was made."""
        thread = self._threads.get(job)
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                return None
        if job in self._errors:
            raise self._errors[job]
        return self._outcomes.get(job)

    def working(self, job: int | None = None) -> bool:
        """Whether a job of this process still runs; with `job`, whether that one does."""
        alive = {number for number, thread in tuple(self._threads.items()) if thread.is_alive()}
        alive.update(tuple(self._jobs))
        return bool(alive) if job is None else job in alive

    def close(self) -> None:
        """Stop after the runs in hand and wait for them."""
        self.stop("closed")
        for thread in tuple(self._threads.values()):
            thread.join()
