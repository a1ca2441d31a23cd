"""The JSON of artdaqDB's documents: layout, escapes, and the reader's peculiarities."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runarchive.errors import ArchiveError
from runarchive.fhicl.json_text import check_json, number_text, read_json, write_json
from runarchive.fhicl.pairs import Pairs, Value


def test_layout() -> None:
    value = Pairs([("a", Pairs()), ("b", []), ("c", ["x", 1, True]), ("a", Pairs([("d", '\t"\\\n')]))])
    assert write_json(value) == (
        '{\n"a" : {\n\n},\n"b" : [\n\n],\n"c" : [\n"x",\n1,\ntrue\n],\n"a" : {\n"d" : "\\t\\"\\\\\\n"\n}\n}'
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (3.14159265, "3.142"),
        (-0.00001, "-1.0e-05"),
        (123456.789, "1.235e05"),
        (1.5, "1.5"),
        (2.0, "2.0"),
        (0.0, "0.0"),
        (1 << 40, "1099511627776"),
        (False, "false"),
    ],
)
def test_numbers(number: float, text: str) -> None:
    assert number_text(number) == text


def test_a_backslash_that_begins_no_escape_stands_for_itself() -> None:
    assert read_json(r'{"a":"x\/y\u0041\\/\"\n"}').get("a") == 'x\\/y\\u0041\\/"\n'
    assert write_json(read_json(r'{"a":"\/"}')) == '{\n"a" : "\\\\/"\n}'


@pytest.mark.parametrize(
    "text",
    [
        '{"a":null}',
        '{"a":1e5}',
        "[1]",
        "",
        "{",
        '{"a":1,}',
        '{"a" 1}',
        '{"a":"x',
        '{"a":tru}',
        '{"a":[1 2]}',
        "null",
        '{"a":[null]}',
    ],
)
def test_what_the_library_cannot_read(text: str) -> None:
    with pytest.raises(ArchiveError):
        read_json(text)
    with pytest.raises(ArchiveError):
        check_json(text)


@given(st.text(alphabet='{}[]",:ab1.e-+nul\\\n ', max_size=30))
@example('{"a":"null"}')
@example('{"a":{"b":[null]}}')
@example(' {"a":{}} rubbish')
@example('{"a":1.5e3,"b":.5}')
def test_what_is_checked_is_what_can_be_read(text: str) -> None:
    def refusal(read: Callable[[str], object]) -> str:
        try:
            read(text)
        except ArchiveError as error:
            return error.message
        return ""

    assert refusal(check_json) == refusal(read_json)


def test_what_only_the_library_reads() -> None:
    assert read_json('{"a":1.5e3,"b":.5,"c":007,"d":+3,"e":"tab\there"} rubbish').items == [
        ("a", 1500.0),
        ("b", 0.5),
        ("c", 7),
        ("d", 3),
        ("e", "tab\there"),
    ]


VALUES: st.SearchStrategy[Value] = st.recursive(
    st.text() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1),
    lambda inner: st.lists(inner) | st.lists(st.tuples(st.text(), inner)).map(Pairs),
    max_leaves=20,
)


@given(st.lists(st.tuples(st.text(), VALUES)).map(Pairs))
def test_what_is_written_is_read_back(value: Pairs) -> None:
    text = write_json(value)
    assert read_json(text) == value
    assert write_json(read_json(text)) == text


@given(st.text(alphabet='{}[]":,\\ntfu/01.e+-anbrl \x00é'))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        value = read_json(text)
    except ArchiveError:
        return
    assert read_json(write_json(value)) is not None


def test_pairs() -> None:
    pairs = Pairs([("a", 1), ("b", 2), ("a", 3)])
    assert pairs.get("a") == 1
    assert pairs.get_all("a") == [1, 3]
    assert pairs.get("c", "none") == "none"
    assert list(pairs) == ["a", "b", "a"]
    assert "b" in pairs
    assert len(pairs) == 3
    pairs.set("a", 9)
    pairs.set("c", 4)
    pairs.append("b", 5)
    assert pairs.items == [("a", 9), ("b", 2), ("a", 3), ("c", 4), ("b", 5)]
    pairs.remove("a")
    assert list(pairs) == ["b", "c", "b"]
    assert pairs.table("b") == Pairs()
    assert pairs.text("b", "?") == "?"
    assert pairs != Pairs()
