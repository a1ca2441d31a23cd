"""A job: workers take tasks off the schedule, a coordinator tells the ledger how far it is and minds the stores."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from runarchive.allocator import give_back_free_memory
from runarchive.errors import ArchiveError, Code
from runarchive.ledger.ledger import Ledger
from runarchive.model import Failure, JobState, Severity, Stage
from runarchive.pipeline.context import Context
from runarchive.pipeline.observer import JobObserver
from runarchive.pipeline.pace import Pace
from runarchive.pipeline.plan import next_stage
from runarchive.pipeline.schedule import Schedule, Task
from runarchive.pipeline.telling import tell
from runarchive.pipeline.trouble import (
    FIRST_PROBE,
    LEDGER_STANDS,
    LONGEST_PROBE,
    MOST_SUSPENSIONS,
    STAGE_ENDING,
    STORE_OF_STAGE,
    Streak,
    backoff,
    is_outage,
    short_of_room,
    stands,
)
from runarchive.pipeline.views import JobKind, JobOptions, Outcome, Plan, RunOutcome, RunResult
from runarchive.pipeline.work import Done, Worker

HEARTBEAT = 0.25
TIDY_SECONDS = 10.0


@dataclass(slots=True)
class _Probe:
    """When a standing stage is asked again, and by which thread.

    `went_on` is set while nothing proved yet that the stage does go on: if it stands again, it is asked later.
    """

    at: float
    delay: float
    thread: threading.Thread | None = None
    went_on: bool = False

    def later(self) -> None:
        """Ask again after twice the time."""
        self.went_on = False
        self.delay = min(self.delay * 2, LONGEST_PROBE)
        self.at = time.monotonic() + self.delay


@dataclass(slots=True)
class JobRun:
    """One job at work; `run` does it, `stop` ends it after the runs in hand, from any thread."""

    context: Context
    ledger: Ledger
    plan: Plan
    options: JobOptions
    job: int
    observer: JobObserver = field(default_factory=JobObserver)
    watched: Sequence[Path] = ()
    asked: bool = False
    claim: Callable[[int], bool] = lambda run: True
    release: Callable[[int], None] = lambda run: None
    schedule: Schedule = field(init=False)
    _worker: Worker = field(init=False)
    stopped: str = ""
    interrupted: bool = False
    _outcomes: dict[int, RunOutcome] = field(default_factory=dict)
    _stages: dict[int, tuple[Stage, ...]] = field(default_factory=dict)
    _streaks: dict[Stage, Streak] = field(default_factory=lambda: {stage: Streak() for stage in Stage})
    _probes: dict[Stage, _Probe] = field(default_factory=dict)
    _busy: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _abandoned: bool = False

    def __post_init__(self) -> None:
        self.schedule = Schedule(self._tasks(time.monotonic()))
        self._worker = Worker(self.context, self.ledger, self.options, self.job)

    def _tasks(self, now: float) -> list[Task]:
        """The first task of each run in the plan's order; under a rate limit one after the other."""
        gap = 1 / self.options.rate if self.options.rate > 0 else 0.0
        return [
            Task(step.run, step.stages[0], not_before=now + place * gap, order=place if gap else 0)
            for place, step in enumerate(self.plan.steps)
        ]

    # --- from outside

    def stop(self, why: str = "", *, now: bool = False) -> None:
        """End the job after the runs in hand; `now` does not wait for them."""
        first = not self.stopped
        self.interrupted = True
        self.stopped = self.stopped or why or "cancelled"
        if first:
            self.observer.stopping(self.stopped)
        self._abandoned = self._abandoned or now
        self.schedule.stop()

    # --- the coordinator

    def run(self, executor: Executor | None = None) -> Outcome:
        """Do the job to its end; failures of runs are in the outcome, failures of the ledger are raised."""
        began = time.monotonic()
        pace = Pace(len(self.plan.steps))
        count = self.options.workers or self.context.config.app.parallel_workers
        count = max(1, min(count, len(self.plan.steps)))
        pool = executor or ThreadPoolExecutor(count, thread_name_prefix=f"job{self.job}")
        self._tell_plan()
        try:
            futures = [pool.submit(self._work, f"w{number + 1}") for number in range(count)]
            tidied = began
            while not self.schedule.over() and not self._abandoned:
                self.schedule.wait_changed(HEARTBEAT)
                self._heartbeat(pace)
                self._mind_gates()
                if time.monotonic() - tidied > TIDY_SECONDS:
                    give_back_free_memory()
                    tidied = time.monotonic()
            if not self._abandoned:
                for future in futures:
                    future.result()
        finally:
            if executor is None:
                pool.shutdown(wait=not self._abandoned, cancel_futures=True)
        return self._outcome(time.monotonic() - began)

    def _tell_plan(self) -> None:
        for stage in Stage:
            runs = tuple(step.run for step in self.plan.steps if step.stages[0] is stage)
            if runs:
                self.observer.planned(stage, runs, self.plan.remaining)

    def _heartbeat(self, pace: Pace) -> None:
        with self._lock:
            done = sum(outcome.result is not RunResult.CANCELLED for outcome in self._outcomes.values())
            failed = sum(outcome.result is RunResult.FAILED for outcome in self._outcomes.values())
            workers = tuple(f"{name} {text}" for name, text in sorted(self._busy.items()))
        pace.update(done)
        paused = [stands(stage, self.schedule.gates[stage].paused) for stage in self.schedule.paused_stages()]
        percents = self.context.progress.take()
        try:
            if percents:
                self.context.memory.show_percents(percents)
            request = self.ledger.jobs.progress(
                self.job,
                done=done,
                failed=failed,
                rate=pace.rate,
                eta_seconds=pace.left,
                message="; ".join(paused),
                workers=workers,
                state=JobState.PAUSED if paused and not workers else JobState.RUNNING,
            )
        except ArchiveError as error:
            if error.code not in LEDGER_STANDS:
                raise
            request = 0
        now = request > 1
        if (request and not self.schedule.stopping) or (now and not self._abandoned):
            self.stop("cancelled", now=now)

    # --- standing stages

    def _mind_gates(self) -> None:
        for stage in self.schedule.paused_stages():
            gate = self.schedule.gates[stage]
            if time.monotonic() - gate.since > self.options.patience:
                failure = ArchiveError(
                    Code.UNAVAILABLE, gate.paused, store=STORE_OF_STAGE[stage], retryable=True
                ).failure
                self._close(stage, failure)
                continue
            probe = self._probes.setdefault(stage, _Probe(time.monotonic() + FIRST_PROBE, FIRST_PROBE))
            if probe.went_on:
                probe.later()
            standing = probe.thread is not None and probe.thread.is_alive()
            if not standing and time.monotonic() >= probe.at:
                probe.thread = threading.Thread(target=self._ask_again, args=(stage, probe), daemon=True)
                probe.thread.start()

    def _ask_again(self, stage: Stage, probe: _Probe) -> None:
        if self._answers(stage):
            probe.went_on = True
            self._streaks[stage].ends(time.monotonic())
            self.schedule.resume(stage)
            tell(self.ledger, f"{stage} goes on", stage=stage, job=self.job)
            self.observer.resumed(stage)
            return
        probe.later()

    def _answers(self, stage: Stage) -> bool:
        if short_of_room(self.watched, self.context.config.app.disk_reserve_mb):
            return False
        stores = self.context.stores
        try:
            if stage is not Stage.IMPORT:
                stores.ucondb.ping()
            stores.artdaqdb.ping()
        except ArchiveError:
            return False
        return True

    def _pause(self, stage: Stage, why: str) -> None:
        if self.schedule.pause(stage, why):
            message = stands(stage, why)
            tell(self.ledger, message, severity=Severity.WARNING, stage=stage, job=self.job)
            self.observer.paused(stage, why)

    def _close(self, stage: Stage, failure: Failure) -> None:
        if self.schedule.close(stage, failure):
            message = f"{stage} ends: {failure.message}"
            tell(self.ledger, message, severity=Severity.ERROR, stage=stage, job=self.job)

    # --- the workers

    def _work(self, worker: str) -> None:
        try:
            while not self.schedule.over():
                task = self.schedule.take(HEARTBEAT)
                if task is not None:
                    self._do(task, worker)
        except BaseException:
            self.schedule.stop()
            raise

    def _do(self, task: Task, worker: str) -> None:
        following: Task | None = None
        try:
            low = short_of_room(self.watched, self.context.config.app.disk_reserve_mb)
            if low and task.stage is not Stage.VERIFY:
                self._pause(task.stage, low)
                following = task
            elif not self.claim(task.run):
                following = Task(task.run, task.stage, task.tries, self.schedule.clock() + HEARTBEAT)
            else:
                try:
                    following = self._attempt(task, worker)
                finally:
                    self.release(task.run)
        except ArchiveError as error:
            if error.code not in LEDGER_STANDS:
                raise
            self._pause_for_ledger(task, error)
            following = task
        finally:
            with self._lock:
                self._busy.pop(worker, None)
            self.schedule.finish(task, following)

    def _pause_for_ledger(self, task: Task, error: ArchiveError) -> None:
        """The ledger cannot be written: the stage stands, and the run is done again once it can."""
        if self.schedule.pause(task.stage, error.message):
            self.observer.paused(task.stage, error.message)

    def _attempt(self, task: Task, worker: str) -> Task | None:
        """Do the task; returns what its run needs next, or None when the run is over in this job."""
        attempts = self.context.config.app.run_process_retries + 1
        with self._lock:
            self._busy[worker] = f"{task.stage} {task.run}"
        done = self._worker.do(
            task.run,
            task.stage,
            worker,
            lambda: self.observer.attempt_started(task.run, task.stage, task.tries + 1, attempts),
        )
        if done.failure is not None:
            return self._after_failure(task, done, done.failure, attempts)
        self._answered(task.stage)
        self._stages[task.run] = (*self._stages.get(task.run, ()), task.stage)
        if done.held is None:
            self.observer.run_done(task.run, task.stage, done.run.reason)
        else:
            self.observer.attempt_failed(task.run, task.stage, task.tries + 1, attempts, done.held, None)
        stage = next_stage(
            self.plan.kind, done.run, done.evidence, self.options, asked=self.asked, after=task.stage
        )
        if stage is not None and not self.schedule.stopping:
            return Task(task.run, stage)
        self._over(task, done)
        return None

    def _answered(self, stage: Stage) -> None:
        """A run was served: if the stage stands nevertheless, its store is asked at once."""
        self._streaks[stage].ends(time.monotonic())
        if self.schedule.gates[stage].open:
            self._probes.pop(stage, None)
        elif probe := self._probes.get(stage):
            probe.at = 0.0

    def _after_failure(self, task: Task, done: Done, failure: Failure, attempts: int) -> Task | None:
        if Code(failure.code) in STAGE_ENDING:
            self.observer.attempt_failed(task.run, task.stage, task.tries + 1, attempts, failure, None)
            self._close(task.stage, failure)
            return Task(task.run, task.stage)
        tries = task.tries + 1
        out = is_outage(failure) and self._is_the_stores(task, done, last=tries >= attempts)
        if out or failure.code == Code.DISK_FULL:
            self._pause(task.stage, failure.message)
        if self.schedule.gates[task.stage].paused and failure.retryable:
            self.observer.attempt_failed(task.run, task.stage, tries, attempts, failure, 0.0)
            return Task(task.run, task.stage, suspended=task.suspended + 1)
        if failure.retryable and tries < attempts and not self.schedule.stopping:
            delay = backoff(tries, self.context.config.app.retry_delay_seconds)
            self.observer.attempt_failed(task.run, task.stage, tries, attempts, failure, delay)
            return Task(task.run, task.stage, tries, self.schedule.clock() + delay)
        self.observer.attempt_failed(task.run, task.stage, tries, attempts, failure, None)
        self._over(task, done, failure)
        return None

    def _is_the_stores(self, task: Task, done: Done, *, last: bool) -> bool:
        """Whether this failure to reach a store is the store's: several runs met it, or one did to the last try.

        A run that meets it again and again while the store answers others is at fault itself.
        """
        streak, began = self._streaks[task.stage], time.monotonic() - done.seconds
        if streak.meets(task.run, began):
            return True
        return last and streak.alone(began) and self.schedule.has_more() and task.suspended < MOST_SUSPENSIONS

    def _over(self, task: Task, done: Done, failure: Failure | None = None) -> None:
        run = done.run
        if failure is not None:
            result = RunResult.CANCELLED if failure.code == Code.CANCELLED else RunResult.FAILED
        else:
            failure = done.held
            result = RunResult.FAILED if failure is not None else RunResult.DONE
        stages = self._stages.get(task.run, ())
        outcome = RunOutcome(
            task.run, result, run.state, stages, run.reason, failure, task.tries + 1, done.seconds, task.stage
        )
        with self._lock:
            self._outcomes[task.run] = outcome

    # --- the end

    def _outcome(self, seconds: float) -> Outcome:
        closed = next((gate.closed for gate in self.schedule.gates.values() if gate.closed is not None), None)
        for task in self.schedule.left():
            run = self.context.memory.derive(self.context.memory.evidence(task.run))
            gate = self.schedule.gates[task.stage]
            result = RunResult.HELD if gate.closed is not None else RunResult.CANCELLED
            stages = self._stages.get(task.run, ())
            self._outcomes.setdefault(task.run, RunOutcome(task.run, result, run.state, stages, run.reason))
        return Outcome(
            job=self.job,
            kind=JobKind(self.plan.kind),
            runs=tuple(self._outcomes[run] for run in sorted(self._outcomes)),
            seconds=seconds,
            stopped=self.stopped or (closed.message if closed else ""),
            stop_failure=closed,
            interrupted=self.interrupted,
            remaining=self.plan.remaining,
        )
