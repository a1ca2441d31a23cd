"""The vocabulary of the archive: what a run, a stage, a state and a mark are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, StrEnum

LARGEST_RUN = 2**63 - 1
"""Run numbers are kept as 64-bit integers by every store and by the ledger."""
_MOST_DIGITS = len(str(LARGEST_RUN))


def run_number(text: str) -> int | None:
    """The run number that a text says: a plain decimal number up to `LARGEST_RUN`, without leading zeros; else None."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS) or (text[0] == "0" and text != "0"):
        return None
    number = int(text)
    return number if number <= LARGEST_RUN else None


_FIRST_MOMENT, _LAST_MOMENT = datetime(2, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def moment(nanoseconds: int) -> datetime:
    """The time so many nanoseconds after 1970, UTC.

    Filesystems carry times that no `datetime` does; for those, the first or last one from which it can be reckoned on.
    """
    seconds = max(_FIRST_MOMENT.timestamp(), min(nanoseconds / 1e9, _LAST_MOMENT.timestamp()))
    return datetime.fromtimestamp(seconds, UTC)


class Store(StrEnum):
    """The three places where a run can be."""

    FILESYSTEM = "filesystem"
    ARTDAQDB = "artdaqdb"
    UCONDB = "ucondb"


class Stage(StrEnum):
    """The steps of the pipeline, in their order."""

    IMPORT = "import"
    MIGRATE = "migrate"
    VERIFY = "verify"


class Phase(StrEnum):
    """What was being done to a store when something failed."""

    CONNECT = "connect"
    LIST = "list"
    READ = "read"
    CONVERT = "convert"
    WRITE = "write"
    VERIFY = "verify"


class Mark(Enum):
    """What one store holds of a run or a file: glyph, ASCII glyph and word, never colour alone."""

    VERIFIED = ("✓", "=", "verified")
    OTHER_WRITER = ("≈", "~", "as another writer left it")
    LISTED = ("·", ".", "listed")
    MISSING = ("–", "-", "missing")
    DIFFERS = ("≠", "*", "differs")
    PARTIAL = ("◐", "%", "partial")
    UNKNOWN = ("?", "?", "unknown")
    ERROR = ("!", "!", "error")
    RUNNING = ("↻", ">", "running")

    def __init__(self, glyph: str, ascii_glyph: str, word: str) -> None:
        self.glyph = glyph
        self.ascii_glyph = ascii_glyph
        self.word = word

    @classmethod
    def from_ascii(cls, ascii_glyph: str) -> Mark:
        """The mark with this ASCII glyph; raises ValueError for any other text."""
        for mark in cls:
            if mark.ascii_glyph == ascii_glyph:
                return mark
        raise ValueError(f"no mark is written {ascii_glyph!r}")


class RunState(StrEnum):
    """Where a run stands on its way into the permanent archive."""

    NEW = "NEW"
    WAITING = "WAITING"
    IMPORTING = "IMPORTING"
    IMPORTED = "IMPORTED"
    MIGRATING = "MIGRATING"
    ARCHIVED = "ARCHIVED"
    FAILED = "FAILED"
    PARTIAL = "PARTIAL"
    CONFLICT = "CONFLICT"
    OUTDATED = "OUTDATED"
    ORPHAN = "ORPHAN"
    EMPTY = "EMPTY"
    WAIVED = "WAIVED"
    IGNORED = "IGNORED"


TROUBLED_STATES = frozenset({RunState.FAILED, RunState.PARTIAL, RunState.CONFLICT, RunState.OUTDATED})
"""States in which somebody, or a later start, still has to do something about a fault."""


class Severity(StrEnum):
    """How loud an event is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Verdict(StrEnum):
    """The answer of a check; what cannot be proved is unknown."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt did not succeed, as a person and a retry loop both need it."""

    store: Store | None
    phase: Phase
    code: str
    retryable: bool
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found: its name, verdict, the evidence seen and the next step."""

    name: str
    verdict: Verdict
    evidence: str = ""
    hint: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the archive's history; `number` orders the events of one ledger."""

    number: int
    at: datetime
    severity: Severity
    message: str
    run: int | None = None
    stage: Stage | None = None
    writer: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """The mark of one run or one file in each of the three stores."""

    filesystem: Mark = Mark.UNKNOWN
    artdaqdb: Mark = Mark.UNKNOWN
    ucondb: Mark = Mark.UNKNOWN

    def of(self, store: Store) -> Mark:
        """The mark in one store."""
        return {
            Store.FILESYSTEM: self.filesystem,
            Store.ARTDAQDB: self.artdaqdb,
            Store.UCONDB: self.ucondb,
        }[store]


@dataclass(frozen=True, slots=True)
class Run:
    """One run as every screen and command shows it.

    `start` and `stop` are UTC; `attempts` counts the attempts since the last success; `size` is in bytes;
    `percent` is the progress of the stage in hand, or None.
    """

    run: int
    state: RunState
    reason: str = ""
    marks: Marks = field(default_factory=Marks)
    configuration: str = ""
    start: datetime | None = None
    stop: datetime | None = None
    attempts: int = 0
    size: int | None = None
    percent: int | None = None


class JobState(StrEnum):
    """Where a job stands; CANCELLING lasts until its runs in hand are finished."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work over many runs, as the ledger knows it, whichever process does it.

    `done` counts the runs that are over, `failed` those among them that failed; `rate` is in runs a second,
    `eta_seconds` None while it cannot be told; `owner` reads `user@host:pid`.
    """

    job: int
    kind: str
    state: JobState
    owner: str
    total: int
    done: int = 0
    failed: int = 0
    started: datetime | None = None
    updated: datetime | None = None
    ended: datetime | None = None
    rate: float = 0.0
    eta_seconds: float | None = None
    message: str = ""
    workers: tuple[str, ...] = ()
