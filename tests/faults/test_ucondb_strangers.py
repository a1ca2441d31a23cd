"""Connections that stall, drip, ask nonsense or send what nobody wants: they hold up nobody."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from runarchive.ucondb.digest import Challenge
from tests.certificates import make_certificates
from tests.ucondb_serving import AUTH, address, get, put, raw, serving

QUESTION = b"POST /app/lookup_versions?folder=f&object=o HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
UPLOAD = b"POST /app/put?folder=f&object=o&key=9 HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path) as address:
        yield address


def test_credentials_are_asked_for_before_the_body_has_come(url: str) -> None:
    head = b"POST /app/data/f/o/key=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
    with socket.create_connection(address(url), timeout=20) as connection:
        connection.sendall(head + b"only the beginning")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("first_bytes", "number"),
    [(b"POST /app/data/f/o/key=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome", 10), (b"", 100)],
)
def test_stalled_connections_hold_up_nobody(url: str, first_bytes: bytes, number: int) -> None:
    put(url, "1", b"x")
    stalled = [socket.create_connection(address(url), timeout=20) for _ in range(number)]
    for connection in stalled:
        connection.sendall(first_bytes)
    for path in ("version", "data/f/o/key=1", "versions?folder=f&object=o"):
        assert requests.get(f"{url}/{path}", timeout=5).status_code == 200
    assert put(url, "3", b"y").status_code == 200
    for connection in stalled:
        connection.close()


def test_a_body_that_comes_too_slowly_is_ended(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(url, "1", b"x")
    monkeypatch.setattr("runarchive.ucondb.server.body._SECONDS_FOR_A_QUESTION", -1.0)
    answer = answer_of(url, QUESTION % 2_000_000 + b'{"keys')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b"The body comes too slowly")


@pytest.mark.parametrize("first_bytes", [b"GET /app/versi", QUESTION % 15 + b'{"keys'])
def test_a_request_that_does_not_come_to_its_end_is_ended(
    url: str, first_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runarchive.ucondb.server.connection._HEAD_SECONDS", 0.1)
    assert answer_of(url, first_bytes).startswith(b"HTTP/1.1 408 ")


def answer_of(url: str, first_bytes: bytes) -> bytes:
    """What comes back on a connection that is not closed by us."""
    with socket.create_connection(address(url), timeout=20) as connection:
        connection.sendall(first_bytes)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize(
    "first_bytes",
    [
        b"GET /app/version HTTP/1.1\r\nX: ", QUESTION % 900_000, UPLOAD + b"Content-Length: 9000000\r\n\r\n",
        UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n", UPLOAD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    ],
    ids=["head", "question", "upload", "chunks", "leave"],
)
def test_hundreds_that_drip_hold_up_nobody(url: str, first_bytes: bytes) -> None:
    put(url, "1", b"x")
    dripping = [socket.create_connection(address(url), timeout=20) for _ in range(300)]
    for connection in dripping:
        connection.sendall(first_bytes)
    for _ in range(3):
        for connection in dripping:
            with contextlib.suppress(OSError):
                connection.sendall(b"1")
        for path in ("version", "data/f/o/key=1", "versions?folder=f&object=o"):
            assert requests.get(f"{url}/{path}", timeout=5).status_code == 200
        assert put(url, "1", b"y").status_code == 500
    for connection in dripping:
        connection.close()


def test_the_one_that_waits_longest_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runarchive.ucondb.server.running._most_waiting", lambda: 5)
    with serving(tmp_path) as url:
        waiting = [socket.create_connection(address(url), timeout=20) for _ in range(20)]
        assert get(url, "version").text == "3.9.7"
        for connection in waiting[:14]:
            assert connection.recv(1) == b""
        waiting[-1].sendall(b"GET /app/version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert waiting[-1].recv(65536).startswith(b"HTTP/1.1 200 ")
        for connection in waiting:
            connection.close()


def test_leave_to_send_a_body_is_given_to_those_who_may(url: str) -> None:
    head = b"POST /app/put?folder=f&object=o&key=2 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n"
    refused = raw(url, head + b"\r\n")
    assert refused.startswith(b"HTTP/1.1 401 ")
    assert b"Connection: close" in refused
    challenge = Challenge.read(re.search(rb"WWW-Authenticate: (.*)\r", refused)[1].decode())  # type: ignore[index]
    assert challenge is not None
    proof = challenge.answer(*AUTH, "POST", "/app/put?folder=f&object=o&key=2").encode()
    with socket.create_connection(address(url), timeout=20) as connection:
        connection.sendall(head + b"Authorization: " + proof + b"\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert get(url, "data/f/o/key=2").content == b"abc"


def test_requests_may_follow_each_other_without_waiting(url: str) -> None:
    put(url, "1", b"x")
    one = b"GET /app/data/f/o/key=1 HTTP/1.1\r\nHost: x\r\n\r\n"
    refused = UPLOAD + b"Content-Length: 70000\r\n\r\n" + b"y" * 70_000
    last = b"GET /app/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = raw(url, one + refused + one + last)
    assert re.findall(rb"HTTP/1.1 (\d+) ", answers) == [b"200", b"401", b"200", b"200"]


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /app/data/f/o/key=1 HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /app/lookup_versions?folder=f&object=o HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n{}",
        b"POST /app/lookup_versions?folder=f&object=o HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /app/lookup_versions?folder=f&object=o HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n[1,2,3]xx",
        b"POST /app/lookup_versions?folder=f&object=o HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
        b"GET /app/get?folder=f&object=o&tv=nan HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /app/get?folder=f&object=o&id=99999999999999999999 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /app/get_blob?folder=f&data_key=99999999999999999999 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /app/versions?folder=f&object=o&tr=9e99 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /app/%FF%FE HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b'GET /app/create_folder?folder=g HTTP/1.1\r\nAuthorization: Digest username="w", realm="x", '
        b'nonce="\xc3\xa9", uri="/", response="\xc3\xa9", qop=auth, nc=1, cnonce="1"\r\nConnection: close\r\n\r\n',
        QUESTION % 13 + b'{"ids":[1e9]}',
        QUESTION % 15 + b'{"ids":[1e400]}',
        b"nonsense\r\n\r\n",
    ],
)
def test_odd_requests_get_a_four_hundred(url: str, request_text: bytes) -> None:
    put(url, "1", b"x")
    assert raw(url, request_text).startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), raw(url, request_text)[:200]
    assert get(url, "version").status_code == 200


def test_a_silent_connection_does_not_hold_up_tls(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    with serving(tmp_path, certificate=str(files.server)) as url:
        with socket.create_connection(address(url), timeout=20) as silent:
            answer = requests.get(f"{url}/version", verify=str(files.ca), timeout=5)
            assert answer.text == "3.9.7"
            silent.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert requests.get(f"{url}/version", verify=str(files.ca), timeout=5).status_code == 200


def test_an_upload_that_is_reset_is_no_fault_of_ours(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(tmp_path, app={"open_writing": True}) as url:
        with socket.create_connection(address(url), timeout=20) as connection:
            connection.sendall(UPLOAD + b"Content-Length: 9000000\r\n\r\n" + b"x" * 300_000)
            assert get(url, "version").status_code == 200
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert put(url, "1", b"x").status_code == 200
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def test_a_server_without_room_for_an_upload_says_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(url, "1", b"x")
    monkeypatch.setattr(
        "runarchive.ucondb.server.body.tempfile.SpooledTemporaryFile",
        lambda **_: open("/dev/full", "wb+", buffering=0),  # noqa: SIM115
    )
    answer = put(url, "2", b"x" * 300_000)
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    monkeypatch.undo()
    assert put(url, "2", b"x" * 300_000).status_code == 200
