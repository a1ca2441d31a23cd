"""Jobs: who works on what, how far it is, and requests to stop it, whichever process does it."""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runarchive.ledger.database import Database
from runarchive.model import Job, JobState

ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.CRASHED})
STUCK_SECONDS = 60.0
"""A job that says nothing for this long, though its process lives, is shown as stuck."""

_COLUMNS = (
    "id, kind, state, user, host, pid, born, total, done, failed, started, updated, ended, rate, eta, message, workers"
)
_GONE = "its process is gone; the next start continues its runs"


def this_user() -> str:
    """The name of the account this process runs under."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"


def this_actor() -> str:
    """Who acts here, as `user@host`."""
    return f"{this_user()}@{socket.gethostname()}"


def process_birth(pid: int) -> str:
    """What tells this process from a later one with the same number; empty where that cannot be told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return f"{boot}:{stat.rpartition(')')[2].split()[19]}"


def is_alive(pid: int, born: str) -> bool:
    """Whether the process that was `born` then, on this host, still lives."""
    now = process_birth(pid)
    if born and now:
        return born == now
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_gone(host: str, pid: int, born: str) -> bool:
    """Whether this was a process of this host that no longer lives."""
    return host == socket.gethostname() and not is_alive(pid, born)


class Jobs:
    """The table of jobs; each change gets a new revision."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, kind: str, total: int) -> int:
        """Note a job of this process that starts now; returns its id."""
        now = time.time()
        pid = os.getpid()
        with self._database.write() as db:
            cursor = db.execute(
                "INSERT INTO jobs (kind, state, user, host, pid, born, total, started, updated, rev)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    kind,
                    JobState.RUNNING.value,
                    this_user(),
                    socket.gethostname(),
                    pid,
                    process_birth(pid),
                    total,
                    now,
                    now,
                    self._database.revision(),
                ),
            )
        return int(cursor.lastrowid or 0)

    def progress(
        self,
        job: int,
        *,
        done: int | None = None,
        failed: int | None = None,
        total: int | None = None,
        rate: float | None = None,
        eta_seconds: float | None = None,
        message: str | None = None,
        workers: Sequence[str] | None = None,
        state: JobState | None = None,
    ) -> int:
        """Say how far a job is, which is its heartbeat too; what is None stays, but for the ETA.

        Returns the request to stop it: 0 none, 1 gracefully, 2 at once. A requested stop is not taken back by `state`.
        """
        given = {
            "done": done,
            "failed": failed,
            "total": total,
            "rate": rate,
            "message": message,
            "workers": json.dumps(list(workers)) if workers is not None else None,
            "state": state.value if state is not None else None,
        }
        values = {name: value for name, value in given.items() if value is not None}
        changes = [f"{name} = :{name}" for name in values if name != "state"]
        if state is not None:
            changes.append("state = CASE WHEN cancel > 0 THEN 'cancelling' ELSE :state END")
        sql = f"UPDATE jobs SET {', '.join([*changes, 'updated = :now', 'eta = :eta', 'rev = :rev'])}"
        with self._database.write() as db:
            row = db.execute(
                f"{sql} WHERE id = :job AND ended IS NULL RETURNING cancel",
                {**values, "now": time.time(), "eta": eta_seconds, "rev": self._database.revision(), "job": job},
            ).fetchall()
        return int(row[0][0]) if row else 0

    def end(self, job: int, state: JobState, message: str = "") -> None:
        """Note that a job ended; a job that ended already stays as it is."""
        now = time.time()
        with self._database.write() as db:
            db.execute(
                "UPDATE jobs SET state = ?, ended = ?, updated = ?, eta = NULL, workers = '[]', rev = ?,"
                " message = CASE ? WHEN '' THEN message ELSE ? END WHERE id = ? AND ended IS NULL",
                (state.value, now, now, self._database.revision(), message, message, job),
            )

    def request_cancel(self, job: int, *, now: bool = False) -> bool:
        """Ask whoever does this job to stop, after the runs in hand or at once; False where it does not run."""
        with self._database.write() as db:
            found = db.execute(
                "UPDATE jobs SET cancel = max(cancel, ?), state = ?, rev = ? WHERE id = ? AND ended IS NULL"
                " RETURNING id",
                (2 if now else 1, JobState.CANCELLING.value, self._database.revision(), job),
            ).fetchall()
        return bool(found)

    def get(self, job: int) -> Job | None:
        """One job, or None."""
        found = _jobs(self._database.rows(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job,)))
        return found[0] if found else None

    def latest(self, limit: int = 200) -> tuple[Job, ...]:
        """The newest jobs, newest first."""
        return _jobs(self._database.rows(f"SELECT {_COLUMNS} FROM jobs ORDER BY id DESC LIMIT ?", (limit,)))

    def running(self) -> tuple[Job, ...]:
        """The jobs that have not ended and whose process lives, as far as can be told here, newest first."""
        found = _jobs(self._database.rows(f"SELECT {_COLUMNS} FROM jobs WHERE ended IS NULL ORDER BY id DESC"))
        return tuple(job for job in found if job.state not in ENDED)

    def since(self, revision: int) -> tuple[Job, ...]:
        """The jobs that changed after this revision, newest first."""
        return _jobs(self._database.rows(f"SELECT {_COLUMNS} FROM jobs WHERE rev > ? ORDER BY id DESC", (revision,)))

    def is_stuck(self, job: Job) -> bool:
        """Whether a job that has not ended has said nothing for `STUCK_SECONDS`."""
        if job.state in ENDED or job.updated is None:
            return False
        return time.time() - job.updated.timestamp() > STUCK_SECONDS

    def reap(self) -> tuple[Job, ...]:
        """Mark the jobs and attempts of processes of this host that are gone as crashed; returns these jobs."""
        open_jobs: list[Any] = self._database.rows("SELECT id, host, pid, born FROM jobs WHERE ended IS NULL")
        dead = [int(job) for job, host, pid, born in open_jobs if is_gone(host, pid, born)]
        if not dead:
            return ()
        now = time.time()
        with self._database.write() as db:
            revision = self._database.revision()
            for job in dead:
                db.execute(
                    "UPDATE jobs SET state = 'crashed', ended = ?, eta = NULL, workers = '[]', rev = ?,"
                    " message = ? WHERE id = ? AND ended IS NULL",
                    (now, revision, _GONE, job),
                )
                db.execute(
                    "UPDATE attempts SET outcome = 'crashed', ended = ? WHERE job = ? AND ended IS NULL", (now, job)
                )
        return tuple(found for job in dead if (found := self.get(job)) is not None)


def _jobs(rows: list[Any]) -> tuple[Job, ...]:
    return tuple(_job(*row) for row in rows)


def _job(
    number: int,
    kind: str,
    state: str,
    user: str,
    host: str,
    pid: int,
    born: str,
    total: int,
    done: int,
    failed: int,
    started: float,
    updated: float,
    ended: float | None,
    rate: float,
    eta: float | None,
    message: str,
    workers: str,
) -> Job:
    gone = ended is None and is_gone(host, pid, born)
    return Job(
        number,
        kind,
        JobState.CRASHED if gone else JobState(state),
        f"{user}@{host}:{pid}",
        total,
        done,
        failed,
        datetime.fromtimestamp(started, UTC),
        datetime.fromtimestamp(updated, UTC),
        None if ended is None else datetime.fromtimestamp(ended, UTC),
        rate,
        None if gone else eta,
        _GONE if gone else message,
        () if gone else tuple(json.loads(workers)),
    )
