"""The JSON text of artdaqDB's documents: one member a line, names kept as often as they come.

The layout and the reader's peculiarities are those of artdaq_database's JsonWriter and JsonReader; a document that
this module writes is, byte for byte, the one that the library would have written.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import Any

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.pairs import Pairs, Value

_SPECIAL = re.compile(r'["\\\b\f\n\r\t]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNESCAPES = {escaped[1]: plain for plain, escaped in _ESCAPES.items()}
_ODD_ESCAPE = re.compile(r'\\(?:[^"\\bfnrt]|\Z)')
_ANY_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\]++|\\["\\bfnrt]|\\)*+)"')
_LONG = re.compile(r"[-+]?[0-9]+(?!\.)")
_DOUBLE = re.compile(r"[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|inf(?:inity)?|nan)", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\n\v\f\r]*")
_LONG_LIMIT = 1 << 63


class RawText(str):
    """Text that the library stores without escaping, because it never took it for a string (a number, say)."""

    __slots__ = ()


def escape(text: str) -> str:
    r"""The text as it stands between the quotes: `" \ \b \f \n \r \t` escaped, nothing else."""
    if _SPECIAL.search(text) is None or isinstance(text, RawText):
        return text
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text)


def unescape(text: str) -> str:
    """The inverse of `escape`; a backslash before any other character stands for itself."""
    if "\\" not in text:
        return text
    return _ANY_ESCAPE.sub(lambda found: _UNESCAPES.get(found[1], found[0]), text)


def write_json(value: Value) -> str:
    """The JSON text of a value in the library's layout, without a newline at its end.

    Raises ArchiveError(CORRUPT) for None, which the library cannot read back, and for nesting too deep to be written.
    """
    parts: list[str] = []
    try:
        _write(value, parts)
    except RecursionError:
        raise ArchiveError(Code.CORRUPT, "the document is nested too deeply to be written") from None
    return "".join(parts)


def _write(value: Value, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(f'"{escape(value)}"')
    elif isinstance(value, Pairs):
        parts.append("{\n")
        separator = ""
        for name, item in value.items:
            if isinstance(item, str):
                parts.append(f'{separator}"{escape(name)}" : "{escape(item)}"')
            else:
                parts.append(f'{separator}"{escape(name)}" : ')
                _write(item, parts)
            separator = ",\n"
        parts.append("\n}")
    elif isinstance(value, list):
        parts.append("[\n")
        separator = ""
        for item in value:
            parts.append(separator)
            _write(item, parts)
            separator = ",\n"
        parts.append("\n]")
    elif value is None:
        raise ArchiveError(Code.CORRUPT, "a document cannot hold null: artdaq_database could not read it back")
    else:
        parts.append(number_text(value))


def number_text(value: bool | int | float) -> str:
    """A bool, int or float as the library prints it: floats with at most three decimals, as it always has."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if math.isnan(value) or math.isinf(value):
        return ("-" if math.copysign(1.0, value) < 0 else "") + ("nan" if math.isnan(value) else "inf")
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return _three_decimals(value)
    mantissa, _, power = f"{value:.3e}".partition("e")
    exponent = int(power)
    return f"{_trimmed(mantissa)}e{'-' if exponent < 0 else ''}{abs(exponent):02d}"


def _three_decimals(value: float) -> str:
    return _trimmed(f"{value:.3f}")


def _trimmed(text: str) -> str:
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'}"


def read_json(text: str) -> Pairs:
    """The object that a JSON text begins with, as the library's reader takes it.

    What follows the object is ignored, names may repeat, a backslash that begins none of the seven escapes stands for
    itself, numbers need a dot before an exponent, and there is no null. Raises ArchiveError(CORRUPT) for anything that
    the library cannot read.
    """
    if _ODD_ESCAPE.search(text.replace("\\\\", "")) is None:
        try:
            return _read_plain(text)
        except (ValueError, RecursionError):
            pass
    try:
        value, _ = _Reader(text).value(0)
    except RecursionError:
        raise ArchiveError(Code.CORRUPT, "the JSON text is nested too deeply") from None
    if not isinstance(value, Pairs):
        raise ArchiveError(Code.CORRUPT, "the JSON text is not an object")
    return value


def check_json(text: str) -> None:
    """Raise what `read_json` would raise, and keep nothing of what is read."""
    if "null" not in text and _ODD_ESCAPE.search(text.replace("\\\\", "")) is None:
        with contextlib.suppress(ValueError, RecursionError):  # read_json tells what is wrong
            counted, _ = _COUNTER.raw_decode(text, _space(text, 0))
            if isinstance(counted, int) and text.lstrip().startswith("{"):
                return
    read_json(text)


def _refuse(literal: str) -> Any:
    raise ValueError(literal)


def _decimal(literal: str) -> float:
    return float(literal) if "." in literal else _refuse(literal)


def _long(literal: str) -> int:
    value = int(literal)
    return value if -_LONG_LIMIT <= value < _LONG_LIMIT else _refuse(literal)


_DECODER = json.JSONDecoder(
    object_pairs_hook=Pairs, strict=False, parse_float=_decimal, parse_int=_long, parse_constant=_refuse
)

_COUNTER = json.JSONDecoder(
    object_pairs_hook=len, strict=False, parse_float=_decimal, parse_int=_long, parse_constant=_refuse
)
"""Reads objects as the number of their members."""


def _holds_null(value: Any) -> bool:
    if isinstance(value, Pairs):
        return any(_holds_null(item) for _, item in value.items if not isinstance(item, str))
    if isinstance(value, list):
        return any(_holds_null(item) for item in value if not isinstance(item, str))
    return value is None


def _read_plain(text: str) -> Pairs:
    """The standard decoder's reading, where it cannot differ from the library's; raises ValueError otherwise."""
    value, _ = _DECODER.raw_decode(text, _space(text, 0))
    if not isinstance(value, Pairs) or ("null" in text and _holds_null(value)):
        raise ValueError("not an object the library reads")
    return value


def _space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


class _Reader:
    """The library's grammar, step by step; slow, for texts that the standard decoder takes otherwise."""

    def __init__(self, text: str) -> None:
        self.text = text

    def fail(self, place: int) -> ArchiveError:
        """What to raise when the text makes no sense at this place."""
        line = self.text.count("\n", 0, place) + 1
        near = self.text[place : place + 20]
        return ArchiveError(Code.CORRUPT, f"not JSON that artdaq_database reads: line {line}, near {near!r}")

    def value(self, place: int) -> tuple[Value, int]:
        """The value at this place and the place after it."""
        place = _space(self.text, place)
        first = self.text[place : place + 1]
        if first == "{":
            return self.table(place + 1)
        if first == "[":
            return self.array(place + 1)
        if first == '"':
            return self.string(place)
        if found := _LONG.match(self.text, place):
            number = int(found[0])
            if -_LONG_LIMIT <= number < _LONG_LIMIT:
                return number, found.end()
        if found := _DOUBLE.match(self.text, place):
            return float(found[0]), found.end()
        for word, truth in (("true", True), ("false", False)):
            if self.text.startswith(word, place):
                return truth, place + len(word)
        raise self.fail(place)

    def string(self, place: int) -> tuple[str, int]:
        """The quoted string at this place."""
        found = _STRING.match(self.text, place)
        if found is None:
            raise self.fail(place)
        return unescape(found[1]), found.end()

    def table(self, place: int) -> tuple[Pairs, int]:
        """The members after `{`."""
        table = Pairs()
        place = _space(self.text, place)
        if self.text.startswith("}", place):
            return table, place + 1
        while True:
            name, place = self.string(_space(self.text, place))
            place = _space(self.text, place)
            if not self.text.startswith(":", place):
                raise self.fail(place)
            value, place = self.value(place + 1)
            table.items.append((name, value))
            place = _space(self.text, place)
            if self.text.startswith("}", place):
                return table, place + 1
            if not self.text.startswith(",", place):
                raise self.fail(place)
            place += 1

    def array(self, place: int) -> tuple[list[Value], int]:
        """The elements after `[`."""
        array: list[Value] = []
        place = _space(self.text, place)
        if self.text.startswith("]", place):
            return array, place + 1
        while True:
            value, place = self.value(place)
            array.append(value)
            place = _space(self.text, place)
            if self.text.startswith("]", place):
                return array, place + 1
            if not self.text.startswith(",", place):
                raise self.fail(place)
            place += 1
