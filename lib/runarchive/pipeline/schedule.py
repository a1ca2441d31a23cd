"""The order of work inside a job: lowest run first, delayed repeats, stages that stand while others go on."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from runarchive.model import Failure, Stage

_STAGE_ORDER = {Stage.IMPORT: 0, Stage.MIGRATE: 1, Stage.VERIFY: 2}


@dataclass(frozen=True, slots=True)
class Task:
    """One stage of one run.

    `tries` counts the attempts made in this job, `not_before` is a clock reading, `order` goes before the run number,
    `suspended` counts how often the run was put back because its store seemed to be out.
    """

    run: int
    stage: Stage
    tries: int = 0
    not_before: float = 0.0
    order: int = 0
    suspended: int = 0

    def __lt__(self, other: Task) -> bool:
        mine = (self.order, self.run, _STAGE_ORDER[self.stage])
        return mine < (other.order, other.run, _STAGE_ORDER[other.stage])


@dataclass(slots=True)
class Gate:
    """Whether a stage takes work: `paused` until its store answers again, `closed` for the rest of the job."""

    paused: str = ""
    closed: Failure | None = None
    since: float = 0.0

    @property
    def open(self) -> bool:
        """Whether the stage takes work now."""
        return not self.paused and self.closed is None


@dataclass(slots=True)
class Schedule:
    """Which task comes next, for any number of workers; every method may be called from any thread."""

    tasks: Iterable[Task]
    clock: Callable[[], float] = time.monotonic
    gates: dict[Stage, Gate] = field(default_factory=lambda: {stage: Gate() for stage in Stage})
    _ready: list[Task] = field(default_factory=list)
    _delayed: list[tuple[float, Task]] = field(default_factory=list)
    _in_hand: set[Task] = field(default_factory=set)
    _stopping: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        for task in self.tasks:
            self._put(task)

    def take(self, timeout: float) -> Task | None:
        """The next task, or None when none became ready in this many seconds, or never will."""
        end = self.clock() + timeout
        with self._changed:
            while not self._stopping:
                task = self._next()
                if task is not None:
                    self._in_hand.add(task)
                    return task
                rest = end - self.clock()
                if rest <= 0 or self._over():
                    return None
                self._changed.wait(min(rest, self._until_delayed()))
        return None

    def _next(self) -> Task | None:
        now = self.clock()
        while self._delayed and self._delayed[0][0] <= now:
            heapq.heappush(self._ready, heapq.heappop(self._delayed)[1])
        if self._ready and self.gates[self._ready[0].stage].open:
            return heapq.heappop(self._ready)
        best = min((task for task in self._ready if self.gates[task.stage].open), default=None)
        if best is not None:
            self._ready.remove(best)
            heapq.heapify(self._ready)
        return best

    def _until_delayed(self) -> float:
        return max(self._delayed[0][0] - self.clock(), 0.001) if self._delayed else 3600.0

    def finish(self, task: Task, following: Task | None = None) -> None:
        """The task is over; `following` is what its run needs next."""
        with self._changed:
            self._in_hand.discard(task)
            if following is not None:
                self._put(following)
            self._changed.notify_all()

    def _put(self, task: Task) -> None:
        if task.not_before > self.clock():
            heapq.heappush(self._delayed, (task.not_before, task))
        else:
            heapq.heappush(self._ready, task)

    def pause(self, stage: Stage, why: str) -> bool:
        """Let the stage stand; returns whether it did not stand already."""
        with self._changed:
            gate = self.gates[stage]
            if not gate.open:
                return False
            gate.paused, gate.since = why, self.clock()
            self._changed.notify_all()
            return True

    def resume(self, stage: Stage) -> None:
        """Let the stage go on."""
        with self._changed:
            self.gates[stage].paused = ""
            self._changed.notify_all()

    def close(self, stage: Stage, failure: Failure) -> bool:
        """End the stage for this job; returns whether it was not closed already."""
        with self._changed:
            gate = self.gates[stage]
            if gate.closed is not None:
                return False
            gate.closed = failure
            self._changed.notify_all()
            return True

    def stop(self) -> None:
        """Give out no more tasks; those in hand are finished by their workers. Safe in a signal handler's thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    def has_more(self) -> bool:
        """Whether there is work besides the task that asks."""
        with self._changed:
            return len(self._ready) + len(self._delayed) + len(self._in_hand) > 1

    def paused_stages(self) -> tuple[Stage, ...]:
        """The stages that stand and have work, in their order."""
        with self._changed:
            waiting = {task.stage for task in self._ready} | {task.stage for _, task in self._delayed}
            return tuple(stage for stage in Stage if self.gates[stage].paused and stage in waiting)

    def over(self) -> bool:
        """Whether nothing is in hand and nothing that is left can ever be given out."""
        with self._changed:
            return self._over()

    def _over(self) -> bool:
        if self._in_hand:
            return False
        if self._stopping:
            return True
        rest = [*self._ready, *(task for _, task in self._delayed)]
        return all(self.gates[task.stage].closed is not None for task in rest)

    def left(self) -> tuple[Task, ...]:
        """The tasks that were not given out, lowest run first."""
        with self._changed:
            return tuple(sorted([*self._ready, *(task for _, task in self._delayed)]))

    def wait_changed(self, timeout: float) -> None:
        """Wait until something changed, at most this many seconds."""
        with self._changed:
            self._changed.wait(timeout)
