"""HTTP servers that misbehave as told: one that plays recorded answers, one that stands between client and server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Message:
    """A request or an answer as it travels: head with its empty line, and body."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        """Its first line."""
        return self.head.split(b"\r\n")[0].decode("latin-1")

    def header(self, name: str) -> str:
        """A header, or ""."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            one, _, value = line.partition(":")
            if one.lower() == name.lower():
                return value.strip()
        return ""


def read_message(connection: socket.socket) -> Message | None:
    """The next request or answer with a Content-Length or chunks (kept as they are); None at the end."""
    with connection.makefile("rb") as file:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = file.readline()
            if not line:
                return None
            head += line
        message = Message(head, b"")
        if message.header("Transfer-Encoding") == "chunked":
            body = b""
            while not body.endswith(b"0\r\n\r\n"):
                body += file.readline()
            return Message(head, body)
        size = int(message.header("Content-Length") or 0)
        return Message(head, file.read(size))


class _Listener:
    """Accepts connections on a free loopback port and serves each in a thread until it is closed."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """The URL of the server that this one stands for."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/app"

    def __enter__(self) -> _Listener:
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in (self._acceptor, *self._threads):
            thread.join(timeout=10)

    def serve(self, connection: socket.socket) -> None:
        """One connection."""
        raise NotImplementedError

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._served, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _served(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.serve(connection)


class ScriptedServer(_Listener):
    """Gives one raw answer after the other, one a connection, and keeps the requests it got."""

    def __init__(self, answers: Iterable[bytes]) -> None:
        super().__init__()
        self._answers = list(answers)
        self.requests: list[Message] = []

    def __enter__(self) -> ScriptedServer:
        super().__enter__()
        return self

    @property
    def left(self) -> int:
        """How many answers nobody came for."""
        return len(self._answers)

    def serve(self, connection: socket.socket) -> None:
        """One request, one answer, the end."""
        request = read_message(connection)
        if request is None:
            return
        self.requests.append(request)
        connection.sendall(self._answers.pop(0) if self._answers else b"HTTP/1.1 418 I'm a teapot\r\n\r\n")


Fault = Callable[["FaultyProxy", socket.socket, Message], bool]
"""What happens to one request instead of being passed on; returns whether the connection goes on."""


class FaultyProxy(_Listener):
    """Passes requests on to a server, except where the next fault for a request says otherwise."""

    def __init__(self, url: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 80)
        self.faults: list[Fault | None] = []
        self.requests: list[Message] = []
        self._lock = threading.Lock()

    def __enter__(self) -> FaultyProxy:
        super().__enter__()
        return self

    def serve(self, connection: socket.socket) -> None:
        """All requests of one connection."""
        while (request := read_message(connection)) is not None:
            with self._lock:
                self.requests.append(request)
                fault = self.faults.pop(0) if self.faults else None
            if not (fault or pass_on)(self, connection, request):
                return

    def ask(self, request: Message) -> Message:
        """The server's answer to a request."""
        with socket.create_connection(self._server, timeout=30) as upstream:
            upstream.sendall(request.head + request.body)
            answer = read_message(upstream)
        assert answer is not None
        return answer

    def begin(self, request: Message, sent: int) -> None:
        """Give the server the head and the first bytes of the body, then break off."""
        with socket.create_connection(self._server, timeout=30) as upstream:
            upstream.sendall(request.head + request.body[:sent])
            upstream.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while upstream.recv(65536):
                    continue

    def wait_until_closed(self) -> None:
        """Until every connection taken so far is closed on this side."""
        for thread in list(self._threads):
            thread.join(timeout=10)

    def wait_for_the_end(self, connection: socket.socket) -> None:
        """Until the client or the test gives up."""
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                continue


def pass_on(proxy: FaultyProxy, connection: socket.socket, request: Message) -> bool:
    """No fault."""
    answer = proxy.ask(request)
    connection.sendall(answer.head + answer.body)
    return True


def lose_answer(proxy: FaultyProxy, connection: socket.socket, request: Message) -> bool:
    """The server does it, and its answer never arrives."""
    proxy.ask(request)
    return False


def cut_request(proxy: FaultyProxy, connection: socket.socket, request: Message) -> bool:
    """The connection breaks in the middle of the request's body."""
    proxy.begin(request, len(request.body) // 2)
    return False


def cut_answer(proxy: FaultyProxy, connection: socket.socket, request: Message) -> bool:
    """The connection breaks in the middle of the answer's body."""
    answer = proxy.ask(request)
    connection.sendall(answer.head + answer.body[: len(answer.body) // 2])
    return False


def unavailable(proxy: FaultyProxy, connection: socket.socket, request: Message) -> bool:
    """The server's queue is full, said as webpie says it."""
    connection.sendall(b"HTTP/1.1 503 Service unavailable\n\n")
    return False


def hang(proxy: FaultyProxy, connection: socket.socket, request: Message) -> bool:
    """Nothing is ever answered."""
    proxy.wait_for_the_end(connection)
    return False


def corrupt_answer(proxy: FaultyProxy, connection: socket.socket, request: Message) -> bool:
    """One bit of the answer's body is another."""
    answer = proxy.ask(request)
    middle = len(answer.body) // 2
    flipped = bytes([answer.body[middle] ^ 1])
    connection.sendall(answer.head + answer.body[:middle] + flipped + answer.body[middle + 1 :])
    return True


def corrupt_request(proxy: FaultyProxy, connection: socket.socket, request: Message) -> bool:
    """One bit of the request's body is another when it reaches the server."""
    middle = len(request.body) // 2
    flipped = bytes([request.body[middle] ^ 1])
    body = request.body[:middle] + flipped + request.body[middle + 1 :]
    return pass_on(proxy, connection, Message(request.head, body))
