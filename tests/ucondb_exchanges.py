"""The 240 exchanges recorded with a real UconDB 3.9.7 server, and how to have them once more with ours."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runarchive.ucondb.digest import Challenge, ha1, parse_parameters, response

GOLDEN = Path(__file__).parent / "golden" / "ucondb"
USER, PASSWORD = "writer", "writer_pw"
TWO_MEGABYTES = b"0123456789abcdef" * 131072
_MATTERING = ("content-type", "location", "x-server-application-version", "access-control-allow-origin")


@dataclass(frozen=True)
class Answer:
    """One answer: status line without the protocol, headers by lower-case name, body."""

    status: str
    headers: dict[str, str]
    body: bytes

    def plain(self) -> tuple[str, dict[str, str], str]:
        """What of it is compared: without record times, nonces, and the pages' tracebacks."""
        headers = {
            name: _without_times(value)
            for name, value in self.headers.items()
            if name in _MATTERING or (name.startswith("x-ucondb-") and name != "x-ucondb-tr")
        }
        offered = self.headers.get("www-authenticate")
        if offered is not None:
            given = parse_parameters(offered.partition(" ")[2])
            headers["www-authenticate"] = f"{offered.split()[0]} {given['realm']} {given['algorithm']} {given['qop']}"
        text = self.body.decode("latin-1")
        heading = re.search("<h3>(.*?)</h3>", text, re.DOTALL)
        return self.status, headers, heading[1] if heading else _without_times(text)


@dataclass(frozen=True)
class Exchange:
    """One recorded request with its answer."""

    scenario: str
    index: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    answer: Answer

    @property
    def name(self) -> str:
        """`026.2`: the scenario's number and the exchange's place in it."""
        return f"{self.scenario[:3]}.{self.index}"

    def header(self, name: str) -> str:
        """A request header, or ""."""
        return next((value for one, value in self.headers if one.lower() == name.lower()), "")


@cache
def scenarios() -> dict[str, tuple[Exchange, ...]]:
    """All recorded scenarios by name, in their order."""
    with gzip.open(GOLDEN / "exchanges.jsonl.gz", "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    return {
        record["name"]: tuple(
            _exchange(record["name"], index, exchange) for index, exchange in enumerate(record["exchanges"], 1)
        )
        for record in records
    }


def exchanges() -> Iterator[Exchange]:
    """All recorded exchanges; of those made at one time by several clients, in the order in which they were done."""
    for scenario in scenarios().values():
        if scenario and scenario[0].scenario.startswith(("153", "154")):
            yield from sorted(scenario, key=_order_of_doing)
        else:
            yield from scenario


def _order_of_doing(exchange: Exchange) -> tuple[int, int]:
    if exchange.answer.status.startswith("401"):
        return 0, 0
    number = re.search(rb'"id": (\d+)', exchange.answer.body)
    return 1, int(number[1]) if number else 1 << 30


def _exchange(scenario: str, index: int, record: dict[str, Any]) -> Exchange:
    head = base64.b64decode(record["req_head"]).decode("latin-1")
    line, *rest = head.rstrip("\r\n").split("\r\n")
    method, target, _ = line.split(" ")
    headers = tuple((name, value.strip()) for name, _, value in (one.partition(":") for one in rest))
    answer_head, answer_body = base64.b64decode(record["resp_head"]), _body(record, "resp")
    if answer_head.startswith(b"HTTP/1.1 100"):
        answer_head, _, answer_body = answer_body.partition(b"\r\n\r\n")
    return Exchange(scenario, index, method, target, headers, _body(record, "req"), _answer(answer_head, answer_body))


def _body(record: dict[str, Any], side: str) -> bytes:
    text = record[f"{side}_body"]
    if text is None and record[f"{side}_body_len"] == len(TWO_MEGABYTES):
        return TWO_MEGABYTES
    return base64.b64decode(text or "")


def _answer(head: bytes, body: bytes) -> Answer:
    line, *rest = head.decode("latin-1").replace("\r\n", "\n").strip("\n").split("\n")
    pairs = (one.partition(":") for one in rest)
    return Answer(line.partition(" ")[2], {name.lower(): value.strip() for name, _, value in pairs}, body)


def _without_times(text: str) -> str:
    return re.sub(r'"tr": \d+(\.\d+)?', '"tr": T', text)


def make_roles(dsn: str) -> None:
    """Make the roles that the recorded create_folder names; they belong to the whole PostgreSQL server."""
    import psycopg2

    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        for role in ("read_only_user", "db_writer"):
            cursor.execute("select 1 from pg_roles where rolname = %s", (role,))
            if cursor.fetchone() is None:
                cursor.execute(f"create role {role}")


def is_right_password(exchange: Exchange) -> bool:
    """Whether the recorded client knew the password."""
    given = parse_parameters(exchange.header("Authorization").partition(" ")[2])
    try:
        wanted = response(ha1(given["username"], given["realm"], PASSWORD), exchange.method, given)
    except KeyError:
        return False
    return wanted == given["response"]


class Replay:
    """A client that repeats recorded requests to another server, with that server's nonces and record times."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._challenge: Challenge | None = None
        self._offered = ""
        self._sent: dict[str, str] = {}
        self._times: list[tuple[float, float]] = []

    def send(self, exchange: Exchange, *, verbatim: bool = False) -> Answer:
        """One exchange more; `verbatim` keeps its credentials as they were recorded."""
        target = self._with_our_times(exchange.target)
        headers = [(name, value) for name, value in exchange.headers if name.lower() not in ("host", "authorization")]
        credentials = exchange.header("Authorization")
        if credentials:
            headers.append(("Authorization", credentials if verbatim else self._credentials(exchange, target)))
        answer = self._exchange(exchange.method, target, headers, exchange.body)
        self._learn(exchange, answer)
        return answer

    def authorized(self, exchange: Exchange) -> Answer:
        """The same with credentials of our own, for what the recorded server let pass and ours does not."""
        assert self._challenge is not None
        headers = [(name, value) for name, value in exchange.headers if name.lower() not in ("host", "authorization")]
        headers.append(("Authorization", self._challenge.answer(USER, PASSWORD, exchange.method, exchange.target)))
        return self._exchange(exchange.method, exchange.target, headers, exchange.body)

    def _credentials(self, exchange: Exchange, target: str) -> str:
        recorded = exchange.header("Authorization")
        if recorded in self._sent:
            return self._sent[recorded]
        given = parse_parameters(recorded.partition(" ")[2])
        if self._challenge is None or given.get("nonce") != self._offered or "nc" not in given:
            return recorded
        password = PASSWORD if is_right_password(exchange) else "not the password"
        self._sent[recorded] = self._challenge.answer(given["username"], password, exchange.method, target)
        return self._sent[recorded]

    def _exchange(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        head = [f"{method} {target} HTTP/1.1", f"Host: {self._address[0]}:{self._address[1]}"]
        head += [f"{name}: {value}" for name, value in headers if name.lower() != "connection"]
        raw = "\r\n".join([*head, "Connection: close", "", ""]).encode("latin-1") + body
        with socket.create_connection(self._address, timeout=20) as connection:
            connection.sendall(raw)
            answer = http.client.HTTPResponse(connection, method=method)
            answer.begin()
            content = answer.read()
        pairs = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(f"{answer.status} {answer.reason}", pairs, content)

    def _learn(self, exchange: Exchange, answer: Answer) -> None:
        theirs = exchange.answer.headers.get("www-authenticate")
        ours = answer.headers.get("www-authenticate")
        if theirs is not None:
            self._offered = parse_parameters(theirs.partition(" ")[2])["nonce"]
        if ours is not None:
            self._challenge = Challenge.read(ours)
        both = [re.findall(rb'"tr": ([\d.]+)', body) for body in (exchange.answer.body, answer.body)]
        if len(both[0]) == len(both[1]) == 1:
            self._times.append((float(both[0][0]), float(both[1][0])))

    def _with_our_times(self, target: str) -> str:
        """The target with each recorded moment moved to where it lay between the puts."""
        return re.sub(r"(?<=tr=|ce=)(\d+\.\d+)", lambda match: f"{self._moved(float(match[1])):.6f}", target)

    def _moved(self, moment: float) -> float:
        before = max((pair for pair in self._times if pair[0] <= moment), default=(0.0, 0.0))
        after = min((pair for pair in self._times if pair[0] > moment), default=(0.0, before[1] + 2e6))
        return (before[1] + after[1]) / 2
