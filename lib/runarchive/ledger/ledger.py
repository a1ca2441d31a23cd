"""The ledger as one thing: opens the file wherever it may live, sets a damaged one aside, and offers its tables."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runarchive.errors import ArchiveError, Code
from runarchive.ledger.database import BEGUN, DAMAGED, Database, explain, guard_of, is_damage
from runarchive.ledger.evidence import EvidenceTable
from runarchive.ledger.history import History
from runarchive.ledger.jobs import Jobs, this_actor
from runarchive.ledger.journal import Decisions, Journal, Listings
from runarchive.ledger.place import ledger_place
from runarchive.ledger.runs import RunTable
from runarchive.model import Event, Job, Phase, Run, Severity

QUICK_CHECK_BYTES = 64 * 1024 * 1024
"""A ledger up to this size is checked whole when it is opened for writing after an unclean end."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed between one revision and `rev`; `gone` are runs that were forgotten."""

    rev: int
    runs: tuple[Run, ...] = ()
    events: tuple[Event, ...] = ()
    jobs: tuple[Job, ...] = ()
    gone: tuple[int, ...] = ()


class Ledger:
    """The archive's memory: `runs`, `evidence`, `history`, `jobs`, `events`, `decisions`, `listings`.

    Safe for many threads and processes. `notices` are sentences an operator should read (another place, a damaged
    file).
    """

    def __init__(self, database: Database, notices: tuple[str, ...] = (), actor: str | None = None) -> None:
        self.database = database
        self.notices = notices
        self.actor = actor or this_actor()
        self.runs = RunTable(database)
        self.evidence = EvidenceTable(database)
        self.history = History(database)
        self.jobs = Jobs(database)
        self.events = Journal(database, self.actor)
        self.decisions = Decisions(database)
        self.listings = Listings(database)

    @classmethod
    def open(
        cls, wanted: Path, *, read_only: bool = False, actor: str | None = None, examine: bool = False
    ) -> Ledger:
        """Open, or make, the ledger wanted; a damaged one is set aside with a notice and an empty one begun.

        It is read through first where a process was cut off or met damage, and where `examine` asks for it.
        On a network filesystem it lives in this host's state directory. Read-only, a ledger that does not exist is an
        empty one in memory. Raises ArchiveError.
        """
        place, notice = ledger_place(wanted)
        notices = [notice] if notice else []
        if read_only:
            return cls(_open_for_reading(place, notices), tuple(notices), actor)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveError(
                Code.PERMISSION, f"the directory of the ledger {place} cannot be made: {error}", phase=Phase.WRITE
            ) from error
        with _opening(place) as known:
            database = _open_for_writing(place, notices, known, examine=examine)
        ledger = cls(database, tuple(notices), actor)
        for sentence in notices[1:] if notice else notices:
            ledger.events.record(sentence, severity=Severity.WARNING)
        return ledger

    @classmethod
    def in_memory(cls, *notices: str, actor: str | None = None, copy_of: Path | None = None) -> Ledger:
        """A ledger that lasts as long as this process, for an account that may not write the real one.

        It begins with what that one, `copy_of`, remembers now, as far as it can be read.
        """
        found: list[str] = list(notices)
        place, _ = ledger_place(copy_of) if copy_of is not None else (None, "")
        return cls(_copy_in_memory(place, found) if place is not None else Database(None), tuple(found), actor)

    @property
    def path(self) -> Path | None:
        """The file, or None for a ledger in memory."""
        return self.database.path

    @property
    def read_only(self) -> bool:
        """Whether nothing can be recorded."""
        return self.database.read_only

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All records made inside by this thread are one commit: all of them, or none."""
        with self.database.write():
            yield

    def revision(self) -> int:
        """The newest revision."""
        return self.database.current_revision()

    def changes_since(self, revision: int) -> Changes:
        """What changed after this revision; cheap where nothing did."""
        now = self.revision()
        if now == revision:
            return Changes(now)
        return Changes(
            now,
            self.runs.since(revision),
            self.events.since(revision),
            self.jobs.since(revision),
            self.runs.gone_since(revision),
        )

    def close(self) -> None:
        """Close the file."""
        self.database.close()


def set_aside(place: Path) -> Path:
    """Rename a ledger file, with what SQLite keeps beside it, to `<name>.damaged-<time>`; returns the new name."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = place.with_name(f"{place.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = place.with_name(f"{place.name}.damaged-{stamp}-{number}")
    for suffix in ("-wal", "-shm"):
        beside = place.with_name(place.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    place.rename(aside)
    return aside


@contextmanager
def _opening(place: Path) -> Iterator[bytes]:
    """One process at a time opens for writing, so that two do not set one file aside; gives what is known of it."""
    guard = guard_of(place)
    try:
        descriptor = os.open(guard, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        code = Code.DISK_FULL if error.errno == errno.ENOSPC else Code.PERMISSION
        raise ArchiveError(code, f"the ledger {place} cannot be opened: {error}", phase=Phase.WRITE) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        known = os.pread(descriptor, 16, 0)
        yield known
        if known != BEGUN:
            with suppress(OSError):  # another account's; it says the same the next time
                guard.write_bytes(BEGUN)
    finally:
        os.close(descriptor)


def _open_for_writing(place: Path, notices: list[str], known: bytes, *, examine: bool) -> Database:
    if place.exists() and not os.access(place, os.W_OK):  # SQLite would open it all the same, and refuse later
        sentence = f"the ledger {place} may not be written by this account"
        raise ArchiveError(Code.PERMISSION, sentence, phase=Phase.WRITE)
    unclean = place.with_name(f"{place.name}-wal").exists()
    size = place.stat().st_size if place.exists() else 0
    if known and not size:
        notices.append(
            f"the ledger {place} is gone; an empty one is begun: no run is lost, but its history, notes and waivers are"
        )
    try:
        database = Database(place)
        doubtful = examine or known == DAMAGED or (unclean and size <= QUICK_CHECK_BYTES)
        if doubtful and (faults := database.check()):
            database.close()
            raise sqlite3.DatabaseError(f"malformed: {faults[0]}")
        return database
    except sqlite3.Error as error:
        if not is_damage(error):
            raise explain(error, str(place)) from error
    aside = set_aside(place)
    notices.append(
        f"the ledger {place} was damaged and is set aside as {aside.name}; an empty one is begun:"
        " no run is lost, `tui-archiver recover ledger` looks at the stores again"
    )
    return Database(place)


def _open_for_reading(place: Path, notices: list[str]) -> Database:
    if not place.exists():
        return Database(None)
    try:
        return Database(place, read_only=True)
    except sqlite3.Error as error:
        if "no such table" in str(error):
            return Database(None)  # another process makes it just now
        if "unable to open" in str(error) or "readonly" in str(error):
            return _copy_in_memory(place, notices)
        if not is_damage(error):
            raise explain(error, str(place)) from error
        notices.append(f"the ledger {place} cannot be read ({error}); what it remembers is not shown")
        return Database(None)


def _copy_in_memory(place: Path, notices: list[str]) -> Database:
    """What the ledger file remembers now: without the right to write beside it, it cannot be followed."""
    database = Database(None)
    try:
        if place.exists():
            database.load_copy(place)
            notices.append(f"the ledger {place} cannot be followed by this account; it is shown as it was just now")
    except (sqlite3.Error, OSError) as error:
        notices.append(f"the ledger {place} cannot be read ({error}); what it remembers is not shown")
        return Database(None)
    return database
