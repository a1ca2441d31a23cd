"""The fast way into BSON makes the bytes of the plain one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.artdaqdb import bson_records
from runarchive.artdaqdb.documents import known_text, record, stored
from runarchive.artdaqdb.export import document_text
from runarchive.artdaqdb.mongodb_encode import content_digest, encode_body, encode_new, known_record
from runarchive.artdaqdb.store import NewDocument
from runarchive.errors import ArchiveError
from runarchive.fhicl.parser import FhiclError
from runarchive.fhicl.printer import print_fhicl

AT = "2026-11-21T07:25:23.431+0000"
TEXTS = [
    "",
    "\n",
    "# alone\n",
    'a: 1 # one\nt: { x: "y" }\n',
    "BEGIN_PROLOG\np: { a: 1 }\nEND_PROLOG\nq: @local::p # c\n",
    '#include "x.fcl"\nt: { #include "y.fcl"\n a: 1 }\n',
    "a: 1\na: two\nb.c: [1, [2, { d: 3 # e\n } ] ]\n",
    "a @protect_ignore: 1\nt @protect_error: { b: 2 }\n",
    "a: (1, 2)\nb: @nil\nc: infinity\nd: 0xff\n",
    "a: 'x\ty'\nb: \"l1\nl2\"\n# form\x0cfeed\nc: 1\n",
    f"a: {'[' * 150}{']' * 150}\n",
]
names = st.text(st.sampled_from("ab_/'. µ"), min_size=1, max_size=8)


def new(text: str, **changed: str) -> NewDocument:
    plain = {"collection": "RunHistory", "entity": "boot", "version": "7/c", "configuration": "7/c"}
    return NewDocument(**(plain | changed), run=7, text=text)


def assert_same(document: NewDocument) -> None:
    try:
        wanted = bson_records.encode(record(document, AT))
    except FhiclError:
        with pytest.raises(FhiclError):
            encode_new(document, AT)
        return
    assert encode_new(document, AT) == wanted


@pytest.mark.parametrize("text", TEXTS)
def test_each_construct(text: str) -> None:
    assert_same(new(text))


@given(names, names, names)
def test_each_name(entity: str, version: str, configuration: str) -> None:
    assert_same(new("a: 1\n", entity=entity, version=version, configuration=configuration))


@given(st.text(st.sampled_from("ab01 :{}[],#\"'\n@._/")))
def test_any_text(text: str) -> None:
    assert_same(new(text))


def test_the_librarys_probes(golden_mongodb: Path) -> None:
    for path in sorted((golden_mongodb / "probe" / "in").glob("*.fcl")):
        assert_same(new(path.read_bytes().decode("utf-8", "surrogateescape")))


def test_nesting_beyond_reason_is_refused_not_crashed() -> None:
    with pytest.raises(ArchiveError):
        encode_body("a: " + "[" * 20000 + "]" * 20000 + "\n")


def assert_known_text_is_what_reading_gives(text: str) -> None:
    """What is known of encoded bytes is what decoding and printing them gives."""
    try:
        raw = encode_new(new(text), AT)
    except ArchiveError:
        return
    content, _ = bson_records.take_document(raw)
    known = known_text(content_digest(content, as_library=True))
    document = bson_records.decode(content, as_library=True)
    try:
        printed = print_fhicl(document.table("data"), document.table("metadata"))
    except ArchiveError:
        assert known is None
    else:
        assert known in (None, printed)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_known_of_each_construct(text: str) -> None:
    assert_known_text_is_what_reading_gives(text)


@given(st.text(st.sampled_from("ab01 :{}[],#\"'\n@._/")))
def test_what_is_known_of_any_text(text: str) -> None:
    assert_known_text_is_what_reading_gives(text)


def test_what_is_known_of_the_librarys_probes(golden_mongodb: Path) -> None:
    for path in sorted((golden_mongodb / "probe" / "in").glob("*.fcl")):
        assert_known_text_is_what_reading_gives(path.read_bytes().decode("utf-8", "surrogateescape"))
    content, _ = bson_records.take_document(encode_new(new("a: 1\n"), AT))
    assert known_text(content_digest(content, as_library=True)) == "\na: 1 \n"


@given(names, names, names)
def test_what_was_encoded_reads_as_it_says(entity: str, version: str, configuration: str) -> None:
    raw = encode_new(new("a: 1 # one\n", entity=entity, version=version, configuration=configuration), AT)
    found = known_record(raw, "RunHistory")
    assert found is not None
    wanted = bson_records.decode(raw, as_library=True)
    assert found == stored(wanted, collection="RunHistory", content=found.content)
    assert document_text(found) == "\na: 1 # one\n"


def test_what_another_changed_is_not_taken_for_what_was_encoded() -> None:
    def encoded() -> bytes:
        return encode_new(new("a: 1\n", entity="changed"), AT)

    assert known_record(encoded(), "RunHistory") is not None
    assert known_record(encoded(), "SystemLayout") is None
    for place in range(len(encoded())):
        changed = bytearray(encoded())
        changed[place] ^= 1
        assert known_record(bytes(changed), "RunHistory") is None
