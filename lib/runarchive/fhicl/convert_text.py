"""What every converter needs: lines of doubtful bytes, FHiCL keys, and values that the library takes.

FHiCL in artdaqDB is ASCII, and loses or refuses some of that. A text is therefore *carried*: characters it cannot
hold become escapes, which `uncarried` turns back. `docs/formats.md` has the rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|x([0-9a-f]{2}))")
_UNCARRIED = re.compile(
    r"""
      [^\n\t -~]                                        # outside printable ASCII
    | \\(?=u[0-9a-f]{4}|U[0-9a-f]{8}|x[0-9a-f]{2})      # a backslash that would look like an escape
    | \\\Z                                              # "...\\" is refused
    | \#(?=include[ \t])                                # an include, even inside a string
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_END_OF_ELEMENT = re.compile(r"\s*(?:[,\]]|\Z)")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")


def decode(data: bytes) -> str:
    """The text of a file: UTF-8 without its byte order mark; other bytes become surrogates, none is lost."""
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def lines_of(text: str) -> list[str]:
    """The lines of a text, ended by LF, CR LF or CR and by nothing else."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _escaped(match: re.Match[str]) -> str:
    number = ord(match.group())
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def carried(text: str) -> str:
    """The text with everything that FHiCL cannot hold as `\\xXX` (a byte), `\\uXXXX` or `\\UXXXXXXXX`."""
    return _UNCARRIED.sub(_escaped, text)


def uncarried(text: str) -> str:
    """The inverse of `carried`."""

    def character(match: re.Match[str]) -> str:
        short, long, byte = match.groups()
        if byte:
            return chr(0xDC00 + int(byte, 16))
        number = int(short or long, 16)
        return chr(number) if number <= 0x10FFFF else match.group()

    return _ESCAPE.sub(character, text)


def quote(text: str) -> str:
    """The text as a double-quoted FHiCL string that the library takes."""
    return '"' + carried(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def unquote(token: str) -> str:
    """The text behind a double-quoted FHiCL token that `quote` made."""
    unescaped = re.sub(r"\\(.)", lambda match: "\n" if match.group(1) == "n" else match.group(1), token[1:-1])
    return uncarried(unescaped)


def sequence(texts: list[str]) -> str:
    """A FHiCL sequence of strings."""
    return "[" + ", ".join(map(quote, texts)) + "]"


def key_of(text: str, *, dotted: bool = False) -> str:
    """A FHiCL name: runs of other characters become one '_', a leading digit gets one before it.

    With `dotted` a name that is already a valid dotted one stays as it is.
    """
    if dotted and _DOTTED.fullmatch(text):
        return text
    return _started(re.sub(r"[^A-Za-z0-9_]+", "_", text.strip(), flags=re.ASCII))


def rc_key_of(text: str) -> str:
    """A FHiCL name as DAQInterface makes it of run-control keys: blanks join to one '_', others are one each."""
    return _started(re.sub(r"[^A-Za-z0-9_]", "_", "_".join(text.split()), flags=re.ASCII))


def _started(name: str) -> str:
    return name if _WORD.match(name) else f"_{name}".replace("__", "_", 1)


def without_comment(text: str) -> str:
    """The value before a `#` that starts a word outside quotes."""
    quoting = ""
    for place, char in enumerate(text):
        if quoting:
            quoting = "" if char == quoting else quoting
        elif char in "\"'" and (place == 0 or text[place - 1] in " \t[,:") and text.find(char, place + 1) >= 0:
            quoting = char
        elif char == "#" and (place == 0 or text[place - 1].isspace()):
            return text[:place].rstrip()
    return text.rstrip()


def is_number(text: str) -> bool:
    """Whether the text is a number in the one spelling that means nothing else (`007`, `5.` and `.` are none)."""
    return _NUMBER.fullmatch(text) is not None


def unquoted(text: str) -> str:
    """The value without one pair of double quotes around all of it; between them `\\"` is a quote."""
    match = _QUOTED.fullmatch(text)
    return match.group(1).replace('\\"', '"') if match else text


def value_of(text: str) -> str:
    """A value as FHiCL: a number, a list in brackets, else a string without the quotes around it."""
    if is_number(text):
        return text
    if text.startswith("[") and text.endswith("]"):
        listed = list_of(text)
        if listed is not None:
            return listed
    return quote(unquoted(text))


def list_of(text: str) -> str | None:
    """A bracketed list as a FHiCL sequence, nested ones too; None when it is no list.

    Words stay bare, numbers stay numbers, everything else becomes a string; empty elements are left out. A missing
    last bracket is forgiven, an open quote or text after the list is not.
    """
    scanner = _ListScanner(text)
    listed = scanner.sequence()
    return listed if listed is not None and not text[scanner.place :].strip() else None


@dataclass
class _ListScanner:
    text: str
    place: int = 0
    depth: int = 0

    def sequence(self) -> str | None:
        """The list that begins at `place`, which is moved behind it."""
        if self.place >= len(self.text) or self.text[self.place] != "[" or self.depth > 20:
            return None
        self.place += 1
        self.depth += 1
        elements: list[str] = []
        while self.place < len(self.text) and self.text[self.place] != "]":
            char = self.text[self.place]
            if char.isspace() or char == ",":
                self.place += 1
                continue
            element = self.sequence() if char == "[" else self.scalar(char)
            if element is None:
                return None
            elements.append(element)
        self.place += 1
        self.depth -= 1
        return "[ " + ", ".join(elements) + " ]" if elements else "[]"

    def scalar(self, char: str) -> str | None:
        """One element that is no list."""
        if char in "\"'":
            end = self.place + 1
            while end < len(self.text) and self.text[end] != char:
                end += 2 if self.text[end] == "\\" and self.text[end + 1 : end + 2] == char else 1
            if end >= len(self.text):
                return None
            inside = self.text[self.place + 1 : end].replace(f"\\{char}", char)
            self.place = end + 1
            return quote(inside) if _END_OF_ELEMENT.match(self.text, self.place) else None
        end = self.place
        while end < len(self.text) and self.text[end] not in ",]":
            end += 1
        word = self.text[self.place : end].strip()
        self.place = end
        return word if is_number(word) or _WORD.fullmatch(word) else quote(word)


@dataclass
class Entries:
    """The keys of one FHiCL document in the making, in order; of a repeated key no value is lost.

    The value that counts stands under the key: the last, or the first where `first` said so. The others follow in
    file order as the sequence `<key>_repeated`.
    """

    values: dict[str, list[str]] = field(default_factory=dict)
    firsts: set[str] = field(default_factory=set)
    before: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, value: str, *, first: bool = False, before: str = "") -> None:
        """Add a key and its FHiCL value; `before` is text (comments, a blank line) set before it."""
        if key not in self.values:
            self.before[key] = before
        self.values.setdefault(key, []).append(value)
        if first:
            self.firsts.add(key)

    def lines(self) -> Iterator[str]:
        """Every key with its value, as lines."""
        for key, values in self.values.items():
            chosen = 0 if key in self.firsts else len(values) - 1
            yield f"{self.before[key]}{key}: {values[chosen]}"
            others = values[:chosen] + values[chosen + 1 :]
            if others:
                yield f"{self._free(key + '_repeated')}: [{', '.join(others)}]"

    def _free(self, key: str) -> str:
        while key in self.values:
            key += "_"
        return key

    def text(self) -> str:
        """The document; "" when it has no key."""
        return "".join(f"{line}\n" for line in self.lines())
