"""What the pipeline tells the console and the commands: plans, outcomes, comparisons, lives, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from runarchive.errors import with_next_step
from runarchive.model import CheckResult, Event, Failure, Job, Marks, Run, RunState, Stage, Store


class JobKind(StrEnum):
    """What a job does to its runs; ARCHIVE is import, migrate and verify in one go."""

    IMPORT = "import"
    MIGRATE = "migrate"
    ARCHIVE = "archive"
    RETRY = "retry"
    VERIFY = "verify"
    SCRUB = "scrub"


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job goes about its runs.

    `add` and `supersede` are the exits of a CONFLICT: write beside what another put into artdaqDB; put a new
    version into UconDB (`override=yes`). `limit` stops after so many runs (0: none). `above` takes only runs with a
    higher number. `sample` verifies that share of the runs (0..1); `everything` all of them; `rate` is in runs a
    second (0: as fast as it goes). `wait` is how many seconds to wait for the writer's lock. `workers` 0 takes
    the config's. `force` also takes runs that are WAITING, `again` failed ones that nothing changed for.
    `refresh` false works on the last look at the stores. `patience` is how many seconds a stage stands, its store out
    of reach, before the job ends without it.
    """

    add: bool = False
    supersede: bool = False
    force: bool = False
    again: bool = False
    limit: int = 0
    above: int | None = None
    sample: float = 0.0
    everything: bool = False
    rate: float = 0.0
    wait: float = 0.0
    workers: int = 0
    refresh: bool = True
    patience: float = 1800.0


@dataclass(frozen=True, slots=True)
class Health:
    """Whether one store answers; `ok` is None before the first look, `latency` in seconds.

    `damage` holds what is wrong with a store that answers all the same, a sentence each.
    """

    store: Store
    ok: bool | None = None
    latency: float | None = None
    message: str = "not looked at yet"
    looked_at: datetime | None = None
    damage: tuple[str, ...] = ()
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed in the ledger since a revision, whichever process did it."""

    revision: int
    runs: tuple[Run, ...] = ()
    gone: tuple[int, ...] = ()
    events: tuple[Event, ...] = ()
    jobs: tuple[Job, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.runs or self.gone or self.events or self.jobs)


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What a job would do with one run: the stages in their order, or none and the reason why not.

    `overruled` is why it would have stayed, had a person not said `add`, `supersede` or `force`; else empty.
    """

    run: int
    state: RunState
    stages: tuple[Stage, ...]
    reason: str
    overruled: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The work of a job before it is done, lowest run first; `held` are runs that were asked for or known and stay."""

    kind: JobKind
    steps: tuple[PlannedRun, ...]
    held: tuple[PlannedRun, ...] = ()
    remaining: int = 0
    """Runs that are due but beyond `limit`."""

    @property
    def runs(self) -> tuple[int, ...]:
        """The run numbers the job would work on."""
        return tuple(step.run for step in self.steps)


class RunResult(StrEnum):
    """How a job left one run."""

    DONE = "done"
    UNCHANGED = "unchanged"
    HELD = "held"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """One run of a job: the stages it went through here, the one it was in last, the state it ended in, and why it
    failed."""

    run: int
    result: RunResult
    state: RunState
    stages: tuple[Stage, ...] = ()
    reason: str = ""
    failure: Failure | None = None
    attempts: int = 0
    seconds: float = 0.0
    last_stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished job; `stopped` says why it ended before its plan did (empty: it did not)."""

    job: int
    kind: JobKind
    runs: tuple[RunOutcome, ...] = ()
    seconds: float = 0.0
    stopped: str = ""
    stop_failure: Failure | None = None
    interrupted: bool = False
    remaining: int = 0

    @property
    def why_stopped(self) -> str:
        """Why it ended before its plan did, with what mends that."""
        return with_next_step(self.stopped, "" if self.stop_failure is None else self.stop_failure.hint)

    def count(self, stage: Stage) -> int:
        """How many runs went through this stage in this job."""
        return sum(stage in outcome.stages for outcome in self.runs)

    @property
    def over(self) -> int:
        """How many runs this job left nothing to do for, failed ones included."""
        return sum(outcome.result not in (RunResult.CANCELLED, RunResult.HELD) for outcome in self.runs)

    @property
    def failed(self) -> tuple[RunOutcome, ...]:
        """The runs that failed, lowest first."""
        return tuple(outcome for outcome in self.runs if outcome.result is RunResult.FAILED)


@dataclass(frozen=True, slots=True)
class FileComparison:
    """One file (entity) of a run across the stores.

    `size` is in bytes, of its text in the earliest store that holds it; `changed` is when the file in the directory
    behind it was last written, UTC.
    """

    name: str
    marks: Marks
    note: str = ""
    size: int | None = None
    changed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run across the three stores: worst mark, then file by file, by name.

    `blob_run` and `packed_on` are what the blob's header and footer say, which no comparison counts; nothing without a
    blob.
    """

    run: int
    marks: Marks
    files: tuple[FileComparison, ...]
    configuration: str = ""
    problems: tuple[str, ...] = ()
    packed_on: str = ""
    blob_run: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one stage on one run, as the ledger keeps it; `failure` None is a success."""

    stage: Stage
    number: int
    started: datetime
    ended: datetime | None
    writer: str
    failure: Failure | None = None
    job: int | None = None


@dataclass(frozen=True, slots=True)
class RunFailure:
    """A run that stands in FAILED, PARTIAL, CONFLICT or OUTDATED, since when, and after how many attempts."""

    run: int
    state: RunState
    stage: Stage
    failure: Failure
    first: datetime | None
    last: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class HopHash:
    """The hash of what one hop carried, its input's hash, and who computed them when."""

    stage: Stage
    input_hash: str
    output_hash: str
    at: datetime
    tool: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a run: waive, unwaive, note, force, add or supersede; who, when and why."""

    kind: str
    text: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One check of a run with its time."""

    at: datetime
    result: CheckResult


@dataclass(frozen=True, slots=True)
class RunLife:
    """Everything the archive knows of one run, oldest first."""

    run: Run
    attempts: tuple[Attempt, ...] = ()
    checks: tuple[CheckRecord, ...] = ()
    hashes: tuple[HopHash, ...] = ()
    events: tuple[Event, ...] = ()
    decisions: tuple[Decision, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    """Label and text of further facts: where the record lies, which document versions, which blob version."""


@dataclass(frozen=True, slots=True)
class Exit:
    """One way out of a state: what it does, the command that does it and the console's key id."""

    what: str
    command: str
    action: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a run is in its state, what would change that, and what the archive will do by itself."""

    run: Run
    why: tuple[str, ...]
    exits: tuple[Exit, ...]
    by_itself: str = ""


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What one store holds, as ranges of consecutive run numbers; `error` says why it could not be asked, `damage`
    what is wrong though it could."""

    store: Store
    location: str
    runs: int = 0
    ranges: tuple[tuple[int, int], ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    error: str = ""
    failure: Failure | None = None
    damage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What is where and what to do next; `states` counts runs by state."""

    stores: Mapping[Store, StoreReport]
    states: Mapping[RunState, int]
    recommendations: tuple[str, ...]
    import_contiguous: int | None = None
    import_held_by: int | None = None
    migrate_contiguous: int | None = None
    migrate_held_by: int | None = None
    ledger: str = ""


class RecoveryKind(StrEnum):
    """What can be rebuilt from the stores."""

    IMPORT = "import"
    MIGRATE = "migrate"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class RecoveryPreview:
    """What a rebuild would write: each value as the state file has it and as the stores say it."""

    kind: RecoveryKind
    lines: tuple[tuple[str, str, str], ...]
    """Name of the value, what is written down now, what the stores say."""
    writes: tuple[str, ...]
    """The files that `apply` would write, the old ones kept beside."""
    problems: tuple[str, ...] = ()
    """What is wrong with what is written down now; applying mends it."""
    notes: tuple[str, ...] = ()
    """What else is worth knowing; it stays as it is."""

    @property
    def differs(self) -> bool:
        """Whether applying it would change anything."""
        return any(now != then for _, now, then in self.lines) or bool(self.problems)


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds the writer's lock; `stuck` when its job shows no progress for some time."""

    pid: int
    owner: str
    host: str
    job: Job | None = None
    stuck: bool = False
    here: bool = False


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """What is archived of one run where, with which hashes; `waived` is the reason, or empty."""

    run: int
    state: RunState
    reason: str
    configuration: str
    marks: Marks
    hashes: tuple[HopHash, ...] = ()
    ucondb_version: str = ""
    verified_at: datetime | None = None
    waived: str = ""
    decisions: tuple[Decision, ...] = field(default=())
