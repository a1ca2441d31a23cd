"""Why a text cannot go on at a place, in words for a person."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\s,\]})]+")
_REFERENCE = re.compile(r"@(?:table|local|sequence|db)::")


def no_statement(text: str, place: int, default: str) -> str:
    """Why there is no `name: value` here, where nothing else may stand."""
    rest = _line(text, place)
    if not rest:
        return f"{default} (the text ends here)"
    if found := _REFERENCE.match(rest):
        return f"{found[0]} is not taken here: artdaqDB keeps references only as values"
    if rest.startswith("BEGIN_PROLOG"):
        return "prologs must stand together at the beginning, none within another"
    if rest[0] in "#/" and not rest.isascii():
        return "a comment with a character that is not ASCII"
    if rest[0] == "/" and not rest.startswith("//"):
        return "a word cannot hold a slash: put it in quotes"
    if rest[0] in ".:":
        return f"a word cannot hold {rest[0]!r}: put it in quotes"
    return _not_ascii(rest) or default


def no_value(text: str, place: int) -> str:
    """Why there is no value here, after a colon or a comma."""
    rest = _line(text, place)
    if not rest:
        return "no value (the text ends here)"
    if rest[0] in "\"'":
        return _bad_string(text, place)
    if found := _REFERENCE.match(rest):
        return f"{found[0]} is not taken here"
    word = _WORD.match(rest)
    if word is None:
        return f"no value before {rest[0]!r}"
    return _not_ascii(rest) or f"{word[0][:40]!r} is no value: put it in quotes"


def _bad_string(text: str, place: int) -> str:
    quote = text[place]
    end = text.find(quote, place + 1)
    while quote == '"' and end > 0 and text[end - 1] == "\\":
        end = text.find(quote, end + 1)
    if end < 0:
        if text.startswith('\\\\"', text.find('"', place + 1) - 2):
            return "a double-quoted string cannot end with a backslash: use single quotes"
        return f"a string without its closing {quote}"
    return _not_ascii(text[place:end]) or f"no blank after a string's closing {quote}"


def _not_ascii(text: str) -> str:
    return "" if text.isascii() else "a character that is not ASCII"


def _line(text: str, place: int) -> str:
    end = text.find("\n", place)
    return text[place:] if end < 0 else text[place:end]
