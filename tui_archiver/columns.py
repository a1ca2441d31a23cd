"""The columns of the run table: what they say, how wide they are, and which are left out when it gets narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runarchive.model import Mark, Run
from tui_archiver.format import short_time, size_text, without_run
from tui_archiver.widgets.paint import MARK_STYLE, STATE_STYLE, Glyphs, Piece, fit

WIDE = 110


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `width` in cells, `wide` from WIDE cells on; `share` above 0 takes part in what is left over.

    `keep` orders who stays when it gets narrow: the lowest leaves first.
    """

    name: str
    title: str
    width: int
    wide: int
    keep: int
    share: int = 0
    right: bool = False


COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("run", "RUN", 6, 7, 99),
        Column("start", "START", 12, 16, 4),
        Column("stop", "STOP", 12, 16, 1),
        Column("configuration", "CONFIGURATION", 14, 18, 5, share=3),
        Column("filesystem", "FS", 2, 3, 90),
        Column("artdaqdb", "ADB", 3, 5, 90),
        Column("ucondb", "UCON", 5, 6, 90),
        Column("state", "STATE", 9, 9, 95),
        Column("reason", "WHY", 16, 20, 6, share=2),
        Column("attempts", "TRY", 3, 3, 3, right=True),
        Column("size", "SIZE", 7, 7, 2, right=True),
    )
}
DEFAULT_COLUMNS = tuple(COLUMNS)


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that fit into one width, each with its own."""

    columns: tuple[tuple[Column, int], ...]
    wide: bool


def lay_out(names: Sequence[str], width: int) -> Layout:
    """The chosen columns, in their order, that fit into `width` cells beside the marker."""
    wide = width >= WIDE
    chosen = [COLUMNS[name] for name in names]

    def least(column: Column) -> int:
        return column.wide if wide else column.width

    while len(chosen) > 1 and sum(least(column) + 1 for column in chosen) - 1 > width:
        chosen.remove(min(chosen, key=lambda column: column.keep))
    spare = max(0, width - sum(least(column) + 1 for column in chosen) + 1)
    shares = sum(column.share for column in chosen)
    placed: list[tuple[Column, int]] = []
    for column in chosen:
        extra = spare * column.share // shares if shares and column.share else 0
        if column.share:
            shares -= column.share
            spare -= extra
        placed.append((column, least(column) + extra))
    return Layout(tuple(placed), wide)


def header(layout: Layout, sort: str, descending: bool, glyphs: Glyphs) -> list[Piece]:
    """The header line; the column that is sorted by carries an arrow."""
    pieces: list[Piece] = [("  ", "")]
    for column, width in layout.columns:
        title = column.title
        if column.name == sort:
            title = title[: width - 1] + (glyphs.down if descending else glyphs.up)
        pieces.append((fit(title, width, right=column.right) + " ", "strong" if column.name == sort else ""))
    return pieces


def cells(run: Run, layout: Layout, marked: bool, glyphs: Glyphs, now: datetime) -> list[Piece]:
    """One run's line."""
    pieces: list[Piece] = [(f"{glyphs.dot} " if marked else "  ", "marked")]
    for column, width in layout.columns:
        text, style = cell(run, column.name, glyphs, now, width=width, wide=layout.wide)
        pieces.append((fit(text, width, right=column.right) + " ", "marked" if marked and not style else style))
    return pieces


def cell(run: Run, name: str, glyphs: Glyphs, now: datetime, *, width: int, wide: bool) -> Piece:
    """What one run says in one column of `width` cells."""
    if name == "run":
        return str(run.run), "strong"
    if name in ("filesystem", "artdaqdb", "ucondb"):
        mark: Mark = getattr(run.marks, name)
        text = glyphs.mark(mark)
        if mark is Mark.RUNNING and run.percent is not None:
            told = f"{text} {run.percent}%", f"{run.percent}%", text
            text = next(words for words in told if len(words) <= width or words == text)
        return text, MARK_STYLE[mark]
    if name == "state":
        return run.state.value, STATE_STYLE[run.state]
    if name == "configuration":
        return glyphs.clean(run.configuration), ""
    if name == "reason":
        return glyphs.clean(without_run(run.reason, run.run)), "dim"
    if name == "attempts":
        return (str(run.attempts) if run.attempts else ""), "warn" if run.attempts > 1 else ""
    if name == "size":
        return ("" if run.size is None else size_text(run.size)), "dim"
    when = run.start if name == "start" else run.stop
    return ("" if when is None else short_time(when, now, wide=wide)), "dim"


def export_row(run: Run) -> list[Any]:
    """One run as an export writes it, a value for each of COLUMNS."""
    marks = run.marks
    return [
        run.run,
        None if run.start is None else run.start.isoformat(),
        None if run.stop is None else run.stop.isoformat(),
        run.configuration,
        marks.filesystem.ascii_glyph,
        marks.artdaqdb.ascii_glyph,
        marks.ucondb.ascii_glyph,
        run.state.value,
        run.reason,
        run.attempts,
        run.size,
    ]
