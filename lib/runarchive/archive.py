"""The front door: one config's stores, ledger and jobs, as the commands and the console use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from runarchive.model import CheckResult, Event, Job, Run, Store
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
    RunLife,
    RunOutcome,
    RunResult,
    StatusReport,
    StoreReport,
)

if TYPE_CHECKING:
    from runarchive.config import Config

__all__ = [
    "Archive",
    "Attempt",
    "Changes",
    "CheckRecord",
    "Comparison",
    "Decision",
    "Exit",
    "Explanation",
    "FileComparison",
    "Health",
    "HopHash",
    "JobKind",
    "JobOptions",
    "LockHolder",
    "ManifestEntry",
    "Outcome",
    "Plan",
    "PlannedRun",
    "RecoveryKind",
    "RecoveryPreview",
    "RunLife",
    "RunOutcome",
    "RunResult",
    "StatusReport",
    "StoreReport",
]

ALL_STORES = (Store.FILESYSTEM, Store.ARTDAQDB, Store.UCONDB)


class Archive:
    """One archive: what is where, what to do about it, and the jobs that do it.

    Every method may be called from any thread. Reading methods never wait for a store unless their text says so.
    """

    def __init__(self, config: Config, *, writable: bool, actor: str) -> None:
        raise NotImplementedError

    @classmethod
    def open(
        cls, config: Config | Path | str | None = None, *, writable: bool = False, actor: str = "console"
    ) -> Archive:
        """Open the archive of a config (None: the one that is found); no store is asked, no lock is taken.

        `writable` arms it at once; with `read_only: true` in the config it stays read-only all the same.
        Raises ConfigError with every problem of the config.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Stop the jobs of this process after their runs in hand and let go of the stores."""
        raise NotImplementedError

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- what is known

    @property
    def config(self) -> Config:
        """The config as it was read."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """A short name of this archive for a title line: the records directory's or the database's."""
        raise NotImplementedError

    @property
    def read_only(self) -> bool:
        """Whether writing is refused now (not armed)."""
        raise NotImplementedError

    def arm(self) -> None:
        """Allow writing; raises ArchiveError(READ_ONLY) where the config says `read_only: true`."""
        raise NotImplementedError

    def disarm(self) -> None:
        """Refuse writing from now on; jobs that run go on."""
        raise NotImplementedError

    def runs(self) -> tuple[Run, ...]:
        """Every known run, lowest first, from the ledger's memory of the last look; at once."""
        raise NotImplementedError

    def run(self, number: int) -> Run | None:
        """One run as `runs` has it, or None."""
        raise NotImplementedError

    def revision(self) -> int:
        """The ledger's revision; it grows with every change by any process."""
        raise NotImplementedError

    def changes_since(self, revision: int) -> Changes:
        """What changed since that revision, by any process; cheap enough for four calls a second."""
        raise NotImplementedError

    def refresh(self, stores: Iterable[Store] = ALL_STORES, *, full: bool = False) -> None:
        """Look at the stores and derive every state anew; `full` trusts no cached listing.

        Waits for the stores; a store out of reach is in `health`, keeps its old marks and raises nothing.
        """
        raise NotImplementedError

    def health(self) -> Mapping[Store, Health]:
        """How each store answered last."""
        raise NotImplementedError

    def status(self) -> StatusReport:
        """What each store holds as ranges, the states' counts and what to do next, after the last look."""
        raise NotImplementedError

    # --- work

    def plan(self, kind: JobKind | str, runs: Iterable[int] | None = None, options: JobOptions | None = None) -> Plan:
        """What a job of this kind would do with these runs (None: all that is due), without doing it."""
        raise NotImplementedError

    def start(self, kind: JobKind | str, runs: Iterable[int] | None = None, options: JobOptions | None = None) -> int:
        """Start a job in the background threads of this process and return its number.

        Raises ArchiveError(READ_ONLY) when not armed, ArchiveError(LOCK_HELD) when another writer works.
        """
        raise NotImplementedError

    def run_job(
        self, kind: JobKind | str, runs: Iterable[int] | None = None, options: JobOptions | None = None
    ) -> Outcome:
        """Do a job here and now; the command line's way. Raises as `start` does."""
        raise NotImplementedError

    def cancel(self, job: int, *, now: bool = False) -> None:
        """Ask a job of any process to stop after the runs in hand; `now` (own jobs) does not wait for them."""
        raise NotImplementedError

    def wait(self, job: int, timeout: float | None = None) -> Outcome | None:
        """The outcome of a job of this process once it ended, or None when the time is over first."""
        raise NotImplementedError

    def stop(self, *, now: bool = False) -> None:
        """Cancel every job of this process; safe in a signal handler."""
        raise NotImplementedError

    def working(self) -> bool:
        """Whether a job of this process still runs."""
        raise NotImplementedError

    def jobs(self, limit: int = 100) -> tuple[Job, ...]:
        """The newest jobs of every process on this archive, newest first."""
        raise NotImplementedError

    def job_log(self, job: int) -> tuple[Event, ...]:
        """The events of one job, oldest first."""
        raise NotImplementedError

    def job_outcomes(self, job: int) -> tuple[RunOutcome, ...]:
        """How each run of a job ended so far, lowest run first."""
        raise NotImplementedError

    # --- one run

    def compare(self, run: int) -> Comparison:
        """One run's files across the three stores; asks the stores."""
        raise NotImplementedError

    def file_text(self, run: int, store: Store, name: str, *, original: bool = False) -> str:
        """One file's text in one store: canonical FHiCL, or with `original` the bytes as they were written.

        Asks the store. Raises ArchiveError(NOT_FOUND) where the store has no such file.
        """
        raise NotImplementedError

    def life(self, run: int) -> RunLife:
        """One run's attempts, checks, hashes, events and decisions, oldest first."""
        raise NotImplementedError

    def explain(self, run: int) -> Explanation:
        """Why a run is in its state, and what would change that."""
        raise NotImplementedError

    def waive(self, run: int, reason: str) -> None:
        """Take a run out of every plan, with a reason; raises ArchiveError(READ_ONLY) when not armed."""
        raise NotImplementedError

    def unwaive(self, run: int) -> None:
        """Take a waiver back; raises ArchiveError(READ_ONLY) when not armed."""
        raise NotImplementedError

    def note(self, run: int, text: str) -> None:
        """Write a note to a run; raises ArchiveError(READ_ONLY) when not armed."""
        raise NotImplementedError

    def force(self, run: int, reason: str) -> None:
        """Let the plan take a WAITING run at once; raises ArchiveError(READ_ONLY) when not armed."""
        raise NotImplementedError

    # --- the archive as a whole

    def recovery_preview(self, kind: RecoveryKind | str) -> RecoveryPreview:
        """What rebuilding this from the stores would change; asks the stores, writes nothing."""
        raise NotImplementedError

    def recovery_apply(self, kind: RecoveryKind | str) -> RecoveryPreview:
        """Rebuild it, the old files kept beside; raises ArchiveError(READ_ONLY) when not armed."""
        raise NotImplementedError

    def manifest(self) -> tuple[ManifestEntry, ...]:
        """What is archived where with which hash, waivers included, lowest run first."""
        raise NotImplementedError

    def doctor(self) -> tuple[CheckResult, ...]:
        """Ask everything the archive leans on whether it works; waits for the stores."""
        raise NotImplementedError

    def events(self, limit: int = 1000, *, run: int | None = None) -> tuple[Event, ...]:
        """The newest events of every process on this archive, oldest first."""
        raise NotImplementedError

    def lock_holder(self) -> LockHolder | None:
        """Who holds the writer's lock, or None."""
        raise NotImplementedError

    def break_lock(self) -> None:
        """Take the lock from a stuck holder; raises ArchiveError(READ_ONLY) when not armed."""
        raise NotImplementedError
