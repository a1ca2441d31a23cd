"""Calls to a UconDB server: URLs, credentials, and what is worth trying again."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase
from runarchive.ucondb.digest import Challenge
from runarchive.ucondb.wire import Answer, Body, Wire

Query = tuple[tuple[str, str], ...]

_UNAVAILABLE = (502, 503, 504)
_LONGEST_MESSAGE = 300
_HEADING = re.compile(r"<h3>(.*?)</h3>", re.DOTALL)
_MARKUP = re.compile(r"<title>.*?</title>|<[^>]*>", re.DOTALL)
_AGENT = {"User-Agent": "tui-archiver"}


def build_url(base: str, method: str, query: Query) -> str:
    """The URL of a call, with everything quoted; a bare comma would break the server's reading of a digest."""
    pairs = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    return f"{base}/{method}" + (f"?{pairs}" if pairs else "")


def message_of(text: str) -> str:
    """The sentence in a server's error answer: the heading of an error page, or the text itself, shortened."""
    heading = _HEADING.search(text)
    plain = html.unescape(heading[1] if heading else _MARKUP.sub(" ", text))
    return " ".join(plain.split())[:_LONGEST_MESSAGE]


class Transport:
    """Calls of one server with the credentials of one user; see `Wire` for the other arguments."""

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
        self._wire = Wire(server_url, timeout=timeout, verify=verify, client_cert=client_cert)
        self.base = self._wire.base
        self.timeout = timeout
        self._path = urlsplit(self.base).path
        self._user = user
        self._password = password
        self._challenge: Challenge | None = None
        self.realm: str | None = None

    def close(self) -> None:
        """Close the connections of all threads."""
        self._wire.close()

    @contextmanager
    def open(
        self, http_method: str, method: str, query: Query = (), body: bytes = b"", *, phase: Phase = Phase.READ,
        patience: float = 1.0,
    ) -> Iterator[Answer]:
        """One exchange without credentials; the answer's body is not read yet, and its failures are ArchiveErrors."""
        target = build_url(self._path, method, query)
        with self._wire.exchange(http_method, target, body, len(body), _AGENT, phase, patience) as answer:
            self._refuse_unavailable(answer, phase)
            yield answer

    def fetch(
        self, http_method: str, method: str, query: Query = (), body: bytes = b"", *, phase: Phase = Phase.READ
    ) -> tuple[int, str]:
        """Status and text of one exchange without credentials, for answers that are small."""
        with self.open(http_method, method, query, body, phase=phase) as answer:
            return answer.status, answer.text()

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
                raise self._failure(Code.WRONG_PASSWORD, "wants a user and password; none is configured")
            if fresh and challenge is not None:
                raise self._failure(Code.WRONG_PASSWORD, f"refuses the credentials of {self._user}")
            if offered is None and challenge is None:
                raise self._failure(Code.BAD_ANSWER, "asks for credentials, but for no MD5 digest")
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
        target = build_url(self._path, method, query)
        headers = dict(_AGENT)
        if challenge is not None:
            proof = challenge.answer(self._user, self._password, "POST", target)
            # The HTTP library writes headers in Latin-1; a user's name goes out as UTF-8, as the digest was made.
            headers["Authorization"] = proof.encode().decode("latin-1")
        if not isinstance(body, bytes):
            body.seek(0)
        with self._wire.exchange("POST", target, body, size, headers, Phase.WRITE) as answer:
            text = answer.text()
            self._refuse_unavailable(answer, Phase.WRITE)
            offer = answer.headers.get("WWW-Authenticate")
            return answer.status, text, Challenge.read(offer) if offer else None

    def _refuse_unavailable(self, answer: Answer, phase: Phase) -> None:
        if answer.status in _UNAVAILABLE:
            raise self._wire.failure(Code.UNAVAILABLE, f"answers {answer.status} {answer.reason}", phase)

    def _failure(self, code: Code, what: str) -> ArchiveError:
        return self._wire.failure(code, what, Phase.WRITE)
