"""The simpler text files: settings, environment, ranks, known_boardreaders_list, setup, rc_info."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runarchive.fhicl.convert_text import (
    Entries,
    decode,
    key_of,
    lines_of,
    list_of,
    quote,
    rc_key_of,
    sequence,
    unquoted,
    value_of,
    without_comment,
)

_EXPORT = re.compile(r"\s*export\s+([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)
_NO_VALUE = re.compile(r"\s*(?:#.*|(?:(?:declare|typeset)\s.*|DAQINTERFACE_[A-Za-z0-9_]*)=.*)?", re.DOTALL)
"""A blank line, a comment, or a variable of DAQInterface that is not exported."""
_RANK = re.compile(r"-?[0-9]+")
_LARGEST_RANK_ROW = 5
"""Columns of ranks.txt since 2019-10; four before."""


def convert_settings(data: bytes) -> str:
    """settings.txt: numbers, booleans and lists as such, everything else as a string."""
    entries = Entries()
    for name, value in _settings(lines_of(decode(data))):
        entries.add(key_of(name), _setting(value.strip()))
    return entries.text()


def _settings(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Every key with its raw value; a list that is open at the end of its line goes on in lines without a colon."""
    name, parts, is_open = "", list[str](), False
    for line in lines:
        text = without_comment(line.strip())
        key, colon, rest = text.partition(":")
        if colon:
            if parts:
                yield name, " ".join(parts)
            name, parts = key, [rest]
            is_open = rest.lstrip().startswith("[") and "]" not in rest
        elif is_open:
            parts.append(text)
            is_open = "]" not in text
    if parts:
        yield name, " ".join(parts)


def _setting(value: str) -> str:
    """A value as FHiCL; here a list may lack its end."""
    if value.lower() in ("true", "false"):
        return value.lower()
    listed = list_of(value) if value.startswith("[") else None
    return value_of(value) if listed is None else listed


def convert_environment(data: bytes) -> str:
    """environment.txt: one string an `export` line; a value with line breaks goes on to the next `export`."""
    entries = Entries()
    for name, value in _exports(lines_of(decode(data))):
        entries.add(name, quote(_shell_value(value.strip())))
    return entries.text()


def _exports(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Every exported variable with its raw value.

    DAQInterface quotes nothing, so a value may run over lines: as far as the last that can be part of it.
    """
    name, parts, between = "", list[str](), list[str]()
    for line in lines:
        match = _EXPORT.fullmatch(line)
        if match:
            if name:
                yield name, "\n".join(parts)
            name, parts, between = match.group(1), [match.group(2)], []
        elif _NO_VALUE.fullmatch(line):
            between.append(line)
        else:
            parts += [*between, line]
            between = []
    if name:
        yield name, "\n".join(parts)


def _shell_value(value: str) -> str:
    """The value as the shell that sources it would have it: without one pair of quotes around all of it, and without
    a comment behind it."""
    if value[:1] in ("'", '"'):
        end = value.find(value[0], 1)
        behind = value[end + 1 :]
        if end > 0 and (not behind or re.fullmatch(r"[ \t]+#[^\n]*", behind)):
            return value[1:end]
    last = value.rfind("\n") + 1
    marks = (mark.start() for mark in re.finditer("#", value[last:]))
    place = next((last + mark for mark in marks if mark and value[last + mark - 1] in " \t"), len(value))
    return value[:place].rstrip(" \t")


def convert_ranks(data: bytes) -> str:
    """ranks.txt: `ranks: { header: [...] rankN: [host, port, label, ..., N] }`, with 4 columns or 5."""
    rows = [words for line in lines_of(decode(data)) if (words := without_comment(line.strip()).split())]
    if not rows:
        return ""
    table = Entries()
    columns = _LARGEST_RANK_ROW
    if not _is_rank_row(rows[0]):
        header = rows.pop(0)
        columns = len(header)
        table.add("header", sequence(header))
    for words in filter(_is_rank_row, rows):
        table.add(key_of(f"rank{words[-1]}"), sequence(_rank_row(words, columns)))
    return "ranks: {\n" + "".join(f"  {line}\n" for line in table.lines()) + "}\n"


def _is_rank_row(words: list[str]) -> bool:
    return len(words) >= 4 and _RANK.fullmatch(words[-1]) is not None


def _rank_row(words: list[str], columns: int) -> list[str]:
    """The row in its columns, which are host, port, label[, subsystem], rank: words too many belong to the label."""
    behind_label = len(words) - 3 if len(words) <= columns else max(1, columns - 3)
    return [*words[:2], " ".join(words[2:-behind_label]), *words[-behind_label:]]


def convert_known_boardreaders(data: bytes) -> str:
    """known_boardreaders_list.txt: `label: [host, port, subsystem, allowed_processors, prefix]` as far as given."""
    entries = Entries()
    for line in lines_of(decode(data)):
        words = list(_words(line))
        if words:
            entries.add(key_of(words[0]), sequence(words[1:]))
    return entries.text()


_WORD = re.compile(
    r"""
      \s*(?:
        (\#.*)                                   # a comment begins a word
      | "((?:[^"\\]|\\.)*)"(?=\s|$)              # a quoted string is a word of its own
      | (\S+)                                    # any other word, quotes in it and all
      )
    """,
    re.VERBOSE,
)


def _words(line: str) -> Iterator[str]:
    for match in _WORD.finditer(line.rstrip()):
        comment, quoted, word = match.groups()
        if comment is not None:
            return
        yield re.sub(r'\\(["\\])', r"\1", quoted) if quoted is not None else word


def convert_setup(data: bytes) -> str:
    """setup.txt: the whole script as one string."""
    text = data.decode("utf-8", "surrogateescape")
    return f"setup_script: {quote(text)}\n" if text else ""


def rc_info(data: bytes) -> tuple[tuple[str, str], ...]:
    """The keys and FHiCL values of an rc_info file, as DAQInterface makes them, in file order."""
    found: list[tuple[str, str]] = []
    for line in lines_of(decode(data)):
        text = line.strip()
        name, colon, value = text.partition(":")
        if text and colon and name.strip() and not text.startswith("#"):
            found.append((rc_key_of(name), quote(unquoted(value.strip()))))
    return tuple(found)


def convert_rc_info(data: bytes) -> str:
    """rc_info_start.txt or rc_info_stop.txt: one string a line."""
    entries = Entries()
    for key, value in rc_info(data):
        entries.add(key, value)
    return entries.text()
