"""A document's text on disk: spliced quickly, and the same as if it were written and read member by member."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.artdaqdb.documents import (
    canonical_text,
    document_id,
    record,
    record_data,
    stored,
    stored_from_data,
    timestamp,
)
from runarchive.artdaqdb.export import document_text
from runarchive.artdaqdb.store import NewDocument
from runarchive.fhicl.convert import convert_record
from runarchive.fhicl.json_text import read_json, write_json
from runarchive.fhicl.originals import pack_originals
from runarchive.fhicl.printer import print_fhicl
from runarchive.records_dir import read_record
from runarchive.records_dir.make import Size, make_records

AT = "2017-07-18T12:48:10.123-0500"
NAME = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters='"\\*'), min_size=1
)


def new(text: str, entity: str = "boot", configuration: str = "101/demo00001") -> NewDocument:
    return NewDocument("RunHistory", entity, configuration, configuration, 101, text)


def texts_of_a_record(directory: Path) -> list[str]:
    make_records(directory, runs=1, first=1, size=Size.MEDIUM, seed=7, in_progress=0)
    files = read_record(directory / "1", 1).files
    return [text for _, text in convert_record(files, 1).entities] + [pack_originals(files)]


def test_what_is_stored_prints_as_the_canonical_text(tmp_path: Path) -> None:
    """Without any cache: the text on disk parsed as JSON and printed, against the text as parsed from FHiCL."""
    for text in [
        *texts_of_a_record(tmp_path),
        "a: 1\na: two\nb.c: {x: 1 x: 'y'} # z\n",
        "#only\n",
        "BEGIN_PROLOG\nEND_PROLOG",
    ]:
        document = read_json(record_data(new(text), "0" * 24, AT).decode()).table("document")
        assert print_fhicl(document.table("data"), document.table("metadata")) == canonical_text(text)


@given(NAME, NAME)
def test_the_spliced_record_is_the_whole_record(entity: str, configuration: str) -> None:
    document = new('a: 1 # one\nt: { x: "%s y" }\n', entity, f"101/{configuration}")
    whole = record(document, AT)
    data = record_data(document, document_id(document), AT)
    assert data.decode() == write_json(whole)
    assert read_json(data.decode()) == whole
    found = stored_from_data(data, document_id(document), "RunHistory")
    assert found == stored(whole, collection="RunHistory", content=found.content)
    assert (found.entities, found.version) == ((entity,), f"101/{configuration}")
    assert document_text(found) == canonical_text(document.text)


@pytest.mark.parametrize("damage", [("document", "data"), ("origin", "version"), ("boot", "bo\\/ot")])
def test_a_record_that_was_changed_is_not_taken_for_the_one_written(damage: tuple[str, str]) -> None:
    document = new('origin: { boot: "document" }\n')
    text = record_data(document, "0" * 24, AT).decode()
    places = [found.start() for found in re.finditer(damage[0], text)]
    assert places
    for place in places:
        changed = text[:place] + damage[1] + text[place + len(damage[0]) :]
        found = stored_from_data(changed.encode(), "0" * 24, "RunHistory")
        assert replace(found, content=b"") == stored(read_json(changed), oid="0" * 24, collection="RunHistory")


def test_ids_tell_documents_apart() -> None:
    documents = [new("a: 1\n"), new("a: 2\n"), new("a: 1\n", "b"), new("a: 1\n", "boot", "1/x")]
    ids = {document_id(document) for document in documents}
    assert len(ids) == 4
    assert all(re.fullmatch("[0-9a-f]{12}4[0-9a-f]{11}", one) for one in ids)
    assert document_id(new("a: 1\n")) == document_id(new("a: 1\n"))


@given(st.datetimes(min_value=datetime(2000, 1, 2), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001
def test_times_are_local_with_milliseconds_and_offset(naive: datetime) -> None:
    at = naive.replace(tzinfo=timezone(timedelta(hours=3)))
    text = timestamp(at)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}", text)
    back = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
    assert timedelta(0) <= at - back < timedelta(milliseconds=1)
