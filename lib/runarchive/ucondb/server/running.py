"""The HTTP server that carries the application: threads, connections kept open, limits, a clean end."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import resource
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store
from runarchive.ucondb.server.app import UconApp
from runarchive.ucondb.server.connection import LONGEST_HEADERS, Connection
from runarchive.ucondb.server.lobby import Lobby

THREADS = 64
"""Below the 100 connections that a PostgreSQL takes: each thread may come to hold one."""
_MOST_WAITING = 4096
_log = logging.getLogger("runarchive.ucondb.server")


class _Tls(BuiltinSSLAdapter):
    """TLS whose handshake is part of reading, so that nobody waits for it."""

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        wrapped = self.context.wrap_socket(sock, do_handshake_on_connect=False, server_side=True)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


class _Workers:
    """The threads that serve: one more whenever all are busy, up to `most`; `before_stop` may still bring work."""

    def __init__(self, serve: Callable[[Connection], None], most: int, before_stop: Callable[[], None]) -> None:
        self._serve = serve
        self._before_stop = before_stop
        self._busy: set[Connection] = set()
        self._threads = ThreadPoolExecutor(most, "ucondb-server")

    def start(self) -> None:
        """They start when they are needed."""

    def put(self, connection: Connection) -> None:
        """Have a connection served, or close it when the end has come."""
        try:
            self._threads.submit(self._work, connection)
        except RuntimeError:
            connection.close()

    def stop(self, seconds: float) -> None:
        """Finish what is in hand; what takes longer than this is cut off."""
        self._before_stop()
        patience = threading.Timer(seconds, self._cut_off)
        patience.start()
        self._threads.shutdown()
        patience.cancel()

    def _work(self, connection: Connection) -> None:
        self._busy.add(connection)
        try:
            self._serve(connection)
        except Exception:
            _log.exception("serving a connection")
        finally:
            self._busy.discard(connection)

    def _cut_off(self) -> None:
        for connection in list(self._busy):
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)


class _Server(wsgi.Server):
    ConnectionClass = Connection
    max_upload = 0

    def __init__(self, *args: Any, most_threads: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.requests = _Workers(self._serve_one, most_threads, self._finish)
        self._lobby = Lobby(self.requests.put, _most_waiting())

    def prepare(self) -> None:
        """Listen, and receive those who come."""
        super().prepare()
        self._lobby.open()

    def process_conn(self, conn: Connection) -> None:
        """Receive a new connection; it gets a thread once a request has come over it."""
        self._lobby.admit(conn)

    def _finish(self) -> None:
        self._lobby.close(self.shutdown_timeout)

    def _serve_one(self, conn: Connection) -> None:
        if conn.communicate() and self.ready:
            self._lobby.admit(conn)
        else:
            conn.close()

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Log what cheroot has to say; that a client broke off, or cannot do TLS, is no fault of ours."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            _log.info("a connection ended: %s", error)
        else:
            _log.log(level, "%s", msg, exc_info=traceback)


def _most_waiting() -> int:
    """Half of the files that this process may open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_WAITING if files == resource.RLIM_INFINITY else min(_MOST_WAITING, files // 2)


class RunningServer:
    """A server on an address of its own; `port` 0 takes a free one. It runs in threads from `start` to `stop`.

    `certificate` and `private_key` (PEM files) make it HTTPS; with `client_ca` it serves only those who show a
    certificate of that authority. `threads` requests are served at a time; `max_body` is the most bytes of one upload,
    if not what the store takes.
    """

    def __init__(
        self,
        app: UconApp,
        *,
        host: str,
        port: int,
        threads: int = THREADS,
        certificate: str = "",
        private_key: str = "",
        client_ca: str = "",
        max_body: int | None = None,
    ) -> None:
        self._app = app
        self._host = host
        self._server: Any = _Server(
            (host, port), app, most_threads=threads, server_name="", request_queue_size=128
        )
        self._server.max_upload = app.storage.largest_body if max_body is None else max_body
        self._server.max_request_header_size = LONGEST_HEADERS
        self._server.nodelay = True
        if certificate:
            self._server.ssl_adapter = _tls(certificate, private_key or certificate, client_ca)
        self._scheme = "https" if certificate else "http"
        self._listening = threading.Event()
        self._refused: OSError | OverflowError | None = None
        self._thread = threading.Thread(target=self._serve, name="ucondb-server", daemon=True)

    @property
    def url(self) -> str:
        """What clients take as their `server_url`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self._server.bind_addr[1]}{self._app.prefix}"

    def start(self) -> str:
        """Listen, and return the URL; raises ArchiveError(CONNECTION_REFUSED) when the address is not to be had."""
        self._thread.start()
        self._listening.wait()
        if self._refused is not None:
            raise ArchiveError(
                Code.CONNECTION_REFUSED, f"cannot serve on {self._host}: {self._refused}", store=Store.UCONDB,
                phase=Phase.CONNECT, hint="choose another --host or --port",
            ) from self._refused
        return self.url

    def stop(self) -> None:
        """Take no more connections, finish the requests in hand, close the store."""
        stopping = threading.Thread(target=self._server.stop, name="ucondb-server-stop")
        stopping.start()
        while stopping.is_alive():
            self._wake()
            stopping.join(0.02)
        if self._thread.is_alive():
            self._thread.join()
        self._app.storage.close()

    def _wake(self) -> None:
        """Touch the listening socket: the server looks whether it shall stop only when something comes."""
        host, port = self._server.bind_addr[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        with contextlib.suppress(OSError):
            socket.create_connection((host, port), timeout=0.1).close()

    def _serve(self) -> None:
        # What a daemon thread starts are daemons too: no server keeps a process from ending.
        try:
            self._server.prepare()
        except (OSError, OverflowError) as error:
            self._refused = error
            return
        finally:
            self._listening.set()
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            self._server.serve()


def _tls(certificate: str, private_key: str, client_ca: str) -> _Tls:
    try:
        adapter = _Tls(certificate, private_key)
        adapter.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if client_ca:
            adapter.context.load_verify_locations(client_ca)
            adapter.context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        raise ArchiveError(
            Code.BAD_CONFIG, f"cannot serve with certificate {certificate}: {error}", store=Store.UCONDB,
            phase=Phase.CONNECT, hint="give PEM files: --tls-cert, --tls-key if the key is not in it, --client-ca",
        ) from error
    return adapter


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in addresses)
