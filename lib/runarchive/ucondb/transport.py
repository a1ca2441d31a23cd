"""HTTP to a UconDB server: sessions kept open, time limits, and every way to fail told apart."""

from __future__ import annotations

import html
import random
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from runarchive.errors import ArchiveError, Code, ConfigError
from runarchive.model import Phase, Store
from runarchive.ucondb.digest import Challenge

if TYPE_CHECKING:
    import requests

Body = bytes | IO[bytes]
Query = tuple[tuple[str, str], ...]
T = TypeVar("T")

_UNAVAILABLE = (502, 503, 504)
_WORTH_RETRYING = (Code.CONNECTION_CUT, Code.UNAVAILABLE)
_PAUSES = (0.1, 0.4, 1.2)
_LONGEST_MESSAGE = 300
_LARGEST_TEXT = 64 << 20
_CHUNK = 1 << 18
_SLOWEST_BYTES_A_SECOND = 10_000
_HEADING = re.compile(r"<h3>(.*?)</h3>", re.DOTALL)


def build_url(base: str, method: str, query: Query) -> str:
    """The URL of a call, with everything quoted; a bare comma would break the server's reading of a digest."""
    pairs = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    return f"{base}/{method}" + (f"?{pairs}" if pairs else "")


def message_of(text: str) -> str:
    """The sentence in a server's error answer: the heading of an error page, or the text itself, shortened."""
    heading = _HEADING.search(text)
    plain = html.unescape(heading[1]) if heading else re.sub(r"<[^>]*>", " ", text)
    return " ".join(plain.split())[:_LONGEST_MESSAGE]


def retried(call: Callable[[], T], *, before_retry: Callable[[], T | None] = lambda: None) -> T:
    """The result of `call`, repeated after a cut connection and while the server says that it is busy.

    `before_retry` looks whether the call that failed was done after all; what it returns, unless None, is the result.
    """
    for pause in _PAUSES:
        try:
            return call()
        except ArchiveError as error:
            if error.code not in _WORTH_RETRYING:
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))
        done = before_retry()
        if done is not None:
            return done
    return call()


class Transport:
    """Requests to one server, from any thread; each thread keeps a connection of its own open.

    `timeout` is in seconds: for connecting, and for each wait for the server. `verify` is True, False, or a file of
    certificates to trust; `client_cert` a PEM file, or a pair of certificate and key file.
    """

    def __init__(
        self,
        server_url: str,
        *,
        user: str = "",
        password: str = "",
        timeout: float = 30.0,
        verify: bool | str = True,
        client_cert: str | tuple[str, str] | None = None,
    ) -> None:
        parts = urlsplit(server_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            shown = server_url.rpartition("@")[2]
            raise ConfigError([f"ucon_db.server_url: {shown!r} is no http:// or https:// URL"])
        if parts.username or parts.password:
            raise ConfigError(["ucon_db.server_url: user and password belong to writer_user and writer_password"])
        self.base = server_url.rstrip("/")
        self.timeout = timeout
        self._user = user
        self._password = password
        self._verify = verify
        self._client_cert = client_cert
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self.realm: str | None = None

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()
        self._local = threading.local()

    @contextmanager
    def open(self, http_method: str, method: str, query: Query = (), body: Body | None = None, *,
             phase: Phase = Phase.READ) -> Iterator[requests.Response]:
        """One exchange without credentials; the answer's body is not read yet, and its failures are ArchiveErrors."""
        url = build_url(self.base, method, query)
        with self._failures(phase):
            answer = self._session().request(
                http_method, url, data=body, stream=True, timeout=(min(self.timeout, 10.0), self.timeout),
                verify=self._verify, cert=self._client_cert, allow_redirects=False,
            )
            with answer:
                if answer.status_code in _UNAVAILABLE:
                    raise self._failure(Code.UNAVAILABLE, f"answers {answer.status_code} {answer.reason}", phase)
                yield answer

    def pieces(self, answer: requests.Response, phase: Phase = Phase.READ) -> Iterator[bytes]:
        """An answer's body as it arrives; raises ArchiveError(TIMEOUT) when it comes too slowly to be worth waiting."""
        start = time.monotonic()
        received = 0
        while piece := answer.raw.read1(_CHUNK, decode_content=False):
            received += len(piece)
            if time.monotonic() - start > self.timeout + received / _SLOWEST_BYTES_A_SECOND:
                raise self._failure(Code.TIMEOUT, f"sent {received} bytes in {self.timeout:g} s and is not done", phase)
            yield piece

    def text(self, answer: requests.Response, phase: Phase = Phase.READ) -> str:
        """The body of a small answer."""
        data = bytearray()
        for piece in self.pieces(answer, phase):
            data += piece
            if len(data) > _LARGEST_TEXT:
                raise self._failure(Code.BAD_ANSWER, "answers more text than a sensible answer has", phase)
        return data.decode("utf-8", "replace")

    def fetch(self, http_method: str, method: str, query: Query = (), body: Body | None = None, *,
              phase: Phase = Phase.READ) -> tuple[int, str]:
        """Status and text of one exchange without credentials, for answers that are small."""
        with self.open(http_method, method, query, body, phase=phase) as answer:
            return answer.status_code, self.text(answer, phase)

    def write(self, method: str, query: Query, body: Body, *, size: int, realm: str | None = None) -> tuple[int, str]:
        """Status and text of one POST with digest credentials.

        It is one exchange when the server takes our nonce or one of its earlier ones. `realm` names one that is not the
        folder's. A body that is a file is sent again from its start when the server wants other credentials. Raises
        ArchiveError(WRONG_PASSWORD) when it refuses them.
        """
        fresh = False
        challenge = self._usable_challenge(realm)
        while True:
            status, text, offered = self._send(method, query, body, size, challenge)
            if status != 401:
                return status, text
            if not self._user:
                raise self._failure(Code.WRONG_PASSWORD, "wants a user and password; none is configured", Phase.WRITE)
            if fresh and challenge is not None:
                raise self._failure(Code.WRONG_PASSWORD, f"refuses the credentials of {self._user}", Phase.WRITE)
            if offered is None and challenge is None:
                raise self._failure(Code.BAD_ANSWER, "asks for credentials, but for no MD5 digest", Phase.WRITE)
            fresh = offered is not None
            challenge = offered
            if realm is None:
                self._challenge = offered

    def _usable_challenge(self, realm: str | None) -> Challenge | None:
        if not self._user:
            return None
        if realm is not None:
            return Challenge.invent(realm)
        if self._challenge is None and self.realm is not None:
            self._challenge = Challenge.invent(self.realm)
        return self._challenge

    def _send(
        self, method: str, query: Query, body: Body, size: int, challenge: Challenge | None
    ) -> tuple[int, str, Challenge | None]:
        url = build_url(self.base, method, query)
        headers = {}
        if challenge is not None:
            parts = urlsplit(url)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            headers["Authorization"] = challenge.answer(self._user, self._password, "POST", target)
        if size == 0:
            body = b""
        if not isinstance(body, bytes):
            body.seek(0)
        with self._failures(Phase.WRITE):
            with self._session().request(
                "POST", url, data=body, headers=headers, stream=True, timeout=(min(self.timeout, 10.0), self.timeout),
                verify=self._verify, cert=self._client_cert, allow_redirects=False,
            ) as answer:
                text = self.text(answer, Phase.WRITE)
            if answer.status_code in _UNAVAILABLE:
                raise self._failure(Code.UNAVAILABLE, f"answers {answer.status_code} {answer.reason}", Phase.WRITE)
            offer = answer.headers.get("WWW-Authenticate")
            return answer.status_code, text, Challenge.read(offer) if offer else None

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            import requests

            session = requests.Session()
            # The environment's proxies and .netrc would change where the record goes and with which credentials.
            session.trust_env = False
            session.headers["User-Agent"] = "tui-archiver"
            session.headers["Accept-Encoding"] = "identity"
            if self._verify is False:
                _silence_unverified_warning()
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    @contextmanager
    def _failures(self, phase: Phase) -> Iterator[None]:
        import requests
        import urllib3

        try:
            yield
        except requests.exceptions.SSLError as error:
            raise self._failure(Code.BAD_CERTIFICATE, f"has no certificate we trust: {_root(error)}", phase) from error
        except requests.exceptions.ConnectTimeout as error:
            raise self._failure(Code.TIMEOUT, "does not answer: connecting timed out", phase) from error
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise self._failure(Code.TIMEOUT, f"gives no answer in {self.timeout:g} s", phase) from error
        except requests.exceptions.ConnectionError as error:
            if "Read timed out" in str(error):
                raise self._failure(Code.TIMEOUT, f"gives no answer in {self.timeout:g} s", phase) from error
            if _is_refusal(error):
                raise self._failure(Code.CONNECTION_REFUSED, f"cannot be reached: {_root(error)}", phase) from error
            raise self._failure(Code.CONNECTION_CUT, f"broke off: {_root(error)}", phase) from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._failure(Code.CONNECTION_CUT, f"broke off: {_root(error)}", phase) from error

    def _failure(self, code: Code, what: str, phase: Phase) -> ArchiveError:
        return ArchiveError(code, f"the UconDB server at {self.base} {what}", store=Store.UCONDB, phase=phase)


def _is_refusal(error: BaseException) -> bool:
    import urllib3

    reason: Any = error.args[0] if error.args else None
    return isinstance(getattr(reason, "reason", None), urllib3.exceptions.NewConnectionError)


def _root(error: BaseException) -> str:
    """The innermost sentence of a chain of exceptions, without addresses of objects."""
    inner: BaseException = error
    while inner.__cause__ is not None or inner.__context__ is not None:
        inner = inner.__cause__ or inner.__context__ or inner
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return re.sub(r"<[^>]*object at[^>]*>:?\s*", "", str(text))[:_LONGEST_MESSAGE]


def _silence_unverified_warning() -> None:
    """The operator asked for no verification, and the screen says it; urllib3 need not repeat it at each request."""
    from urllib3.exceptions import InsecureRequestWarning

    warnings.filterwarnings("ignore", category=InsecureRequestWarning)
