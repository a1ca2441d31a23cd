"""One HTTP exchange with a UconDB server: connections kept open, time limits, and every way to fail told apart.

The standard library's HTTP client, not `requests`: a third of the processor time for an exchange, an answer that can be
read as it arrives, the system's certificates, and nothing taken from the environment (proxies, `.netrc`).
"""

from __future__ import annotations

import http.client
import select
import ssl
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO
from urllib.parse import SplitResult, urlsplit

from runarchive.errors import ArchiveError, Code, ConfigError
from runarchive.model import Phase, Store

Body = bytes | IO[bytes]

_CONNECT_SECONDS = 10.0
_CHUNK = 1 << 18
_LARGEST_TEXT = 64 << 20
_SLOWEST_BYTES_A_SECOND = 10_000
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer, and its body as it arrives; failures of reading it are ArchiveErrors."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    pieces: Iterator[bytes]
    failure: ArchiveError

    def text(self) -> str:
        """The body of a small answer."""
        data = bytearray()
        for piece in self.pieces:
            data += piece
            if len(data) > _LARGEST_TEXT:
                raise self.failure
        return data.decode("utf-8", "replace")


class Wire:
    """Exchanges with one server, from any thread; each thread keeps a connection of its own open.

    `timeout` is in seconds: for connecting, and for each wait for the server. `verify` is True, False, or a file of
    certificates to trust; `client_cert` a PEM file, or a pair of certificate and key file.
    """

    def __init__(
        self,
        server_url: str,
        *,
        timeout: float,
        verify: bool | str,
        client_cert: str | tuple[str, str] | None,
    ) -> None:
        self._parts = _checked_url(server_url)
        self.base = server_url.rstrip("/")
        self.timeout = timeout
        self._context = _tls_context(verify, client_cert) if self._parts.scheme == "https" else None
        self._local = threading.local()
        # Weak: the connection of a thread that has ended goes with it.
        self._connections: weakref.WeakSet[http.client.HTTPConnection] = weakref.WeakSet()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in list(self._connections):
                connection.close()
            self._connections.clear()
        self._local = threading.local()

    @contextmanager
    def exchange(
        self, method: str, target: str, body: Body, size: int, headers: Mapping[str, str], phase: Phase,
        patience: float = 1.0,
    ) -> Iterator[Answer]:
        """One request and its answer; `size` is that of the body in bytes. Raises ArchiveError for every failure.

        `patience` times the usual time limit is given to a call that is slow by nature.
        """
        seconds = self.timeout * patience
        with self._failures(phase, seconds):
            connection = self._connected(seconds)
            over = False
            try:
                response = _ask(connection, method, target, body, size, headers)
                too_long = self.failure(Code.BAD_ANSWER, "answers more text than a sensible answer has", phase)
                pieces = self._pieces(response, phase, seconds)
                yield Answer(response.status, response.reason, response.headers, pieces, too_long)
                over = response.isclosed()
            finally:
                if not over:
                    connection.close()

    def failure(self, code: Code, what: str, phase: Phase) -> ArchiveError:
        """A failure of this server; `what` goes on after its name."""
        return ArchiveError(code, f"the UconDB server at {self.base} {what}", store=Store.UCONDB, phase=phase)

    def _pieces(self, response: http.client.HTTPResponse, phase: Phase, seconds: float) -> Iterator[bytes]:
        start = time.monotonic()
        received = 0
        while piece := response.read1(_CHUNK):
            received += len(piece)
            taken = time.monotonic() - start
            if taken > seconds + received / _SLOWEST_BYTES_A_SECOND:
                raise self.failure(Code.TIMEOUT, f"sent {received} bytes in {taken:.0f} s and is not done", phase)
            yield piece
        if response.length:
            raise self.failure(Code.CONNECTION_CUT, f"broke off {response.length} bytes before the end", phase)
        response.close()

    def _connected(self, limit: float) -> http.client.HTTPConnection:
        """This thread's connection, open; a new one where the server has closed the last."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            host, port, seconds = self._parts.hostname or "", self._parts.port, min(self.timeout, _CONNECT_SECONDS)
            if self._context is None:
                connection = http.client.HTTPConnection(host, port, timeout=seconds, blocksize=_CHUNK)
            else:
                connection = http.client.HTTPSConnection(
                    host, port, timeout=seconds, blocksize=_CHUNK, context=self._context
                )
            self._local.connection = connection
            with self._lock:
                self._connections.add(connection)
        if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
            connection.close()
        if connection.sock is None:
            try:
                connection.connect()
            except TimeoutError as error:
                raise self.failure(Code.TIMEOUT, "does not answer: connecting timed out", Phase.CONNECT) from error
            except ssl.SSLError as error:
                raise self._certificate(error) from error
            except OSError as error:
                said = f"cannot be reached: {_said(error)}"
                raise self.failure(Code.CONNECTION_REFUSED, said, Phase.CONNECT) from error
        if connection.sock is not None:
            connection.sock.settimeout(limit)
        return connection

    @contextmanager
    def _failures(self, phase: Phase, seconds: float) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise self.failure(Code.TIMEOUT, f"gives no answer in {seconds:g} s", phase) from error
        except ssl.SSLError as error:
            if "ALERT" in (error.reason or ""):
                raise self._certificate(error) from error
            raise self.failure(Code.CONNECTION_CUT, f"broke off: {_said(error)}", phase) from error
        except (http.client.HTTPException, OSError) as error:
            raise self.failure(Code.CONNECTION_CUT, f"broke off: {_said(error)}", phase) from error

    def _certificate(self, error: ssl.SSLError) -> ArchiveError:
        return self.failure(Code.BAD_CERTIFICATE, f"and we do not agree on certificates: {_said(error)}", Phase.CONNECT)


def _ask(
    connection: http.client.HTTPConnection, method: str, target: str, body: Body, size: int, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    try:
        if method == "GET":
            connection.request(method, target, headers=dict(headers))
        else:
            connection.request(method, target, body=body, headers={"Content-Length": str(size), **headers})
    except (BrokenPipeError, ConnectionResetError):
        # The server may have answered before it had everything, and closed: its answer says why.
        try:
            return connection.getresponse()
        except (http.client.HTTPException, OSError):
            pass
        raise
    return connection.getresponse()


def _checked_url(server_url: str) -> SplitResult:
    parts = urlsplit(server_url)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        shown = server_url.rpartition("@")[2]
        raise ConfigError([f"ucon_db.server_url: {shown!r} is no http:// or https:// URL"])
    if parts.username or parts.password:
        raise ConfigError(["ucon_db.server_url: user and password belong to writer_user and writer_password"])
    return parts


def _tls_context(verify: bool | str, client_cert: str | tuple[str, str] | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"ucon_db.ca_file: {verify} cannot be used: {_said(error)}"]) from error
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert is not None:
        files = (client_cert,) if isinstance(client_cert, str) else client_cert
        try:
            context.load_cert_chain(*files)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError([f"ucon_db.client_cert: {files[0]} cannot be used: {_said(error)}"]) from error
    return context


def _said(error: BaseException) -> str:
    """What an exception says, in one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:_LONGEST_MESSAGE]
