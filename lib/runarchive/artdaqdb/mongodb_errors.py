"""The driver's exceptions, told in the archive's own words and codes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bson.errors import BSONError
from pymongo import errors

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store

PARALLEL_ARRAYS = 171
_SERVER_CODES: dict[int, tuple[Code, str]] = {
    11: (Code.WRONG_PASSWORD, "does not know the user of this certificate"),
    18: (Code.WRONG_PASSWORD, "refuses the user or the password"),
    8000: (Code.WRONG_PASSWORD, "refuses the user or the password"),
    13: (Code.PERMISSION, "does not permit this to the user of the URI"),
    50: (Code.TIMEOUT, "did not finish within the time limit"),
    262: (Code.TIMEOUT, "did not finish within the time limit"),
    64: (Code.TIMEOUT, "did not confirm the write within the time limit"),
    10334: (Code.TOO_LARGE, "refuses a document of this size"),
    15: (Code.TOO_LARGE, "refuses a document nested so deeply"),
    14031: (Code.DISK_FULL, "has no room left on its disk"),
    PARALLEL_ARRAYS: (
        Code.CORRUPT,
        "has a compound index over two arrays, by which every artdaqDB insert is refused; drop that index",
    ),
    11000: (Code.CONFLICT, "has an index of the site's own by which this document is there already"),
    121: (Code.BAD_ANSWER, "has a validation rule that refuses artdaqDB's documents"),
}
_NOT_PRIMARY = frozenset({91, 189, 10058, 10107, 11600, 11602, 13435, 13436})
_HINTS = {
    Code.BAD_CERTIFICATE: "set tlsCAFile in the URI, or ARTDAQ_DATABASE_CA_CERT, to the authority the server shows",
    Code.WRONG_PASSWORD: "correct the user, the password or authSource in artdaq_db.database_uri",
    Code.CONNECTION_CUT: "retry; if it stays, the server may demand TLS (tls=true and the certificates in the URI)",
}


@contextmanager
def told(phase: Phase, shown_uri: str, scrub: Callable[[str], str]) -> Iterator[None]:
    """Raise what the driver raises inside as ArchiveError(store=ARTDAQDB), without any secret."""
    try:
        yield
    except (errors.PyMongoError, BSONError) as error:
        code, what = explain(error)
        detail = scrub(_first_sentence(error))
        message = f"MongoDB {shown_uri} {what}" + (f" ({detail})" if detail else "")
        raise ArchiveError(code, message, store=Store.ARTDAQDB, phase=phase, hint=_HINTS.get(code)) from None


@contextmanager
def usable_uri(shown_uri: str, scrub: Callable[[str], str]) -> Iterator[None]:
    """Raise ArchiveError(BAD_CONFIG) where the driver only warns of an option, or stumbles over a certificate file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            warnings.filterwarnings("ignore", message="Unknown option")
            yield
    except (UserWarning, OSError, ValueError, TypeError) as error:
        message = f"MongoDB {shown_uri} cannot be used as the URI stands ({scrub(str(error))[:300]})"
        raise ArchiveError(Code.BAD_CONFIG, message, store=Store.ARTDAQDB, phase=Phase.CONNECT) from None


def explain(error: errors.PyMongoError | BSONError) -> tuple[Code, str]:
    """The code of a driver's exception and the end of a sentence that begins with the server's name."""
    if isinstance(error, errors.ServerSelectionTimeoutError):
        return _unreachable(str(error))
    if isinstance(error, errors.BulkWriteError):
        details = error.details or {}
        failures = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
        return _by_server_code(failures[0].get("code") if failures else None)
    if isinstance(error, errors.NotPrimaryError):
        return Code.UNAVAILABLE, "has no writable primary now"
    if isinstance(error, errors.DocumentTooLarge):
        return Code.TOO_LARGE, "takes no document of this size"
    if isinstance(error, BSONError):
        return Code.CORRUPT, "holds or was given what is no BSON"
    if error.timeout:
        return Code.TIMEOUT, "did not answer within the time limit"
    if isinstance(error, errors.AutoReconnect):
        return _unreachable(str(error))
    if isinstance(error, errors.OperationFailure):
        return _by_server_code(error.code)
    if isinstance(error, errors.ConfigurationError):
        return Code.BAD_CONFIG, "cannot be used as the URI stands"
    return Code.BAD_ANSWER, "gave an answer that makes no sense"


def _by_server_code(code: int | None) -> tuple[Code, str]:
    if code in _NOT_PRIMARY:
        return Code.UNAVAILABLE, "has no writable primary now"
    return _SERVER_CODES.get(code or 0, (Code.BAD_ANSWER, "refused the operation"))


def _unreachable(text: str) -> tuple[Code, str]:
    lower = text.lower()
    if "certificate" in lower or "hostname" in lower or "ssl" in lower:
        return Code.BAD_CERTIFICATE, "and this host do not trust each other's certificates"
    if "refused" in lower:
        return Code.CONNECTION_REFUSED, "refuses the connection"
    if "name or service" in lower or "getaddrinfo" in lower or "nodename" in lower or "name resolution" in lower:
        return Code.CONNECTION_REFUSED, "has an address that cannot be resolved"
    if "connection closed" in lower or "reset" in lower or "broken pipe" in lower:
        return Code.CONNECTION_CUT, "cuts the connection"
    if "pool paused" in lower:
        return Code.CONNECTION_CUT, "cut another connection a moment ago"
    if "no primary" in lower or "no replica set members" in lower or "replica" in lower:
        return Code.UNAVAILABLE, "has no writable primary now"
    return Code.TIMEOUT, "does not answer"


def _first_sentence(error: Exception) -> str:
    """What the driver said, without its dump of the topology and its advice."""
    text = str(error)
    for end in (", Timeout:", " (configured timeouts:", ", full error:", ", topology_version"):
        text = text.partition(end)[0]
    return text[:300]
