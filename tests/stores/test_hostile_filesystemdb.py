"""Database directories in which anything may be damaged: nothing breaks, and what cannot be read is named."""

from __future__ import annotations

import json
import random
import shutil
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runarchive.artdaqdb.check import check_store
from runarchive.artdaqdb.copying import copy_store
from runarchive.artdaqdb.export import export_configuration, write_export
from runarchive.artdaqdb.filesystem_check import reindex
from runarchive.artdaqdb.filesystemdb import FilesystemDB
from runarchive.artdaqdb.importing import import_run
from runarchive.errors import ArchiveError
from runarchive.fhicl.json_text import write_json
from runarchive.fhicl.pairs import Pairs
from tests import damage
from tests.filesystem_databases import document, opened

TIME = "2020-01-01T00:00:00.000+0000"
ODD: tuple[Any, ...] = (
    *(None, True, -1, 1e300, 10**30, "", "\x01\x1b[31m", "../../x", [], {}, [None], [[]], {"a": None}, {"name": 1}),
    *([{"name": 1, "assigned": 2}], [{"name": "7/demo"}], [{"name": "7/demo", "assigned": TIME}] * 2),
    *({"$oid": "x"}, {"$oid": "0" * 24}, {"type": "table", "children": []}, {"main": {"a": {"b": []}}, "prolog": {}}),
)


def filled(directory: Path) -> FilesystemDB:
    """A database of the runs 7 and 8, all of it in the indexes."""
    store = FilesystemDB(f"filesystemdb://{directory}")
    store.insert(damage.documents())
    store.fold()
    return FilesystemDB(store.uri)


def altered(dice: random.Random, text: bytes) -> bytes:
    """The JSON text with a few of its values missing or replaced."""
    found = json.loads(text)
    damage.alter(dice, found, ODD)
    return json.dumps(found).encode()


def torn(dice: random.Random, text: bytes) -> bytes:
    return text[: dice.randrange(len(text))]


def flipped(dice: random.Random, text: bytes) -> bytes:
    place = dice.randrange(len(text))
    return text[:place] + bytes([dice.randrange(256)]) + text[place + 1 :]


def nested(dice: random.Random, text: bytes) -> bytes:
    return dice.choice([b'{"a":', b"["]) * 5000


WAYS: list[Callable[[random.Random, bytes], bytes]] = [altered, altered, altered, torn, flipped, nested]


def damage_file(dice: random.Random, file: Path) -> None:
    """One of the things that may have happened to a file."""
    text = file.read_bytes()
    file.unlink()
    chance = dice.random()
    if chance < 0.05:
        file.mkdir()
    elif chance > 0.1:
        file.write_bytes(dice.choice(WAYS)(dice, text))


@pytest.mark.timeout(60 + 6 * damage.ROUNDS)
def test_any_damage_is_read_around_or_refused(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    dice = random.Random(seed)
    for _ in range(damage.ROUNDS):
        directory = tmp_path / "db"
        filled(directory)
        for file in sorted(directory.glob("*[ty]/*.json")):
            if dice.random() < 0.35:
                damage_file(dice, file)
        with closing(FilesystemDB(f"filesystemdb://{directory}")) as store:
            for one in store.list_configurations(details=True):
                write_export(export_configuration(store, one.name), one.name, tmp_path / "out")
            assert all(one.message and one.mend for one in check_store(store))
            for run in (7, 8, 9):
                with suppress(ArchiveError):
                    import_run(store, damage.wanted(run))
            with suppress(ArchiveError):
                store.fold()
            copy_store(store, FilesystemDB(f"filesystemdb://{tmp_path}/copy"))
            for index in directory.glob("*/index.json"):
                if index.is_dir():
                    index.rmdir()
            reindex(store)
        with closing(FilesystemDB(f"filesystemdb://{directory}")) as store:
            assert "index" not in {one.kind for one in check_store(store)}
        for left in ("db", "copy", "out"):
            shutil.rmtree(tmp_path / left, ignore_errors=True)


@pytest.mark.parametrize(
    "bad", [lambda text: text.replace('"ouid" : [', '"ouid" : [ [', 1), lambda text: '{"a":' * 5000, lambda text: "[]"]
)
def test_an_index_damaged_where_a_plain_listing_does_not_look(tmp_path: Path, bad: Callable[[str], str]) -> None:
    store = filled(tmp_path / "db")
    index = tmp_path / "db/RunHistory/index.json"
    index.write_text(bad(index.read_text()))
    for details in (False, True):
        listed = FilesystemDB(store.uri).list_configurations(details)
        assert {(one.name, one.documents) for one in listed} == {("7/demo", 4), ("8/demo", 4)}
    assert {one.versions for one in listed} == {("7/demo",), ("8/demo",)}
    assert "index" in {one.kind for one in check_store(FilesystemDB(store.uri))}


def test_an_id_in_an_index_leads_nowhere_else(tmp_path: Path) -> None:
    store = filled(tmp_path / "db")
    index = tmp_path / "db/RunHistory/index.json"
    victim = next(one for one in store.documents("7/demo") if one.entities == ("boot",))
    (tmp_path / "db/RunHistory" / f"{victim.id}.json").rename(tmp_path / "elsewhere.json")
    index.write_text(index.read_text().replace(victim.id, "../../elsewhere"))
    (failure,) = export_configuration(FilesystemDB(store.uri), "7/demo").failures
    assert "an id with a slash" in failure[1]


def test_a_directory_that_the_library_would_look_for_elsewhere_is_named(tmp_path: Path) -> None:
    findings = list(check_store(filled(tmp_path / "run records" / "a&b")))
    assert {(one.kind, one.advice) for one in findings} == {("path", True)}
    assert "' ' '&'" in findings[0].message


NAMES = st.sampled_from(("1/demo", "boot", "notprovided", "", 'q"', "7/x"))
NAMED = st.builds(lambda name, at: Pairs([("name", name), ("assigned", at)]), NAMES, NAMES)
ODD_VALUES = st.recursive(
    st.one_of(NAMES, st.booleans(), st.integers(-5, 5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(st.tuples(NAMES, inner), max_size=3).map(Pairs),
        st.lists(NAMED, max_size=2),
    ),
    max_leaves=8,
)
MEMBERS = st.lists(
    st.tuples(
        st.sampled_from(
            ("document", "origin", "version", "entities", "configurations", "runs", "aliases", "_id", "odd")
        ),
        st.one_of(ODD_VALUES, st.lists(NAMED, max_size=2)),
    ),
    max_size=8,
).map(Pairs)
"""Records as nobody should write them."""


@given(record=MEMBERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_whatever_others_wrote_breaks_nothing(tmp_path: Path, record: Pairs) -> None:
    store = opened(tmp_path / uuid.uuid4().hex)
    store.insert([document(1, "boot")])
    text = write_json(record)
    (store.path / f"RunHistory/{'a' * 24}.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    reindex(store)
    again = opened(store.path)
    assert "1/demo" in [one.name for one in again.list_configurations(details=True)]
    found = list(check_store(again))
    for one in again.list_configurations():
        export_configuration(again, one.name)
    assert all(finding.kind != "index" for finding in found)
    assert "boot" in [file.entity for file in export_configuration(again, "1/demo").files]
