"""The test servers are real, and gone when whoever started them is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runarchive import real_servers, server_programs
from runarchive.errors import ArchiveError, Code
from tests import servers

STARTER = """
import sys
from pathlib import Path
from runarchive.real_servers import MongodServer
server = MongodServer(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


def test_mongod_answers(mongodb_database: str) -> None:
    from pymongo import MongoClient

    with MongoClient[dict[str, object]](mongodb_database) as client:
        database = client.get_default_database()
        database["c"].insert_one({"a": 1})
        assert database["c"].count_documents({}) == 1


def test_postgres_answers(postgres_database: str) -> None:
    import psycopg2

    connection = psycopg2.connect(postgres_database)
    with connection.cursor() as cursor:
        cursor.execute("select version()")
        row = cursor.fetchone()
    connection.close()
    assert row is not None
    assert row[0].startswith("PostgreSQL")


def test_postgres_keeps_its_data_over_a_restart() -> None:
    import psycopg2

    if server_programs.find_postgres().path is None:
        pytest.skip(f"{servers.NOT_RUN} {server_programs.find_postgres().reason}")
    server = servers.start_postgres()
    for statement in ("create table t (a int)", "insert into t values (7)"):
        with psycopg2.connect(server.dsn) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
    server.stop()
    server.start()
    with psycopg2.connect(server.dsn) as connection, connection.cursor() as cursor:
        cursor.execute("select a from t")
        assert cursor.fetchall() == [(7,)]
    server.stop()


def test_a_server_ends_with_its_starter(tmp_path: Path) -> None:
    if server_programs.find_mongod().path is None:
        pytest.skip(f"{servers.NOT_RUN} {server_programs.find_mongod().reason}")
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    limit = time.monotonic() + 30
    while _runs(pid) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    program = server_programs.find_mongod()
    if program.path is None:
        pytest.skip(f"{servers.NOT_RUN} {program.reason}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ArchiveError) as caught:
            real_servers.MongodServer(tmp_path, port=taken.getsockname()[1]).start()
    assert caught.value.code is Code.UNAVAILABLE


def test_the_stores_of_a_demonstration_come_back_with_their_data() -> None:
    import psycopg2
    from pymongo import MongoClient

    for program in (server_programs.find_mongod(), server_programs.find_postgres()):
        if program.path is None:
            pytest.skip(f"{servers.NOT_RUN} {program.reason}")
    directory = servers.temporary_directory("demo-")
    seen = []
    for _ in range(2):
        stores = real_servers.start_real_stores(directory)
        servers.on_exit(stores.stop)
        with MongoClient[dict[str, object]](stores.mongodb_uri) as client:
            client.get_default_database()["c"].insert_one({"a": 1})
            count = client.get_default_database()["c"].count_documents({})
        with psycopg2.connect(stores.postgres_dsn) as connection, connection.cursor() as cursor:
            cursor.execute("create table if not exists t (a int)")
        seen.append((stores.mongodb_uri, stores.postgres_dsn, count))
        stores.stop()
    assert seen[0][:2] == seen[1][:2]
    assert [count for _, _, count in seen] == [1, 2]


def test_a_directory_closed_to_the_unprivileged_account_is_named(tmp_path: Path) -> None:
    if os.geteuid() != 0 or server_programs.find_postgres().path is None:
        pytest.skip("PostgreSQL needs an unprivileged account only where root starts it")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ArchiveError, match="cannot pass") as caught:
        real_servers.PostgresServer(closed / "postgres").start()
    assert caught.value.code is Code.PERMISSION


def test_a_program_that_does_not_start_here_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "mongod"
    broken.write_text("#!/bin/sh\necho 'libcurl.so.4: cannot open shared object file' >&2\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = server_programs.find_mongod()
    assert found.path != broken
    monkeypatch.setattr(server_programs, "package_directory", lambda package: None)
    found = server_programs.find_mongod()
    assert found.path is None
    assert "libcurl.so.4" in found.reason
