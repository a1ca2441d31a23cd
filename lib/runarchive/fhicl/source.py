"""A FHiCL text as artdaq_database reads it: its comments, its includes turned into keys, its line ends, its places."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.grammar import UNPRINTABLE
from runarchive.model import Phase

INCLUDE_KEY = "fhicl_pound_include_"
"""How the names begin that stand for include lines in a document."""

NO_COMMENTS = ((0, "No comments"),)

# A comment begins at the first mark outside quotes; quotes here know no escapes and hold at least one character. Where
# that fails (an empty string, an odd quote) the rest of the way to the mark is taken without regard to quotes.
_COMMENT = re.compile(
    r"""(?>(?:[^"'\#/\x80-\xff]++|/(?!/)|"[^"\x80-\xff]++"|'[^'\x80-\xff]++')*)"""
    r"""(?>(?:[^\#/\x80-\xff]++|/(?!/))*)"""
    r"""(\#[^\r\n\x80-\xff]*+|//[^\r\n\x80-\xff]*+)(\r\n?|\n)?""",
    re.VERBOSE,
)
_INCLUDE = re.compile(r"#include[ \t\n\v\f\r]([^'\"]*)")
_COUNTED_LINE_END = re.compile(r"(?<!\r)\n|(?<!\n)\r")
_LINE_END = re.compile("\n")


class FhiclError(ArchiveError):
    """The text is not FHiCL that artdaq_database accepts.

    `line` and `column` count from 1, in bytes, in the text with every include replaced by its key; `reason` is the
    sentence without the place.
    """

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(Code.BAD_FHICL, f"line {line}, column {column}: {reason}", phase=Phase.CONVERT)
        self.reason = reason
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Source:
    """What the parser works on: `text` holds one character a byte, ends every line with LF, and holds no include lines.

    `comments` maps lines (as the library counts them for comments) to comments; `is_plain` says that there are no
    control characters but line ends and tabs; `includes` is how many were replaced, `swallowed` what the library loses
    because an `#include` takes everything up to the next quote.
    """

    text: str
    comments: dict[int, str]
    is_plain: bool
    includes: int = 0
    swallowed: tuple[str, ...] = ()


def decoded(text: str | bytes) -> str:
    """The text with one character a byte, so that places count as the library counts them."""
    return (text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text).decode("latin-1")


def prepare(text: str | bytes) -> Source:
    """Scan comments, replace includes, settle line ends; raises FhiclError for an empty text or a malformed include."""
    original = decoded(text)
    if not original:
        raise FhiclError("the text is empty", 1, 1)
    is_plain = UNPRINTABLE.search(original) is None
    comments = scan_comments(original) if "#" in original or "//" in original else {}
    taken: list[str] = []
    if "#include" in original:
        original = _replace_includes(original, taken)
    if "\r" in original:
        original = original.replace("\r\n", "\n").replace("\r", "\n")
    if not original.endswith("\n"):
        original += "\n"
    if "#include" in original:
        _refuse_include_lines(original)
    return Source(original, comments, is_plain, len(taken), tuple(text for text in taken if text.strip()))


def _replace_includes(text: str, taken: list[str]) -> str:
    def key(found: re.Match[str]) -> str:
        taken.append(found[1])
        return f"{INCLUDE_KEY}{len(taken) - 1}:"

    return _INCLUDE.sub(key, text)


def _refuse_include_lines(text: str) -> None:
    """A line that still begins with `#include` would be opened as a file: no document can carry that."""
    place = 0 if text.startswith("#include") else text.find("\n#include") + 1
    if place or text.startswith("#include"):
        raise FhiclError('malformed #include line: it has to read #include "FILE"', *position(text, place))


def scan_comments(text: str) -> dict[int, str]:
    """The comments of a text by line, found as the library finds them; of two on one line by its count, the first."""
    comments: dict[int, str] = {}
    ends = [found.start() for found in _COUNTED_LINE_END.finditer(text)] if "\r" in text else None
    line, place, counted = 1, 0, 0
    match = _COMMENT.match
    while found := match(text, place):
        start = found.start(1)
        if ends is None:
            line += text.count("\n", counted, start)
            counted = start
        else:
            line = bisect_right(ends, start - 1) + 1
        comments.setdefault(line, found[1])
        if found[2] is None:
            break
        place = found.end()
    return comments


def line_ends(text: str) -> list[int]:
    """The places of all line ends: `bisect_right(line_ends(text), place - 1) + 1` is the line of a place."""
    return [found.start() for found in _LINE_END.finditer(text)]


def position(text: str, place: int) -> tuple[int, int]:
    """Line and column, from 1, of a place in a text that ends its lines with LF."""
    return text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)
