"""A list of any length of which only the lines in sight exist."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui_archiver.keys import bindings
from tui_archiver.widgets.paint import Glyphs, Painted, Piece

CACHED_LINES = 1000


class LineView(Painted, ScrollView, can_focus=True):
    """Lines painted on demand, with a cursor, an optional header line, and single lines refreshed.

    A subclass says how many lines there are (`count`), what is on one (`pieces`) and, where lines may change, what that
    depends on (`key`). The widget never asks for a line that is not in sight.
    """

    BINDINGS = bindings("list")

    class Moved(Message):
        """The cursor stands on another line."""

        def __init__(self, view: LineView, line: int) -> None:
            super().__init__()
            self.view = view
            self.line = line

        @property
        def control(self) -> LineView:
            """The list that sends it."""
            return self.view

    class Chosen(Moved):
        """A line was double-clicked."""

    def __init__(self, glyphs: Glyphs, *, id: str | None = None, cursor: bool = True) -> None:  # noqa: A002
        super().__init__(glyphs, id=id)
        self.cursor = 0
        self.empty = ""
        self.has_cursor = cursor
        self.can_focus = cursor
        self._strips: LRUCache[Hashable, Strip] = LRUCache(CACHED_LINES)

    # --- what a subclass says

    @property
    def count(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    def pieces(self, line: int, width: int) -> Sequence[Piece]:
        """What stands on a line; all text clean."""
        raise NotImplementedError

    def key(self, line: int) -> Hashable:
        """What the painting of a line depends on besides width, theme and cursor; None: it is never kept."""
        return None

    def header(self, width: int) -> Sequence[Piece] | None:
        """The line that stays on top, or None."""
        return None

    # --- painting

    @property
    def top(self) -> int:
        """How many lines the header takes."""
        return 0 if self.header(1) is None else 1

    def render_line(self, y: int) -> Strip:
        """One line of the widget, `y` counted from its top."""
        width = self.size.width
        top = self.top
        if y < top:
            return self.strip(self.header(width) or (), width, "header")
        start, first = self.scroll_offset
        line = y - top + first
        if line == 0 == self.count and self.empty:
            return self.strip(((f"   {self.empty}", "dim"),), width)
        if line >= self.count:
            return Strip.blank(width, self.rich_style)
        over = ""
        if self.has_cursor and line == self.cursor:
            over = "cursor" if self.has_focus else "blurred"
        depends = self.key(line)
        if depends is None:
            return self.strip(self.pieces(line, width), width, over, start)
        kept = (depends, over, width, start)
        strip = self._strips.get(kept)
        if strip is None:
            strip = self._strips[kept] = self.strip(self.pieces(line, width), width, over, start)
        return strip

    def say_when_empty(self, words: str) -> None:
        """What stands in place of lines where there are none: why, and what would change that."""
        if words != self.empty:
            self.empty = words
            self.refresh_each((0,))

    def notify_style_update(self) -> None:
        """Forget what was painted in other colours."""
        self._strips.clear()
        super().notify_style_update()

    def changed(self) -> None:
        """Lines came, went or changed places: paint anew, the cursor held within the list."""
        self.virtual_size = Size(self.line_width, self.count + self.top)
        self.cursor = max(0, min(self.cursor, self.count - 1))
        self.refresh()

    def repaint(self) -> None:
        """Forget every painted line: what they are made of changed without their key."""
        self._strips.clear()
        self.refresh()

    @property
    def line_width(self) -> int:
        """The widest line in cells; more than the widget's width allows moving sideways."""
        return self.size.width

    def refresh_line_at(self, line: int) -> None:
        """Paint one line anew, if it is in sight."""
        self.refresh_each((line,))

    def refresh_each(self, lines: Iterable[int]) -> None:
        """Paint these lines anew, given lowest first, as far as they are in sight."""
        first, (width, height), top = self.scroll_offset.y, self.size, self.top
        blocks: list[tuple[int, int]] = []
        for y in (line - first + top for line in lines):
            if blocks and sum(blocks[-1]) == y < height:
                blocks[-1] = blocks[-1][0], blocks[-1][1] + 1
            elif top <= y < height:
                blocks.append((y, 1))
        if blocks:
            self.refresh(*(Region(0, y, width, count) for y, count in blocks))

    def lines_in_sight(self) -> range:
        """The lines that can be seen now."""
        first = self.scroll_offset.y
        return range(first, min(self.count, first + self.page_lines))

    @property
    def page_lines(self) -> int:
        """How many lines fit below the header."""
        return max(1, self.size.height - self.top)

    # --- moving

    @property
    def allow_vertical_scroll(self) -> bool:
        """Lists scroll without a bar, which would take a column of every line."""
        return True

    @property
    def allow_horizontal_scroll(self) -> bool:
        """As up and down."""
        return True

    def go_to(self, line: int, *, centre: bool = False) -> None:
        """Put the cursor on a line and bring it in sight."""
        line = max(0, min(line, self.count - 1))
        old, self.cursor = self.cursor, line
        first = self.scroll_offset.y
        if centre and not first <= line < first + self.page_lines:
            self.scroll_to(y=max(0, line - self.page_lines // 2), animate=False)
        elif line < first:
            self.scroll_to(y=line, animate=False)
        elif line >= first + self.page_lines:
            self.scroll_to(y=line - self.page_lines + 1, animate=False)
        if old != line:
            self.refresh_line_at(old)
            self.refresh_line_at(line)
            self.post_message(self.Moved(self, line))

    def act_list(self, name: str, amount: int) -> None:
        """Move as one of the list keys says."""
        if name == "move_to":
            self.go_to(self.count - 1 if amount < 0 else amount)
        elif name == "sideways":
            self.scroll_to(x=max(0, self.scroll_offset.x + amount), animate=False)
            self.refresh()
        elif self.has_cursor:
            self.go_to(self.cursor + amount * (self.page_lines if name == "page" else 1))
        else:
            step = amount * (self.page_lines if name == "page" else 1)
            self.scroll_to(y=self.scroll_offset.y + step, animate=False)

    def action_act(self, ident: str) -> None:
        """Do what a list key stands for."""
        name, amount = _MOVES[ident]
        self.act_list(name, amount)

    def on_focus(self) -> None:
        """Show the cursor as the one that keys move."""
        self.refresh_line_at(self.cursor)

    def on_blur(self) -> None:
        """Show the cursor as standing still."""
        self.refresh_line_at(self.cursor)

    def on_resize(self) -> None:
        """Take the new size in; the cursor stays in sight."""
        self.changed()
        if self.count:
            self.go_to(self.cursor)

    def on_click(self, event: events.Click) -> None:
        """The mouse, where there is one: a click moves the cursor, two choose."""
        line = event.y - self.top + self.scroll_offset.y
        if event.y >= self.top and 0 <= line < self.count:
            self.go_to(line)
            if event.chain == 2:
                self.post_message(self.Chosen(self, line))


_MOVES: dict[str, tuple[str, int]] = {
    "list.up": ("move", -1),
    "list.down": ("move", 1),
    "list.page_up": ("page", -1),
    "list.page_down": ("page", 1),
    "list.first": ("move_to", 0),
    "list.last": ("move_to", -1),
    "list.left": ("sideways", -8),
    "list.right": ("sideways", 8),
}
