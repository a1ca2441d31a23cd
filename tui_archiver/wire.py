"""What the terminal shows, cell by cell, so that of an update only the cells that change are sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len

CHEAP_GAP = 12
"""So many unchanged cells between two changed ones cost less than a move over them."""

Cell = tuple[str, str]
"""How a cell is painted (the numbers of its SGR sequence), and its character."""

_MOVE = re.compile(r"\x1b\[(\d+);(\d+)H")
_RUN = re.compile(r"(?:\x1b\[([\d;:]*)m)?([^\x1b]+)(?:\x1b\[0?m)?")


class Wire:
    """Turns what Textual wants painted into what the terminal has to be told.

    Textual paints each line that changed from end to end, and the whole screen when a dialog opens or closes. An update
    is parts, each a move to a line and column and painted text; everything else passes through as it is.
    """

    def __init__(self) -> None:
        self._lines: dict[int, dict[int, Cell]] = {}
        self._newest: dict[int, tuple[int, str]] = {}
        self._cursor = ""
        self._style = ""

    def forget(self) -> None:
        """Nothing is known of the screen any more: it was cleared, resized or written to by something else."""
        self._lines.clear()
        self._newest.clear()
        self._cursor = ""

    def told(self, update: str) -> str:
        """The bytes that turn what the terminal shows into what it would show after this update."""
        if not _MOVE.match(update.lstrip("\n")):
            return update
        _, *parts = _MOVE.split(update)
        told: list[str] = []
        for line, column, text in zip(parts[0::3], parts[1::3], parts[2::3], strict=True):
            told += self._part(int(line), int(column), text.rstrip("\n"))
        told.append(self._turn_to(""))
        last_line, last_column, text = parts[-3:]
        cursor = "" if text else f"\x1b[{last_line};{last_column}H"
        if any(told) or cursor != self._cursor:
            told.append(cursor)
        self._cursor = cursor
        return "".join(told)

    def _part(self, line: int, column: int, text: str) -> Iterator[str]:
        """What of one painted part has to be sent."""
        if not text or self._newest.get(line) == (column, text):
            return
        self._newest[line] = column, text
        shown = self._lines.setdefault(line, {})
        cells = _cells(text)
        if cells is None:
            # How many cells the terminal takes for such a text is its own affair.
            shown.clear()
            yield f"{self._turn_to('')}\x1b[{line};{column}H{text}"
            return
        for first, beyond in _spans([shown.get(at) != cell for at, cell in enumerate(cells, column)]):
            yield f"\x1b[{line};{column + first}H"
            yield from self._painted(cells[first:beyond])
        shown.update(enumerate(cells, column))

    def _painted(self, cells: list[Cell]) -> Iterator[str]:
        """Cells as text, with the sequences that paint it."""
        for style, character in cells:
            if style != self._style and not (character == " " and _serves_blank(self._style, style)):
                yield self._turn_to(style)
            yield character

    def _turn_to(self, style: str) -> str:
        before, self._style = self._style, style
        return turn(before, style)


def _cells(text: str) -> list[Cell] | None:
    """The cells of a painted text; None where it is more than runs of characters that take one cell each."""
    cells: list[Cell] = []
    end = 0
    for run in _RUN.finditer(text):
        if run.start() != end:
            return None
        end = run.end()
        style, characters = run[1] or "", run[2]
        narrow = characters.isascii() or all(cell_len(character) == 1 for character in characters)
        if not (narrow and characters.isprintable()):
            return None
        blank = _blank(style), " "
        cells += [blank if character == " " else (style, character) for character in characters]
    return cells if end == len(text) else None


def _spans(changed: list[bool]) -> Iterator[tuple[int, int]]:
    """Where cells changed, from and to beyond, small gaps taken in."""
    first = beyond = -1
    for at, is_changed in enumerate(changed):
        if not is_changed:
            continue
        if first >= 0 and at - beyond > CHEAP_GAP:
            yield first, beyond
            first = at
        elif first < 0:
            first = at
        beyond = at + 1
    if first >= 0:
        yield first, beyond


class Look(NamedTuple):
    """What an SGR sequence says: the numbers of its attributes, of its colour and of its background."""

    attributes: frozenset[str]
    colour: str
    background: str

    @property
    def is_bare(self) -> bool:
        """Whether a blank in it shows nothing but its background."""
        return self.attributes.isdisjoint(_SEEN_ON_BLANKS)


_SEEN_ON_BLANKS = {"4", "7", "9", "21", "51", "52", "53"}
"""Underlined, reversed, struck through, framed, encircled, overlined."""


@lru_cache(4096)
def look_of(style: str) -> Look:
    """The parts of an SGR sequence such as `1;38;5;75;48;5;233`."""
    attributes: set[str] = set()
    colours = {"3": "", "4": ""}
    numbers = iter(style.split(";") if style else ())
    for number in numbers:
        if number in ("38", "48"):
            kind = next(numbers, "5")
            values = [next(numbers, "0") for _ in range(3 if kind == "2" else 1)]
            colours[number[0]] = ";".join((number, kind, *values))
        elif number[:-1] in ("3", "9"):
            colours["3"] = number
        elif number[:-1] in ("4", "10"):
            colours["4"] = number
        else:
            attributes.add(number)
    return Look(frozenset(attributes), colours["3"], colours["4"])


@lru_cache(4096)
def _blank(style: str) -> str:
    """The least that paints a blank as this style does."""
    look = look_of(style)
    return look.background if look.is_bare else style


@lru_cache(16384)
def turn(before: str, after: str) -> str:
    """The sequence that turns one style into another; only what differs, where nothing has to be taken back."""
    if before == after:
        return ""
    old, new = look_of(before), look_of(after)
    taken_back = old.attributes - new.attributes or (old.colour and not new.colour)
    if taken_back or (old.background and not new.background):
        return f"\x1b[0;{after}m" if after else "\x1b[0m"
    numbers = sorted(new.attributes - old.attributes)
    numbers += [one for one, was in ((new.colour, old.colour), (new.background, old.background)) if one != was]
    return f"\x1b[{';'.join(numbers)}m"


@lru_cache(16384)
def _serves_blank(style: str, blank: str) -> bool:
    """Whether a blank needs no other style than the one that text is painted in."""
    return look_of(style).is_bare and look_of(style).background == blank
