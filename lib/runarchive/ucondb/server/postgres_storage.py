"""A UconDB server's store in PostgreSQL, in the tables of version 3.9.7: a folder made by either is used by both.

For folder F in schema S: `S.F_versions`, `S.F_tags`, `S.F_data`, `S.F_salt`, with the indexes `F_versions_inx`,
`F_object_key_inx` (unique) and `F_data_hash_size_key`.
"""

from __future__ import annotations

import io
import itertools
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, TypeVar

import psycopg2
import psycopg2.errors
from psycopg2 import extensions, sql

from runarchive.ucondb.postgres_listing import without_password
from runarchive.ucondb.server.storage import (
    PIECE,
    FolderName,
    KeyTaken,
    NewBody,
    NewVersion,
    RoleMissing,
    Storage,
    StorageDown,
    StoredVersion,
)

T = TypeVar("T")

_LARGE = 1 << 20
"""Bodies above this many bytes are read in pieces of it, so that no copy of them is held."""
_STATEMENT_SECONDS = 300
_COPY_HEAD = struct.Struct(">11sii")
_COPY_ROW = struct.Struct(">hi")
_COPY_END = struct.Struct(">h")
_FETCH = 2000
_VERSION_COLUMNS = ("id", "key", "object", "tv", "tv_end", "tr", "deleted", "data_size", "data_key", "adler32")
_LIST_FOLDERS = """
    select left(t.table_name, -length('_versions')) from information_schema.tables t
    where t.table_schema = %s and right(t.table_name, length('_versions')) = '_versions'
      and exists (select 1 from information_schema.tables o where o.table_schema = t.table_schema
                  and o.table_name = left(t.table_name, -length('_versions')) || '_tags')
      and (select array_agg(c.column_name::text order by c.column_name::text) from information_schema.columns c
           where c.table_schema = t.table_schema and c.table_name = t.table_name) = %s
"""
_CREATE = """
    create table if not exists {data} (
        key bigserial primary key, hash bigint, hash_type text default 'adler32', size bigint, data bytea);
    create index if not exists {data_hash_size_key} on {data} (hash, size, key);
    create table if not exists {salt} (salt text primary key, time_used timestamptz default current_timestamp);
    create table {versions} (
        id serial primary key, key text, object text, tv double precision, tv_end double precision,
        tr timestamptz default current_timestamp, deleted boolean default false, data_size bigint, data_key text,
        adler32 bigint);
    create index {versions_inx} on {versions} (object, tv, tr);
    create unique index {object_key_inx} on {versions} (object, key);
    create table {tags} (
        version_id integer references {versions} (id) on delete cascade, tag_name text,
        primary key (version_id, tag_name));
"""
_LOOK = """
    select key.taken, held.key, case when held.key is null and (%s or not key.taken) then nextval(%s) end
    from (select exists (select 1 from {versions} where object = %s and key = %s) as taken) key left join lateral (
        select key from {data} where hash = %s and size = %s and sha256(data) = %s limit 1) held on true
"""
"""Whether a key is taken, the data row that holds these bytes already, else the number of a new one."""
_FREE_KEY = "update {versions} set key = null where object = %s and key = %s"
_COPY = "copy {data} (key, hash, size, data) from stdin with binary"
_INSERT = """
    with version as (
        insert into {versions} (key, object, tv, data_size, data_key, adler32) values (%s, %s, %s, %s, %s, %s)
        returning id, tr),
    tagged as (insert into {tags} select id, tag from version, unnest(%s::text[]) tag)
    select id, extract(epoch from tr)::float8 from version
"""
_TABLES = ("versions", "tags", "data", "salt")
_SEQUENCES = ("versions_id_seq", "data_key_seq")
_INDEXES = ("versions_inx", "object_key_inx", "data_hash_size_key")


class PostgresStorage(Storage):
    """A database; each thread of the server keeps one connection. Raises StorageDown when it does not answer."""

    largest_body = 1000 << 20
    _tr = "extract(epoch from v.tr)::float8"
    _moment = "to_timestamp(?)"
    _tag_list = "(select array_agg(t.tag_name) from {tags} t where t.version_id = v.id)"

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self._dsn = dsn
        self._local = threading.local()
        self._connections: set[extensions.connection] = set()
        self._lock = threading.Lock()
        self._run(lambda cursor: cursor.execute("select 1"))

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def folders(self, namespace: str) -> list[str]:
        """The names of the folders of a namespace, sorted."""

        def read(cursor: extensions.cursor) -> list[str]:
            cursor.execute(_LIST_FOLDERS, (namespace, sorted(_VERSION_COLUMNS)))
            return sorted(row[0] for row in cursor.fetchall())

        return self._run(read)

    def _holds_folder(self, folder: FolderName) -> bool:
        def read(cursor: extensions.cursor) -> bool:
            cursor.execute("select to_regclass(%s) is not null", (_table(folder, "versions"),))
            row = cursor.fetchone()
            return bool(row and row[0])

        return self._run(read)

    def create_folder(
        self, folder: FolderName, *, owner: str = "", read: Sequence[str] = (), write: Sequence[str] = (),
        drop: bool = False,
    ) -> None:
        """Make a folder where there is none, as its owner's, and let the roles read or write; all or nothing."""

        def make(cursor: extensions.cursor) -> None:
            cursor.execute("select pg_advisory_xact_lock(hashtext(%s))", (folder.qualified,))
            if drop:
                cursor.execute(_named("drop table if exists {tags}, {versions}", folder))
            cursor.execute("select to_regclass(%s) is null", (_table(folder, "versions"),))
            if (cursor.fetchone() or (False,))[0]:
                cursor.execute(_named(_CREATE, folder))
                for statement in _grants(folder, owner, read, write):
                    cursor.execute(statement)

        if not drop and self.has_folder(folder):
            return
        try:
            self._change(make)
        except (psycopg2.errors.UndefinedObject, psycopg2.errors.InvalidSchemaName,
                psycopg2.errors.InsufficientPrivilege) as error:
            raise RoleMissing(str(error).strip().splitlines()[0]) from error

    def insert(self, folder: FolderName, new: NewVersion) -> StoredVersion:
        """Store a version with its bytes and tags, all or nothing, on disk when it returns; raises KeyTaken."""

        def insert(cursor: extensions.cursor) -> StoredVersion:
            body, tags = new.body, tuple(sorted(set(new.tags)))
            sequence = _table(folder, "data_key_seq")
            cursor.execute(
                _named(_LOOK, folder),
                (new.override, sequence, new.object, new.key, body.adler32, body.size, body.sha256),
            )
            taken, found, fresh = cursor.fetchone() or (False, None, 0)
            if taken and not new.override:
                raise KeyTaken(new.object, new.key or "")
            if taken:
                cursor.execute(_named(_FREE_KEY, folder), (new.object, new.key))
            if found is None:
                cursor.copy_expert(_named(_COPY, folder), _CopyRow(fresh, body), PIECE)
            data_key = str(fresh if found is None else found)
            cursor.execute(
                _named(_INSERT, folder), (new.key, new.object, new.tv, body.size, data_key, body.adler32, list(tags))
            )
            number, tr = cursor.fetchone() or (0, 0.0)
            return StoredVersion(number, new.object, new.tv, tr, new.key, tags, data_key, body.size, body.adler32)

        for last in (False, False, True):
            try:
                return self._change(insert)
            except psycopg2.errors.UniqueViolation:
                # Somebody else took the key between our look and our insert.
                if last or not new.override:
                    break
        raise KeyTaken(new.object, new.key or "")

    def add_tag(self, folder: FolderName, version: int, tag: str) -> None:
        """Give a version one more tag."""
        statement = _named("insert into {tags} values (%s, %s) on conflict do nothing", folder)
        self._run(lambda cursor: cursor.execute(statement, (version, tag)))

    def data_size(self, folder: FolderName, data_key: str) -> int | None:
        """The size in bytes of a data row, or None when there is none."""

        def read(cursor: extensions.cursor) -> int | None:
            cursor.execute(_named("select size from {data} where key = %s", folder), (int(data_key),))
            row = cursor.fetchone()
            return None if row is None else int(row[0])

        return self._run(read)

    def data(self, folder: FolderName, data_key: str, size: int) -> Iterator[bytes]:
        """The bytes of a data row of this size, a piece at a time."""
        for start in range(0, max(size, 1), _LARGE):
            yield self._run(partial(_piece, folder=folder, data_key=data_key, size=size, start=start))

    def _query(
        self, folder: FolderName, query: str, values: Sequence[Any], *, many: bool = False
    ) -> Iterable[Sequence[Any]]:
        statement = _named(query.replace("%", "%%").replace("?", "%s"), folder)
        return self._stream(statement, values) if many else self._run(lambda cursor: _all(cursor, statement, values))

    def _stream(self, statement: str, values: Sequence[Any]) -> Iterator[Sequence[Any]]:
        with self._connected() as connection:
            # A cursor that is read as it goes needs a transaction that stays open.
            connection.autocommit = False
            try:
                with connection, connection.cursor("listing") as cursor:
                    cursor.itersize = _FETCH
                    cursor.execute(statement, values)
                    yield from cursor
            finally:
                if not connection.closed:
                    connection.autocommit = True

    @staticmethod
    def _split_tags(value: Any) -> Sequence[str]:
        tags: list[str] = value
        return tags

    def _run(self, work: Callable[[extensions.cursor], T]) -> T:
        """What one statement gives, in a transaction of its own."""
        with self._connected() as connection, connection.cursor() as cursor:
            return work(cursor)

    def _change(self, work: Callable[[extensions.cursor], T]) -> T:
        """What several statements give, all or nothing."""
        with self._connected() as connection, connection, connection.cursor() as cursor:
            return work(cursor)

    @contextmanager
    def _connected(self) -> Iterator[extensions.connection]:
        connection = self._connection()
        try:
            yield connection
        except psycopg2.errors.UndefinedTable:
            self._known.clear()
            raise
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self._forget(connection)
            raise StorageDown(" ".join(str(error).split())) from error

    def _connection(self) -> extensions.connection:
        connection: extensions.connection | None = getattr(self._local, "connection", None)
        if connection is None or connection not in self._connections:
            options = f"-c statement_timeout={_STATEMENT_SECONDS * 1000} -c synchronous_commit=on"
            try:
                connection = psycopg2.connect(self._dsn, connect_timeout=10, options=options)
            except (psycopg2.OperationalError, psycopg2.ProgrammingError) as error:
                # Its cause is not told: the log would show it with the password of a mistyped address.
                raise StorageDown(without_password(str(error), self._dsn)) from None
            connection.autocommit = True
            self._local.connection = connection
            with self._lock:
                self._connections.add(connection)
        return connection

    def _forget(self, connection: extensions.connection) -> None:
        """Use a connection no more; where it was lost, none: a database that was restarted has lost them all."""
        with self._lock:
            if connection.closed:
                self._connections.clear()
            self._connections.discard(connection)
        connection.close()


def _table(folder: FolderName, suffix: str) -> str:
    """The quoted name of a table or sequence; a folder's name has no character that a quoted one must not have."""
    return f'"{folder.namespace}"."{folder.name}_{suffix}"'


@lru_cache(maxsize=1000)
def _named(query: str, folder: FolderName) -> str:
    """The query with the folder's own table and index names."""
    for suffix in (*_TABLES, *_SEQUENCES):
        query = query.replace(f"{{{suffix}}}", _table(folder, suffix))
    for suffix in _INDEXES:
        query = query.replace(f"{{{suffix}}}", f'"{folder.name}_{suffix}"')
    return query


def _all(cursor: extensions.cursor, statement: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
    cursor.execute(statement, values)
    return cursor.fetchall()


def _grants(
    folder: FolderName, owner: str, readers: Sequence[str], writers: Sequence[str]
) -> Iterator[sql.Composable]:
    tables = sql.SQL(", ".join(_table(folder, suffix) for suffix in _TABLES))
    sequences = sql.SQL(", ".join(_table(folder, suffix) for suffix in _SEQUENCES))
    if owner:
        for suffix in _TABLES:
            yield sql.SQL("alter table {} owner to {}").format(
                sql.SQL(_table(folder, suffix)), sql.Identifier(owner)
            )
    for role in readers:
        yield sql.SQL("grant select on {}, {} to {}").format(tables, sequences, sql.Identifier(role))
    for role in writers:
        yield sql.SQL("grant insert, delete, update on {} to {}").format(tables, sql.Identifier(role))
        yield sql.SQL("grant all on {} to {}").format(sequences, sql.Identifier(role))


class _CopyRow:
    """One data row as PostgreSQL's binary COPY takes it, read from the body a piece at a time."""

    def __init__(self, key: int, body: NewBody) -> None:
        head = _COPY_HEAD.pack(b"PGCOPY\n\xff\r\n\0", 0, 0) + struct.pack(">h", 4)
        head += b"".join(struct.pack(">iq", 8, number) for number in (key, body.adler32, body.size))
        self._pieces = itertools.chain([head + struct.pack(">i", body.size)], body.pieces(), [_COPY_END.pack(-1)])

    def read(self, size: int = PIECE, /) -> bytes:
        """The next piece, of at most PIECE bytes whatever `size` is."""
        return next(self._pieces, b"")

    def readline(self, size: int = PIECE, /) -> bytes:
        """The same: COPY has no lines."""
        return self.read(size)


def _piece(cursor: extensions.cursor, *, folder: FolderName, data_key: str, size: int, start: int) -> bytes:
    """Part of a data row, as binary COPY gives it: without the detour through hexadecimal text."""
    part = "data" if size <= _LARGE else f"substring(data from {start + 1} for {_LARGE})"
    out = io.BytesIO()
    row_query = f"select {part} from {_table(folder, 'data')} where key = {int(data_key)}"
    cursor.copy_expert(f"copy ({row_query}) to stdout with binary", out)
    row = out.getbuffer()[_COPY_HEAD.size :]
    return b"" if len(row) < _COPY_ROW.size else bytes(row[_COPY_ROW.size : -_COPY_END.size])
