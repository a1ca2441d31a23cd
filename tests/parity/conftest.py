"""Sites for the tests of parity with the older archiver."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archiver_site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An archive with native FilesystemDB, embedded UconDB and no records yet."""
    return Site(tmp_path / "site")


@pytest.fixture(params=["filesystemdb", "mongodb"])
def each_site(tmp_path: Path, request: pytest.FixtureRequest) -> Site:
    """An archive on each of the two native artdaqDB providers."""
    uri = request.getfixturevalue("mongodb_database") if request.param == "mongodb" else ""
    return Site(tmp_path / "site", uri)
