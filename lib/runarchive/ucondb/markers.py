"""Where one file ends and the next begins in a blob, and how sure that is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MARKER_LINE = b"\n#####\n"

_MARKER = re.compile(rb"\n#####\n([^\n]+):\n#####\n")
_FALSE_FOOTER = re.compile(rb"\nEnd of Record\nRun Number: ")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_LONGEST_NAME = 255

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|\'[^\']*\'|#[^\n]*|//[^\n]*|["\'{}\[\]()]', re.DOTALL)
_DOCUMENT_START = re.compile(
    rb"(?>(?:\s|(?:#(?!include)|//)[^\n]*(?:\n|\Z))*)(?:[A-Za-z_][^\s:]*\s*:|#include|BEGIN_PROLOG|END_PROLOG|\Z)"
)
_CLOSES = {b"}": b"{", b"]": b"[", b")": b"("}


@dataclass(frozen=True, slots=True)
class Marker:
    """One marker: the name it gives, where its line feed stands and where the content after it begins."""

    name: str
    start: int
    end: int


def is_safe_name(name: str) -> bool:
    """Whether a name is a plain relative path that stays where it is unpacked and fits a marker."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    parts = name.split("/")
    return (
        not _CONTROL.search(name)
        and all(part not in ("", ".", "..") and len(part.encode()) <= _LONGEST_NAME for part in parts)
    )


def find_markers(blob: bytes, start: int, end: int) -> list[Marker]:
    """Every place between two offsets that reads like a marker; two of them may share a `#####` line."""
    found = []
    position = start
    while (match := _MARKER.search(blob, position, end)) is not None:
        found.append(Marker(match[1].decode("utf-8", "surrogateescape"), match.start(), match.end()))
        position = match.end() - len(MARKER_LINE)
    return found


def doubts(
    blob: bytes, start: int, end: int, markers: Sequence[Marker], order: Callable[[str], tuple[int, str, str]]
) -> list[str]:
    """Why the markers of a blob may not all be markers; empty when there is one way to read it.

    A blob as it is packed has safe names, each once, in their order, no second footer, and FHiCL contents begin with a
    name and close what they open. Whatever breaks one of these can be text that looks like a marker. Where all names
    end in `.fcl` and the contents are FHiCL, no doubt means that there is none: inside a document a marker would have
    to be followed by a value, which begins no document.
    """
    problems = []
    if not markers or markers[0].start != start:
        problems.append("the text after the header is no marker")
    for marker, following in itertools.pairwise(markers):
        if order(marker.name) >= order(following.name):
            problems.append(f"a marker for {following.name!r} after {marker.name!r} is out of order")
        if following.start < marker.end:
            problems.append(f"the markers for {marker.name!r} and {following.name!r} overlap")
    problems += [f"{m.name!r} is no name a blob can carry" for m in markers if not is_safe_name(m.name)]
    problems += ["a footer stands before the end" for _ in _FALSE_FOOTER.finditer(blob, start, end)]
    for marker, following in itertools.pairwise(markers):
        if marker.name.endswith(".fcl") and not is_closed(blob[marker.end : following.start]):
            problems.append(f"{marker.name!r} ends inside a string or a bracket")
    for marker in markers[1:]:
        if marker.name.endswith(".fcl") and not _DOCUMENT_START.match(blob, marker.end, end):
            problems.append(f"{marker.name!r} does not begin like FHiCL")
    return problems


def is_closed(text: bytes) -> bool:
    """Whether FHiCL text closes every string and bracket that it opens."""
    opened: list[bytes] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in (b'"', b"'"):
            return False
        if token in _CLOSES.values():
            opened.append(token)
        elif token in _CLOSES and (not opened or opened.pop() != _CLOSES[token]):
            return False
    return not opened
