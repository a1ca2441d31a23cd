"""What goes wrong between a client and a UconDB server, and what is in the store afterwards."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from runarchive.errors import ArchiveError, Code
from runarchive.ucondb.body import PutKind, PutOutcome
from runarchive.ucondb.client import UconClient
from runarchive.ucondb.digest import ha1
from runarchive.ucondb.embedded import EmbeddedServer
from tests import http_faults
from tests.http_faults import Fault, FaultyProxy

BLOB = os.urandom(300_000)
OTHER = os.urandom(300_000)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server of our own on an empty file."""
    with EmbeddedServer(tmp_path / "u.sqlite", "run_records", "configuration", "writer", "secret") as server:
        yield server.url


def client_of(url: str, *, password: str = "secret", timeout: float = 10.0) -> UconClient:
    return UconClient(url, "run_records", "configuration", user="writer", password=password, timeout=timeout)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less between tries; how often and after what is tried again stays as it is."""
    monkeypatch.setattr("runarchive.repeating._PAUSES", (0.01, 0.02, 0.03))


@contextmanager
def faulty(url: str, *faults: Fault | None) -> Iterator[tuple[UconClient, FaultyProxy]]:
    """A client that has its credentials settled, then meets these faults, one a request."""
    with FaultyProxy(url) as proxy:
        client = client_of(proxy.url, timeout=1.0)
        assert client.put(1, b"the first one").kind is not PutKind.DIFFERENT
        proxy.requests.clear()
        proxy.faults += faults
        yield client, proxy
        client.close()


def posts(proxy: FaultyProxy) -> int:
    """How many puts went out."""
    return sum("POST /app/put?" in request.line for request in proxy.requests)


def versions(url: str) -> list[tuple[int, str | None]]:
    """What is in the store: ids and keys."""
    client = client_of(url)
    listing = client.list_runs()
    client.close()
    return sorted((version.id, version.key) for version in (*listing.runs.values(), *listing.others))


def test_an_answer_lost_after_the_commit_is_found_done_and_not_sent_again(url: str) -> None:
    with faulty(url, http_faults.lose_answer) as (client, proxy):
        outcome = client.put(12000, BLOB)
        assert outcome.kind is PutKind.SAME
        assert posts(proxy) == 1
    assert versions(url) == [(1, "1"), (2, "12000")]


def test_a_superseding_put_whose_answer_was_lost_is_not_done_twice(url: str) -> None:
    with faulty(url) as (client, proxy):
        client.put(12000, BLOB)
        proxy.faults += [None, None, http_faults.lose_answer]
        assert client.put(12000, OTHER, override=True).kind is PutKind.SAME
        assert client.get(12000) == OTHER
    assert versions(url) == [(1, "1"), (2, None), (3, "12000")]


def test_a_put_cut_in_its_body_leaves_nothing_and_is_repeated(url: str) -> None:
    with faulty(url, http_faults.cut_request) as (client, proxy):
        assert client.put(12000, BLOB).kind is PutKind.STORED
        assert posts(proxy) == 2
        assert "lookup_versions" in proxy.requests[1].line
        assert client.get(12000) == BLOB
    assert versions(url) == [(1, "1"), (2, "12000")]


def test_a_put_that_is_cut_every_time_fails_and_leaves_nothing(url: str) -> None:
    with faulty(url, *[http_faults.cut_request] * 20) as (client, _):
        with pytest.raises(ArchiveError) as caught:
            client.put(12000, BLOB)
        assert caught.value.code is Code.CONNECTION_CUT
        assert caught.value.retryable
    assert versions(url) == [(1, "1")]


def test_a_read_cut_in_its_body_is_repeated(url: str) -> None:
    client_of(url).put(12000, BLOB)
    with faulty(url, http_faults.cut_answer) as (client, proxy):
        assert client.get(12000) == BLOB
        assert len(proxy.requests) == 2


def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used(url: str) -> None:
    def answer_and_close(proxy: FaultyProxy, connection: socket.socket, request: http_faults.Message) -> bool:
        http_faults.pass_on(proxy, connection, request)
        return False

    with faulty(url, answer_and_close) as (client, proxy):
        assert client.get(1) == b"the first one"
        proxy.wait_until_closed()
        proxy.requests.clear()
        assert client.put(12000, BLOB).kind is PutKind.STORED
        assert len(proxy.requests) == 1


def test_a_storm_of_503_is_waited_out_or_said(url: str) -> None:
    with faulty(url, *[http_faults.unavailable] * 2) as (client, _):
        assert client.put(12000, BLOB).kind is PutKind.STORED
    with faulty(url, *[http_faults.unavailable] * 50) as (client, proxy):
        with pytest.raises(ArchiveError) as caught:
            client.get(12000)
        assert caught.value.code is Code.UNAVAILABLE
        assert caught.value.retryable
        assert len(proxy.requests) == 4


def test_a_server_that_hangs_does_not_hang_the_caller(url: str) -> None:
    with faulty(url, *[http_faults.hang] * 3) as (client, proxy):
        with pytest.raises(ArchiveError) as caught:
            client.get(1)
        assert caught.value.code is Code.TIMEOUT
        with pytest.raises(ArchiveError) as caught:
            client.put(12000, BLOB)
        assert caught.value.code is Code.TIMEOUT
        assert posts(proxy) == 1
    assert versions(url) == [(1, "1")]


def test_a_listing_that_is_long_in_the_making_is_waited_for(url: str) -> None:
    def slow(proxy: FaultyProxy, connection: socket.socket, request: http_faults.Message) -> bool:
        answer = proxy.ask(request)
        threading.Event().wait(1.5)
        connection.sendall(answer.head + answer.body)
        return True

    with faulty(url, slow, slow) as (client, _):
        listing = client.list_runs()
        assert sorted(listing.runs) == [1]
        with pytest.raises(ArchiveError) as caught:
            client.list_runs(listing.cache)
        assert caught.value.code is Code.TIMEOUT


def test_a_server_that_drips_does_not_hold_the_caller(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runarchive.ucondb.wire._SLOWEST_BYTES_A_SECOND", 1e9)
    stop = threading.Event()

    def drip(proxy: FaultyProxy, connection: socket.socket, request: http_faults.Message) -> bool:
        answer = proxy.ask(request)
        connection.sendall(answer.head)
        for byte in answer.body:
            connection.sendall(bytes([byte]))
            if stop.wait(0.05):
                break
        return False

    client_of(url).put(12000, BLOB)
    with faulty(url, drip) as (client, _):
        with pytest.raises(ArchiveError) as caught:
            client.get(12000)
        stop.set()
        assert caught.value.code is Code.TIMEOUT


def test_a_put_that_hangs_after_its_commit_is_found_done(url: str) -> None:
    def do_and_hang(proxy: FaultyProxy, connection: socket.socket, request: http_faults.Message) -> bool:
        proxy.ask(request)
        return http_faults.hang(proxy, connection, request)

    with faulty(url, do_and_hang) as (client, proxy):
        assert client.put(12000, BLOB).kind is PutKind.SAME
        assert posts(proxy) == 1


def test_a_wrong_password_is_said_and_never_shown(url: str) -> None:
    with FaultyProxy(url) as proxy:
        client = client_of(proxy.url, password="guess-me-not")
        with pytest.raises(ArchiveError) as caught:
            client.put(12000, BLOB)
        assert caught.value.code is Code.WRONG_PASSWORD
        assert not caught.value.retryable
        assert posts(proxy) == 2
        assert all(b"guess-me-not" not in request.head for request in proxy.requests)
        assert "guess-me-not" not in repr(caught.value.failure)
    assert versions(url) == []


def test_an_expired_nonce_costs_one_exchange_more(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty(url) as (client, proxy):
        monkeypatch.setattr("runarchive.ucondb.server.users._NONCE_SECONDS", 0.0)
        # An age of zero seconds: what the client has is too old, and what it gets now is too, in the end.
        with pytest.raises(ArchiveError) as caught:
            client.put(12000, BLOB)
        assert caught.value.code is Code.WRONG_PASSWORD
        monkeypatch.undo()
        proxy.requests.clear()
        assert client.put(12000, BLOB).kind is PutKind.STORED
        assert posts(proxy) <= 2


def test_a_read_corrupted_in_flight_is_a_mismatch(url: str) -> None:
    client_of(url).put(12000, BLOB)
    with faulty(url, http_faults.corrupt_answer) as (client, _):
        with pytest.raises(ArchiveError) as caught:
            client.get(12000)
        assert caught.value.code is Code.MISMATCH
        assert client.get(12000) == BLOB


def test_a_put_corrupted_in_flight_is_a_mismatch(url: str) -> None:
    with faulty(url, http_faults.corrupt_request) as (client, _):
        with pytest.raises(ArchiveError) as caught:
            client.put(12000, BLOB)
        assert caught.value.code is Code.MISMATCH
        assert client.put(12000, BLOB).kind is PutKind.DIFFERENT


def test_a_key_that_is_there_is_the_same_or_different_and_never_overwritten(url: str) -> None:
    client = client_of(url)
    assert client.put(12000, BLOB).kind is PutKind.STORED
    assert client.put(12000, BLOB).kind is PutKind.SAME
    assert client.put(12000, OTHER).kind is PutKind.DIFFERENT
    assert client.get(12000) == BLOB
    assert client.put(12000, OTHER, override=True).kind is PutKind.STORED
    assert client.get(12000) == OTHER
    assert client.get_by("id", "1") == BLOB
    assert client.put(12000, OTHER, override=True).kind is PutKind.SAME
    assert versions(url) == [(1, None), (2, "12000")]


def test_of_two_clients_that_race_for_a_key_one_wins_and_the_other_knows(url: str) -> None:
    start = threading.Barrier(4)

    def race(run: int, data: bytes) -> PutOutcome:
        client = client_of(url)
        start.wait()
        outcome = client.put(run, data)
        client.close()
        return outcome

    for run in range(100, 110):
        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(race, [run] * 4, (BLOB, BLOB, OTHER, OTHER)))
        kinds = sorted(outcome.kind for outcome in outcomes)
        assert kinds == [PutKind.DIFFERENT, PutKind.DIFFERENT, PutKind.SAME, PutKind.STORED]


@contextmanager
def server_process(db: str, users: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`ucondb serve` in a process of its own, and its URL."""
    users.write_text(f"writer:ucondb:{ha1('writer', 'ucondb', 'secret')}\n")
    command = [
        sys.executable, "-c", "from runarchive.cli.main import main; raise SystemExit(main())", "ucondb", "serve",
        "--db", db, "--port", "0", "--users", str(users), "--folder", "run_records",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def orphans(db: str) -> int:
    """Data rows that no version names, in a database that is otherwise whole."""
    query = 'select count(*) from {0}_data" where cast(key as text) not in (select data_key from {0}_versions")'
    if db.startswith("postgres"):
        import psycopg2

        with psycopg2.connect(db) as session, session.cursor() as cursor:
            cursor.execute(query.format('"run_records'))
            return int((cursor.fetchone() or (-1,))[0])
    connection = sqlite3.connect(db.removeprefix("sqlite://"))
    assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    found = int(connection.execute(query.format('"public.run_records')).fetchone()[0])
    connection.close()
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_kill_9_of_the_server_keeps_every_acknowledged_put_and_no_half_one(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    db = f"sqlite://{tmp_path}/u.sqlite" if kind == "sqlite" else request.getfixturevalue("postgres_database")
    acknowledged: dict[int, bytes] = {}
    enough = threading.Event()

    def put_until_it_fails(url: str, first: int) -> None:
        client = client_of(url)
        for run in range(first, first + 1000):
            data = os.urandom(20_000)
            try:
                client.put(run, data)
            except ArchiveError:
                break
            acknowledged[run] = data
            if len(acknowledged) >= 60:
                enough.set()
        client.close()

    with server_process(db, tmp_path / "users") as (url, process):
        threads = [threading.Thread(target=put_until_it_fails, args=(url, 1000 * n)) for n in range(1, 9)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for thread in threads:
            thread.join()
    with server_process(db, tmp_path / "users") as (url, process):
        client = client_of(url)
        listing = client.list_runs()
        assert set(acknowledged) <= set(listing.runs)
        for run in listing.runs:
            data = client.get(run)
            assert data == acknowledged.get(run, data)
            assert len(data) == 20_000
            assert listing.runs[run].tags == (str(run),)
        client.close()
    assert orphans(db) == 0
