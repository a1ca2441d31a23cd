"""A UconDB server of our own for tests, and plain requests to it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from requests.auth import HTTPDigestAuth

from runarchive.ucondb.server.app import UconApp
from runarchive.ucondb.server.running import RunningServer
from runarchive.ucondb.server.sqlite_storage import SqliteStorage
from runarchive.ucondb.server.storage import FolderName
from runarchive.ucondb.server.users import Users

AUTH = ("writer", "secret")


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
