"""The SQLite file under the ledger: connections, transactions, revisions, and what happens when the file is bad."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from runarchive.errors import ArchiveError, Code
from runarchive.ledger.schema import MIGRATIONS, VERSION
from runarchive.model import Phase

BUSY_SECONDS = 30.0
_DAMAGED = ("malformed", "not a database", "disk image", "file is encrypted", "corrupt")


def explain(error: sqlite3.Error, path: str) -> ArchiveError:
    """The failure that an SQLite error means: a full disk, a busy file, a damaged file, or a defect of ours."""
    text = str(error)
    if "disk is full" in text or "disk I/O error" in text:
        return ArchiveError(Code.DISK_FULL, f"the ledger {path} cannot be written: {text}", phase=Phase.WRITE)
    if "locked" in text or "busy" in text:
        return ArchiveError(
            Code.TIMEOUT,
            f"another process has kept the ledger {path} for {BUSY_SECONDS:.0f} s",
            phase=Phase.WRITE,
            hint="see `tui-archiver jobs` for who writes; then start again",
        )
    if any(word in text for word in _DAMAGED):
        return ArchiveError(
            Code.CORRUPT,
            f"the ledger {path} is damaged: {text}",
            hint="start again, or `tui-archiver recover ledger`: it is set aside, and the stores are looked at anew",
        )
    if "unable to open" in text:
        text = "it is no file" if Path(path).is_dir() else text
        return ArchiveError(Code.PERMISSION, f"the ledger {path} cannot be opened: {text}", phase=Phase.WRITE)
    if "readonly" in text:
        return ArchiveError(Code.PERMISSION, f"the ledger {path} may not be written: {text}", phase=Phase.WRITE)
    return ArchiveError(Code.INTERNAL, f"the ledger {path}: {text}")


def guard_of(place: Path) -> Path:
    """The file beside a ledger that whoever opens that for writing holds; it says what is known of the ledger."""
    return place.with_name(f"{place.name}.opening")


BEGUN, DAMAGED = b"begun\n", b"damaged\n"
"""What a guard says: there was a ledger; somebody met damage in it, so it is examined before it is used again."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether this error says that the file's content is bad."""
    return any(word in str(error) for word in _DAMAGED)


def _storable(value: Any) -> Any:
    """The value; lone surrogates (a file name that is no UTF-8) become `\\udcff`, which inside JSON stands for them."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


class _Connection(sqlite3.Connection):
    """A connection that takes every text; SQLite itself refuses what is no Unicode.

    `in_use` is held while it is read: closing it under a query of another thread would end the process.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.in_use = threading.RLock()

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            return super().execute(sql, parameters)
        except UnicodeEncodeError:
            return super().execute(sql, tuple(map(_storable, parameters)))

    def executemany(self, sql: str, rows: Any, /) -> sqlite3.Cursor:
        kept = list(rows)
        super().execute("SAVEPOINT many")
        try:
            cursor = super().executemany(sql, kept)
        except UnicodeEncodeError:
            super().execute("ROLLBACK TO many")
            cursor = super().executemany(sql, [tuple(map(_storable, row)) for row in kept])
        super().execute("RELEASE many")
        return cursor


class Database:
    """One ledger file, used by many threads: one writing connection under a lock, a reading one for each thread.

    Revisions come from one counter, taken inside the transaction that changes the rows: whoever sees a revision sees
    all rows up to it.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        """Open the file, or a ledger in memory where `path` is None, and bring it to this version's schema.

        Raises `sqlite3.Error` for a file that cannot be used, ArchiveError for one made by a newer version.
        """
        self.path = path
        self.read_only = read_only
        self.name = str(path) if path is not None else "(in memory)"
        self._lock = threading.RLock()
        self._depth = 0
        self._owner: int | None = None
        self._revision: int | None = None
        self._local = threading.local()
        self._readers: list[_Connection] = []
        self._closed = False
        self._writer = self._connect()
        try:
            self._prepare()
        except BaseException:
            self._writer.close()
            raise

    def _connect(self) -> _Connection:
        if self.path is None:
            name = ":memory:"
        else:
            name = f"{self.path.absolute().as_uri()}?mode={'ro' if self.read_only else 'rwc'}"
        connection = sqlite3.connect(
            name, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False,
            cached_statements=256, factory=_Connection,
        )  # fmt: skip
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16000")
        return connection

    def _prepare(self) -> None:
        if not self.read_only:
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA journal_size_limit = 16777216")
        version = self._version()
        if version > VERSION:
            raise ArchiveError(
                Code.CORRUPT,
                f"the ledger {self.name} was written by a newer version (schema {version}, known {VERSION})",
                hint="use that version, or another app.ledger_file",
            )
        if version < VERSION and not self.read_only:
            self._migrate()
        self._writer.execute("SELECT n FROM counter").fetchone()

    def _version(self) -> int:
        return int(self._writer.execute("PRAGMA user_version").fetchone()[0])

    def _migrate(self) -> None:
        self._writer.execute("BEGIN EXCLUSIVE")
        try:
            for step in range(self._version(), VERSION):
                for statement in MIGRATIONS[step].split(";"):
                    if statement.strip():
                        self._writer.execute(statement)
                self._writer.execute(f"PRAGMA user_version = {step + 1}")
            self._writer.execute("COMMIT")
        except BaseException:
            self._writer.execute("ROLLBACK")
            raise

    def load_copy(self, path: Path) -> None:
        """Take over what a ledger file holds now, without the right to write beside it. Raises `sqlite3.Error`."""
        source = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            source.execute("SELECT n FROM counter").fetchone()
            source.backup(self._writer)
        finally:
            source.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction; inside another one of the same thread it joins that one. Raises ArchiveError."""
        with self._lock:
            if self._depth == 0:
                self._begin()
            self._depth += 1
            try:
                yield self._writer
            except BaseException as error:
                self._depth -= 1
                if self._depth == 0:
                    self._rollback()
                if isinstance(error, sqlite3.Error):
                    raise self._explained(error) from error
                raise
            self._depth -= 1
            if self._depth == 0:
                self._commit()

    def _begin(self) -> None:
        self._owner = threading.get_ident()
        self._revision = None
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._owner = None
            raise self._explained(error) from error

    def _commit(self) -> None:
        try:
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            raise self._explained(error) from error
        finally:
            self._owner = None

    def _rollback(self) -> None:
        self._owner = None
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def revision(self) -> int:
        """The revision of the rows that the transaction in hand changes."""
        if self._revision is None:
            self._revision = self.next_number()
        return self._revision

    def next_number(self) -> int:
        """A further number of the counter, later than all given out before; only inside `write`."""
        row = self._writer.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchall()
        return int(row[0][0])

    def current_revision(self) -> int:
        """The newest revision that is committed."""
        return int(self.one("SELECT n FROM counter")[0])

    def read(self) -> _Connection:
        """A connection for reading in this thread; inside `write`, the writing one, which sees its own changes.

        Raises `sqlite3.Error`.
        """
        if self.path is None or self._owner == threading.get_ident():
            return self._writer
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            with self._lock:
                if self._closed:  # a connection made now would leave its log beside the file, or make the file anew
                    raise sqlite3.ProgrammingError("it is closed")
                connection = self._local.connection = self._connect()
                self._readers.append(connection)
        return connection

    def rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises ArchiveError."""
        try:
            connection = self.read()
            with connection.in_use:
                return connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def one(self, sql: str, parameters: tuple[object, ...] = ()) -> tuple[Any, ...]:
        """The first row of a query, or an empty tuple. Raises ArchiveError."""
        found = self.rows(sql, parameters)
        return found[0] if found else ()

    def _explained(self, error: sqlite3.Error) -> ArchiveError:
        if self.path is not None and is_damage(error):
            with suppress(OSError):
                guard_of(self.path).write_bytes(DAMAGED)
        return explain(error, self.name)

    def check(self) -> tuple[str, ...]:
        """What SQLite finds wrong with the file; empty for a sound one."""
        try:
            found = self.rows("PRAGMA quick_check(20)")
        except ArchiveError as error:
            return (error.message,)
        return tuple(str(row[0]) for row in found if row[0] != "ok")

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        with self._lock:
            self._closed = True
            for connection in (*self._readers, self._writer):
                with connection.in_use:
                    connection.close()
