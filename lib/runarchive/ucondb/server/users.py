"""Who may write: digests of user, realm and password as `htdigest` keeps them, never passwords in clear text."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from runarchive.errors import ArchiveError, Code
from runarchive.ucondb.digest import ha1, parse_parameters, response

DEFAULT_REALM = "ucondb"
"""The realm that serves every folder which has no users of its own."""

_NONCE_SECONDS = 600.0
_LATE_COUNTS = 1000
_COUNT = re.compile("[0-9a-f]{1,8}")
_NEEDED = ("username", "uri", "response", "nonce", "nc", "cnonce", "qop")


class Users:
    """The users of each realm. A realm is a folder, `namespace.name`, or DEFAULT_REALM."""

    def __init__(self, digests: dict[tuple[str, str], str], everywhere: Callable[[str, str], str | None]) -> None:
        self._digests = digests
        self._everywhere = everywhere
        self._realms = {realm for realm, _ in digests}

    @classmethod
    def nobody(cls) -> Users:
        """No user at all: the server can only be read."""
        return cls({}, lambda user, realm: None)

    @classmethod
    def single(cls, user: str, password: str) -> Users:
        """One user, of every realm."""
        return cls({}, lambda name, realm: ha1(user, realm, password) if name == user else None)

    @classmethod
    def read(cls, path: Path) -> Users:
        """The users of a file with lines `user:realm:HA1`; raises ArchiveError naming the first bad line."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", "") or "it is no UTF-8"
            raise ArchiveError(Code.UNREADABLE_FILE, f"cannot read the users file {path}: {reason}") from error
        return cls(dict(_entries(path, lines)), lambda user, realm: None)

    def realm(self, *candidates: str) -> str:
        """The first of these realms that has users, else DEFAULT_REALM if that has some, else the first of these."""
        return next((realm for realm in (*candidates, DEFAULT_REALM) if realm in self._realms), candidates[0])

    def ha1(self, user: str, realm: str) -> str | None:
        """The digest of a user in a realm, or None."""
        return self._digests.get((realm, user)) or self._everywhere(user, realm)


def _entries(path: Path, lines: Iterable[str]) -> Iterable[tuple[tuple[str, str], str]]:
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.strip().split(":")
        if len(fields) != 3 or len(fields[2]) != 32 or not set(fields[2].lower()) <= set("0123456789abcdef"):
            raise ArchiveError(
                Code.BAD_CONFIG, f"{path}, line {number}: not user:realm:HA1, as htdigest writes it",
                hint="HA1 is the MD5 of user:realm:password, in hexadecimal",
            )
        yield (fields[1], fields[0]), fields[2].lower()


class Judgement(Enum):
    """What a server makes of the credentials of a request."""

    ACCEPTED = "accepted"
    CHALLENGE = "challenge"
    STALE = "stale"
    REFUSED = "refused"


@dataclass(frozen=True)
class Credentials:
    """The credentials of one request: its Authorization header, its method, and its target as it came."""

    authorization: str
    method: str
    target: str

    @cached_property
    def digest(self) -> Mapping[str, str]:
        """The parameters of a digest; none of any other kind of credentials."""
        kind, _, rest = self.authorization.partition(" ")
        return parse_parameters(rest) if kind.lower() == "digest" else {}


class Guard:
    """Checks digests: the proof, the target, the age and origin of the nonce, and that no count comes twice."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._secret = secrets.token_bytes(32)
        self._used: OrderedDict[str, _Used] = OrderedDict()
        self._lock = threading.Lock()

    def realm(self, *candidates: str) -> str:
        """See `Users.realm`."""
        return self._users.realm(*candidates)

    def challenge(self, realm: str, *, stale: bool = False) -> str:
        """The WWW-Authenticate header of a realm, with a new nonce."""
        quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
        more = ", stale=true" if stale else ""
        return f'Digest realm="{quoted}", nonce="{self._nonce(time.time())}", algorithm=MD5, qop="auth"{more}'

    def judge(self, realm: str, given: Credentials) -> Judgement:
        """Whether these credentials are those of a user of the realm."""
        digest = given.digest
        if any(name not in digest for name in _NEEDED) or digest["qop"] != "auth":
            return Judgement.CHALLENGE
        known = self._is_fresh(digest["nonce"])
        secret = self._users.ha1(digest["username"], realm)
        # A user that nobody knows takes as long as one with a wrong password.
        wanted = response(secret or "0" * 32, given.method, digest)
        proved = hmac.compare_digest(wanted.encode(), digest["response"].lower().encode()) and secret is not None
        if not known:
            return Judgement.STALE if proved else Judgement.CHALLENGE
        if not proved or not _same_target(digest["uri"], given.target):
            return Judgement.REFUSED
        return Judgement.ACCEPTED if self._is_first(digest["nonce"], digest["nc"].lower()) else Judgement.STALE

    def _nonce(self, moment: float) -> str:
        stamp = f"{int(moment * 1000)}.{secrets.token_hex(4)}".encode()
        mark = hmac.new(self._secret, stamp, hashlib.sha256).digest()[:12]
        return base64.urlsafe_b64encode(stamp + b"." + mark.hex().encode()).decode()

    def _is_fresh(self, nonce: str) -> bool:
        try:
            stamp, _, mark = base64.urlsafe_b64decode(nonce.encode()).rpartition(b".")
            moment = int(stamp.partition(b".")[0]) / 1000
        except ValueError:
            return False
        wanted = hmac.new(self._secret, stamp, hashlib.sha256).digest()[:12].hex().encode()
        return hmac.compare_digest(wanted, mark) and 0 <= time.time() - moment < _NONCE_SECONDS

    def _is_first(self, nonce: str, count: str) -> bool:
        if not _COUNT.fullmatch(count):
            return False
        with self._lock:
            used = self._used.get(nonce)
            if used is None:
                self._forget_the_expired()
                used = self._used[nonce] = _Used(time.monotonic())
            return used.take(int(count, 16))

    def _forget_the_expired(self) -> None:
        """Nonces in the order of their first use: what follows one that may still be good is looked at later."""
        now = time.monotonic()
        while self._used and now - next(iter(self._used.values())).since > _NONCE_SECONDS:
            self._used.popitem(last=False)


class _Used:
    """The counts of one nonce that have come, in whatever order; those far behind the highest are all called used."""

    def __init__(self, since: float) -> None:
        self.since = since
        self._highest = 0
        self._recent: set[int] = set()

    def take(self, count: int) -> bool:
        """Whether this count comes for the first time."""
        if count in self._recent or count <= self._highest - _LATE_COUNTS:
            return False
        self._recent.add(count)
        self._highest = max(self._highest, count)
        if len(self._recent) > 2 * _LATE_COUNTS:
            self._recent = {one for one in self._recent if one > self._highest - _LATE_COUNTS}
        return True


def _same_target(claimed: str, target: str) -> bool:
    """Whether the uri that was hashed is the one asked for; a front end may have changed what comes before it."""
    return bool(target) and unquote(claimed).endswith(unquote(target))
