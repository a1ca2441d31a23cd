"""Screen 0: whether each store can be reached, and what stands in the way."""

from __future__ import annotations

import math
import os
import platform
import time
from pathlib import Path

import textual
from textual import on
from textual.app import ComposeResult

from runarchive import __version__
from runarchive.clean import clean
from runarchive.model import CheckResult, Verdict
from tui_archiver.format import clock, duration
from tui_archiver.keys import bindings
from tui_archiver.screens.base import ConsoleScreen, Export, styles_path
from tui_archiver.widgets.line_view import LineView
from tui_archiver.widgets.paint import fit
from tui_archiver.widgets.piece_list import Line, PieceList, line

FRESH_SECONDS = 10.0
"""Checks that are younger are not made again when the screen is opened."""
SIGNS = {
    Verdict.PASS: ("ok  ", "good"),
    Verdict.FAIL: ("FAIL", "bad"),
    Verdict.SKIP: ("skip", "dim"),
    Verdict.UNKNOWN: ("?   ", "warn"),
}


class DoctorScreen(ConsoleScreen):
    """Every check with its evidence; the line below says what to do next."""

    CSS_PATH = styles_path("doctor.tcss")
    BINDINGS = bindings("doctor")
    scope = "doctor"
    title_word = "Doctor"
    about = (
        "Each store, the clock, the disk, permissions, paths and this terminal: what was looked at, what was "
        "found, and the next step. R writes the report to a file; no password is in it."
    )

    def __init__(self) -> None:
        super().__init__()
        self._results: tuple[CheckResult, ...] = ()
        self._asked_at = -math.inf
        self._made_at = ""

    def body(self) -> ComposeResult:
        """Checks, and the next step for the one under the cursor."""
        glyphs = self.console_app.glyphs
        yield PieceList(glyphs, id="checks")
        yield PieceList(glyphs, id="check-told", cursor=False)

    def catch_up(self) -> None:
        """Who comes back wants to know how it is now."""
        if time.monotonic() - self._asked_at > FRESH_SECONDS:
            self.action_again()

    def action_again(self) -> None:
        """Make every check."""
        self._asked_at = time.monotonic()
        self._show_head("checking …")
        self.fetch("doctor", self.archive.doctor, self._loaded)

    def fetch_failed(self, key: str, error: Exception) -> None:
        """The checks could not be made; those on screen are the ones before."""
        super().fetch_failed(key, error)
        self._show_head(self._made_at)

    def _show_head(self, when: str) -> None:
        view = self.query_one("#checks", PieceList)
        view.header_pieces = ((f" {'':<4} {'CHECK':<24} EVIDENCE", ""), (f"  {when}", "dim"))
        view.changed()

    def _loaded(self, results: tuple[CheckResult, ...]) -> None:
        first_round = not self._results
        self._results = (*(one for one in results if one.name != "terminal"), *self.terminal_checks())
        self._made_at = f"as of {clock(self.console_app.now())}"
        self._show_head(self._made_at)
        view = self.query_one("#checks", PieceList)
        lines = [self._line(result) for result in self._results]
        origins = sorted(self.archive.config.origins.items())
        lines.append(line((" Where the config's values come from", "header")))
        tidy = self.console_app.glyphs.clean
        lines += [
            line((f"      {fit(tidy(name), 34)} ", ""), (tidy(f"{o.shown}  {o.source}"), "dim")) for name, o in origins
        ]
        view.show(lines)
        if first_round:
            failed = (at for at, result in enumerate(self._results) if result.verdict is Verdict.FAIL)
            view.go_to(next(failed, 0))
        self._show_hint()

    def _line(self, result: CheckResult) -> Line:
        words, style = SIGNS[result.verdict]
        tidy = self.console_app.glyphs.clean
        took = f"  {duration(result.seconds)}" if result.seconds >= 0.001 else ""
        return line(
            (f" {words} ", style),
            (fit(tidy(result.name), 24) + " ", "strong"),
            (tidy(result.evidence), style if result.verdict is Verdict.FAIL else ""),
            (took, "dim"),
            subject=result.name,
        )

    def terminal_checks(self) -> tuple[CheckResult, ...]:
        """What the engine cannot know: the terminal this console is shown on."""
        app = self.console_app
        size, colours = app.size, app.console.color_system or "none"
        small = size.width < 80 or size.height < 24
        names = " ".join(f"{name}={os.environ.get(name, '')}" for name in ("TERM", "COLORTERM", "LANG"))
        inside = ", inside tmux" if os.environ.get("TMUX") else ""
        verdict = Verdict.UNKNOWN if small else Verdict.PASS
        return (
            CheckResult(
                "terminal",
                verdict,
                f"{size.width}x{size.height}, colours {colours}, {names}{inside}",
                "80x24 shows everything; smaller leaves columns out" if small else "",
            ),
            CheckResult("console", Verdict.PASS, f"tui-archiver {__version__}, textual {textual.__version__}, "
                        f"python {platform.python_version()}, theme {app.theme}"),
        )  # fmt: skip

    @on(LineView.Moved)
    def _moved(self) -> None:
        self._show_hint()

    def _result(self) -> CheckResult | None:
        name = self.query_one("#checks", PieceList).subject
        return next((result for result in self._results if result.name == name), None)

    def _show_hint(self) -> None:
        result = self._result()
        tidy = self.console_app.glyphs.clean
        told: list[Line] = []
        if result is not None:
            told = self.in_lines(tidy(result.evidence, 1000), "", "", 3)
            told += self.in_lines(f"next: {tidy(result.hint, 1000)}", "key", "", 2) if result.hint else []
        self.query_one("#check-told", PieceList).show(told)

    def report(self) -> str:
        """Every check as text, without secrets."""
        now = self.console_app.now().isoformat(timespec="seconds")
        lines = [f"tui-archiver doctor, {now}, {self._made_at or 'nothing checked yet'}", ""]
        for result in self._results:
            lines.append(f"{SIGNS[result.verdict][0]} {clean(result.name)}: {clean(result.evidence, 2000)}")
            if result.hint:
                lines.append(f"       next: {clean(result.hint, 2000)}")
        return "\n".join(lines) + "\n"

    def action_report(self) -> None:
        """Write the report."""
        path = Path(f"doctor-{self.console_app.now():%Y%m%d-%H%M%S}.txt")
        text = self.report()

        def write() -> str:
            path.write_text(text, "utf-8")
            return f"report written to {path.resolve()}"

        self.console_app.ask("report", write, self.console_app.say)

    def export_rows(self) -> Export:
        """The checks."""
        rows = [(r.name, r.verdict.value, r.evidence, r.hint, round(r.seconds, 3)) for r in self._results]
        return ("check", "verdict", "evidence", "next", "seconds"), list(rows)

    def copy_text(self) -> str:
        """The whole report."""
        return self.report()
