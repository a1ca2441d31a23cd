"""The real servers of the tests, started on first use and ended with the test session.

`mongodb_uri()` and `postgres_dsn()` give servers of this pytest process; tests take fresh databases in them
through the fixtures of `tests/conftest.py`. Where a server cannot run, `NotRun` carries the reason, the test is
skipped, and the reason is printed at the end of the session.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runarchive import real_servers
from runarchive.errors import ArchiveError

MONGODB_VARIABLE = "TUI_ARCHIVER_TEST_MONGODB_URI"
POSTGRES_VARIABLE = "TUI_ARCHIVER_TEST_POSTGRES_DSN"
OWNED = "tui-archiver-test-"
NOT_RUN = "NOT RUN, no real server:"

_stops: list[Callable[[], None]] = []
_started: dict[str, str] = {}
_failed: dict[str, str] = {}


class NotRun(Exception):
    """A real server is not to be had here; the text is the reason."""


def temporary_directory(prefix: str) -> Path:
    """A directory that is removed at the end of the session, reachable for every account."""
    _sweep()
    directory = Path(tempfile.mkdtemp(prefix=f"{OWNED}{os.getpid()}-{prefix}"))
    directory.chmod(0o711)
    _stops.append(lambda: shutil.rmtree(directory, ignore_errors=True))
    return directory


def _sweep() -> None:
    """Remove what sessions left that were killed: a mongod's journal alone has 300 MB."""
    for directory in Path(tempfile.gettempdir()).glob(f"{OWNED}*"):
        owner = directory.name.removeprefix(OWNED).partition("-")[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            shutil.rmtree(directory, ignore_errors=True)


def once(name: str, start: Callable[[], str]) -> str:
    """What `start()` gave the first time in this process; a failure is remembered too, and raised as NotRun."""
    if name in _failed:
        raise NotRun(_failed[name])
    if name not in _started:
        try:
            _started[name] = start()
        except ArchiveError as error:
            _failed[name] = f"{NOT_RUN} {error.message}"
            raise NotRun(_failed[name]) from error
    return _started[name]


def on_exit(stop: Callable[[], None]) -> None:
    """Have `stop` called at the end of the session, last one first."""
    _stops.append(stop)


def stop_all() -> None:
    """End every server of this process and remove its files."""
    while _stops:
        _stops.pop()()
    _started.clear()


def start_mongod(**options: Any) -> real_servers.MongodServer:
    """A mongod of its own in a new directory (options of MongodServer), ended with the session."""
    server = real_servers.MongodServer(temporary_directory("mongod-"), **options)
    on_exit(server.stop)
    server.start()
    return server


def mongodb_uri() -> str:
    """The URI, without a database, of the session's mongod."""
    given = os.environ.get(MONGODB_VARIABLE)
    return given if given else once("mongod", lambda: start_mongod().uri)


def replica_set_uri() -> str:
    """The URI of a one-member replica set, ending in `/?replicaSet=rs0`."""
    return once("replica set", lambda: f"{start_mongod(replica_set='rs0').uri}/?replicaSet=rs0")


def with_database(uri: str, database: str) -> str:
    """The same server URI, naming this database; options are kept."""
    server, mark, options = uri.partition("?")
    scheme, _, rest = server.partition("://")
    return f"{scheme}://{rest.split('/')[0]}/{database}{mark}{options}"


def new_database_name() -> str:
    """A database name no other test uses."""
    return f"test_{secrets.token_hex(8)}"


def start_postgres() -> real_servers.PostgresServer:
    """A PostgreSQL of its own in a new directory, ended with the session."""
    server = real_servers.PostgresServer(temporary_directory("postgres-"))
    on_exit(server.stop)
    server.start()
    return server


def postgres_dsn() -> str:
    """The DSN of a database of the session's PostgreSQL whose user may create databases."""
    given = os.environ.get(POSTGRES_VARIABLE)
    return given if given else once("postgres", lambda: start_postgres().dsn)


def make_postgres_database() -> str:
    """The DSN of a new, empty PostgreSQL database; `drop_postgres_database` removes it."""
    import psycopg2

    base = postgres_dsn()
    name = new_database_name()
    connection = psycopg2.connect(base, connect_timeout=10)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"create database {name}")
    finally:
        connection.close()
    server, mark, options = base.partition("?")
    return f"{server.rsplit('/', 1)[0]}/{name}{mark}{options}"


def drop_postgres_database(dsn: str) -> None:
    """Remove a database of `make_postgres_database`, whoever is still connected to it."""
    import psycopg2

    name = dsn.partition("?")[0].rsplit("/", 1)[1]
    connection = psycopg2.connect(postgres_dsn(), connect_timeout=10)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"drop database if exists {name} with (force)")
    finally:
        connection.close()
