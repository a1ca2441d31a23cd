"""The table of runs: a window on a RunBook of any size."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from datetime import UTC, datetime

from runarchive.model import Run
from tui_archiver.columns import DEFAULT_COLUMNS, Layout, cells, header, lay_out
from tui_archiver.run_book import RunBook
from tui_archiver.widgets.line_view import LineView
from tui_archiver.widgets.paint import Glyphs, Piece


class RunTable(LineView):
    """One line a run. Cursor and marks go by run number, so they stay where they were through filter and sort."""

    def __init__(self, book: RunBook, glyphs: Glyphs, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(glyphs, id=id)
        self.book = book
        self.columns: tuple[str, ...] = DEFAULT_COLUMNS
        self.range_start: int | None = None
        self._stands_on: int | None = None
        self._layout: Layout | None = None
        self._now = datetime.now(UTC)

    @property
    def count(self) -> int:
        """How many runs are shown."""
        return len(self.book.order)

    def key(self, line: int) -> Hashable:
        """The run as it is, and whether it is marked."""
        run = self.book.rows[self.book.order[line]]
        return run, run.run in self.book.marked

    def pieces(self, line: int, width: int) -> Sequence[Piece]:
        """One run's line."""
        run = self.book.rows[self.book.order[line]]
        return cells(run, self._laid_out(width), run.run in self.book.marked, self.glyphs, self._now)

    def header(self, width: int) -> Sequence[Piece]:
        """The titles of the columns that fit."""
        view = self.book.view
        return header(self._laid_out(width), view.sort, view.descending, self.glyphs)

    @property
    def top(self) -> int:
        """The header's one line."""
        return 1

    def _laid_out(self, width: int) -> Layout:
        if self._layout is None:
            self._layout = lay_out(self.columns, max(1, width - 2))
        return self._layout

    def on_resize(self) -> None:
        """Choose the columns anew."""
        self._layout = None
        self._now = datetime.now(UTC)
        self._strips.clear()
        super().on_resize()

    def choose_columns(self, names: Sequence[str]) -> None:
        """Show these columns in this order, as far as they fit."""
        self.columns = tuple(names)
        self._layout = None
        self.repaint()

    @property
    def run(self) -> Run | None:
        """The run under the cursor."""
        return self.book.shown(self.cursor)

    def shows(self, name: str) -> bool:
        """Whether there is room for this column."""
        return any(column.name == name for column, _ in self._laid_out(self.size.width).columns)

    def arranged(self) -> None:
        """The order changed: paint anew, the cursor on the run it was sent to if that is shown, else as it stood."""
        line = None if self._stands_on is None else self.book.line_of(self._stands_on)
        offset = self.cursor - self.scroll_offset.y
        if line is not None and line != self.cursor:
            self.cursor = line
            self.changed()
            self.scroll_to(y=max(0, line - offset), animate=False)
        else:
            self.changed()

    def rows_changed(self, dirty: Collection[int]) -> None:
        """Paint the lines in sight among these rows."""
        if dirty:
            self.refresh_each(line for line in self.lines_in_sight() if self.book.order[line] in dirty)

    # --- marks

    def toggle(self) -> None:
        """Mark or unmark the run under the cursor and go on to the next."""
        self.book.toggle(self.cursor)
        self.refresh_line_at(self.cursor)
        self.go_to(self.cursor + 1)

    def toggle_range(self) -> None:
        """Start a range at the run under the cursor, or end it."""
        run = self.run
        self.range_start = run.run if run is not None and self.range_start is None else None
        self._mark_range()

    def go_to(self, line: int, *, centre: bool = False) -> None:
        """Move; with a range open, mark along."""
        before = self.cursor
        super().go_to(line, centre=centre)
        if self.cursor != before:
            self._stands_on = None if self.run is None else self.run.run
        self._mark_range()

    def _mark_range(self) -> None:
        """Mark from the run where the range started to the cursor; a range whose start is not shown any more ends."""
        start = None if self.range_start is None else self.book.line_of(self.range_start)
        if start is None:
            self.range_start = None
        else:
            self.book.mark_lines(start, self.cursor)
            self.refresh()
