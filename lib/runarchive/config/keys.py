"""How one key of the config file is declared, and how its text becomes a value."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRUE_WORDS = frozenset({"true", "yes", "on", "1", "y"})
FALSE_WORDS = frozenset({"false", "no", "off", "0", "n"})

Reader = Callable[[str], Any]
"""Turns the text of a value into the value; raises ValueError with what is wrong, to follow the key's name."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of one key: how it is read, what it means, and whether it must be there or stay unseen.

    `template` is a default that depends on other keys, in the file's own `${…}` language.
    """

    reader: Reader
    kind: str
    meaning: str
    required: bool = False
    secret: bool = False
    template: str | None = None


def key(
    reader: Reader,
    kind: str,
    meaning: str,
    *,
    default: Any = None,
    template: str | None = None,
    required: bool = False,
    secret: bool = False,
) -> Any:
    """A dataclass field that carries its `Key`; `default` or `template` holds when the file says nothing, or null."""
    declared = Key(reader, kind, meaning, required=required, secret=secret, template=template)
    return dataclasses.field(default=default, metadata={"key": declared})


def text(value: str) -> str:
    """The text itself."""
    return value


def optional_text(value: str) -> str | None:
    """The text, or None where it is empty."""
    return value or None


def path(value: str) -> Path:
    """An absolute path; `~` is the home directory, a relative path starts at the working directory."""
    if not value:
        raise ValueError("is empty, but must name a file or directory")
    return Path(value).expanduser().absolute()


def optional_path(value: str) -> Path | None:
    """A path as `path` reads it, or None where the text is empty."""
    return path(value) if value else None


def boolean(value: str) -> bool:
    """True or false; raises ValueError for every other word, never guesses."""
    word = value.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError(f"{value!r} is no boolean; write true or false")


def whole_number(least: int, most: int | None = None) -> Reader:
    """A reader of whole numbers within these limits, `5.0` among them, as YAML writes some."""

    def read(value: str) -> int:
        try:
            amount = float(value)
        except ValueError:
            amount = math.nan
        if not amount.is_integer():
            raise ValueError(f"{value!r} is no whole number")
        return int(_within(amount, least, most))

    return read


def number(least: float, most: float | None = None) -> Reader:
    """A reader of decimal numbers within these limits."""

    def read(value: str) -> float:
        try:
            amount = float(value)
        except ValueError:
            raise ValueError(f"{value!r} is no number") from None
        if not math.isfinite(amount):
            raise ValueError(f"{value!r} is no number")
        return _within(amount, least, most)

    return read


def one_of(*words: str) -> Reader:
    """A reader of one of these words, whatever their case."""

    def read(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(f"{value!r} is none of {', '.join(words)}")
        return value.lower()

    return read


def _within(amount: float, least: float, most: float | None) -> float:
    if amount < least:
        raise ValueError(f"{amount:g} is less than {least:g}")
    if most is not None and amount > most:
        raise ValueError(f"{amount:g} is more than {most:g}")
    return amount
