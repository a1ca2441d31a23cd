"""What an operator or a stranger gets wrong: options, addresses, databases and answers that are none."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from runarchive.errors import ArchiveError, Code
from runarchive.ucondb.client import UconClient
from runarchive.ucondb.digest import ha1
from runarchive.ucondb.postgres_listing import read_versions
from runarchive.ucondb.server.app import UconApp
from runarchive.ucondb.server.running import RunningServer
from runarchive.ucondb.server.sqlite_storage import SqliteStorage
from runarchive.ucondb.server.storage import FolderName
from runarchive.ucondb.server.users import Users
from tests.certificates import make_certificates

UCONDB = [sys.executable, "-c", "from runarchive.cli.main import main; raise SystemExit(main())", "ucondb"]
SECRET = "sEcr3tPw"


@contextmanager
def serving(directory: Path, users: Users) -> Iterator[str]:
    storage = SqliteStorage(directory / "u.sqlite")
    storage.create_folder(FolderName.parse("f"))
    server = RunningServer(UconApp(storage, users), host="127.0.0.1", port=0)
    yield server.start()
    server.stop()


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that says the same to everybody."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/app"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--db", "sqlite://{0}/u.sqlite", "--port", "99999"], 64),
        (["--db", "sqlite://{0}/u.sqlite", "--threads", "0"], 64),
        (["--db", "sqlite://{0}/u.sqlite", "--max-upload", "954"], 64),
        (["--db", "sqlite://{0}/u.sqlite", "--client-ca", "{0}/none.pem", "--port", "0"], 64),
        (["--db", "sqlite://{0}/u.sqlite", "--tls-cert", "{0}/none.pem", "--port", "0"], 1),
        (["--db", "sqlite://{0}/u.sqlite", "--tls-cert", "{0}/junk", "--port", "0"], 1),
        (["--db", "sqlite://{0}/junk", "--port", "0"], 75),
        (["--db", f"postgresql://u:{SECRET}%zz@127.0.0.1:1/d", "--port", "0"], 75),
    ],
    ids=lambda value: value[-3].lstrip("-") + value[1][-8:] if isinstance(value, list) else None,
)
def test_what_cannot_be_served_is_said_in_a_sentence(options: list[str], code: int, tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"this is neither a database nor a certificate" * 20)
    command = [*UCONDB, "serve", *(option.format(tmp_path) for option in options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr


def test_a_database_address_that_is_none_does_not_show_its_password() -> None:
    with pytest.raises(ArchiveError) as caught:
        read_versions(f"postgresql://u:{SECRET}%zz@127.0.0.1:1/d", "f", "o", timeout=2)
    assert SECRET not in f"{caught.value} {caught.value.hint}"


def test_more_stalled_connections_than_threads_hold_up_nobody(tmp_path: Path) -> None:
    head = b"POST /app/put?folder=f&object=o HTTP/1.1\r\nHost: x\r\nContent-Len"
    with serving(tmp_path, Users.nobody()) as url:
        port = int(url.split(":")[2].split("/")[0])
        stalled = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(40)]
        for connection in stalled:
            connection.sendall(head)
        for path in ("version", "objects?folder=f"):
            assert requests.get(f"{url}/{path}", timeout=5).status_code == 200
        for connection in stalled:
            connection.close()


def test_a_question_has_a_limit_of_its_own(tmp_path: Path) -> None:
    with serving(tmp_path, Users.nobody()) as url:
        for body, status in ((b" " * (20 << 20), 413), (b"[" * 200_000, 400)):
            answer = requests.post(f"{url}/lookup_versions?folder=f&object=o", data=body, timeout=20)
            assert answer.status_code == status


def test_a_user_may_have_any_letters(tmp_path: Path) -> None:
    user, password = "Šárka µ", "žluť"
    file = tmp_path / "users"
    file.write_text(f"{user}:ucondb:{ha1(user, 'ucondb', password)}\n", encoding="utf-8")
    with serving(tmp_path, Users.read(file)) as url:
        client = UconClient(url, "f", "o", user=user, password=password, timeout=10)
        client.put(1, b"x")
        assert client.get(1) == b"x"
        client.close()


ODD = b"HTTP/1.1 200 OK\r\nX-UConDB-data-size: abc\r\nX-UConDB-adler32: zz\r\nContent-Length: 2\r\n\r\nab"


@pytest.mark.parametrize(
    "ask", [lambda client: client.get(1), lambda client: client.get_by("id", "1")], ids=["key", "id"]
)
def test_an_answer_that_makes_no_sense_is_a_bad_answer(ask: Callable[[UconClient], bytes]) -> None:
    with answering(ODD) as url:
        client = UconClient(url, "f", "o", timeout=5)
        with pytest.raises(ArchiveError) as caught:
            ask(client)
        assert caught.value.code is Code.BAD_ANSWER
        client.close()


@pytest.mark.parametrize("options", [["list", "--timeout", "0"], ["put", "--", "-5", "none"]])
def test_numbers_that_make_no_sense_are_refused_as_usage(options: list[str]) -> None:
    command = [*UCONDB, options[0], "--url", "http://127.0.0.1:1/app", *options[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 64, done.stderr


@pytest.mark.parametrize("password", ["p@Xss", "a/Xss", "a:Xss", "Xss%zz"])
def test_no_part_of_a_password_is_told(password: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        read_versions(f"postgresql://u:{password}@nosuchhost.invalid/d", "f", "o", timeout=2)
    assert "Xss" not in caught.value.message


def test_a_database_that_is_another_one_is_no_empty_archive(tmp_path: Path, postgres_database: str) -> None:
    with serving(tmp_path, Users.single("w", "p")) as url:
        client = UconClient(url, "f", "o", user="w", password="p", timeout=10, postgres_dsn=postgres_database)
        client.put(7, b"x")
        assert list(client.list_runs().runs) == [7]
        client.close()


def test_strangers_and_unverified_servers_make_no_noise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    files = make_certificates(tmp_path)
    storage = SqliteStorage(tmp_path / "u.sqlite")
    server = RunningServer(
        UconApp(storage, Users.nobody()), host="127.0.0.1", port=0,
        certificate=str(files.server),
    )
    url = server.start()
    address = ("127.0.0.1", int(url.split(":")[2].split("/")[0]))
    for first_bytes in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01junk", b""):
        # The server may hang up at any moment once the connection stands.
        with socket.create_connection(address, timeout=10) as stranger, contextlib.suppress(OSError):
            stranger.sendall(first_bytes)
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(65536):
                continue
    client = UconClient(url, "f", "o", timeout=10, verify=False)
    assert client.ping()
    client.close()
    server.stop()
    assert not [record.getMessage() for record in caplog.records if record.exc_info or record.levelname == "ERROR"]
    assert not [str(warning.message) for warning in recwarn]
