"""The HTTP server that carries the application: threads, connections kept open, limits, a clean end."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import ssl
import sys
import threading
from typing import Any

from cheroot import wsgi
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.ssl.builtin import BuiltinSSLAdapter

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store
from runarchive.ucondb.server.app import UconApp
from runarchive.ucondb.server.body import RequestBody

_THREADS = 24
_MOST_THREADS = 90
"""Below the 100 connections that a PostgreSQL takes: each thread may come to hold one."""
_MORE_THREADS = 8
_IDLE_SECONDS = 30
_LINGER_SECONDS = 2
_HEAD_SECONDS = 10
_KEPT_OPEN = 500
_READ_BYTES = 1 << 17
_LONGEST_HEADERS = 64 * 1024
_log = logging.getLogger("runarchive.ucondb.server")


class _Request(HTTPRequest):
    """A request whose body is read by the application, in pieces, after it has looked at the credentials."""

    def parse_request(self) -> None:
        """Read the head of a request, for which a client gets less time than for a body."""
        self.conn.socket.settimeout(_HEAD_SECONDS)
        super().parse_request()
        self.conn.socket.settimeout(self.server.timeout)

    def respond(self) -> None:
        """Have the application answer."""
        length = None if self.chunked_read else int(self.inheaders.get(b"Content-Length", 0))
        if length is not None and length < 0:
            self.simple_response("400 Bad Request", "Malformed Content-Length")
            self.close_connection = True
            return
        body = RequestBody(self.conn.rfile, length, self.server.max_upload)
        self.rfile = body
        self.server.gateway(self).respond()
        if self.ready:
            self.ensure_headers_sent()
        if self.chunked_write:
            self.conn.wfile.write(b"0\r\n\r\n")
        if not body.finished:
            # Nobody wants this body; a client that does not send it keeps the thread for no longer than this.
            self.conn.socket.settimeout(_LINGER_SECONDS)
            body.drop()
            self.conn.socket.settimeout(self.server.timeout)
        self.close_connection = self.close_connection or not body.finished


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request
    rbufsize = _READ_BYTES
    has_sent = False


class _Tls(BuiltinSSLAdapter):
    """TLS whose handshake is made by the thread that serves the connection, not by the one that accepts all."""

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        wrapped = self.context.wrap_socket(sock, do_handshake_on_connect=False, server_side=True)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


class _Server(wsgi.Server):
    ConnectionClass = _Connection
    max_upload = 0

    def process_conn(self, conn: Any) -> None:
        """Give a connection to a thread, a new one only when something has come over it."""
        if conn.has_sent:
            if self.requests.idle <= self.requests.qsize:
                # Those that are stalled keep their threads; the others get more.
                self.requests.grow(_MORE_THREADS)
            super().process_conn(conn)
        else:
            conn.has_sent = True
            self.put_conn(conn)

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Log what cheroot has to say; that a client broke off, or cannot do TLS, is no fault of ours."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            _log.info("a connection ended: %s", error)
        else:
            _log.log(level, "%s", msg, exc_info=traceback)


class RunningServer:
    """A server on an address of its own; `port` 0 takes a free one. It runs in threads from `start` to `stop`.

    `certificate` and `private_key` (PEM files) make it HTTPS; with `client_ca` it serves only those who show a
    certificate of that authority. `max_body` is the most bytes of one upload, if not what the store takes.
    """

    def __init__(
        self,
        app: UconApp,
        *,
        host: str,
        port: int,
        threads: int = _THREADS,
        certificate: str = "",
        private_key: str = "",
        client_ca: str = "",
        max_body: int | None = None,
    ) -> None:
        self._app = app
        self._host = host
        self._server: Any = _Server(
            (host, port), app, numthreads=threads, max=max(threads, _MOST_THREADS), server_name="",
            timeout=_IDLE_SECONDS, request_queue_size=128,
        )
        self._server.max_upload = app.storage.largest_body if max_body is None else max_body
        self._server.max_request_header_size = _LONGEST_HEADERS
        self._server.keep_alive_conn_limit = _KEPT_OPEN
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
