"""Fixtures that more than one folder of tests uses: the real servers, and what real programs left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import servers
from tests.archiver_site import Site
from tests.trees import unpack
from tests.ucondb_serving import UconProcess

GOLDEN = Path(__file__).parent / "golden"

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def environment_as_it_was() -> Iterator[None]:
    """An archive puts its archiver.env into the process's environment; the next test starts without it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def pytest_sessionfinish() -> None:
    """End the servers of this process, whatever became of the tests."""
    servers.stop_all()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Say loudly, after everything else, which real servers were not to be had."""
    yield
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if servers.NOT_RUN in text:
            reasons[text] = reasons.get(text, 0) + 1
    if reasons:
        terminalreporter.section("TESTS THAT COULD NOT RUN", red=True, bold=True)
        for reason, count in reasons.items():
            terminalreporter.write_line(f"{count} tests: {reason}")


@pytest.fixture
def mongodb_database() -> Iterator[str]:
    """The URI of an empty database in a real mongod; dropped afterwards."""
    try:
        uri = servers.with_database(servers.mongodb_uri(), servers.new_database_name())
    except servers.NotRun as reason:
        pytest.skip(str(reason))
    yield uri
    from pymongo import MongoClient

    with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=10000) as client:
        client.drop_database(client.get_default_database())


@pytest.fixture(params=["filesystemdb", "mongodb"])
def native_uri(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The URI of an empty database of each native artdaqDB provider."""
    if request.param == "mongodb":
        return str(request.getfixturevalue("mongodb_database"))
    return f"filesystemdb://{tmp_path}/artdaqdb"


@pytest.fixture
def ucon(tmp_path: Path) -> Iterator[UconProcess]:
    """A UconDB server in a process of its own."""
    made = UconProcess(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An archive with native FilesystemDB, embedded UconDB and no records yet."""
    return Site(tmp_path / "site")


@pytest.fixture
def each_site(tmp_path: Path, native_uri: str) -> Site:
    """An archive on each of the native artdaqDB providers."""
    return Site(tmp_path / "site", native_uri)


@pytest.fixture
def postgres_database() -> Iterator[str]:
    """The DSN of an empty database in a real PostgreSQL; dropped afterwards."""
    try:
        dsn = servers.make_postgres_database()
    except servers.NotRun as reason:
        pytest.skip(str(reason))
    yield dsn
    servers.drop_postgres_database(dsn)


@pytest.fixture(scope="session")
def golden_mongodb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the real library left in, and read from, a real MongoDB; the README in it explains it."""
    return unpack(GOLDEN / "mongodb.tar.xz", tmp_path_factory.mktemp("golden_mongodb")) / "mongodb"
