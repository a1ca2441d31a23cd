"""Text from a store never reaches a terminal raw."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.clean import clean, clean_ascii

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)


@given(ANY_TEXT)
def test_nothing_that_moves_hides_or_turns_text_is_left(text: str) -> None:
    for character in clean(text):
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Me")
        assert unicodedata.category(character) != "Zs" or character == " "


@given(ANY_TEXT)
def test_it_is_one_line_that_can_be_written_anywhere(text: str) -> None:
    assert "\n" not in clean(text)
    clean(text).encode("utf-8")
    assert clean_ascii(text).isascii()
    assert clean_ascii(text).isprintable()


@given(ANY_TEXT)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text, 10_000), 10_000) == clean(text, 10_000)


@given(st.text(st.characters(categories=("Lu", "Ll", "Nd", "Po")), max_size=100))
def test_ordinary_words_stay_as_they_are(text: str) -> None:
    assert clean(text) == text


@given(ANY_TEXT, st.integers(1, 50))
def test_it_is_cut_with_an_ellipsis(text: str, limit: int) -> None:
    assert len(clean(text, limit)) <= limit + 2
    if len(text) > limit:
        assert clean(text, limit).endswith("…")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("a\nb\tc\r", "a⏎b␉c␍"),
        ("\x9b31m", "\ufffd31m"),
        ("abc\u202edcba", "abc\ufffddcba"),
        ("⚠\ufe0f", "⚠\ufffd"),
        ("e\u0301\u0301\u0301\u0301", "e\u0301\u0301"),
        ("\u0301x", "◌\u0301x"),
        ("Résumé µBooNE [bold]", "Résumé µBooNE [bold]"),
        ("", ""),
    ],
)
def test_what_stands_for_what(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_the_ascii_form() -> None:
    assert clean_ascii("\x1b[31mRésumé") == "^[[31mR?sum?"
