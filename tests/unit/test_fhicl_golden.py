"""Our FHiCL against what the real artdaq_database made of the same texts, byte for byte."""

from __future__ import annotations

import re

import pytest

from runarchive.fhicl.document import document_form, members_text
from runarchive.fhicl.json_text import read_json, write_json
from runarchive.fhicl.pairs import Pairs
from runarchive.fhicl.parser import FhiclError, parse
from runarchive.fhicl.printer import canonical, print_fhicl
from tests import golden_fhicl as golden

PROBE = "mongodb/probe"
PLACE = re.compile(r"line (\d+), character (\d+)")


def _timed(recorded: bytes) -> tuple[str, str]:
    """The recorded JSON and the time in it."""
    text = recorded.decode("ascii")
    return text, read_json(text).table("origin").text("timestamp")


@pytest.mark.parametrize("stem", golden.names("fhicl_pairs/in/", ".fcl"))
def test_recorded_pairs(stem: str) -> None:
    source, recorded = golden.pair("in", stem, ".fcl"), golden.pair("json", stem, ".json")
    if not recorded:
        with pytest.raises(FhiclError) as refusal:
            parse(source)
        _same_place(refusal.value, golden.pair("err", stem, ".f2j.err").decode("utf-8"))
        return
    text, timestamp = _timed(recorded)
    document = parse(source)
    assert write_json(document_form(document, f"{stem}.fcl", timestamp)) == text
    back = golden.pair("fcl_back", stem, ".fcl").decode("ascii")
    assert canonical(source) == back
    assert print_fhicl(document.data, document.metadata) == back


def _same_place(refusal: FhiclError, recorded: str) -> None:
    place = PLACE.search(recorded)
    if place is None:
        return
    if place[1] == "0":
        assert "the text ends here" in refusal.reason
    else:
        assert (refusal.line, refusal.column) == (int(place[1]), int(place[2]))


@pytest.mark.parametrize("number", range(110))
def test_single_constructs(number: int) -> None:
    recorded = golden.constructs()[number]
    source = recorded.text("fhicl")
    if recorded.get("f2j_rc") != 0:
        with pytest.raises(FhiclError) as refusal:
            parse(source)
        lines = recorded.get("err")
        assert isinstance(lines, list)
        _same_place(refusal.value, "\n".join(map(str, lines)))
        return
    document = parse(source)
    assert golden.as_tables(document.data) == golden.as_tables(recorded.get("data"))
    assert golden.as_tables(document.metadata) == golden.as_tables(recorded.get("metadata"))
    comments: list[object] = [{"linenum": line, "value": comment} for line, comment in document.comments]
    assert comments == golden.as_tables(recorded.get("comments"))
    assert canonical(source) == recorded.text("fhicl_back")


@pytest.mark.parametrize("stem", ["test001", "test002", "test003", "test004", "test005"])
def test_upstream_text_to_document(stem: str) -> None:
    document = document_form(
        parse(golden.fixture(f"test001/{stem}.fcl")), "notprovided", "2017-07-18T12:48:10.123-0500"
    )
    assert document == read_json(golden.fixture(f"test001/{stem}.json").decode("ascii"))


@pytest.mark.parametrize("stem", ["test001", "test002"])
def test_upstream_document_to_text(stem: str) -> None:
    document = read_json(golden.fixture(f"test002/{stem}.json").decode("ascii")).table("document")
    assert print_fhicl(document.table("data"), document.table("metadata")).encode() == golden.fixture(
        f"test002/{stem}.fcl"
    )


@pytest.mark.parametrize("stem", golden.names("fixtures/fcl2dbjson/test003/", ".fcl"))
def test_upstream_canonical_texts(stem: str) -> None:
    text = golden.fixture(f"test003/{stem}.fcl")
    assert canonical(text).encode() == text


@pytest.mark.parametrize("stem", ["test001", "test002"])
def test_upstream_document_to_text_and_back(stem: str) -> None:
    document = read_json(golden.fixture(f"test004/{stem}.json").decode("ascii")).table("document")
    assert parse(print_fhicl(document.table("data"), document.table("metadata"))).data == document.get("data")


@pytest.mark.parametrize("stem", golden.names(f"{PROBE}/in/", ".fcl", "mongodb.tar.xz"))
def test_hostile_inputs_through_mongodb(stem: str) -> None:
    probe = golden.files("mongodb.tar.xz")
    source = probe[f"{PROBE}/in/{stem}.fcl"]
    export = probe.get(f"{PROBE}/exports/{stem}.fcl")
    if export is None:
        with pytest.raises(FhiclError):
            parse(source)
        return
    assert canonical(source).encode() == export
    stored = _probe_documents()[stem].table("document")
    document = parse(source)
    assert (document.data, document.metadata) == (stored.get("data"), stored.get("metadata"))


def _probe_documents() -> dict[str, Pairs]:
    lines = golden.files("mongodb.tar.xz")[f"{PROBE}/dump/RunHistory.json"].decode("utf-8").splitlines()
    found: dict[str, Pairs] = {}
    for line in lines:
        record = read_json(line)
        entities = record.get("entities")
        assert isinstance(entities, list)
        assert isinstance(entities[0], Pairs)
        found[entities[0].text("name")] = record
    return found


def test_documents_of_real_configurations() -> None:
    for one in golden.stored():
        document = parse(one.source)
        assert members_text(document) == one.members, (one.run, one.entity)
        assert canonical(one.source) == one.export, (one.run, one.entity)
        members = read_json("{" + one.members + "}").table("document")
        assert print_fhicl(members.table("data"), members.table("metadata")) == one.export
