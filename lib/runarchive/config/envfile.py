"""`archiver.env`: variables for the config file, as the older archiver's start script sourced them, without a shell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FILE_NAME = "archiver.env"

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)", re.S)
_PIECE = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|((?:[^\s'"\\;&|<>()]|\$\(|\\.)+)|(\s+(?:\#.*)?$)""", re.S)
"""One part of a shell word: in single quotes, in double quotes, bare; or what may stand behind the word."""
_SPECIAL = re.compile(r"\\(.)|\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})|(\$\(|`)", re.S)


def find_env_file(config: Path) -> Path | None:
    """The `archiver.env` beside the config file, or None; never one that lies where somebody happens to stand."""
    place = config.absolute().parent / FILE_NAME
    return place if place.is_file() else None


def read_env(text: str, environment: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables that these lines `[export] NAME=value` set, and a sentence for each line that is none.

    Quotes and `$NAME`, `${NAME}`, `${NAME:-default}` mean what they mean in a shell; nothing is ever executed, so a
    line with `$(…)` or backquotes is refused.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            problems.append(f"line {number}: {stripped[:40]!r} sets no variable, and is passed over")
            continue
        try:
            found[match[1]] = _value(match[2].rstrip(), {**environment, **found})
        except ValueError as error:
            problems.append(f"line {number}: {match[1]} {error}, and is passed over")
    return found, tuple(problems)


def _value(text: str, environment: Mapping[str, str]) -> str:
    """One shell word. Raises ValueError."""
    parts: list[str] = []
    place = 0
    while place < len(text):
        piece = _PIECE.match(text, place)
        if piece is None:
            raise ValueError("has an open quote" if text[place] in "'\"" else f"has {text[place]!r} outside quotes")
        single, double, bare, _ = piece.groups()
        if single is not None:
            parts.append(single)
        elif double is not None:
            parts.append(_expanded(double, environment, escapable='"\\$`'))
        elif bare is not None:
            parts.append(_expanded(bare, environment))
        place = piece.end()
    return "".join(parts)


def _expanded(text: str, environment: Mapping[str, str], escapable: str = "") -> str:
    """Backslashes and variables replaced; a backslash stays before what is not `escapable` (empty: all is)."""

    def replaced(found: re.Match[str]) -> str:
        escaped, name, braced, default, command = found.groups()
        if command is not None:
            raise ValueError("wants a command to be run")
        if escaped is not None:
            return str(escaped) if not escapable or escaped in escapable else f"\\{escaped}"
        return environment.get(name or braced) or default or ""

    return _SPECIAL.sub(replaced, text)
