"""What each run's state was derived from: whether it is on disk, what each store lists, and the verdicts."""

from __future__ import annotations

from collections.abc import Iterable

from runarchive.ledger.database import Database

EvidenceRow = tuple[int, bool, str, str, str]
"""Run, on disk, artdaqDB's listing entry, UconDB's listing entry, and the verdicts as the pipeline writes them."""

_SLICE = 500

NEWEST_WATCHED = 500
"""How many runs that look final a look sees again, in case something comes late."""

_UNSETTLED = """
    SELECT r.run FROM runs r CROSS JOIN evidence e ON e.run = r.run WHERE e.disk = 1
        AND r.state IN ('WAITING', 'FAILED', 'IMPORTING', 'MIGRATING', 'OUTDATED', 'PARTIAL')
    UNION SELECT r.run FROM runs r CROSS JOIN evidence e ON e.run = r.run WHERE e.disk = 1
        AND r.state IN ('NEW', 'IMPORTED') AND r.stop IS NULL
    UNION SELECT run FROM evidence WHERE disk = 1 AND data = '{}' AND (artdaqdb = '' OR ucondb = '')
    UNION SELECT * FROM (SELECT r.run FROM runs r CROSS JOIN evidence e ON e.run = r.run WHERE e.disk = 1
        AND r.state = 'ARCHIVED' AND r.stop IS NULL AND r.size > 0 ORDER BY r.run DESC LIMIT ?)
    UNION SELECT * FROM (SELECT run FROM runs WHERE state = 'EMPTY' ORDER BY run DESC LIMIT ?)
"""
"""Each part goes along an index (a cross join keeps its order): an archive of 100 000 settled runs costs nothing."""


class EvidenceTable:
    """One row a run; the listing entries are columns, so that a look can compare 100 000 of them at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def listed(self) -> list[tuple[int, bool, str, str]]:
        """Run, on disk, and both listing entries of every run, by number, without the verdicts."""
        found = self._database.rows("SELECT run, disk, artdaqdb, ucondb FROM evidence ORDER BY run")
        return found

    def counts(self) -> tuple[int, int, int]:
        """How many runs are on disk, listed by artdaqDB, and listed by UconDB."""
        sql = "SELECT total(disk), total(artdaqdb != ''), total(ucondb != '') FROM evidence"
        disk, artdaqdb, ucondb = self._database.one(sql)
        return int(disk), int(artdaqdb), int(ucondb)

    def of(self, runs: Iterable[int]) -> list[EvidenceRow]:
        """The rows of these runs, by number; runs that are not known have none."""
        wanted = sorted(runs)
        rows: list[EvidenceRow] = []
        for start in range(0, len(wanted), _SLICE):
            numbers = tuple(wanted[start : start + _SLICE])
            places = ",".join("?" * len(numbers))
            rows += self._database.rows(
                f"SELECT run, disk, artdaqdb, ucondb, data FROM evidence WHERE run IN ({places}) ORDER BY run", numbers
            )
        return rows

    def unsettled(self) -> tuple[int, ...]:
        """Runs on disk whose state may change though no listing does: by time, or because their record still grows.

        Of the archived runs without stop time, and of the empty ones, the newest alone: a full look sees all.
        """
        found = self._database.rows(_UNSETTLED, (NEWEST_WATCHED, NEWEST_WATCHED))
        return tuple(int(str(row[0])) for row in found)

    def doubtful(self, limit: int) -> tuple[int, ...]:
        """Runs that a store lists and that were never compared, newest first, at most so many."""
        found = self._database.rows(
            "SELECT e.run FROM evidence e JOIN runs r ON r.run = e.run WHERE r.marks LIKE '_._' OR r.marks LIKE '__.'"
            " ORDER BY e.run DESC LIMIT ?",
            (limit,),
        )
        return tuple(int(str(row[0])) for row in found)

    def highest_on_disk(self) -> int | None:
        """The highest run that has a directory, or None."""
        found = self._database.one("SELECT max(run) FROM evidence WHERE disk = 1")
        return int(str(found[0])) if found and found[0] is not None else None

    def put(self, rows: Iterable[EvidenceRow]) -> None:
        """Remember these rows in place of what was known of their runs."""
        with self._database.write() as db:
            db.executemany("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?, ?, ?)", rows)

    def forget(self, runs: Iterable[int]) -> None:
        """Drop the rows of runs that no store and no directory holds any more."""
        with self._database.write() as db:
            db.executemany("DELETE FROM evidence WHERE run = ?", ((run,) for run in runs))
