"""BSON of records: repeated names, order and every type come back; what would do harm is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import bson
import pytest
from bson.int64 import Int64
from hypothesis import given
from hypothesis import strategies as st

from runarchive.artdaqdb import bson_records
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.pairs import Pairs, Value

OID = "0123456789ab456789abcdef"
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda name: not name.startswith("$") and name != "_id"
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values: st.SearchStrategy[Value] = st.recursive(
    st.one_of(texts, st.booleans(), st.none(), st.integers(-(2**31), 2**31 - 1), st.floats(allow_nan=False)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(st.tuples(names, inner), max_size=6).map(lambda items: Pairs(items))
    ),
    max_leaves=25,
)


@given(st.lists(st.tuples(names, values), max_size=8))
def test_every_record_comes_back(items: list[tuple[str, Value]]) -> None:
    record = Pairs([("_id", Pairs([("$oid", OID)])), *items])
    raw = bson_records.encode(record)
    assert bson_records.decode(raw) == record
    assert bson_records.encode(bson_records.decode(raw)) == raw


@given(st.lists(st.tuples(names, values), max_size=8, unique_by=lambda item: item[0]))
def test_without_repeated_names_the_bytes_are_those_of_the_driver(items: list[tuple[str, Value]]) -> None:
    def plain(value: Value) -> object:
        if isinstance(value, Pairs):
            return {name: plain(one) for name, one in value.items}
        return [plain(one) for one in value] if isinstance(value, list) else value

    def repeats(value: Value) -> bool:
        if isinstance(value, Pairs):
            return len(set(value)) < len(value) or any(repeats(one) for _, one in value.items)
        return isinstance(value, list) and any(repeats(one) for one in value)

    record = Pairs(items)
    if not repeats(record):
        assert bson_records.encode(record) == bson.encode(plain(record))  # type: ignore[arg-type]


def test_the_id_is_put_in_front() -> None:
    record = Pairs([("version", "1/a"), ("_id", Pairs([("$oid", OID)])), ("x", "y")])
    assert bson_records.decode(bson_records.encode(record)).items[0] == ("_id", Pairs([("$oid", OID)]))


def test_foreign_types_come_back() -> None:
    foreign = {
        "date": datetime(2026, 11, 21, tzinfo=UTC),
        "long": Int64(5),
        "double": 1.5,
        "regex": bson.Regex("^a/b", "i"),
        "decimal": bson.Decimal128("1.10"),
        "binary": bson.Binary(b"\x00\xff", 0x80),
        "bytes": b"raw",
        "code": bson.Code("f()"),
        "scoped": bson.Code("f()", {"a": 1}),
        "stamp": bson.Timestamp(7, 8),
        "min": bson.MinKey(),
        "max": bson.MaxKey(),
        "reference": bson.DBRef("c", bson.ObjectId(OID), "d"),
        "far": bson.datetime_ms.DatetimeMS(2**60),
        "null": None,
    }
    raw = bson.encode(foreign)
    record = bson_records.decode(raw)
    assert record.get("date") == Pairs([("$date", 1795219200000)])
    assert bson_records.encode(record) == raw


def test_a_long_name_does_not_disturb_a_foreign_value() -> None:
    raw = bson.encode({"v" * 200: bson.ObjectId(OID), "w": {"v": bson.Code("x" * 103)}})
    assert bson_records.encode(bson_records.decode(raw)) == raw


def test_as_the_library_reads_stray_control_characters() -> None:
    raw = bson.encode({"a": "x\x01y\tz\nw\x7f", "b": ["\x0b"]})
    read = bson_records.decode(raw, as_library=True)
    assert read.get("a") == "x\\u0001y\tz\nw\x7f"
    assert read.get("b") == ["\\u000b"]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (Pairs([("", "x")]), Code.BAD_NAME),
        (Pairs([("$set", "x")]), Code.BAD_NAME),
        (Pairs([("a", Pairs([("$set", "x")]))]), Code.BAD_NAME),
        (Pairs([("a", Pairs([("b", "x"), ("$c", "x")]))]), Code.BAD_NAME),
        (Pairs([("a\0b", "x")]), Code.BAD_NAME),
        (Pairs([("a", Pairs([("$oid", "no id")]))]), Code.CORRUPT),
        (Pairs([("a", Pairs([("$date", "tomorrow")]))]), Code.CORRUPT),
        (Pairs([("a", 2**70)]), Code.CORRUPT),
        (Pairs([("a", "\udc80")]), Code.CORRUPT),
        (Pairs([("a", "x" * 2**24)]), Code.TOO_LARGE),
    ],
)
def test_what_would_do_harm_is_refused(record: Pairs, code: Code) -> None:
    with pytest.raises(ArchiveError) as caught:
        bson_records.encode(record)
    assert caught.value.code is code


def test_nesting_without_end_is_refused() -> None:
    record = Pairs([("a", "b")])
    for _ in range(5000):
        record = Pairs([("a", record)])
    with pytest.raises(ArchiveError) as caught:
        bson_records.encode(record)
    assert caught.value.code is Code.TOO_LARGE


@pytest.mark.parametrize("raw", [b"", b"\x05\x00\x00\x00", b"\x0c\x00\x00\x00\x02a\x00\xff\xff\xff\x7f\x00"])
def test_bytes_that_are_no_document_are_corrupt(raw: bytes) -> None:
    with pytest.raises(ArchiveError) as caught:
        bson_records.decode(raw)
    assert caught.value.code is Code.CORRUPT


def test_the_librarys_documents_come_back_byte_for_byte(golden_mongodb: Path) -> None:
    seen = refused = 0
    for dump in sorted(golden_mongodb.rglob("*.bson")):
        for raw in bson_records.split(dump.read_bytes()):
            seen += 1
            record = bson_records.decode(raw)
            if any(name in repr(record) for name in ("('', ", "('$set', ")):
                with pytest.raises(ArchiveError):
                    bson_records.encode(record)
                refused += 1
            else:
                assert bson_records.encode(record) == raw
    assert seen > 400
    assert refused == 2


def test_the_document_is_found_where_the_library_puts_it(golden_mongodb: Path) -> None:
    taken = 0
    for dump in sorted(golden_mongodb.rglob("*.bson")):
        for raw in bson_records.split(dump.read_bytes()):
            record = bson_records.decode(raw)
            content, rest = bson_records.take_document(raw)
            if content:
                taken += 1
                assert bson_records.decode(content) == record.get("document")
            again = bson_records.decode(rest)
            if content:
                again.items.insert(1, ("document", bson_records.decode(content)))
            assert again == record
    assert taken > 400


@given(st.binary(max_size=80))
def test_no_bytes_confuse_the_search_for_the_document(raw: bytes) -> None:
    for data in (raw, b"\xff\0\0\0\x07_id\0" + b"x" * 12 + b"\x03document\0" + raw):
        content, rest = bson_records.take_document(data)
        assert content or rest == data
