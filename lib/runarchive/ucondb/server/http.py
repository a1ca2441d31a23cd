"""Requests and answers of the server: how arguments come in, and how every kind of answer goes out."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from runarchive.ucondb.server.body import RequestBody
from runarchive.ucondb.server.storage import StoredVersion
from runarchive.ucondb.server.users import Credentials

VERSION = "3.9.7"
"""The version of the UconDB interface that this server speaks."""

HTML = "text/html; charset=UTF-8"
JSON = "text/json; charset=UTF-8"
JSON_SEQUENCE = "text/json-seq; charset=UTF-8"
CSV = "text/csv; charset=UTF-8"
BYTES = "application/octet-stream"
EXTRA_HEADERS = (
    ("X-Server-Application-Version", f"UConDB {VERSION}"),
    ("Access-Control-Allow-Origin", "*"),
)

_REFUSED = re.compile(r"[<'>\\|\x00-\x1f\x7f]")
_REFUSED_IN_PATH = re.compile(r"[<'>\\|\x00-\x1f\x7f\";]")
_BATCH = 500
_LAST_MOMENT = 200_000_000_000.0
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Response:
    """An answer: `size` is the length of the body in bytes where it is known before it is made."""

    status: str
    content_type: str
    body: Iterable[bytes]
    size: int | None = None
    headers: Headers = ()


class HttpError(Exception):
    """An answer that ends a request early."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def text(content: str, status: str = "200 OK", content_type: str = HTML, headers: Headers = ()) -> Response:
    """An answer with a text."""
    data = content.encode()
    return Response(status, content_type, (data,), len(data), headers)


def json_text(value: Any, headers: Headers = ()) -> Response:
    """An answer with a JSON value."""
    return text(json.dumps(value), content_type=JSON, headers=headers)


def not_found(what: str) -> HttpError:
    """404 with one sentence."""
    return HttpError(text(f"{what} not found", "404 Not Found"))


def application_error(sentence: str) -> Response:
    """The page on which clients look for the sentence in its heading."""
    page = (
        "<html><body><h2>Application error</h2>\n"
        f"            <h3>{html.escape(sentence, quote=False)}</h3>\n"
        "            </body>\n            </html>"
    )
    return text(page, "500 Application Error")


def bad_request(sentence: str) -> HttpError:
    """The page for a request that cannot be understood."""
    explanation = "The server could not comply with the request since it is either malformed or otherwise incorrect."
    return HttpError(_page("400 Bad Request", explanation, sentence))


def unknown_path(path: str) -> Response:
    """The page for a path that leads nowhere."""
    return _page("404 Not Found", "The resource could not be found.", f"invalid path: {path}")


def redirect(where: str) -> Response:
    """A redirection."""
    page = _page(
        "302 Found",
        f'The resource was found at <a href="{where}">{where}</a>;\nyou should be redirected automatically.',
        "",
    )
    return Response(page.status, HTML, page.body, page.size, (("Location", where),))


def _page(status: str, explanation: str, detail: str) -> Response:
    below = f"{html.escape(detail, quote=False)}\n" if detail else ""
    return text(
        f"<html>\n <head>\n  <title>{status}</title>\n </head>\n <body>\n  <h1>{status}</h1>\n  {explanation}\n"
        f"{below}\n\n </body>\n</html>",
        status,
    )


@dataclass(frozen=True)
class Request:
    """A request below the server's prefix: its path elements, its arguments, its credentials and its body."""

    method: str
    elements: tuple[str, ...]
    arguments: Mapping[str, list[str]]
    credentials: Credentials
    body: RequestBody = field(repr=False)

    @classmethod
    def parse(cls, method: str, target: str, below: str, query: str, authorization: str, body: RequestBody) -> Request:
        """The request for the path `below` the prefix; raises HttpError(400) for a character nobody may use."""
        arguments: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if _REFUSED.search(value):
                raise bad_request(f"Invalid value for {name}")
            arguments.setdefault(name, []).append(value)
        credentials = Credentials(_letters(authorization), method, target)
        return cls(method, tuple(below.strip("/").split("/")), arguments, credentials, body)

    def one(self, name: str, default: str | None = None) -> str | None:
        """The value of an argument that may be given once."""
        values = self.arguments.get(name)
        if values is None:
            return default
        if len(values) > 1:
            raise bad_request(f"Value for {name} specified twice in the URL")
        return values[0]

    def number(self, name: str, kind: type[float] = float) -> float | None:
        """An argument as a number, or None where it is not given."""
        value = self.one(name)
        if value is None:
            return None
        try:
            number = kind(value)
        except ValueError:
            raise bad_request(f"{name}={value} is no number") from None
        if number != number:
            raise bad_request(f"{name}={value} is no number")
        return number

    def moment(self, name: str, now: float) -> float | None:
        """An argument as a time in Unix seconds: a number, `-2h` before now, or a date and time in UTC."""
        value = self.one(name)
        if value is None:
            return None
        try:
            return read_time(value, now)
        except ValueError:
            raise bad_request(f"{name}={value} is no time") from None

    def flag(self, name: str) -> bool:
        """Whether an argument is `yes`."""
        return self.one(name, "no") == "yes"

    def with_path_arguments(self) -> Request:
        """The same with `name=value` path elements and the bare folder and object among the arguments."""
        arguments = {name: list(values) for name, values in self.arguments.items()}
        bare = iter(("folder", "object"))
        for element in self.elements[1:]:
            name, equals, value = element.partition("=")
            if not equals:
                name, value = next(bare, "object"), element
            if _REFUSED_IN_PATH.search(value):
                raise bad_request(f"Invalid value for {name}")
            if name in arguments:
                raise bad_request(f"Value for {name} specified twice in the URL")
            arguments[name] = [value]
        if any(";" in value for values in arguments.values() for value in values):
            raise bad_request("Invalid argument value")
        return replace(self, elements=self.elements[:1], arguments=arguments)


def _letters(header: str) -> str:
    """A header of WSGI as its sender meant it: UTF-8, as ours and curl send it, else Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def read_time(value: str, now: float) -> float:
    """Unix seconds of a time as clients write it; raises ValueError."""
    if value.startswith("-") and value[-1:] in _UNITS:
        seconds = now + _seconds(value[:-1]) * _UNITS[value[-1]]
    elif re.match(r"\d+[-/]\d+[-/]\d", value):
        seconds = _date(value)
    else:
        seconds = _seconds(value)
        seconds += now if seconds < 0 else 0
    if not abs(seconds) < _LAST_MOMENT:
        raise ValueError(f"{value!r} is no time")
    return seconds


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{value!r} is no time") from None


def _date(value: str) -> float:
    iso = re.sub(r"^(\d\d)/(\d\d)/(\d{4}) ", r"\3-\1-\2 ", value)
    if not re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", iso):
        raise ValueError(f"{value!r} is no time")
    try:
        parsed = datetime.fromisoformat(iso)
    except ValueError:
        raise ValueError(f"{value!r} is no time") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def metadata(version: StoredVersion, folder: str) -> dict[str, Any]:
    """The metadata object of a version, its fields in the order in which they are sent."""
    return {
        "object": version.object,
        "folder": folder,
        "tv": version.tv,
        "tr": version.tr,
        "tags": list(version.tags),
        "adler32": version.adler32,
        "uadler32": version.adler32,
        "data_size": version.data_size,
        "data_key": version.data_key,
        "id": version.id,
        "key": version.key,
    }


def blob_headers(version: StoredVersion, folder: str) -> Headers:
    """What is announced about a blob together with it."""
    return (
        ("X-UConDB-product-version", VERSION),
        ("X-UConDB-version-id", str(version.id)),
        ("X-UConDB-data-key", version.data_key),
        ("X-UConDB-version-key", version.key or "null"),
        ("X-UConDB-data-size", str(version.data_size)),
        ("X-UConDB-adler32", str(version.adler32)),
        ("X-UConDB-tv", str(version.tv)),
        ("X-UConDB-tr", str(version.tr)),
        ("X-UConDB-metadata", json.dumps(metadata(version, folder))),
        ("X-UConDB-metadata-format", "text/json"),
    )


def names_text(request: Request, names: list[str], headers: Headers = ()) -> Response:
    """Names as JSON, or as CSV where the request asks for it."""
    if request.one("format") == "csv":
        return text("\n".join(["Name", *names]), content_type=CSV, headers=headers)
    return json_text(names, headers)


def json_list(versions: Iterator[StoredVersion], folder: str) -> Iterator[bytes]:
    """A JSON list, sent while it is read from the database."""
    start = b"["
    while batch := list(itertools.islice(versions, _BATCH)):
        yield start + json.dumps([metadata(version, folder) for version in batch])[1:-1].encode()
        start = b", "
    yield b"]" if start == b", " else b"[]"
