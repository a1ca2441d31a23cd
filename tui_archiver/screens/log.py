"""Screen 9: events of every process on this archive, and the calls this console made."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import NamedTuple

from textual import on
from textual.app import ComposeResult

from runarchive.archive import Changes
from runarchive.keymap import Key
from runarchive.model import Event, Severity
from tui_archiver.format import clock, wrapped
from tui_archiver.keys import bindings
from tui_archiver.run_book import Applied
from tui_archiver.screens.base import ConsoleScreen, Export, styles_path
from tui_archiver.screens.dialogs import PromptScreen
from tui_archiver.widgets.bars import SEVERITY_STYLE, OneLine, run_and_text
from tui_archiver.widgets.line_view import LineView
from tui_archiver.widgets.paint import Glyphs, Piece, length
from tui_archiver.widgets.piece_list import PieceList, line

LEVELS: tuple[tuple[str, frozenset[Severity]], ...] = (
    ("all", frozenset(Severity)),
    ("warnings and errors", frozenset({Severity.WARNING, Severity.ERROR})),
    ("errors", frozenset({Severity.ERROR})),
)


SIGNS = {Severity.ERROR: "E ", Severity.WARNING: "W "}
"""Letters: the signs of marks mean something else."""


class LogLine(NamedTuple):
    """One line: an event, or a call with its result."""

    at: datetime
    severity: Severity
    run: int | None
    text: str
    writer: str


class LogView(LineView):
    """The lines that the filter lets through, oldest first."""

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(glyphs, id=id)
        self.lines_shown: list[LogLine] = []

    @property
    def count(self) -> int:
        """How many lines pass."""
        return len(self.lines_shown)

    def key(self, line: int) -> Hashable:
        """The line's own content."""
        return self.lines_shown[line]

    def pieces(self, line: int, width: int) -> Sequence[Piece]:
        """Day, time, severity, run, text, writer."""
        at, severity, run, text, writer = self.lines_shown[line]
        style = SEVERITY_STYLE[severity]
        sign = SIGNS.get(severity, "  ")
        stamp = f"{at:%m-%d} {clock(at)}" if width >= 100 else clock(at)
        pieces: list[Piece] = [(f" {stamp} ", "dim"), (sign, style)]
        if run is not None:
            pieces.append((f"{run} ", "strong"))
        pieces.append((self.glyphs.clean(text, 2000), style))
        if writer:
            pieces.append((f"  {self.glyphs.clean(writer, 60)}", "dim"))
        return pieces

    @property
    def line_width(self) -> int:
        """Messages may be longer than the screen."""
        return max(self.size.width, 300)


class LogScreen(ConsoleScreen):
    """Events, newest at the end; the other face is the command log."""

    CSS_PATH = styles_path("log.tcss")
    BINDINGS = bindings("log")
    scope = "log"
    title_word = "Log"
    about = (
        "What every process on this archive did, from the ledger: this console, others, cron; W is a warning, E "
        "an error. The command log holds each call with which this console changed something, and how it went."
    )

    def __init__(self) -> None:
        super().__init__()
        self._needle = ""
        self._level = 0
        self._commands = False
        self._following = True

    def body(self) -> ComposeResult:
        """What is shown, and the lines."""
        yield OneLine(self.console_app.glyphs, id="log-head")
        yield LogView(self.console_app.glyphs, id="log")
        yield PieceList(self.console_app.glyphs, id="log-line", cursor=False)

    @property
    def view(self) -> LogView:
        """The lines."""
        return self.query_one(LogView)

    def catch_up(self) -> None:
        """Everything anew."""
        self._fill()

    def archive_changed(self, changes: Changes, applied: Applied) -> None:
        """New events at the end."""
        if changes.events and not self._commands:
            self._fill()

    def _lines(self) -> list[LogLine]:
        app = self.console_app
        if self._commands:
            return [
                LogLine(
                    call.at,
                    Severity.ERROR if call.failed else Severity.INFO,
                    None,
                    f"{call.words}: {call.result}",
                    "",
                )
                for call in app.command_log
            ]
        return [_event_line(event) for event in app.events]

    def _fill(self) -> None:
        wanted = LEVELS[self._level][1]
        needle = self._needle.casefold()
        known = self._lines()
        view = self.view
        view.lines_shown = [
            one
            for one in known
            if one.severity in wanted and (not needle or needle in f"{one.run} {one.text} {one.writer}".casefold())
        ]
        view.changed()
        view.say_when_empty(self._why_empty(bool(known)))
        if self._following and view.count:
            view.go_to(view.count - 1)
        what = "command log" if self._commands else "events"
        level = "" if self._level == 0 else f"  {LEVELS[self._level][0]}"
        follow = "follows" if self._following else "stands"
        self.query_one("#log-head", OneLine).show(
            [(f" {what}", "strong"), (level, "warn"), (f"  / {self.console_app.glyphs.clean(self._needle)}", "key")],
            [(f"{view.count} of {len(known)}  {follow} ", "dim")],
        )
        self._show_whole_line()

    def _why_empty(self, any_known: bool) -> str:
        if any_known:
            return "no line holds this text; escape clears the filter" if self._needle else "no line is that severe"
        return "this console has changed nothing yet" if self._commands else "nothing has happened yet"

    def _show_whole_line(self) -> None:
        """The line under the cursor in full, where the screen is too narrow for it."""
        view = self.view
        said = view.lines_shown[view.cursor] if view.count else None
        parts = wrapped(view.glyphs.clean(said.text, 2000), self.size.width - 2, 3) if said else []
        whole = self.query_one("#log-line", PieceList)
        whole.display = said is not None and length(view.pieces(view.cursor, self.size.width)) > self.size.width
        whole.show([line((f" {part}", SEVERITY_STYLE[said.severity])) for part in parts] if said else [])

    @on(LineView.Moved)
    def _moved(self, message: LineView.Moved) -> None:
        following = message.line == self.view.count - 1
        if following != self._following:
            self._following = following
            self._fill()
        else:
            self._show_whole_line()

    def why_not(self, key: Key) -> str:
        """A line must be about a run to lead to one."""
        if key.action == "detail" and self._run() is None:
            return "this line is about no run"
        return super().why_not(key)

    def _run(self) -> int | None:
        view = self.view
        return view.lines_shown[view.cursor].run if view.count else None

    def action_filter(self) -> None:
        """Ask for a text."""

        def typed(text: str) -> None:
            self._needle = text.strip()
            self._fill()

        def done(text: str | None) -> None:
            typed(text or "")

        self.app.push_screen(PromptScreen("/", value=self._needle, hint="lines that hold this text", typed=typed), done)

    def action_step_back(self) -> None:
        """Clear the filter."""
        self._needle = ""
        self._fill()

    def action_severity(self) -> None:
        """The next level."""
        self._level = (self._level + 1) % len(LEVELS)
        self._fill()

    def action_commands(self) -> None:
        """Events or command log."""
        self._commands = not self._commands
        self._following = True
        self._fill()

    def action_follow(self) -> None:
        """Follow the end, or stand."""
        self._following = not self._following
        self._fill()

    def action_detail(self) -> None:
        """The run of this line."""
        run = self._run()
        if run is not None:
            self.console_app.open_run(run)

    def export_rows(self) -> Export:
        """The lines shown."""
        rows = [
            (line.at.isoformat(), line.severity.value, line.run, line.text, line.writer)
            for line in self.view.lines_shown
        ]
        return ("at", "severity", "run", "message", "writer"), list(rows)

    def copy_text(self) -> str:
        """The line."""
        view = self.view
        return view.lines_shown[view.cursor].text if view.count else ""


def _event_line(event: Event) -> LogLine:
    return LogLine(event.at, event.severity, event.run, run_and_text(event)[1], event.writer)
