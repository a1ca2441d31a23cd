"""A UconDB server's store in one SQLite file: write-ahead log, every commit on disk before it is answered."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from runarchive.ucondb.server.storage import (
    PIECE,
    WHOLE,
    FolderName,
    KeyTaken,
    NewBody,
    NewVersion,
    Storage,
    StorageDown,
    StoredVersion,
)

_BUSY_SECONDS = 30.0
_SEPARATOR = "\x1f"
_FOLDERS = """
    create table if not exists folders (namespace text not null, name text not null, primary key (namespace, name))
"""
_TABLES = (
    """create table if not exists {versions} (
        id integer primary key autoincrement, key text, object text not null, tv real not null, tr real not null,
        deleted integer not null default 0, data_size integer not null, data_key text not null,
        adler32 integer not null)""",
    "create unique index if not exists {object_key_inx} on {versions} (object, key)",
    "create index if not exists {versions_inx} on {versions} (object, tr)",
    """create table if not exists {tags} (
        version_id integer not null, tag_name text not null, primary key (version_id, tag_name)) without rowid""",
    """create table if not exists {data} (
        key integer primary key autoincrement, sha256 blob not null unique, size integer not null,
        data blob not null)""",
)


class _Waiting:
    """A piece of writing that waits for its turn, and what came of it."""

    def __init__(self, work: Callable[[sqlite3.Connection], Any]) -> None:
        self.work = work
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None


class SqliteStorage(Storage):
    """The file is made where it does not exist. Writes of several threads that come at once share one commit.

    A file that this account may only read is `read_only`: every write raises StorageDown. Raises StorageDown when there
    is no such file and none can be made.
    """

    largest_body = 953 << 20
    _tr = "v.tr"
    _moment = "?"
    _tag_list = "(select group_concat(tag_name, char(31)) from {tags} t where t.version_id = v.id)"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.read_only = path.exists() and _read_only(path)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        if self.read_only:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(lambda connection: connection.execute(_FOLDERS))
        except OSError as error:
            raise StorageDown(f"{path}: {error.strerror}") from error

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def folders(self, namespace: str) -> list[str]:
        """The names of the folders of a namespace, sorted."""
        rows = self._rows("select name from folders where namespace = ?", (namespace,))
        return sorted(row[0] for row in rows)

    def _holds_folder(self, folder: FolderName) -> bool:
        return any(self._rows("select 1 from folders where namespace = ? and name = ?", folder))

    def create_folder(
        self, folder: FolderName | str, *, owner: str = "", read: Sequence[str] = (), write: Sequence[str] = (),
        drop: bool = False,
    ) -> None:
        """Make a folder where there is none; there are no roles to give it to."""
        name = FolderName.parse(folder) if isinstance(folder, str) else folder

        def make(connection: sqlite3.Connection) -> None:
            if drop:
                for table in ("{versions}", "{tags}"):
                    connection.execute(_named(f"drop table if exists {table}", name))
            for statement in _TABLES:
                connection.execute(_named(statement, name))
            connection.execute("insert or ignore into folders values (?, ?)", name)

        if drop or not self.has_folder(name):
            self._write(make)

    def insert(self, folder: FolderName, new: NewVersion) -> StoredVersion:
        """Store a version with its bytes and tags, all or nothing, on disk when it returns; raises KeyTaken."""

        def insert(connection: sqlite3.Connection) -> StoredVersion:
            _free_key(connection, folder, new)
            data_key = _insert_data(connection, folder, new)
            tr = round(time.time(), 6)
            number = connection.execute(
                _named(
                    "insert into {versions} (key, object, tv, tr, data_size, data_key, adler32)"
                    " values (?, ?, ?, ?, ?, ?, ?)", folder,
                ),
                (new.key, new.object, new.tv, tr, new.body.size, data_key, new.body.adler32),
            ).lastrowid
            tags = tuple(sorted(set(new.tags)))
            connection.executemany(
                _named("insert into {tags} values (?, ?)", folder), [(number, tag) for tag in tags]
            )
            return StoredVersion(
                int(number or 0), new.object, new.tv, tr, new.key, tags, data_key, new.body.size, new.body.adler32
            )

        stored: StoredVersion = self._write(insert)
        return stored

    def add_tag(self, folder: FolderName, version: int, tag: str) -> None:
        """Give a version one more tag."""
        statement = _named("insert or ignore into {tags} values (?, ?)", folder)
        self._write(lambda connection: connection.execute(statement, (version, tag)))

    def data_size(self, folder: FolderName, data_key: str) -> int | None:
        """The size in bytes of a data row, or None when there is none."""
        rows = self._rows(_named("select size from {data} where key = ?", folder), (int(data_key),))
        return next((int(row[0]) for row in rows), None)

    def data(self, folder: FolderName, data_key: str, size: int) -> Iterator[bytes]:
        """The bytes of a data row of this size, a piece at a time."""
        if size <= WHOLE:
            for row in self._rows(_named("select data from {data} where key = ?", folder), (int(data_key),)):
                yield row[0]
            return
        table = f"{folder.qualified}_data"
        with (
            _trouble_as_storage_down(),
            self._connection().blobopen(table, "data", int(data_key), readonly=True) as blob,
        ):
            while piece := blob.read(PIECE):
                yield piece

    def _query(
        self, folder: FolderName, query: str, values: Sequence[Any], *, many: bool = False
    ) -> Iterable[Sequence[Any]]:
        rows = self._rows(_named(query, folder), values)
        return rows if many else list(rows)

    def _rows(self, query: str, values: Sequence[Any]) -> Iterator[Sequence[Any]]:
        with _trouble_as_storage_down():
            yield from self._connection().execute(query, values)

    @staticmethod
    def _split_tags(value: Any) -> Sequence[str]:
        tags: list[str] = value.split(_SEPARATOR)
        return tags

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            address = _address(self.path, read_only=self.read_only)
            connection = sqlite3.connect(
                address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            if not self.read_only:
                connection.execute("pragma journal_mode = wal")
                connection.execute("pragma synchronous = full")
            self._local.connection = connection
            with self._lock:
                self._connections.append(connection)
        return connection

    def _write(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Do one piece of writing, together with what other threads have waiting, and commit it to the disk."""
        mine = _Waiting(work)
        self._queue.append(mine)
        with self._writing:
            if not mine.done:
                batch = [self._queue.popleft() for _ in range(len(self._queue))]
                try:
                    self._commit(batch)
                except BaseException as error:
                    for waiting in batch:
                        waiting.error = error
                finally:
                    for waiting in batch:
                        waiting.done = True
        if mine.error is not None:
            with _trouble_as_storage_down():
                raise mine.error
        return mine.result

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        connection = self._connection()
        connection.execute("begin immediate")
        try:
            for waiting in batch:
                connection.execute("savepoint one")
                try:
                    waiting.result = waiting.work(connection)
                except (KeyTaken, sqlite3.IntegrityError, OSError) as error:
                    waiting.error = error
                    connection.execute("rollback to one")
                connection.execute("release one")
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise


def change_token(path: Path, folder: str) -> str | None:
    """What changes with every version of a folder that comes, goes or loses its key, without a server; None where there
    is no such file or folder."""
    if not path.is_file():
        return None
    query = "select count(*), count(key), total(deleted), max(id), max(tr) from {versions}"
    address = _address(path, read_only=_read_only(path))
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as connection:
            versions = connection.execute(_named(query, FolderName.parse(folder))).fetchone()
        return f"{path.stat().st_ino} {versions}"
    except (sqlite3.Error, OSError, ValueError):
        return None


def _read_only(path: Path) -> bool:
    return not os.access(path, os.W_OK)


def _address(path: Path, *, read_only: bool) -> str:
    """The file as SQLite is told of it; one that may only be read needs a log beside it, or must not change."""
    uri = path.absolute().as_uri()
    if not read_only:
        return uri
    return uri + ("?mode=ro" if path.with_name(f"{path.name}-wal").exists() else "?immutable=1")


@contextmanager
def _trouble_as_storage_down() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        # DatabaseError itself, not its kinds for wrong statements: a file that is no database, or a damaged one.
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            raise StorageDown(str(error)) from error
        raise


@lru_cache(maxsize=1000)
def _named(query: str, folder: FolderName) -> str:
    """The query with the folder's own table and index names."""
    for suffix in ("versions", "tags", "data", "object_key_inx", "versions_inx"):
        query = query.replace(f"{{{suffix}}}", f'"{folder.qualified}_{suffix}"')
    return query


def _free_key(connection: sqlite3.Connection, folder: FolderName, new: NewVersion) -> None:
    """See to it that nobody has the key of a new version; raises KeyTaken."""
    if new.key is None:
        return
    where = _named("from {versions} where object = ? and key = ?", folder)
    if connection.execute(f"select 1 {where}", (new.object, new.key)).fetchone() is None:
        return
    if not new.override:
        raise KeyTaken(new.object, new.key)
    update = _named("update {versions} set key = null where object = ? and key = ?", folder)
    connection.execute(update, (new.object, new.key))


def _insert_data(connection: sqlite3.Connection, folder: FolderName, new: NewVersion) -> str:
    """The key of the data row that holds these bytes; equal bytes share one, written anew if damaged."""
    body = new.body
    found = connection.execute(_named("select key from {data} where sha256 = ?", folder), (body.sha256,)).fetchone()
    if found is not None:
        if not _holds(connection, folder, int(found[0]), body):
            empty = _named("update {data} set data = zeroblob(?), size = ? where key = ?", folder)
            connection.execute(empty, (body.size, body.size, found[0]))
            _fill(connection, folder, int(found[0]), body)
        return str(found[0])
    insert = _named("insert into {data} (sha256, size, data) values (?, ?, ?)", folder)
    if body.size <= WHOLE:
        return str(connection.execute(insert, (body.sha256, body.size, body.whole())).lastrowid)
    insert = insert.replace("?, ?, ?", "?, ?, zeroblob(?)")
    number = connection.execute(insert, (body.sha256, body.size, body.size)).lastrowid
    _fill(connection, folder, int(number or 0), body)
    return str(number)


def _fill(connection: sqlite3.Connection, folder: FolderName, number: int, body: NewBody) -> None:
    """Write the bytes into a data row that has room for just these."""
    with connection.blobopen(f"{folder.qualified}_data", "data", number) as blob:
        for piece in body.pieces():
            blob.write(piece)


def _holds(connection: sqlite3.Connection, folder: FolderName, number: int, body: NewBody) -> bool:
    """Whether a data row still holds just these bytes."""
    with connection.blobopen(f"{folder.qualified}_data", "data", number, readonly=True) as blob:
        return len(blob) == body.size and all(blob.read(len(piece)) == piece for piece in body.pieces())
