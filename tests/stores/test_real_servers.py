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

from runarchive import real_servers
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

    if real_servers.find_postgres().path is None:
        pytest.skip(f"{servers.NOT_RUN} {real_servers.find_postgres().reason}")
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
    if real_servers.find_mongod().path is None:
        pytest.skip(f"{servers.NOT_RUN} {real_servers.find_mongod().reason}")
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
    program = real_servers.find_mongod()
    if program.path is None:
        pytest.skip(f"{servers.NOT_RUN} {program.reason}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ArchiveError) as caught:
            real_servers.MongodServer(tmp_path, port=taken.getsockname()[1]).start()
    assert caught.value.code is Code.UNAVAILABLE
