"""No row of the older archiver's features, disagreements, limits and defects is without a test and a word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARITY = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")


def expected() -> set[str]:
    rows = {str(row) for row in range(1, 115)}
    for letter, last in (("d", 40), ("l", 23), ("p", 17), ("s", 16)):
        rows |= {f"{letter}{number}" for number in range(1, last + 1)}
    return rows


def named(function: str) -> set[str]:
    """The rows that the name of a test begins with: `test_rows_063_to_069_…`, `test_row_090_and_s5_…`."""
    found: set[str] = set()
    words = function.removeprefix("test_").split("_")
    for place, word in enumerate(words):
        if re.fullmatch(r"[0-9]{3}", word):
            if place and words[place - 1] == "to":
                found |= {str(row) for row in range(int(words[place - 2]), int(word))}
            found.add(str(int(word)))
        elif re.fullmatch(r"[dlps][0-9]{1,2}", word):
            found.add(word)
        elif word not in ("row", "rows", "and", "to"):
            break
    return found


def parity_tests() -> list[str]:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    return re.findall(r"def (test_\w+)", tests)


def test_every_row_is_named_by_a_test() -> None:
    assert sorted(expected() - set().union(*map(named, parity_tests()))) == []


def test_every_test_that_the_document_names_is_there() -> None:
    beginnings = re.findall(r"`(test_\w+)_…`", PARITY)
    assert len(beginnings) > 30
    assert [one for one in beginnings if not any(name.startswith(f"{one}_") for name in parity_tests())] == []
    for file in re.findall(r"`(?:tests/)?(?:parity/|unit/|stores/)?(test_\w+\.py)`", PARITY):
        assert list((ROOT / "tests").rglob(file)), file


@pytest.mark.parametrize("row", sorted(expected()))
def test_every_row_is_spoken_of(row: str) -> None:
    """docs/parity.md names each row, by itself or in a range such as `62–69`."""
    letter, number = (row[0].upper(), int(row[1:])) if row[0].isalpha() else ("", int(row))
    text = PARITY if letter else "\n".join(re.findall(r"^\| ([0-9][^|]*) \|", PARITY, re.M))
    found: set[int] = set()
    for first, last in re.findall(rf"(?<![A-Z0-9]){letter}([0-9]+)(?:–{letter}?([0-9]+))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    assert number in found
