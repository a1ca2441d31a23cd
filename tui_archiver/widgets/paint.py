"""How the line widgets paint: pieces of clean text, each with a style by name, fitted to a width in cells."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from runarchive.clean import clean, clean_ascii
from runarchive.model import Mark, RunState

Piece = tuple[str, str]
"""Text that is fit for a terminal, and the name of its style (empty: plain)."""

STYLES = (
    "header",
    "dim",
    "good",
    "busy",
    "warn",
    "bad",
    "strong",
    "key",
    "marked",
    "added",
    "removed",
    "changed",
    "same",
    "cursor",
    "blurred",
    "armed",
    "safe",
)

COMPONENT_CLASSES = {f"paint--{name}" for name in STYLES}
"""The same as component classes, whose looks are in `console.tcss`."""

_TEXT = itemgetter(0)
_STYLE = itemgetter(1)

MARK_STYLE: dict[Mark, str] = {
    Mark.VERIFIED: "good",
    Mark.OTHER_WRITER: "good",
    Mark.LISTED: "",
    Mark.MISSING: "dim",
    Mark.DIFFERS: "bad",
    Mark.PARTIAL: "warn",
    Mark.UNKNOWN: "warn",
    Mark.ERROR: "bad",
    Mark.RUNNING: "busy",
}
STATE_STYLE: dict[RunState, str] = {
    RunState.NEW: "strong",
    RunState.WAITING: "dim",
    RunState.IMPORTING: "busy",
    RunState.IMPORTED: "",
    RunState.MIGRATING: "busy",
    RunState.ARCHIVED: "good",
    RunState.FAILED: "bad",
    RunState.PARTIAL: "warn",
    RunState.CONFLICT: "bad",
    RunState.OUTDATED: "warn",
    RunState.ORPHAN: "warn",
    RunState.EMPTY: "dim",
    RunState.WAIVED: "dim",
    RunState.IGNORED: "dim",
}


class Glyphs:
    """How this terminal writes: Unicode or ASCII marks, bars and foreign text."""

    def __init__(self, ascii_only: bool) -> None:
        self.ascii_only = ascii_only
        self.clean = clean_ascii if ascii_only else clean
        self.dot = "*" if ascii_only else "●"
        self.vertical = "|" if ascii_only else "│"
        self.horizontal = "-" if ascii_only else "─"
        self.dash = "-" if ascii_only else "–"
        self.ellipsis = "..." if ascii_only else "…"
        self.up = "^" if ascii_only else "↑"
        self.down = "v" if ascii_only else "↓"
        self.both = "<>" if ascii_only else "↔"

    def mark(self, mark: Mark) -> str:
        """A mark's glyph."""
        return mark.ascii_glyph if self.ascii_only else mark.glyph

    def own(self, text: str) -> str:
        """Text as this terminal can show it, in as many characters; what nobody cleaned is cleaned here."""
        if not text.isprintable():
            return self.clean(text, len(text))
        if not self.ascii_only or text.isascii():
            return text
        return text.translate(_PLAIN).encode("ascii", "replace").decode("ascii")

    def bar(self, done: int, total: int, width: int) -> str:
        """A progress bar of `width` cells."""
        share = min(1.0, done / total) if total else 0.0
        if self.ascii_only:
            return ("#" * int(share * width)).ljust(width, ".")
        eighths = int(share * width * 8)
        full, part = divmod(eighths, 8)
        return ("█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")).ljust(width, "░")[:width]


_PLAIN = str.maketrans("–…→×µ·●│─↑↓█░≈↔", "-~>xu.*|-^v#.~-")


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` cells: padded, or cut with an ellipsis."""
    if width <= 0:
        return ""
    if text.isascii():
        if len(text) <= width:
            return text.rjust(width) if right else text.ljust(width)
        return text[: width - 1] + "…"
    have = cell_len(text)
    if have <= width:
        return " " * (width - have) + text if right else text + " " * (width - have)
    return set_cell_size(text, width - 1) + "…"


def length(pieces: Iterable[Piece | Segment]) -> int:
    """The width of some pieces in cells."""
    return sum([len(text) if text.isascii() else cell_len(text) for text in map(_TEXT, pieces)])


class Painted(Widget):
    """A widget that paints strips from pieces; its screen has the component classes that the style names stand for."""

    ALLOW_SELECT = False

    def __init__(self, glyphs: Glyphs, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.glyphs = glyphs
        self._styles_by_name: dict[tuple[str, str], Style] = {}

    def notify_style_update(self) -> None:
        """Forget the styles looked up; the theme or a class changed."""
        self._styles_by_name = {}
        super().notify_style_update()

    def style_of(self, name: str, over: str = "") -> Style:
        """The widget's own style, under style `name`, under style `over`; raises KeyError for one not in STYLES."""
        style = self._styles_by_name.get((name, over))
        if style is None:
            style = self.rich_style
            for part in filter(None, (name, over)):
                style += self._part_of_style(part)
            self._styles_by_name[name, over] = style
        return style

    def _part_of_style(self, name: str) -> Style:
        """What one style name adds; a colour that lets some of the background through is mixed with it here."""
        styles = self.screen.get_component_styles(f"paint--{name}")
        part = styles.partial_rich_style
        if styles.has_rule("color") and 0 < styles.color.a < 1:
            part += Style.from_color((self.background_colors[1] + styles.color).rich_color)
        return part

    def strip(self, pieces: Iterable[Piece], width: int, over: str = "", start: int = 0) -> Strip:
        """Pieces as one line of `width` cells from cell `start` on; style `over` lies on top of theirs."""
        own, style_of = self.glyphs.own, self.style_of
        segments = [
            Segment(own("".join(map(_TEXT, parts))), style_of(name, over))
            for name, parts in groupby(filter(_TEXT, pieces), _STYLE)
        ]
        have = length(segments)
        if have < width and not start:
            segments.append(Segment(" " * (width - have), style_of("", over)))
            return Strip(segments, width)
        whole = Strip(segments, have).crop(start)
        return whole if whole.cell_length == width else whole.adjust_cell_length(width, style_of("", over))
