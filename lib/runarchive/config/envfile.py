"""`archiver.env`: variables for the config file, as the older archiver's start script sourced them, without a shell."""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

FILE_NAME = "archiver.env"

_BLANKS = re.compile(r"(?:[ \t]|\\\n)*")
_TARGET = re.compile(r"([A-Za-z_]\w*)(\+?)=", re.A)
_NAME = re.compile(r"[A-Za-z_]\w*", re.A)
_PLAIN = re.compile(r"[^\s'\"\\$`;&|<>()~:]+")
_QUOTED = re.compile(r"[^\"\\$`]+")
_TILDE = re.compile(r"~[\w.-]*(?=[/:\s;]|$)")
_TILDE_IN_DEFAULT = re.compile(r"~[\w.-]*(?=[/:}])")
_ESCAPED_IN_QUOTES = "\"\\$`"
_ONLY_A_SHELL = frozenset("&|<>()")


def find_env_file(config: Path) -> Path | None:
    """The `archiver.env` beside the config file, or None; never one that lies where somebody happens to stand."""
    place = config.absolute().parent / FILE_NAME
    return place if place.is_file() else None


def read_env(text: str, environment: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables that this text sets with `[export] NAME=value …`, and a sentence for each line it could not follow.

    Quotes, continued lines, `~`, `$NAME`, `${NAME}` and `${NAME:-default}` mean what they mean in a shell (POSIX
    2.2, 2.6); nothing is ever executed, so a line with `$(…)` or backquotes is refused. The sentences quote no value.
    """
    reader = _Reader(text.replace("\r\n", "\n"), environment)
    problems: list[str] = []
    while reader.find_statement():
        line = reader.line
        try:
            reader.read_statement()
        except ValueError as error:
            problems.append(f"line {line}: {error}, and is passed over")
            reader.skip_line()
    return reader.found, tuple(problems)


class _Reader:
    """Reads statements from a place on; what they set is in `found`."""

    def __init__(self, text: str, environment: Mapping[str, str]) -> None:
        self.found: dict[str, str] = {}
        self._text = text
        self._place = 0
        self._environment = environment

    @property
    def line(self) -> int:
        """The number of the line that is read now."""
        return self._text.count("\n", 0, self._place) + 1

    def find_statement(self) -> bool:
        """Go to the next statement, past blanks, comments and empty lines; whether there is one."""
        while self._place < len(self._text):
            if self._next().isspace() or self._next() == ";":
                self._place += 1
            elif self._next() == "#":
                self.skip_line()
            else:
                return True
        return False

    def skip_line(self) -> None:
        """Go to the end of this line."""
        end = self._text.find("\n", self._place)
        self._place = end if end >= 0 else len(self._text)

    def read_statement(self) -> None:
        """Take the assignments of one statement, all or none. Raises ValueError where it is anything else."""
        values: dict[str, str] = {}
        exports = self._take_word("export")
        # export is a command: its words are all expanded before it sets the first of them.
        seen: Mapping[str, str] = {} if exports else values
        while not self._at_end_of_statement():
            target = _TARGET.match(self._text, self._place)
            if target is not None:
                self._place = target.end()
                try:
                    before = self._value(target[1], values) if target[2] else None
                    values[target[1]] = (before or "") + self._word(seen)
                except ValueError as error:
                    raise ValueError(f"{target[1]} {error}") from None
            elif not (exports and self._take_word()):
                word = re.split(r"[\s='\"]", self._text[self._place : self._place + 40], maxsplit=1)[0]
                raise ValueError(f"{word!r} sets no variable")
        self.found |= values

    def _next(self) -> str:
        return self._text[self._place : self._place + 1]

    def _take_word(self, wanted: str = "") -> bool:
        """Step over a name that stands alone (this one, or any), if one is here."""
        name = _NAME.match(self._text, self._place)
        if name is None or (wanted and name[0] != wanted) or self._text[name.end() : name.end() + 1].strip(" \t\n;"):
            return False
        self._place = name.end()
        return True

    def _at_end_of_statement(self) -> bool:
        blanks = _BLANKS.match(self._text, self._place)
        assert blanks is not None  # it matches nothing, too
        self._place = blanks.end()
        if self._next() == "#":
            self.skip_line()
        return self._next() in ("", "\n", ";")

    def _word(self, values: Mapping[str, str], end: str = "", *, quoted: bool = False) -> str:
        """One shell word, or all up to the brace that closes a default, quoted or not. Raises ValueError."""
        parts: list[str] = []
        user_begins = _TILDE_IN_DEFAULT if end else _TILDE
        tilde = not quoted
        while (char := self._next()) and char != end and (end or not (char.isspace() or char == ";")):
            if tilde and (user := user_begins.match(self._text, self._place)):
                self._place = user.end()
                parts.append(self._value("HOME", values) or "~" if user[0] == "~" else os.path.expanduser(user[0]))
            elif char == "'" and not quoted:
                parts.append(self._single_quoted())
            elif char == '"':
                parts.append(self._double_quoted(values))
            elif char == "\\":
                parts.append(self._escaped(_ESCAPED_IN_QUOTES + end if quoted else ""))
            elif char in "$`":
                parts.append(self._parameter(values, quoted=quoted))
            elif char in _ONLY_A_SHELL and not end:
                raise ValueError(f"has {char!r} outside quotes")
            else:
                plain = _PLAIN.match(self._text, self._place) if not end else None
                parts.append(plain[0] if plain else char)
                self._place += len(parts[-1])
            tilde = char == ":" and not quoted
        return "".join(parts)

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._place + 1)
        if end < 0:
            self._open_quote()
        start, self._place = self._place + 1, end + 1
        return self._text[start:end]

    def _double_quoted(self, values: Mapping[str, str]) -> str:
        parts: list[str] = []
        self._place += 1
        while (char := self._next()) != '"':
            if not char:
                self._open_quote()
            if char == "\\":
                parts.append(self._escaped(_ESCAPED_IN_QUOTES))
            elif char in "$`":
                parts.append(self._parameter(values, quoted=True))
            else:
                plain = _QUOTED.match(self._text, self._place)
                assert plain is not None  # all other characters were asked for
                parts.append(plain[0])
                self._place = plain.end()
        self._place += 1
        return "".join(parts)

    def _escaped(self, only: str = "") -> str:
        """What a backslash and the character behind it stand for; where only some are escaped, both for others."""
        char = self._text[self._place + 1 : self._place + 2]
        self._place += 2
        if char == "\n":
            return ""
        return char if char and (not only or char in only) else f"\\{char}"

    def _open_quote(self) -> NoReturn:
        """Nothing behind an open quote can be told from its inside."""
        self._place = len(self._text)
        raise ValueError("has an open quote; nothing behind it is read")

    def _parameter(self, values: Mapping[str, str], *, quoted: bool = False) -> str:
        """What a `$…` stands for. Raises ValueError for all that only a shell can tell."""
        if self._text.startswith(("`", "$("), self._place):
            raise ValueError("wants a command to be run")
        self._place += 1
        name = _NAME.match(self._text, self._place)
        if name is not None:
            self._place = name.end()
            return self._value(name[0], values) or ""
        if self._next() != "{":
            if self._next() and (self._next().isdigit() or self._next() in "$?!#@*-[('\""):
                raise ValueError(f"has ${self._next()}, which only a shell understands")
            return "$"
        return self._braced(values, quoted=quoted)

    def _braced(self, values: Mapping[str, str], *, quoted: bool) -> str:
        name = _NAME.match(self._text, self._place + 1)
        rest = self._text[name.end() : name.end() + 2] if name is not None else ""
        if name is None or not (rest.startswith(("}", "-")) or rest == ":-"):
            raise ValueError("has a ${…} that only a shell understands")
        found = self._value(name[0], values)
        if rest[0] == "}":
            self._place = name.end() + 1
            return found or ""
        self._place = name.end() + (2 if rest == ":-" else 1)
        default = self._word(values, end="}", quoted=quoted)
        if not self._next():
            self._open_quote()
        self._place += 1
        return default if found is None or (rest == ":-" and not found) else found

    def _value(self, name: str, values: Mapping[str, str]) -> str | None:
        return values.get(name, self.found.get(name, self._environment.get(name)))
