"""A difference of two texts, side by side or one above the other, painted line by line as it comes in sight."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from tui_archiver.diff_model import Kind, Row, fold, hunks, spans, unified
from tui_archiver.widgets.line_view import LineView
from tui_archiver.widgets.paint import Glyphs, Piece, fit, length

SIDE_BY_SIDE_FROM = 90
"""The width from which two columns leave each line enough room."""
LINE_LIMIT = 20_000
_STYLE = {
    Kind.SAME: "",
    Kind.REMOVED: "removed",
    Kind.ADDED: "added",
    Kind.CHANGED: "",
    Kind.IGNORED: "dim",
}


class DiffView(LineView):
    """Rows of a difference; `two_columns` None decides by the width there is."""

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(glyphs, id=id)
        self.two_columns: bool | None = None
        self.whole = False
        self._left: Sequence[str] = ()
        self._right: Sequence[str] = ()
        self._rows: list[Row] = []
        self._shown: list[Row] = []
        self._was_wide = False

    def show(self, left: Sequence[str], right: Sequence[str], rows: list[Row], *, keep: bool = False) -> None:
        """Show this difference; with `keep` the place looked at stays."""
        self._left, self._right, self._rows = left, right, rows
        self._arrange()
        if not keep:
            starts = hunks(self._shown)
            self.cursor = starts[0] if starts else 0
            self.scroll_to(x=0, y=max(0, self.cursor - self.page_lines // 3), animate=False)

    def show_as(self, *, two_columns: bool | None = None, whole: bool | None = None) -> None:
        """Change how the difference is shown."""
        if two_columns is not None:
            self.two_columns = two_columns
        if whole is not None:
            self.whole = whole
        self._arrange()

    @property
    def in_columns(self) -> bool:
        """Whether both texts stand side by side now."""
        return self.size.width >= SIDE_BY_SIDE_FROM if self.two_columns is None else self.two_columns

    def _arrange(self) -> None:
        rows = self._rows if self.whole else fold(self._rows)
        self._was_wide = self.in_columns
        self._shown = list(rows) if self._was_wide else unified(rows)
        self._strips.clear()
        self.changed()

    def on_resize(self) -> None:
        """One or two columns, as there is room."""
        if self.in_columns != self._was_wide:
            self._arrange()
        super().on_resize()

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self._shown)

    @property
    def line_width(self) -> int:
        """Lines may be longer than the screen."""
        return max(self.size.width, 400)

    @property
    def differences(self) -> int:
        """How many differences there are."""
        return len(hunks(self._rows))

    def next_difference(self, step: int) -> bool:
        """Go to the next difference in this direction; whether there was one."""
        starts = hunks(self._shown)
        ahead = [at for at in starts if (at > self.cursor if step > 0 else at < self.cursor)]
        if not ahead:
            return False
        self.go_to(ahead[0] if step > 0 else ahead[-1], centre=True)
        return True

    def key(self, line: int) -> Hashable:
        """The row itself; the texts are forgotten with the painted lines."""
        return self._shown[line]

    def pieces(self, line: int, width: int) -> Sequence[Piece]:
        """One row."""
        row = self._shown[line]
        if row.folded:
            dash = self.glyphs.horizontal * 3
            return [(f"   {dash} {row.folded} equal line{'' if row.folded == 1 else 's'} {dash}", "dim")]
        return self._columns(row, width) if self._was_wide else self._one(row)

    def _one(self, row: Row) -> list[Piece]:
        from_left = row.left is not None and row.kind is not Kind.ADDED
        number = row.left if from_left else row.right
        sign = row.kind.value if row.kind in (Kind.REMOVED, Kind.ADDED) else " "
        style = _STYLE[row.kind]
        text = self._side(row, left=from_left, style=style)
        return [(f"{'' if number is None else number + 1:>5} ", "dim"), (f"{sign} ", style), *text]

    def _columns(self, row: Row, width: int) -> list[Piece]:
        half = (max(width, 40) - 3) // 2
        return [
            *self._half(row, half, left=True),
            (f" {self.glyphs.vertical} ", "dim"),
            *self._half(row, half, left=False),
        ]

    def _half(self, row: Row, width: int, *, left: bool) -> list[Piece]:
        number = row.left if left else row.right
        if number is None:
            return [(" " * width, "")]
        style = (
            "removed" if left and row.kind is Kind.REMOVED else "added" if row.kind is Kind.ADDED else _STYLE[row.kind]
        )
        sign = {Kind.CHANGED: "~", Kind.REMOVED: "-", Kind.ADDED: "+"}.get(row.kind, " ")
        room = width - 7
        shifted = self._side(row, left=left, style=style)
        text = _cut(shifted, self.scroll_offset.x, room)
        return [(f"{number + 1:>4} ", "dim"), (f"{sign} ", style), *text, (" " * max(0, room - length(text)), "")]

    def _side(self, row: Row, *, left: bool, style: str) -> list[Piece]:
        """One side's text; against a partner the characters that differ stand out."""
        number = row.left if left else row.right
        if number is None:
            return []
        text = (self._left if left else self._right)[number]
        if row.kind is Kind.SAME or row.left is None or row.right is None or row.kind is Kind.IGNORED:
            return [(self.glyphs.clean(text, LINE_LIMIT), style)]
        parts = spans(self._left[row.left], self._right[row.right])[0 if left else 1]
        pieces: list[Piece] = []
        at = 0
        for first, last in parts:
            pieces.append((self.glyphs.clean(text[at:first], LINE_LIMIT), style))
            pieces.append((self.glyphs.clean(text[first:last], LINE_LIMIT), "changed"))
            at = last
        pieces.append((self.glyphs.clean(text[at:], LINE_LIMIT), style))
        return [piece for piece in pieces if piece[0]]

    def _paint(self, line: int, width: int, over: str):  # type: ignore[no-untyped-def]
        """Columns move their own text sideways; a single column moves whole."""
        start = 0 if self._was_wide else self.scroll_offset.x
        return self.strip(self.pieces(line, width), width, over, start)


def _cut(pieces: list[Piece], start: int, width: int) -> list[Piece]:
    """The part of some pieces from character `start` on, in at most `width` cells."""
    shown: list[Piece] = []
    left = width
    for text, style in pieces:
        part = text[start:]
        start = max(0, start - len(text))
        if not part:
            continue
        have = length([(part, style)])
        if have > left:
            shown.append((fit(part, left), style))
            break
        shown.append((part, style))
        left -= have
        if not left:
            break
    return shown
