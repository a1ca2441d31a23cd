"""Our UconDB server where it does better than the recorded one, and where it refuses."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.auth import HTTPDigestAuth

from runarchive.errors import ArchiveError, Code
from runarchive.ucondb.body import PutKind
from runarchive.ucondb.client import UconClient
from runarchive.ucondb.digest import Challenge, ha1
from runarchive.ucondb.embedded import open_client
from runarchive.ucondb.server.app import UconApp
from runarchive.ucondb.server.http import read_time
from runarchive.ucondb.server.running import RunningServer, is_loopback
from runarchive.ucondb.server.sqlite_storage import SqliteStorage
from runarchive.ucondb.server.storage import FolderName
from runarchive.ucondb.server.users import Users
from tests.certificates import make_certificates

AUTH = ("writer", "secret")
COMMAND = [sys.executable, "-c", "from runarchive.cli.main import main; raise SystemExit(main())", "ucondb"]


@contextmanager
def serving(directory: Path, *, users: Users | None = None, app: Any = None, **options: Any) -> Iterator[str]:
    """A server with the folder `f`, and its URL."""
    storage = SqliteStorage(directory / "u.sqlite")
    storage.create_folder(FolderName.parse("f"))
    application = UconApp(storage, users or Users.single(*AUTH), **(app or {}))
    server = RunningServer(application, host="127.0.0.1", port=0, **options)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path) as address:
        yield address


def put(url: str, key: str, data: Any, **query: Any) -> requests.Response:
    """A put as clients of today do it: asked for credentials, then once more with them."""
    params = {"folder": "f", "object": "o", "key": key, **query}
    return requests.post(f"{url}/put", data=data, params=params, auth=HTTPDigestAuth(*AUTH), timeout=20)


def get(url: str, path: str, **query: str) -> requests.Response:
    return requests.get(f"{url}/{path}", params=query, timeout=20)


def address(url: str) -> tuple[str, int]:
    host, _, port = url.split("/")[2].partition(":")
    return host, int(port)


def raw(url: str, text: bytes) -> bytes:
    """What comes back for these bytes on a connection that is then closed for writing."""
    with socket.create_connection(address(url), timeout=20) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_a_chunked_upload_is_decoded(url: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"chunked "
        yield b"body" * 100_000

    first = put(url, "0", b"x")
    assert first.status_code == 200
    offered = requests.post(f"{url}/put", params={"folder": "f", "object": "o"}, timeout=20)
    challenge = Challenge.read(offered.headers["WWW-Authenticate"])
    assert challenge is not None
    target = "/app/put?folder=f&object=o&key=1"
    header = challenge.answer(*AUTH, "POST", target)
    answer = requests.post(
        url.removesuffix("/app") + target, data=pieces(), headers={"Authorization": header}, timeout=20
    )
    assert (answer.status_code, get(url, "data/f/o/key=1").content) == (200, b"chunked " + b"body" * 100_000)


def test_a_blob_has_its_length_and_connections_stay_open(url: str) -> None:
    put(url, "1", b"x" * 5000)
    connection = http.client.HTTPConnection(*address(url), timeout=20)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", "/app/data/f/o/key=1")
        answer = connection.getresponse()
        assert (answer.headers["Content-Length"], len(answer.read())) == ("5000", 5000)
        assert connection.sock is first
    connection.close()


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


def test_an_upload_above_the_limit_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, max_body=10_000) as url:
        assert put(url, "1", b"x" * 10_000).status_code == 200
        assert put(url, "2", b"x" * 10_001).status_code == 413
        client = UconClient(url, "f", "o", user=AUTH[0], password=AUTH[1])
        with pytest.raises(ArchiveError) as caught:
            client.put(3, b"x" * 20_000)
        assert caught.value.code is Code.TOO_LARGE
        assert sorted(client.list_runs().runs) == [1]
        client.close()


QUESTION = b"POST /app/lookup_versions?folder=f&object=o HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


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


UPLOAD = b"POST /app/put?folder=f&object=o&key=9 HTTP/1.1\r\nHost: x\r\n"


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
    "query",
    ["key=a%0Ab", "key=%00", "key=1&tag=a%1Fb", "key=1&tag=%7F", "key=a%0d%0aX-Evil:%201"],
)
def test_control_characters_are_refused(url: str, query: str) -> None:
    answer = requests.post(f"{url}/put?folder=f&object=o&{query}", data=b"x", auth=HTTPDigestAuth(*AUTH), timeout=20)
    assert answer.status_code == 400


def test_no_traceback_and_no_path_reaches_a_client(url: str, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/srv/secret/path")

    patch = pytest.MonkeyPatch()
    patch.setattr("runarchive.ucondb.server.storage.Storage.tags", broken)
    answer = get(url, "tags", folder="f")
    patch.undo()
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "/srv/secret/path" in caplog.text


def test_a_tag_needs_credentials(url: str) -> None:
    put(url, "1", b"x")
    assert get(url, "tag", folder="f", object="o", key="1", tag="t").status_code == 401
    client = UconClient(url, "f", "o", user=AUTH[0], password=AUTH[1])
    client.tag(1, "a, b")
    version = client.version(1)
    assert version is not None
    assert version.tags == ("a, b",)
    client.close()


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
        b"nonsense\r\n\r\n",
    ],
)
def test_odd_requests_get_a_four_hundred(url: str, request_text: bytes) -> None:
    put(url, "1", b"x")
    assert raw(url, request_text).startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), raw(url, request_text)[:200]
    assert get(url, "version").status_code == 200


def test_listings_are_whole_while_others_write(url: str) -> None:
    client = UconClient(url, "f", "o", user=AUTH[0], password=AUTH[1])
    stop = threading.Event()

    def write() -> None:
        run = 0
        while not stop.is_set():
            run += 1
            client.put(run, str(run).encode())

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    cache = None
    try:
        while seen < 60:
            listing = client.list_runs(cache)
            cache = listing.cache
            assert sorted(listing.runs) == list(range(1, len(listing.runs) + 1))
            seen = len(listing.runs)
    finally:
        stop.set()
        writer.join()
        client.close()


def test_times_are_read_as_clients_write_them() -> None:
    assert read_time("1795243616.5", 0) == 1795243616.5
    assert read_time("-2h", 10_000) == 2800
    assert read_time("-1.5m", 100) == 10
    assert read_time("-10", 100) == 90
    moment = read_time("2026-11-21T07:23:00", 0)
    assert moment == 1795245780
    assert read_time("11/21/2026 07:23:00", 0) == moment
    assert read_time("2026-11-21 07:23:00", 0) == moment
    assert read_time("2026-11-21 08:23:00+01", 0) == moment
    for wrong in ("yesterday", "", "2026-11-21", "nan", "-xh", "1e"):
        with pytest.raises(ValueError, match="is no time"):
            read_time(wrong, 0)


def test_users_are_digests_of_a_realm_and_one_realm_may_serve_all(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"# comment\nwriter:ucondb:{ha1('writer', 'ucondb', 'secret')}\n\n"
                    f"other:public.own:{ha1('other', 'public.own', 'hidden')}\n")
    users = Users.read(file)
    assert users.realm("public.f", "f") == "ucondb"
    assert users.realm("public.own") == "public.own"
    assert users.ha1("writer", "public.own") is None
    with serving(tmp_path, users=users) as url:
        assert put(url, "1", b"x").status_code == 200
        client = UconClient(url, "own", "o", user="writer", password="secret")
        with pytest.raises(ArchiveError) as caught:
            client.put(1, b"x")
        assert caught.value.code in (Code.WRONG_PASSWORD, Code.FOLDER_MISSING)
        mine = UconClient(url, "own", "o", user="other", password="hidden")
        assert mine.put(1, b"x").kind is PutKind.STORED
        client.close()
        mine.close()
    file.write_text("writer:ucondb:clear-text\n")
    with pytest.raises(ArchiveError, match="line 1"):
        Users.read(file)


def test_a_read_only_server_and_one_open_to_all(tmp_path: Path) -> None:
    with serving(tmp_path, app={"read_only": True}) as url:
        assert put(url, "1", b"x").status_code == 405
        assert get(url, "create_folder", folder="g").status_code == 405
    with serving(tmp_path, app={"open_writing": True}) as url:
        assert requests.post(f"{url}/put?folder=f&object=o&key=1", data=b"x", timeout=20).status_code == 200


def test_tls_is_verified_and_may_ask_for_a_certificate(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    with serving(tmp_path, certificate=str(files.server), client_ca=str(files.ca)) as url:
        assert url.startswith("https://")

        def client(**options: Any) -> UconClient:
            return UconClient(url, "f", "o", user=AUTH[0], password=AUTH[1], timeout=5, **options)

        good = client(verify=str(files.ca), client_cert=str(files.client))
        assert good.put(1, b"x").kind is PutKind.STORED
        assert good.verified_tls
        unverified = client(verify=False, client_cert=str(files.client))
        assert unverified.get(1) == b"x"
        assert not unverified.verified_tls
        with pytest.raises(ArchiveError) as caught:
            client(client_cert=str(files.client)).ping()
        assert caught.value.code is Code.BAD_CERTIFICATE
        assert "ca_file" in caught.value.hint
        for wrong in ({}, {"client_cert": str(files.stranger)}):
            with pytest.raises(ArchiveError) as caught:
                client(verify=str(files.ca), **wrong).ping()
            assert caught.value.code in (Code.BAD_CERTIFICATE, Code.CONNECTION_CUT)


def test_a_silent_connection_does_not_hold_up_tls(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    with serving(tmp_path, certificate=str(files.server)) as url:
        with socket.create_connection(address(url), timeout=20) as silent:
            answer = requests.get(f"{url}/version", verify=str(files.ca), timeout=5)
            assert answer.text == "3.9.7"
            silent.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert requests.get(f"{url}/version", verify=str(files.ca), timeout=5).status_code == 200


def test_a_folder_is_not_emptied_unless_allowed(url: str) -> None:
    put(url, "1", b"x")
    for drop, status in (("yes", 405), ("no", 200)):
        params = {"folder": "f", "drop": drop}
        answer = requests.get(f"{url}/create_folder", params=params, auth=HTTPDigestAuth(*AUTH), timeout=20)
        assert answer.status_code == status
    assert get(url, "data/f/o/key=1").content == b"x"


def test_others_are_not_served_without_tls_unless_told(tmp_path: Path) -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    command = [*COMMAND, "serve", "--db", f"sqlite://{tmp_path}/u.sqlite", "--host", "0.0.0.0", "--port", "0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode == 1
    assert "--tls-cert" in refused.stderr


def test_a_served_put_is_on_disk_and_a_signal_ends_it_cleanly(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"writer:ucondb:{ha1('writer', 'ucondb', 'secret')}\n")
    command = [
        *COMMAND, "serve", "--db", f"sqlite://{tmp_path}/u.sqlite", "--port", "0", "--users", str(users),
        "--folder", "f",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert put(url, "1", b"x").status_code == 200
        slow = socket.create_connection(address(url), timeout=20)
        body = b'{"keys": ["1"]}'
        head = f"POST /app/lookup_versions?folder=f&object=o HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        slow.sendall(head.encode() + body[:5])
        requests.get(f"{url}/version", timeout=20)
        server.send_signal(signal.SIGTERM)
        slow.sendall(body[5:])
        answer = b""
        while piece := slow.recv(65536):
            answer += piece
        assert b'"key": "1"' in answer
        slow.close()
        _, talk = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "finishing" in talk
    assert "'writer' in folder 'f': put 'o' key '1': version 1, 1 bytes" in talk
    assert "secret" not in talk
    assert "Traceback" not in talk
    client = open_client(f"embedded://{tmp_path}/u.sqlite", "f", "o")
    assert client.get(1) == b"x"
    client.close()


def test_an_address_that_is_taken_is_said_so(url: str, tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "other.sqlite")
    with pytest.raises(ArchiveError) as caught:
        RunningServer(UconApp(storage, Users.nobody()), host="127.0.0.1", port=address(url)[1]).start()
    assert caught.value.code is Code.CONNECTION_REFUSED
    storage.close()


def test_pages_for_people_escape_what_they_show(url: str) -> None:
    put(url, "a&b", b"x", tag="<")
    put(url, 'a"&b', b"x", tag="t&t")
    page = get(url, "UI/object", folder="f", object="o").text
    assert "a&quot;&amp;b" in page
    assert "t&amp;t" in page
    assert get(url, "UI/folder", folder="f").status_code == 200
    assert get(url, "UI/nosuch").status_code == 404
    assert get(url, ".env").status_code == 404


def test_a_process_that_forgets_to_close_its_server_still_ends(tmp_path: Path) -> None:
    script = (
        "import sys; from runarchive.ucondb.embedded import open_client\n"
        "open_client(sys.argv[1], 'f', 'o').put(1, b'x')\n"
        "raise SystemExit(3)"
    )
    command = [sys.executable, "-c", script, f"embedded://{tmp_path}/u.sqlite"]
    assert subprocess.run(command, timeout=20, check=False).returncode == 3


def test_several_processes_may_use_one_embedded_file(tmp_path: Path) -> None:
    script = (
        "import sys; from runarchive.ucondb.embedded import open_client\n"
        "client = open_client(sys.argv[1], 'f', 'o')\n"
        "for n in range(40): client.put(int(sys.argv[2]) + n, str(n).encode() * 100)\n"
        "client.close()"
    )
    uri = f"embedded://{tmp_path}/u.sqlite"
    processes = [subprocess.Popen([sys.executable, "-c", script, uri, str(first)]) for first in (1000, 2000, 3000)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    client = open_client(uri, "f", "o")
    assert len(client.list_runs().runs) == 120
    client.close()


def test_metadata_has_its_fields_in_the_order_in_which_they_are_sent(url: str) -> None:
    put(url, "1", b"x")
    listed = get(url, "versions", folder="f", object="o").text
    assert list(json.loads(listed)[0]) == [
        "object", "folder", "tv", "tr", "tags", "adler32", "uadler32", "data_size", "data_key", "id", "key",
    ]
    assert abs(json.loads(listed)[0]["tr"] - time.time()) < 60


@pytest.mark.parametrize(
    ("question", "keys"),
    [
        ({"keys": ["2", "9", "1"]}, ["1", "2"]),
        ({"key_min": "2"}, ["2", "30"]),
        ({"key_max": "2"}, ["1", "10"]),
        ({"key_min": "10", "key_max": "30"}, ["10", "2"]),
        ({"ids": [3, 1, 99]}, ["1", "2"]),
        ({"ids": [], "keys": ["10"]}, ["10"]),
        ({"keys": []}, []),
    ],
)
def test_questions_are_understood_as_the_clients_of_today_ask_them(url: str, question: Any, keys: list[str]) -> None:
    for key in ("1", "10", "2", "30"):
        put(url, key, key.encode())
    answer = requests.post(f"{url}/lookup_versions?folder=f&object=o", data=json.dumps(question), timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/json-seq; charset=UTF-8"
    assert sorted(json.loads(record)["key"] for record in answer.text.split("\x1e")[1:]) == keys


def test_an_empty_key_is_announced_as_none(url: str) -> None:
    put(url, "", b"x")
    assert get(url, "get", folder="f", object="o", key="").headers["X-UConDB-version-key"] == "null"
