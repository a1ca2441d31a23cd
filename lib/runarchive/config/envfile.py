"""`archiver.env`: variables for the config file, as the older archiver's start script sourced them, without a shell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FILE_NAME = "archiver.env"

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)", re.S)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})")


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
            found[match[1]] = _value(match[2].strip(), {**environment, **found})
        except ValueError as error:
            problems.append(f"line {number}: {match[1]} {error}, and is passed over")
    return found, tuple(problems)


def _value(text: str, environment: Mapping[str, str]) -> str:
    """One shell word. Raises ValueError."""
    parts: list[str] = []
    place = 0
    while place < len(text):
        letter = text[place]
        if letter.isspace():
            rest = text[place:].strip()
            if rest and not rest.startswith("#"):
                raise ValueError("has a blank outside quotes")
            break
        if letter in "'\"":
            end = _closing(text, place)
            inner = text[place + 1 : end]
            parts.append(inner if letter == "'" else _expanded(_unescaped(inner), environment))
            place = end + 1
        else:
            end = place
            while end < len(text) and not text[end].isspace() and text[end] not in "'\"":
                end += 2 if text[end] == "\\" else 1
            parts.append(_expanded(re.sub(r"\\(.)", r"\1", text[place:end]), environment))
            place = end
    return "".join(parts)


def _closing(text: str, start: int) -> int:
    quote = text[start]
    place = start + 1
    while place < len(text):
        if text[place] == "\\" and quote == '"':
            place += 2
            continue
        if text[place] == quote:
            return place
        place += 1
    raise ValueError("has an open quote")


def _unescaped(text: str) -> str:
    return re.sub(r'\\(["\\`])', r"\1", text)


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    if "$(" in text or "`" in text:
        raise ValueError("wants a command to be run")
    return _VARIABLE.sub(lambda found: environment.get(found[1] or found[2]) or found[3] or "", text)
