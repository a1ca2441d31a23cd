"""The regular expressions of the tokens against the same rules spelt out character by character."""

from __future__ import annotations

import re
import string
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runarchive.fhicl import grammar, parser
from runarchive.fhicl.parser import FhiclError, parse_anew
from runarchive.fhicl.tree import FhiclDocument
from tests.fhicl_texts import SOUP, whole_texts

LETTERS = frozenset(string.ascii_letters + "_")
WORD = LETTERS | frozenset(string.digits)


def visible(text: str, place: int, but: str) -> bool:
    """Whether a visible character stands there, other than these."""
    return place < len(text) and "!" <= text[place] <= "~" and text[place] not in but


def run(text: str, place: int, allowed: str | frozenset[str]) -> int:
    """The place after the characters that are allowed."""
    while place < len(text) and text[place] in allowed:
        place += 1
    return place


def number(text: str, place: int) -> int | None:
    """The place after a number."""
    for start in (place + 1, place) if text[place : place + 1] in ("+", "-") else (place,):
        if text.startswith("infinity", start) and not visible(text, start + 8, "),]}"):
            return start + 8
    end = run(text, place, "0123456789.-+eE")
    if end > place and not visible(text, end, "#/,]})") and is_decimal(text[place:end]):
        return end
    for letter, digits in (("x", string.hexdigits), ("b", "01")):
        if text[place : place + 2].lower() == "0" + letter:
            end = run(text, place + 2, digits)
            if end > place + 2 and not visible(text, end, "#/,]})"):
                return end
    return None


def is_decimal(word: str) -> bool:
    """Whether these digits, signs, dots and letters e are a number."""
    rest = word[1:] if word[0] in "+-" else word
    mantissa, marker, exponent = rest.replace("E", "e").partition("e")
    digits = exponent[1:] if exponent[:1] in ("+", "-") else exponent
    if marker and not digits.isdigit():
        return False
    return mantissa.count(".") <= 1 and mantissa.replace(".", "").isdigit()


def token(text: str) -> tuple[str, int] | None:
    """Kind and length of the value that a text begins with, by the library's alternatives in their order."""
    if text.startswith("@nil") and not visible(text, 4, ",]}"):
        return "nil", 4
    for word in ("true", "false"):
        if text.startswith(word) and not visible(text, len(word), ",]}"):
            return "bool", len(word)
    if end := number(text, 0):
        return "number", end
    if text[:1] == "(":
        return "complex", 1
    end = run(text, 0, WORD)
    if end and text[0] in LETTERS and not visible(text, end, "#/,]}.[:"):
        return "string_unquoted", end
    if end and text[0] in string.digits and not visible(text, end, "#/,]}"):
        return "string_unquoted", end
    for quote, kind in (("'", "string_singlequoted"), ('"', "string_doublequoted")):
        if text[:1] == quote and (end := closing(text, quote)) and not visible(text, end, ",]}"):
            return kind, end
    if text[:1] in ("{", "["):
        return text[0], 1
    end = run(text, 0, WORD | frozenset(":.@"))
    if end and text[0] not in string.digits and not visible(text, end, "#/,]}.[:"):
        return "string_unquoted", end
    return None


def closing(text: str, quote: str) -> int:
    """The place after the closing quote, 0 when there is none."""
    place = 1
    while place < len(text) and text[place] < "\x80":
        if quote == '"' and text.startswith('\\"', place):
            place += 2
        elif text[place] == quote:
            return place + 1
        else:
            place += 1
    return 0


KINDS = {group: kind for group, kind in grammar.SCALAR_OF_GROUP.items()} | {
    grammar.TABLE_GROUP: "{",
    grammar.SEQUENCE_GROUP: "[",
    grammar.COMPLEX_GROUP: "complex",
}


@settings(max_examples=1500, deadline=None)
@given(st.text(alphabet="aefintruly@.:+-09x1bE\"'\\(){}[],#/_;~! \n\xe9", max_size=12))
@example("infinity#")
@example("+infinity)")
@example("1.e5,")
def test_values(text: str) -> None:
    if text[:1] in ("", " ", "\n", "#", "/"):
        return
    found = grammar.VALUE.match(text)
    group = found.lastindex if found else None
    assert token(text) == ((KINDS[group], found.end()) if found and group else None)


@pytest.mark.parametrize("code", range(256))
def test_every_character_after_every_kind_of_value(code: int) -> None:
    for value in ("5", "0x1", "infinity", "true", "@nil", "abc", "12a", '"x"', "'x'", "@a.b", "x:y"):
        text = value + chr(code) + "z"
        found = grammar.VALUE.match(text)
        group = found.lastindex if found else None
        assert token(text) == ((KINDS[group], found.end()) if found and group else None), text


NEVER = re.compile("(?!)")


def outcome(text: str) -> object:
    """The document, or the refusal."""
    try:
        document = FhiclDocument(parse_anew(text))
    except FhiclError as error:
        return str(error)
    return document.data, document.metadata, document.comments


@settings(deadline=None)
@given(SOUP | whole_texts())
def test_the_short_way_and_the_long_way_agree(text: str) -> None:
    short = outcome(text)
    assert without_the_short_way(lambda: outcome(text)) == short


def without_the_short_way(work: Callable[[], object]) -> object:
    """What comes out when every statement goes the long way."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parser, "STATEMENT", NEVER)
        patched.setattr(parser, "TOP_STATEMENT", NEVER)
        return work()
