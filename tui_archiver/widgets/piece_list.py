"""A list of lines that are given whole, each with what it stands for."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from tui_archiver.widgets.line_view import LineView
from tui_archiver.widgets.paint import Glyphs, Piece, length


class Line(NamedTuple):
    """One line: its pieces, and what it stands for (a job, a run, a check), if anything."""

    pieces: tuple[Piece, ...]
    subject: Any = None


def line(*pieces: Piece | str, subject: Any = None) -> Line:
    """A line from pieces; bare words are plain. All text must be clean already."""
    return Line(tuple((piece, "") if isinstance(piece, str) else piece for piece in pieces), subject)


class PieceList(LineView):
    """Shows the lines it is given; the cursor stays on its subject when they change."""

    def __init__(self, glyphs: Glyphs, *, id: str | None = None, cursor: bool = True) -> None:  # noqa: A002
        super().__init__(glyphs, id=id, cursor=cursor)
        self.lines_shown: list[Line] = []
        self.header_pieces: tuple[Piece, ...] | None = None
        self._widest = 0

    def show(self, lines: Iterable[Line], *, follow: bool = False) -> None:
        """Show these lines; with `follow` the last one is kept in sight."""
        fresh = list(lines)
        if fresh == self.lines_shown:
            return
        old = self.subject
        self.lines_shown = fresh
        self._widest = max((length(item.pieces) for item in fresh), default=0)
        self.changed()
        if follow:
            self.go_to(self.count - 1) if self.has_cursor else self.scroll_end(animate=False)
        elif old is not None:
            at = next((n for n, item in enumerate(fresh) if item.subject == old), None)
            if at is not None:
                self.go_to(at)

    @property
    def subject(self) -> Any:
        """What the line under the cursor stands for."""
        return self.lines_shown[self.cursor].subject if self.cursor < len(self.lines_shown) else None

    @property
    def count(self) -> int:
        """How many lines."""
        return len(self.lines_shown)

    @property
    def line_width(self) -> int:
        """The widest line."""
        return max(self.size.width, self._widest)

    def key(self, at: int) -> Hashable:
        """The line's own pieces."""
        return self.lines_shown[at].pieces

    def pieces(self, at: int, width: int) -> Sequence[Piece]:
        """The line as it was given."""
        return self.lines_shown[at].pieces

    def header(self, width: int) -> Sequence[Piece] | None:
        """The header, where one was given."""
        return self.header_pieces

    @property
    def text(self) -> str:
        """Every line without styles."""
        return "\n".join("".join(text for text, _ in item.pieces).rstrip() for item in self.lines_shown)
