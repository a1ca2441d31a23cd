"""What a UconDB server keeps, on SQLite and PostgreSQL; on PostgreSQL in the tables of the real one."""

from __future__ import annotations

import hashlib
import io
import os
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from runarchive.errors import ArchiveError, Code
from runarchive.ucondb.postgres_listing import read_versions
from runarchive.ucondb.server.postgres_storage import PostgresStorage
from runarchive.ucondb.server.sqlite_storage import SqliteStorage
from runarchive.ucondb.server.storage import FolderName, KeyTaken, NewBody, NewVersion, Storage, StorageDown
from tests.ucondb_exchanges import GOLDEN, make_roles

FOLDER = FolderName("public", "test01")


@pytest.fixture(params=["sqlite", "postgres"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """An empty folder on each kind of database."""
    store: Storage
    if request.param == "sqlite":
        store = SqliteStorage(tmp_path / "u.sqlite")
    else:
        store = PostgresStorage(request.getfixturevalue("postgres_database"))
    store.create_folder(FOLDER)
    yield store
    store.close()


def new(data: bytes, key: str | None, *, tags: tuple[str, ...] = (), override: bool = False) -> NewVersion:
    body = NewBody(io.BytesIO(data), len(data), zlib.adler32(data), hashlib.sha256(data).digest())
    return NewVersion("configuration", body, 0.0, key, tags, override)


def read(store: Storage, data_key: str) -> bytes:
    size = store.data_size(FOLDER, data_key)
    assert size is not None
    return b"".join(store.data(FOLDER, data_key, size))


def test_a_large_body_comes_back_and_equal_bytes_are_kept_once(storage: Storage) -> None:
    large = os.urandom(9 << 20)
    first = storage.insert(FOLDER, new(large, "1"))
    assert read(storage, first.data_key) == large
    assert storage.insert(FOLDER, new(large, "2")).data_key == first.data_key
    other = storage.insert(FOLDER, new(large[:-1] + b"x", "3"))
    assert other.data_key != first.data_key
    assert storage.data_size(FOLDER, other.data_key) == len(large)


def test_bytes_with_equal_adler32_and_size_are_told_apart(storage: Storage) -> None:
    one, two = b"\x01\x00\x00\x01" + bytes(60), b"\x00\x01\x01\x00" + bytes(60)
    assert zlib.adler32(one) == zlib.adler32(two)
    keys = [storage.insert(FOLDER, new(data, str(number))).data_key for number, data in enumerate((one, two))]
    assert keys[0] != keys[1]
    assert [read(storage, key) for key in keys] == [one, two]


def test_a_refused_version_leaves_nothing_behind(storage: Storage) -> None:
    storage.insert(FOLDER, new(b"one", "1", tags=("a", "b", "a")))
    with pytest.raises(KeyTaken):
        storage.insert(FOLDER, new(b"two", "1"))
    assert storage.data_size(FOLDER, "2") is None
    assert storage.tags(FOLDER) == ["a", "b"]
    taken = storage.insert(FOLDER, new(b"three", "1", override=True))
    listed = list(storage.versions(FOLDER, "configuration", time.time(), None, None))
    assert [(version.id == taken.id, version.key) for version in listed] == [(True, "1"), (False, None)]


class TornFile(io.BytesIO):
    """A file whose disk fails after the first megabytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 5 << 20:
            raise OSError("the disk is gone")
        return super().read(size)


def test_a_body_that_cannot_be_read_to_its_end_leaves_nothing_behind(storage: Storage) -> None:
    data = os.urandom(9 << 20)
    torn = new(data, "1")
    with pytest.raises((OSError, StorageDown)):
        storage.insert(FOLDER, replace(torn, body=replace(torn.body, file=TornFile(data))))
    assert storage.by_keys(FOLDER, "configuration", ["1"]) == []
    stored = storage.insert(FOLDER, torn)
    assert read(storage, stored.data_key) == data


def test_many_threads_put_and_read_at_once(storage: Storage) -> None:
    errors: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for number in range(20):
                key = f"{thread}-{number}"
                data = key.encode() * 500
                stored = storage.insert(FOLDER, new(data, key, tags=(key,)))
                assert read(storage, stored.data_key) == data
                with pytest.raises(KeyTaken):
                    storage.insert(FOLDER, new(b"x", key))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    versions = list(storage.versions(FOLDER, "configuration", time.time(), None, None))
    assert len({version.key for version in versions}) == len(versions) == 120


def test_two_storages_on_one_database_agree_who_was_first(storage: Storage, request: pytest.FixtureRequest) -> None:
    other: Storage
    if isinstance(storage, SqliteStorage):
        other = SqliteStorage(storage.path)
    else:
        other = PostgresStorage(request.getfixturevalue("postgres_database"))
    won: list[str] = []

    def race(store: Storage, data: bytes) -> None:
        for number in range(30):
            try:
                store.insert(FOLDER, new(data, str(number)))
                won.append(str(number))
            except KeyTaken:
                continue

    threads = [threading.Thread(target=race, args=(store, data)) for store, data in ((storage, b"a"), (other, b"b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won, key=int) == [str(number) for number in range(30)]
    other.close()


def test_a_database_that_is_gone_is_said_so() -> None:
    with pytest.raises(StorageDown):
        PostgresStorage("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")


def _real_folder(dsn: str) -> None:
    """Make the folder `test01` as the real server made it: from its dump."""
    dump = (GOLDEN / "schema_test01.sql").read_text()
    statements = re.sub(r"^(\\|SET |SELECT pg_catalog|.*OWNER TO ).*$", "", dump, flags=re.M)
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(statements)


def _catalogue(dsn: str, prefix: str) -> list[tuple[str, ...]]:
    """Columns, indexes and constraints of a folder's tables, without the folder's name."""
    queries = (
        "select table_name, column_name, data_type, is_nullable, column_default, ordinal_position::text"
        " from information_schema.columns where table_name like %s",
        "select tablename, indexname, indexdef from pg_indexes where tablename like %s",
        "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint"
        " where conrelid::regclass::text like %s and contype <> 'n'",
    )
    found: list[tuple[str, ...]] = []
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        for query in queries:
            cursor.execute(query, (f"{prefix}\\_%",))
            found += [tuple(str(value).replace(prefix, "F") for value in row) for row in cursor.fetchall()]
    return sorted(found)


def test_our_tables_are_those_of_the_real_server(postgres_database: str) -> None:
    _real_folder(postgres_database)
    store = PostgresStorage(postgres_database)
    store.create_folder(FolderName("public", "ours"))
    store.close()
    real = _catalogue(postgres_database, "test01")
    assert len(real) > 25
    assert _catalogue(postgres_database, "ours") == real


def test_a_folder_of_the_real_server_is_read_and_continued(postgres_database: str) -> None:
    _real_folder(postgres_database)
    data = b"Start of Record\nrun 1001\nEnd of Record\n"
    with psycopg2.connect(postgres_database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into test01_data (hash, size, data) values (%s, %s, %s) returning key",
            (zlib.adler32(data), len(data), data),
        )
        cursor.execute(
            "insert into test01_versions (key, object, tv, data_key, data_size, adler32)"
            " values ('1001', 'configuration', 0, '1', %s, %s), (null, 'configuration', 0, '1', %s, %s)",
            (len(data), zlib.adler32(data)) * 2,
        )
        cursor.execute("insert into test01_tags values (1, '1001'), (1, 'golden')")
    store = PostgresStorage(postgres_database)
    assert store.folders("public") == ["test01"]
    assert store.objects(FOLDER) == ["configuration"]
    version = store.by_keys(FOLDER, "configuration", ["1001"])[0]
    assert (version.id, version.tags, read(store, version.data_key)) == (1, ("1001", "golden"), data)
    again = store.insert(FOLDER, new(data, "1002"))
    assert (again.id, again.data_key) == (3, "1")
    other = store.insert(FOLDER, new(b"other", "1003"))
    assert (other.id, other.data_key) == (4, "2")
    with pytest.raises(KeyTaken):
        store.insert(FOLDER, new(b"other", "1001"))
    assert store.has_object(FOLDER, "configuration")
    with psycopg2.connect(postgres_database) as connection, connection.cursor() as cursor:
        cursor.execute("update test01_versions set deleted = true")
    assert not store.has_object(FOLDER, "configuration")
    assert store.objects(FOLDER) == []
    assert [version.id for version in store.by_keys(FOLDER, "configuration", ["1001"])] == [1]
    store.close()


def test_listing_from_the_database_is_the_listing_of_the_server(postgres_database: str) -> None:
    store = PostgresStorage(postgres_database)
    store.create_folder(FOLDER)
    for number in range(5):
        store.insert(FOLDER, new(f"{number}".encode(), str(number), tags=(f"t{number}", "all")))
    rows = read_versions(postgres_database, "test01", "configuration", timeout=10)
    assert rows is not None
    listed = {version.id: version for version in store.versions(FOLDER, "configuration", time.time(), None, None)}
    assert len(rows) == len(listed) == 5
    for row in rows:
        version = listed[row.id]
        assert tuple(row) == (
            version.id, version.key, version.tv, version.tr, version.tags, version.data_size, version.data_key,
            version.adler32,
        )
    assert read_versions(postgres_database, "public.test01", "nosuch", timeout=10) is None
    assert read_versions(postgres_database, "nosuch", "configuration", timeout=10) is None
    assert read_versions(postgres_database, "noschema.test01", "configuration", timeout=10) is None
    store.close()


def test_listing_from_the_database_cannot_write_and_names_what_is_wrong(postgres_database: str) -> None:
    store = PostgresStorage(postgres_database)
    store.create_folder(FOLDER)
    make_roles(postgres_database)
    with psycopg2.connect(postgres_database) as connection, connection.cursor() as cursor:
        cursor.execute("create view slow_versions as select *, pg_sleep(60)::text as slept from test01_versions")
        cursor.execute("create table slow_tags (version_id int, tag_name text)")
    store.insert(FOLDER, new(b"x", "1"))
    with pytest.raises(ArchiveError) as caught:
        read_versions(postgres_database, "slow", "configuration", timeout=0.2)
    assert caught.value.code is Code.TIMEOUT
    with pytest.raises(ArchiveError) as caught:
        read_versions("postgresql://nobody:hidden@127.0.0.1:1/none", "test01", "configuration", timeout=2)
    assert caught.value.code is Code.CONNECTION_REFUSED
    assert "hidden" not in caught.value.message
    store.close()


def test_roles_get_what_the_real_server_gives_them(postgres_database: str) -> None:
    make_roles(postgres_database)
    store = PostgresStorage(postgres_database)
    store.create_folder(FOLDER, read=["read_only_user"], write=["db_writer"])
    store.close()
    with psycopg2.connect(postgres_database) as connection, connection.cursor() as cursor:
        cursor.execute("set role read_only_user")
        cursor.execute("select count(*) from test01_versions, test01_data, test01_tags, test01_salt")
        cursor.execute("reset role; set role db_writer")
        cursor.execute("insert into test01_data (size) values (1)")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("select * from test01_data")


def test_a_file_that_was_damaged_meanwhile_is_a_database_that_is_down(tmp_path: Path) -> None:
    file = tmp_path / "u.sqlite"
    storage = SqliteStorage(file)
    storage.create_folder(FOLDER)
    version = storage.insert(FOLDER, new(b"x" * (2 << 20), "1"))
    storage.close()
    reader = SqliteStorage(file)
    file.write_bytes(b"this is no database any more " * 1000)
    reads: list[Callable[[], object]] = [
        lambda: reader.folders("public"),
        lambda: reader.has_folder(FOLDER),
        lambda: reader.objects(FOLDER),
        lambda: reader.data_size(FOLDER, version.data_key),
        lambda: list(reader.versions(FOLDER, "configuration", time.time(), None, None)),
        lambda: list(reader.data(FOLDER, version.data_key, version.data_size)),
    ]
    with ThreadPoolExecutor(1) as another_connection:
        for read_it in reads:
            with pytest.raises(StorageDown):
                another_connection.submit(read_it).result()
    reader.close()


def test_a_database_that_was_restarted_costs_one_answer_not_one_a_thread(postgres_database: str) -> None:
    store = PostgresStorage(postgres_database)
    store.create_folder(FOLDER)
    together = threading.Barrier(4)

    def ask_together() -> bool:
        together.wait()
        return ask()

    def ask() -> bool:
        try:
            store.objects(FOLDER)
        except StorageDown:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(asked.result() for asked in [threads.submit(ask_together) for _ in range(4)])
        with psycopg2.connect(postgres_database) as connection, connection.cursor() as cursor:
            cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                           " and pid <> pg_backend_pid()")
        assert not ask()
        assert all(asked.result() for asked in [threads.submit(ask_together) for _ in range(4)])
    store.close()
