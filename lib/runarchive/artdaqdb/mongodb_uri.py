"""MongoDB URIs: which database they name, what of them may be shown, and which client options follow from them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus, unquote, unquote_plus

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store

CLIENT_CERT_VARIABLE = "ARTDAQ_DATABASE_CLIENT_CERT"
CA_CERT_VARIABLE = "ARTDAQ_DATABASE_CA_CERT"

FIND_SERVER_MS = 10_000
"""How long a server may take to be found: an election of a new primary passes within it."""

_PARTS = re.compile(
    r"(?P<scheme>mongodb(?:\+srv)?)://(?:(?P<user>[^?]*)@)?"
    r"(?P<hosts>(?:\[[^/?@\]]*\]|[^/?@:,]*)(?::\d*)?(?:,(?:\[[^/?@\]]*\]|[^/?@:,]*)(?::\d*)?)*)"
    r"/?(?P<path>[^?]*)\??(?P<query>[^@]*)"
)
_BAD_DATABASE = re.compile(r"""[/\\. "$*<>:|?\x00]""")
_SECRET_OPTIONS = frozenset({"tlscertificatekeyfilepassword", "authmechanismproperties"})


@dataclass(frozen=True)
class MongoUri:
    """A URI taken apart. `given` is the original, secrets included, and never shown; `shown` is safe anywhere."""

    given: str = field(repr=False)
    shown: str
    database: str
    options: frozenset[str]
    secrets: tuple[str, ...] = field(repr=False)
    has_password: bool = False

    def scrub(self, text: str) -> str:
        """The text without any of this URI's secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse_uri(uri: str) -> MongoUri:
    """Take a `mongodb://` or `mongodb+srv://` URI apart; raises ArchiveError(BAD_CONFIG), never quoting a secret."""
    found = _PARTS.fullmatch(uri)
    if found is None:
        raise _bad(
            "the MongoDB URI cannot be read; it should look like "
            "mongodb://USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS, with / ? @ % in the password as %2F %3F %40 %25"
        )
    user, colon, password = (found["user"] or "").partition(":")
    query = [option.partition("=") for option in re.split("[&;]", found["query"]) if option]
    secrets = {password, *(value for name, _, value in query if name.lower() in _SECRET_OPTIONS)}
    spelt = {
        form for one in secrets if one for form in (one, unquote(one), unquote_plus(one), quote_plus(unquote(one)))
    }
    who = f"{user}:***@" if colon else f"{user}@" if user else ""
    shown_query = "&".join(f"{n}{e}{'***' if n.lower() in _SECRET_OPTIONS else v}" for n, e, v in query)
    database = unquote(found["path"])
    shown = f"{found['scheme']}://{who}{found['hosts']}/{found['path']}{'?' if shown_query else ''}{shown_query}"
    if not database:
        raise _bad(f"the MongoDB URI {shown} names no database; write it as …HOST:PORT/DATABASE")
    if _BAD_DATABASE.search(database) or len(database.encode("utf-8")) > 63:
        raise _bad(f"the MongoDB URI {shown} names a database that MongoDB refuses: {database!r}")
    return MongoUri(
        given=uri,
        shown=shown,
        database=database,
        options=frozenset(name.lower() for name, _, _ in query),
        secrets=tuple(sorted(spelt, key=len, reverse=True)),
        has_password=bool(password),
    )


def client_options(uri: MongoUri, timeout: float, environment: Mapping[str, str] = os.environ) -> dict[str, object]:
    """What goes to the driver beside the URI: time limits (seconds in, milliseconds out) and certificates.

    What the URI says itself is left alone. The two environment variables are those of the C++ library; as there, a
    variable that names no file counts for nothing.
    """
    limit = max(1, int(timeout * 1000))
    wanted: dict[str, object] = {
        "serverSelectionTimeoutMS": min(limit, FIND_SERVER_MS),
        "connectTimeoutMS": min(limit, FIND_SERVER_MS),
        "socketTimeoutMS": limit,
        "timeoutMS": limit,
        "appName": "tui-archiver",
    }
    certificate = environment.get(CLIENT_CERT_VARIABLE, "")
    if certificate and Path(certificate).is_file():
        wanted |= {"tls": True, "tlsCertificateKeyFile": certificate}
        if not uri.has_password:
            wanted["authMechanism"] = "MONGODB-X509"
    authority = environment.get(CA_CERT_VARIABLE, "")
    if certificate and authority and Path(authority).is_file():
        wanted["tlsCAFile"] = authority
    given = uri.options | ({"tls"} if "ssl" in uri.options else set())
    return {name: value for name, value in wanted.items() if name.lower() not in given}


def _bad(message: str) -> ArchiveError:
    return ArchiveError(Code.BAD_CONFIG, message, store=Store.ARTDAQDB, phase=Phase.CONNECT)
