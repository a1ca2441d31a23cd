"""A UconDB server of our own for tests, and plain requests to it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from requests.auth import HTTPDigestAuth

from runarchive.server_programs import free_port, port_answers
from runarchive.ucondb.digest import ha1
from runarchive.ucondb.server.app import UconApp
from runarchive.ucondb.server.running import RunningServer
from runarchive.ucondb.server.sqlite_storage import SqliteStorage
from runarchive.ucondb.server.storage import FolderName
from runarchive.ucondb.server.users import Users
from tests.archiver_site import wait_until

AUTH = ("writer", "secret")


class UconProcess:
    """`ucondb serve` as a process of its own on one port, with the folder and the writer of `tests.archiver_site`."""

    def __init__(self, root: Path) -> None:
        self.port = free_port()
        users = root / "users"
        users.write_text(f"writer:ucondb:{ha1('writer', 'ucondb', 'secret-of-the-writer')}\n")
        self._command = [
            sys.executable, "-c", "from runarchive.cli.main import main; raise SystemExit(main())", "ucondb", "serve",
            "--db", f"sqlite://{root}/served.sqlite", "--port", str(self.port), "--users", str(users),
            "--folder", "test01",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/app"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: port_answers(self.port), "the UconDB server")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


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
