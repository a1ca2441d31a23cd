"""Line differences: both texts can be put together from the rows again, whatever they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_archiver.diff_model import DiffOptions, Kind, Row, compare, fold, hunks, spans, unified

LINES = st.lists(st.sampled_from(["a", "b", "c: 1", "c: 2", "", "  ", "A", "{", "}"]), max_size=60)
PLAIN = DiffOptions()


def lines_of(rows: list[Row], left: bool) -> list[int]:
    numbers = [row.left if left else row.right for row in rows]
    return [number for number in numbers if number is not None]


@given(LINES, LINES, st.builds(DiffOptions, st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["", "c"])))
def test_every_line_of_both_texts_is_shown_once_and_in_order(
    left: list[str], right: list[str], how: DiffOptions
) -> None:
    rows = compare(left, right, how)
    assert lines_of(rows, True) == list(range(len(left)))
    assert lines_of(rows, False) == list(range(len(right)))
    normal = how.normaliser()
    for row in rows:
        if row.kind is Kind.SAME:
            assert row.left is not None
            assert row.right is not None
            assert normal(left[row.left]) == normal(right[row.right])


@given(LINES, LINES)
def test_one_column_shows_what_left_and_what_came(left: list[str], right: list[str]) -> None:
    rows = unified(compare(left, right, PLAIN))
    assert [row.left for row in rows if row.kind is not Kind.ADDED] == list(range(len(left)))
    assert [row.right for row in rows if row.kind is not Kind.REMOVED] == list(range(len(right)))


@given(LINES)
def test_a_text_does_not_differ_from_itself(lines: list[str]) -> None:
    assert hunks(compare(lines, lines, PLAIN)) == []


@given(LINES, LINES)
def test_folding_hides_equal_lines_only(left: list[str], right: list[str]) -> None:
    rows = compare(left, right, PLAIN)
    folded = fold(rows)
    assert [row for row in folded if row.kind is not Kind.SAME] == [row for row in rows if row.kind is not Kind.SAME]
    assert sum(row.folded or 1 for row in folded) == len(rows)


@pytest.mark.parametrize(
    ("how", "right"),
    [
        (DiffOptions(space=True), ["port :5600", "x"]),
        (DiffOptions(case=True), ["PORT: 5600", "X"]),
        (DiffOptions(blank=True), ["", "port: 5600", "", "x", " "]),
        (DiffOptions(pattern="^#"), ["# made on Monday", "port: 5600", "x"]),
    ],
)
def test_what_is_ignored_makes_no_difference(how: DiffOptions, right: list[str]) -> None:
    left = ["port: 5600", "x"]
    assert hunks(compare(left, right, how)) == []
    assert hunks(compare(left, right, PLAIN)) != []


@given(st.text("ab[]{} ", max_size=40), st.text("ab[]{} ", max_size=40))
def test_outside_the_spans_two_lines_are_the_same(left: str, right: str) -> None:
    parts_left, parts_right = spans(left, right)
    assert _without(left, parts_left) == _without(right, parts_right)


def test_long_lines_are_compared_by_their_ends() -> None:
    left = "x" * 100_000 + "[1]" + "y" * 100_000
    right = "x" * 100_000 + "[2]" + "y" * 100_000
    assert spans(left, right) == (((100_001, 100_002),), ((100_001, 100_002),))


def test_five_megabytes_without_a_common_unique_line_end_soon() -> None:
    left = [f"value: {n % 7}" for n in range(200_000)]
    right = [f"value: {n % 5}" for n in range(200_000)]
    rows = compare(left, right, PLAIN)
    assert lines_of(rows, True) == list(range(len(left)))


def _without(text: str, parts: tuple[tuple[int, int], ...]) -> str:
    for first, last in reversed(parts):
        text = text[:first] + text[last:]
    return text
