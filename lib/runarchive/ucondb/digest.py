"""Digest authentication of RFC 2617 (MD5, qop=auth), the two halves: what a client answers and what a server checks."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')
_OFFER = re.compile(r"(?:^|,)\s*digest\s", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)")


def parse_parameters(text: str) -> dict[str, str]:
    """The parameters after the word `Digest`, the first of each name; a comma inside quotes belongs to its value."""
    given: dict[str, str] = {}
    for match in _PARAMETER.finditer(text):
        given.setdefault(match[1].lower(), match[3] if match[2] is None else _ESCAPED.sub(r"\1", match[2]))
    return given


def ha1(user: str, realm: str, password: str) -> str:
    """The digest of user, realm and password, as `htdigest` keeps it."""
    return _md5(f"{user}:{realm}:{password}")


def response(ha1_value: str, method: str, given: Mapping[str, str]) -> str:
    """The response that proves knowledge of the password, for the uri, nonce, nc, cnonce and qop of `given`."""
    ha2 = _md5(f"{method}:{given['uri']}")
    return _md5(":".join([ha1_value, given["nonce"], given["nc"], given["cnonce"], given["qop"], ha2]))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@dataclass
class Challenge:
    """A realm and a nonce, used over and over with a rising count, so that one exchange is enough.

    `self_made` marks a nonce that no server gave: some accept it, the others answer with theirs.
    """

    realm: str
    nonce: str
    self_made: bool = False
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def invent(cls, realm: str) -> Challenge:
        """A challenge of our own for a known realm."""
        return cls(realm, secrets.token_urlsafe(18), self_made=True)

    @classmethod
    def read(cls, header: str) -> Challenge | None:
        """The challenge of a WWW-Authenticate header; None when it asks for something else than an MD5 digest."""
        offered = _OFFER.search(header)
        given = parse_parameters(header[offered.end() :]) if offered else {}
        usable = (
            "nonce" in given
            and given.get("algorithm", "MD5").upper() == "MD5"
            and "auth" in [word.strip() for word in given.get("qop", "").split(",")]
        )
        return cls(given.get("realm", ""), given["nonce"]) if usable else None

    def answer(self, user: str, password: str, method: str, uri: str) -> str:
        """The Authorization header for one request; `uri` is the request target as it is sent."""
        with self._lock:
            self._count += 1
            count = self._count
        given = {
            "uri": uri, "nonce": self.nonce, "nc": f"{count:08x}", "cnonce": secrets.token_hex(8), "qop": "auth",
        }
        proof = response(ha1(user, self.realm, password), method, given)
        return (
            f'Digest username="{_quoted(user)}", realm="{_quoted(self.realm)}", nonce="{_quoted(self.nonce)}", '
            f'uri="{uri}", response="{proof}", algorithm="MD5", qop="auth", nc={given["nc"]}, '
            f'cnonce="{given["cnonce"]}"'
        )


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
