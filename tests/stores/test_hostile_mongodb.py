"""Records of every shape and BSON type in a real MongoDB: nothing breaks, and what cannot be read is named."""

from __future__ import annotations

import random
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from runarchive.artdaqdb.check import check_store
from runarchive.artdaqdb.copying import copy_store
from runarchive.artdaqdb.export import export_configuration, write_export
from runarchive.artdaqdb.filesystemdb import FilesystemDB
from runarchive.artdaqdb.importing import import_run
from runarchive.artdaqdb.mongodb import MongoDB
from runarchive.errors import ArchiveError
from tests import damage

AT = "2020-01-01T00:00:00.000+0000"
DATE = datetime(2020, 1, 1, tzinfo=UTC)
BEYOND_ANY_CALENDAR = bson.DatetimeMS(10**17)
ODD: tuple[Any, ...] = (
    *(None, True, -1, float("nan"), bson.Int64(5), "", "\x01\x1b[31m\x00", [], {}, [None], [[]], {"a": None}),
    *([{"name": 1, "assigned": 2}], [{"name": "7/demo"}], [{"name": ""}], [{"name": "7/demo", "assigned": DATE}]),
    *(["7/demo"], [{"name": ["7/demo"], "assigned": AT}], {"$oid": "x"}, {"$set": 1}, {"": 1}, {"a.b": {"$x": 1}}),
    *(bson.ObjectId(), bson.Decimal128("1.5"), bson.Regex("^a(", "i"), bson.Timestamp(1, 2), bson.MinKey()),
    *(bson.MaxKey(), bson.Binary(b"\x00\xff", 5), bson.Code("x"), bson.Code("x", {"y": 1}), DATE, BEYOND_ANY_CALENDAR),
    bson.DBRef("c", bson.ObjectId()),
)


@pytest.mark.timeout(60 + 6 * damage.ROUNDS)
def test_any_record_is_read_around_or_refused(mongodb_database: str, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    dice = random.Random(seed)
    with MongoClient[dict[str, Any]](mongodb_database) as client, closing(MongoDB(mongodb_database)) as store:
        database = client.get_default_database()
        for number in range(damage.ROUNDS):
            store.insert(damage.documents())
            for collection in ("RunHistory", "SystemLayout"):
                _damage(dice, database[collection])
            for one in store.list_configurations(details=True):
                with suppress(ArchiveError):
                    write_export(export_configuration(store, one.name), one.name, tmp_path / "out")
            store.list_configurations()
            assert all(one.message and one.mend for one in check_store(store))
            for run in (7, 8, 9):
                with suppress(ArchiveError):
                    import_run(store, damage.wanted(run))
            copy_store(store, FilesystemDB(f"filesystemdb://{tmp_path}/copy{number}"))
            for collection in ("RunHistory", "SystemLayout"):
                database[collection].delete_many({})


def _damage(dice: random.Random, collection: Any) -> None:
    for record in list(collection.find()):
        if dice.random() < 0.5:
            collection.delete_one({"_id": record["_id"]})
            damage.alter(dice, record, ODD)
            raw = bson.encode(record)
            if dice.random() < 0.1:
                raw = raw.replace(b"demo", b"d\xff\xfeo")
            with suppress(PyMongoError):
                collection.insert_one(RawBSONDocument(raw))


@pytest.mark.parametrize("odd", [bson.Code("x"), BEYOND_ANY_CALENDAR, 5, None], ids=["code", "date", "number", "null"])
def test_odd_names_and_versions_stand_in_no_listing(mongodb_database: str, odd: Any) -> None:
    with MongoClient[dict[str, Any]](mongodb_database) as client, closing(MongoDB(mongodb_database)) as store:
        store.insert(damage.documents())
        names = [{"name": odd, "assigned": AT}, {"name": "7/demo", "assigned": odd}]
        client.get_default_database()["RunHistory"].insert_one({"configurations": names, "version": odd})
        for details in (False, True):
            assert {one.name for one in store.list_configurations(details)} == {"7/demo", "8/demo"}
        versions = {one.name: one.versions for one in store.list_configurations(details=True)}
        assert versions == {"7/demo": ("7/demo",), "8/demo": ("8/demo",)}
        assert store.configurations_of(7) == ("7/demo",)
        assert "malformed" in {one.kind for one in check_store(store)}
