"""Stores for the tests of the stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from runarchive.archive import Archive
from runarchive.artdaqdb.filesystemdb import FilesystemDB
from runarchive.artdaqdb.store import ArtdaqStore, open_store
from tests.archiver_site import Site


@pytest.fixture
def store(native_uri: str) -> Iterator[ArtdaqStore]:
    """An empty database of each native artdaqDB provider."""
    with closing(open_store(native_uri)) as opened:
        yield opened


@pytest.fixture
def db(tmp_path: Path) -> FilesystemDB:
    """An empty FilesystemDB."""
    return FilesystemDB(f"filesystemdb://{tmp_path}/db")


@pytest.fixture
def archive(site: Site) -> Iterator[Archive]:
    """The site's archive, armed."""
    with Archive.open(site.config_file, writable=True, actor="tester@here") as opened:
        yield opened


@pytest.fixture
def database(mongodb_database: str) -> Iterator[Database[dict[str, Any]]]:
    """An empty database of a real MongoDB, as the driver gives it."""
    with MongoClient[dict[str, Any]](mongodb_database) as client:
        yield client.get_default_database()
