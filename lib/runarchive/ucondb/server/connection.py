"""One connection of the server: what comes over it, without a thread or with one, and what goes out."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from enum import Enum
from typing import Any

from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest

from runarchive.ucondb.server.body import SLOWEST_BYTES_A_SECOND, RequestBody

LONGEST_HEADERS = 64 << 10
_IDLE_SECONDS = 30.0
_HEAD_SECONDS = 10.0
_SEND_SECONDS = 30.0
_SILENT_SECONDS = 30.0
_RECEIVED_AT_ONCE = 1 << 17
_FAIR_SHARE = 1 << 20
_SENT_AT_ONCE = 1 << 16
_LONGEST_QUESTION = 1 << 20
"""Anybody may ask; a question of up to this many bytes is waited for without a thread."""
_READ_PAST_THE_LIMIT = 64 << 20
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_HEAD_END = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d{1,9})\r?\n", re.IGNORECASE)
_EXPECTS = re.compile(rb"\nexpect:", re.IGNORECASE)
_QUESTION = re.compile(rb"\s*POST [^ ?]*/lookup_versions[ /?]")
_NOTHING_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_read_headers = HeaderReader()


class Step(Enum):
    """How a connection stands that is not in the hands of a thread."""

    WAIT = "wait"
    READY = "ready"
    END = "end"


class Source:
    """What comes over a connection, as cheroot and a RequestBody read it.

    `ahead` has come and is not read yet. Reading waits until `deadline` (monotonic), then raises TimeoutError.
    """

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self.ahead = bytearray()
        self.deadline = 0.0

    def read1(self, size: int = _RECEIVED_AT_ONCE) -> bytes:
        """At most `size` bytes, as soon as there are any; none at the end."""
        return self._taken(size) if self.ahead else self._receive(size)

    def readline(self, size: int = LONGEST_HEADERS) -> bytes:
        """One line with its line feed, cut at `size` bytes."""
        while (end := self.ahead.find(b"\n", 0, size) + 1) == 0 and len(self.ahead) < size:
            piece = self._receive(_RECEIVED_AT_ONCE)
            if not piece:
                break
            self.ahead += piece
        return self._taken(end or size)

    def close(self) -> None:
        """Nothing: the connection closes its socket."""

    def _receive(self, size: int) -> bytes:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(min(left, _SILENT_SECONDS))
        return bytes(self._socket.recv(size))

    def _taken(self, size: int) -> bytes:
        taken = bytes(self.ahead[:size])
        del self.ahead[:size]
        return taken


class Sink:
    """What goes out, in few and large pieces; raises TimeoutError for a client that takes it too slowly."""

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self._kept = b""
        self.begin()

    def begin(self) -> None:
        """An answer begins, with its own time limit."""
        self._sent, self._seconds = 0, 0.0

    def write(self, data: bytes) -> None:
        """Send the bytes, now or together with those that follow."""
        self._kept += data
        if len(self._kept) >= _SENT_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Send what was kept."""
        kept, self._kept = self._kept, b""
        if self._seconds > _SEND_SECONDS + self._sent / SLOWEST_BYTES_A_SECOND:
            raise TimeoutError(f"{self._sent} bytes were taken too slowly")
        self._socket.settimeout(_SEND_SECONDS)
        began = time.monotonic()
        self._socket.sendall(kept)
        self._seconds += time.monotonic() - began
        self._sent += len(kept)


class Request(HTTPRequest):
    """A request whose body is read by the application, in pieces, after it has looked at the credentials."""

    _body: RequestBody | None = None
    _waits_for_leave = False

    def header_reader(self, rfile: Any, headers: dict[bytes, bytes]) -> None:
        """Read the headers; a client that wants leave to send its body gets it once the body is wanted."""
        _read_headers(rfile, headers)
        self._waits_for_leave = headers.pop(b"Expect", b"").lower() == b"100-continue"

    def respond(self) -> None:
        """Have the application answer."""
        length = None if self.chunked_read else int(self.inheaders.get(b"Content-Length", 0))
        if length is not None and length < 0:
            self.simple_response("400 Bad Request", "Malformed Content-Length")
            self.close_connection = True
            return
        self.conn.wfile.begin()
        leave = self._give_leave if self._waits_for_leave else None
        body = self.rfile = self._body = RequestBody(self.conn.rfile, length, self.server.max_upload, leave)
        self.server.gateway(self).respond()
        self.ensure_headers_sent()
        if self.chunked_write:
            self.conn.wfile.write(b"0\r\n\r\n")
        self.conn.wfile.flush()
        if not self.close_connection:
            self.conn.skip(body.left or 0)

    def ensure_headers_sent(self) -> None:
        """Send the headers; they say so when what the client may still send makes the connection useless."""
        if self._body is not None and self._body.left is None:
            self.close_connection = True
        super().ensure_headers_sent()

    def _give_leave(self) -> None:
        self.conn.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.conn.wfile.flush()


class Connection(HTTPConnection):
    """A connection that goes from step to step without waiting, until a thread can do something with it.

    `deadline` is the monotonic time at which its next step is not waited for any longer.
    """

    RequestHandlerClass = Request

    def __init__(self, server: Any, sock: Any, _: Any = None) -> None:
        super().__init__(server, sock, lambda sock, mode, _: Source(sock) if "r" in mode else Sink(sock))
        self._unwanted = self._last_deadline = 0.0
        self._start_over()

    @property
    def is_asking(self) -> bool:
        """Whether a request has begun to come."""
        return self._heard and not self._unwanted

    def skip(self, left: float) -> None:
        """Let the next `left` bytes pass: a client that is still sending them reads the answer when it is done."""
        passed = int(min(left, len(self.rfile.ahead)))
        del self.rfile.ahead[:passed]
        self._unwanted = left - passed
        most = min(left, _READ_PAST_THE_LIMIT)
        self._last_deadline = time.monotonic() + _SEND_SECONDS + most / SLOWEST_BYTES_A_SECOND

    def communicate(self) -> bool:
        """Serve one request, with a thread; returns whether the connection is to be advanced further."""
        self.rfile.deadline = time.monotonic() + _HEAD_SECONDS
        if super().communicate():  # type: ignore[no-untyped-call]
            self._start_over()
            return True
        return self._say_goodbye()

    def advance(self) -> Step:
        """Take what has come, but no more than a fair share of it, and without waiting."""
        self.socket.settimeout(0)
        taken = 0
        try:
            while not self._has_request():
                # What TLS has deciphered already does not show on the socket: it must be taken now.
                if taken >= _FAIR_SHARE and not (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()):
                    return Step.WAIT
                piece = self.socket.recv(_RECEIVED_AT_ONCE)
                if not piece:
                    return Step.READY if self._needed else Step.END
                self._take(piece)
                taken += len(piece)
        except _NOTHING_NOW:
            return Step.WAIT
        except OSError:
            return Step.END
        return Step.READY

    def expire(self) -> None:
        """Close the connection, of which nothing came for too long."""
        if self.rfile.ahead:
            with contextlib.suppress(OSError):
                self.socket.send(_TOO_LATE)
        self.close()

    def close(self) -> None:
        """Send what is left to send, and close."""
        with contextlib.suppress(OSError):
            self.wfile.flush()
        with contextlib.suppress(OSError):
            super().close()
        self.socket.close()

    def _start_over(self) -> None:
        self._heard = bool(self.rfile.ahead)
        self._searched = self._needed = 0
        self.deadline = time.monotonic() + (_HEAD_SECONDS if self._unwanted or self._heard else _IDLE_SECONDS)

    def _take(self, piece: bytes) -> None:
        now = time.monotonic()
        if self._unwanted:
            passed = int(min(self._unwanted, len(piece)))
            self._unwanted -= passed
            self.deadline = min(self._last_deadline, now + _HEAD_SECONDS)
            piece = piece[passed:]
        elif not self._heard:
            self.deadline = now + _HEAD_SECONDS
        self._heard = bool(piece)
        self.rfile.ahead += piece

    def _has_request(self) -> bool:
        """Whether a head has come, and what it asks, or more than a head may have."""
        if self._unwanted:
            return False
        ahead = self.rfile.ahead
        if not self._needed:
            end = _HEAD_END.search(ahead, self._searched)
            if end is None:
                self._searched = max(0, len(ahead) - 3)
                return len(ahead) > LONGEST_HEADERS
            self._needed = end.end() + _size_of_question(ahead, end.end())
        return len(ahead) >= self._needed

    def _say_goodbye(self) -> bool:
        """End what we send; the rest of what comes is let pass, so that the answer is not lost to a reset."""
        try:
            self.wfile.flush()
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        self.skip(float("inf"))
        self._start_over()
        return True


def _size_of_question(ahead: bytearray, head: int) -> int:
    length = _LENGTH.search(ahead, 0, head)
    if length is None or not _QUESTION.match(ahead) or _EXPECTS.search(ahead, 0, head):
        return 0
    size = int(length[1])
    return size if size <= _LONGEST_QUESTION else 0
