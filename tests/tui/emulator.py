"""A terminal in memory, as far as the console needs one."""

from __future__ import annotations

import re

from rich.cells import cell_len

_TOKEN = re.compile(
    r"\x1b\[(\d+);(\d+)H|\x1b\[([\d;]*)m|\x1b\[[?<>=]?[\d;]*[$ ]?[@-~]|\x1b\][^\x07]*\x07|\x1b.|(.)", re.S
)


class Terminal:
    """A terminal that knows moves, colours and attributes, and characters of one or two cells; the rest it ignores."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], tuple[str, str]] = {}
        self.at = (1, 1)
        self.attributes: set[str] = set()
        self.colours = {"3": "", "4": ""}

    def take(self, data: str) -> None:
        for token in _TOKEN.finditer(data):
            line, column, style, character = token.groups()
            if line:
                self.at = int(line), int(column)
            elif style is not None:
                self._sgr(style)
            elif character == "\n":
                self.at = self.at[0] + 1, self.at[1]
            elif character:
                self._put(character)

    def _sgr(self, style: str) -> None:
        for number in re.findall(r"[34]8;5;\d+|[34]8;2;\d+;\d+;\d+|\d+", style or "0"):
            if number == "0":
                self.attributes, self.colours = set(), {"3": "", "4": ""}
            elif number[0] in "34" and len(number) > 1:
                self.colours[number[0]] = number
            else:
                self.attributes.add(number)

    @property
    def style(self) -> str:
        return ";".join((*sorted(self.attributes), *self.colours.values())).strip(";")

    def _put(self, character: str) -> None:
        line, column = self.at
        width = cell_len(character)
        for taken in range(column, column + width):
            if self.cells.get((line, taken), ("", " "))[1] == "" and taken == column:
                self.cells[line, taken - 1] = ("", " ")
            if self.cells.get((line, taken + 1), ("", " "))[1] == "":
                self.cells[line, taken + 1] = ("", " ")
        seen = self.style if character != " " or self.attributes & {"4", "7"} else self.colours["4"]
        self.cells[line, column] = seen, character
        if width == 2:
            self.cells[line, column + 1] = self.style, ""
        self.at = line, column + width

    def shown(self) -> dict[tuple[int, int], tuple[str, str]]:
        return {place: cell for place, cell in self.cells.items() if cell != ("", " ")}

    def text(self) -> str:
        """What it shows, without styles."""
        lines: dict[int, dict[int, str]] = {}
        for (line, column), (_, character) in self.cells.items():
            lines.setdefault(line, {})[column] = character
        width = max((column for _, column in self.cells), default=0)
        return "\n".join(
            "".join(cells.get(column, " ") for column in range(1, width + 1)) for _, cells in sorted(lines.items())
        )
