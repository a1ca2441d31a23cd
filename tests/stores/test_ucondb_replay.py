"""Our server against every exchange recorded with the real one, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runarchive.ucondb.server.app import UconApp
from runarchive.ucondb.server.running import RunningServer
from runarchive.ucondb.server.sqlite_storage import SqliteStorage
from runarchive.ucondb.server.storage import FolderName, Storage
from runarchive.ucondb.server.users import Users
from tests.ucondb_exchanges import PASSWORD, USER, Answer, Exchange, Replay, exchanges, make_roles, scenarios

NO_FIVE_HUNDRED = "clients repeat a 500 for 5 s; this request stays wrong"
NOT_THERE = "what is not there is 404, not a stumble over None"

DIFFERENCES: dict[str, tuple[str, str, str]] = {
    "024": ("400 Bad Request", "data_key=abc is no number", NO_FIVE_HUNDRED),
    "037.3": ("401 Unauthorized", "Authorization required", "a captured header cannot be used again"),
    "038.1": ("401 Unauthorized", "Authorization required", "a nonce must be ours: the client gets one and repeats"),
    "039.1": ("401 Unauthorized", "Authorization required", "a digest without qop can be replayed: asked for a better"),
    "040.1": ("401 Unauthorized", "Authorization required", "the old signature never worked: asked for a digest"),
    "059": ("400 Bad Request", "Invalid argument value", NO_FIVE_HUNDRED),
    "080": ("404 Not Found", "Version not found", NOT_THERE),
    "089": ("200 OK", '"tv": 100.0', "the versions that were asked for instead of null"),
    "090": ("200 OK", '"tv": 100.0', "the versions that were asked for instead of nothing"),
    "091": ("200 OK", '"tv": 100.0', "the version that was asked for instead of null"),
    "094": ("200 OK", "", "no keys, no versions"),
    "095": ("405 Method Not Allowed", "Use POST", NO_FIVE_HUNDRED),
    "097": ("404 Not Found", "invalid path", "it never worked"),
    "098": ("404 Not Found", "invalid path", "it never worked"),
    "099.2": ("200 OK", "0123456789abcdef", "the compressed form carries a header that no client undoes"),
    "104": ("401 Unauthorized", "Authorization required", "a tag is data: behind the login"),
    "105": ("401 Unauthorized", "Authorization required", "a tag is data: behind the login"),
    "106": ("401 Unauthorized", "Authorization required", "a tag is data: behind the login"),
    "109": ("404 Not Found", "Folder nofolder not found", NOT_THERE),
    "110": ("404 Not Found", "Object noobj not found", NOT_THERE),
    "111": ("404 Not Found", "Folder nofolder not found", NOT_THERE),
    "115": ("400 Bad Request", "Value for key specified twice in the URL", NO_FIVE_HUNDRED),
    "116": ("400 Bad Request", "Illegal folder name", NO_FIVE_HUNDRED),
    "118": ("400 Bad Request", "tv=abc is no number", NO_FIVE_HUNDRED),
    "123": ("200 OK", "<h1>Folders</h1>", "a page of our own for people"),
    "125": ("200 OK", "hello: x=1", "plain text, so that nobody's argument is read as HTML"),
    "133.2": ("400 Bad Request", 'role "nosuchrole" does not exist', NO_FIVE_HUNDRED + ", and leaves no half folder"),
    "145": ("404 Not Found", "Object nosuch not found", NOT_THERE),
}
"""Scenario or exchange: our status, what our body must hold, and why it is not as recorded."""

LATER = {
    "035": ("200 OK", "a comma in a quoted uri belongs to the uri: stored, where the real server refuses"),
    "036": ("200 OK", "the same with the key"),
    "137": ("401 Unauthorized", "every call folds a folder's name to lower case, not create_folder alone: no 404"),
    "143": ("200 OK", "two tags joined by a comma, as the C++ provider sends them, are stored"),
}
"""Scenarios that store something the real server did not: done after all others, so that ids stay comparable."""

MADE_GOOD = ("037.3", "038.1", "104.1", "105.1")
"""Refused by us, then done with proper credentials, because later exchanges build on them."""

EMPTY_UPLOAD = "151.2"
"""The real server stores an empty blob for a chunked upload; so does the replay. Ours: test_ucondb_server.py."""

WITHOUT_ROLES = ("133", "134", "136")
"""SQLite knows no roles: the folder is made, and listed."""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A server with the recorded one's folder and user, on a new database."""
    storage: Storage
    if request.param == "sqlite":
        storage = SqliteStorage(tmp_path / "u.sqlite")
    else:
        from runarchive.ucondb.server.postgres_storage import PostgresStorage

        dsn = request.getfixturevalue("postgres_database")
        make_roles(dsn)
        storage = PostgresStorage(dsn)
    storage.create_folder(FolderName.parse("test01"))
    server = RunningServer(UconApp(storage, Users.single(USER, PASSWORD), allow_drop=True), host="127.0.0.1", port=0)
    yield server.start()
    server.stop()


def test_every_recorded_exchange(url: str, request: pytest.FixtureRequest) -> None:
    sqlite = "sqlite" in request.node.name
    replay = Replay(url)
    wrong: list[str] = []
    for exchange in exchanges():
        if exchange.scenario[:3] in LATER or (sqlite and exchange.scenario[:3] in WITHOUT_ROLES):
            continue
        if exchange.name == EMPTY_UPLOAD:
            exchange = _as_an_empty_upload(exchange)
        wrong += _compared(exchange, replay.send(exchange))
        if exchange.name in MADE_GOOD:
            assert replay.authorized(exchange).status == "200 OK", exchange.name
    assert not wrong, "\n".join(wrong)
    for scenario in scenarios().values():
        if scenario and scenario[0].scenario[:3] in LATER:
            answers = [replay.send(exchange) for exchange in scenario]
            assert answers[-1].status == LATER[scenario[0].scenario[:3]][0], scenario[0].scenario


def test_nothing_is_called_different_that_is_not() -> None:
    """Each intended difference names a recorded exchange whose answer it does not match."""
    for name, (status, body, _) in DIFFERENCES.items():
        recorded = [exchange for exchange in exchanges() if exchange.name.startswith(name)]
        assert recorded, name
        assert any(
            exchange.answer.status != status or body.encode() not in exchange.answer.body or not body
            for exchange in recorded
        ) or name in ("090", "125"), name


def _as_an_empty_upload(exchange: Exchange) -> Exchange:
    headers = [(name, value) for name, value in exchange.headers if name not in ("Transfer-Encoding", "Expect")]
    return Exchange(
        exchange.scenario, exchange.index, exchange.method, exchange.target, (*headers, ("Content-Length", "0")), b"",
        Answer(exchange.answer.status, exchange.answer.headers, b"29"),
    )


def _compared(exchange: Exchange, ours: Answer) -> list[str]:
    expected = DIFFERENCES.get(exchange.name) or DIFFERENCES.get(exchange.scenario[:3])
    if expected is not None:
        status, body, reason = expected
        if ours.status == status and body in ours.body.decode("latin-1"):
            return []
        return [f"{exchange.name}: {ours.status} {ours.body[:200]!r}, meant to be {status} {body!r} ({reason})"]
    recorded, got = exchange.answer.plain(), ours.plain()
    return [] if recorded == got else [f"{exchange.name} {exchange.target}:\n  real {recorded}\n  ours {got}"]
