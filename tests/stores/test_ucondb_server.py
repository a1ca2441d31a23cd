"""Our UconDB server where it does better than the recorded one, and where it refuses."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
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
from runarchive.ucondb.server.users import Users
from tests.certificates import make_certificates
from tests.ucondb_serving import AUTH, address, get, put, serving

COMMAND = [sys.executable, "-c", "from runarchive.cli.main import main; raise SystemExit(main())", "ucondb"]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path) as address:
        yield address


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


def test_a_validity_without_end_is_refused(url: str) -> None:
    for tv in ("inf", "-1e999", "nan"):
        assert put(url, "1", b"x", tv=tv).status_code == 400
