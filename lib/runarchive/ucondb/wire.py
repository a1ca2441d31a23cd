"""One HTTP exchange with a UconDB server: connections kept open, time limits, and every way to fail told apart."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import SplitResult, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from runarchive.errors import ArchiveError, Code, ConfigError
from runarchive.model import Phase, Store

Body = bytes | IO[bytes]

_CONNECT_SECONDS = 10.0
_CHUNK = 1 << 18
_LARGEST_TEXT = 64 << 20
_SLOWEST_BYTES_A_SECOND = 10_000
_LONGEST_MESSAGE = 300
_KEPT_OPEN = 32
_UNREACHABLE = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.LocationValueError)


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer, and its body as it arrives; failures of reading it are ArchiveErrors."""

    status: int
    reason: str
    headers: Mapping[str, str]
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


class _Adapter(HTTPAdapter):
    """Connections with our own TLS settings: the system's certificates, or those of `ucon_db.ca_file`."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=_KEPT_OPEN)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context, blocksize=_CHUNK)


class Wire:
    """Exchanges with one server, from any thread, over connections that are kept open.

    `timeout` is in seconds: for connecting, and for each wait for the server. `verify` is True, False, or a file of
    certificates to trust; `client_cert` a PEM file, or a pair of certificate and key file. Nothing is taken from the
    environment (proxies, `.netrc`).
    """

    def __init__(
        self,
        server_url: str,
        *,
        timeout: float,
        verify: bool | str,
        client_cert: str | tuple[str, str] | None,
    ) -> None:
        parts = _checked_url(server_url)
        self.base = server_url.rstrip("/")
        self.timeout = timeout
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._verify = verify
        self._adapter = _Adapter(_tls_context(verify, client_cert) if parts.scheme == "https" else None)

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

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
            # Without a session, which would add headers, cookies and redirections; the target is sent as it is, for
            # the digest was made over it.
            request = requests.PreparedRequest()
            request.method, request.url = method, self._origin + target
            request.headers = CaseInsensitiveDict(headers)
            if method != "GET":
                request.body = body if size else b""  # type: ignore[assignment]
                request.headers["Content-Length"] = str(size)
            limits = (min(self.timeout, _CONNECT_SECONDS), seconds)
            response = self._adapter.send(request, stream=True, timeout=limits, verify=self._verify)
            with response:
                too_long = self.failure(Code.BAD_ANSWER, "answers more text than a sensible answer has", phase)
                pieces = self._pieces(response.raw, phase, seconds)
                yield Answer(response.status_code, response.reason, response.headers, pieces, too_long)

    def failure(self, code: Code, what: str, phase: Phase) -> ArchiveError:
        """A failure of this server; `what` goes on after its name."""
        return ArchiveError(code, f"the UconDB server at {self.base} {what}", store=Store.UCONDB, phase=phase)

    def _pieces(self, raw: urllib3.BaseHTTPResponse, phase: Phase, seconds: float) -> Iterator[bytes]:
        start = time.monotonic()
        received = 0
        while piece := raw.read1(_CHUNK, decode_content=False):
            received += len(piece)
            taken = time.monotonic() - start
            if taken > seconds + received / _SLOWEST_BYTES_A_SECOND:
                raise self.failure(Code.TIMEOUT, f"sent {received} bytes in {taken:.0f} s and is not done", phase)
            yield piece

    @contextmanager
    def _failures(self, phase: Phase, seconds: float) -> Iterator[None]:
        """What requests and urllib3 raise while sending and while reading, in our words."""
        try:
            yield
        except requests.ConnectTimeout as error:
            raise self.failure(Code.TIMEOUT, "does not answer: connecting timed out", Phase.CONNECT) from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise self.failure(Code.TIMEOUT, f"gives no answer in {seconds:g} s", phase) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._told_apart(error, phase) from error

    def _told_apart(self, error: BaseException, phase: Phase) -> ArchiveError:
        causes = list(_causes(error))
        said = _said(causes[-1])
        for cause in causes:
            if isinstance(cause, ssl.SSLError) and _about_certificates(cause):
                what = f"and we do not agree on certificates: {_said(cause)}"
                return self.failure(Code.BAD_CERTIFICATE, what, Phase.CONNECT)
            if isinstance(cause, _UNREACHABLE):
                return self.failure(Code.CONNECTION_REFUSED, f"cannot be reached: {said}", Phase.CONNECT)
        return self.failure(Code.CONNECTION_CUT, f"broke off: {said}", phase)


def _about_certificates(error: ssl.SSLError) -> bool:
    return isinstance(error, ssl.SSLCertVerificationError) or "ALERT" in (error.reason or "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those it stands for, the innermost last."""
    inner: BaseException | None = error
    seen: set[int] = set()
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        held = [getattr(inner, "reason", None), *inner.args]
        named = next((value for value in held if isinstance(value, BaseException)), None)
        inner = named or inner.__cause__ or inner.__context__


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
        # Whoever configured this is told by us; a warning for each connection would run across the screen.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
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
