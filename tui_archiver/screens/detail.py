"""One run, whole: where it stands and why, its files, every attempt and check, what can be done now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from textual.app import ComposeResult

from runarchive.archive import Changes, Comparison, Explanation, RunLife
from runarchive.errors import ArchiveError
from runarchive.model import Store, Verdict
from tui_archiver import work
from tui_archiver.format import duration, size_text, without_run, wrapped
from tui_archiver.keys import bindings
from tui_archiver.run_book import Applied
from tui_archiver.screens.base import ConsoleScreen, Export, styles_path
from tui_archiver.ways import way_in
from tui_archiver.widgets.bars import SEVERITY_STYLE, STORE_NAMES
from tui_archiver.widgets.paint import MARK_STYLE, STATE_STYLE, Piece, length
from tui_archiver.widgets.piece_list import Line, PieceList, line

MOST_LINES = 12
VERDICT_STYLE = {Verdict.PASS: "good", Verdict.FAIL: "bad", Verdict.SKIP: "dim", Verdict.UNKNOWN: "warn"}


class Told(NamedTuple):
    """What the archive says of a run; the files follow, since they are asked of the stores."""

    life: RunLife
    explanation: Explanation


class DetailScreen(ConsoleScreen):
    """Opened by enter on a run; escape goes back."""

    CSS_PATH = styles_path("detail.tcss")
    BINDINGS = bindings("detail")
    scope = "detail"
    title_word = "One run"
    about = (
        "Everything the archive knows of one run: state and reason, what would change it, its files with "
        "their marks, each attempt and check with its evidence, hashes, decisions and events."
    )

    def __init__(self, run: int) -> None:
        super().__init__()
        self.run_number = run
        self._told: Told | None = None
        self._comparison: Comparison | None = None
        self._files_word = "reading the three stores …"

    def body(self) -> ComposeResult:
        """One list."""
        yield PieceList(self.console_app.glyphs, id="detail")

    def on_mount(self) -> None:
        """Ask the ledger, then the stores."""
        super().on_mount()
        self._load()
        self.fetch("files", lambda: self.archive.compare(self.run_number), self._compared)

    def _load(self) -> None:
        run = self.run_number
        self.fetch("life", lambda: self._ask(run), self._loaded)

    def _ask(self, run: int) -> Told:
        self.archive.glance_at((run,))
        return Told(self.archive.life(run), self.archive.explain(run))

    def archive_changed(self, changes: Changes, applied: Applied) -> None:
        """Follow the run."""
        if any(run.run == self.run_number for run in changes.runs):
            self._load()
            self.fetch("files", lambda: self.archive.compare(self.run_number), self._compared)

    def _loaded(self, told: Told) -> None:
        self._told = told
        self._show()

    def _compared(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._show()

    def on_resize(self) -> None:
        """Break the texts anew."""
        super().on_resize()
        self.call_after_refresh(self._show)

    def fetch_failed(self, key: str, error: Exception) -> None:
        """A store out of reach leaves the rest readable."""
        if key == "files":
            self._files_word = error.message if isinstance(error, ArchiveError) else str(error)
            self._show()
        else:
            super().fetch_failed(key, error)

    # --- the text

    def _show(self) -> None:
        told = self._told
        if told is None:
            return
        lines = [
            *self._state_lines(told),
            *self._exit_lines(told),
            *self._file_lines(),
            *self._attempt_lines(told.life),
        ]
        lines += [*self._check_lines(told.life), *self._hash_lines(told.life), *self._history_lines(told.life)]
        self.query_one("#detail", PieceList).show(lines)

    def _state_lines(self, told: Told) -> Iterable[Line]:
        run, glyphs = told.life.run, self.console_app.glyphs
        marks: list[Piece | str] = [" "]
        for store in Store:
            mark = run.marks.of(store)
            marks += [(f"  {STORE_NAMES[store]} ", "dim"), (f"{glyphs.mark(mark)} {mark.word}", MARK_STYLE[mark])]
        head = (f" Run {run.run}  ", "strong"), (f"{run.state.value}  ", STATE_STYLE[run.state])
        yield from self._in_full(head, without_run(run.reason, run.run))
        yield line(*marks)
        facts = [("configuration", run.configuration)]
        facts += [("start", run.start.isoformat(" ", "seconds"))] if run.start else []
        facts += [("stop", run.stop.isoformat(" ", "seconds"))] if run.stop else []
        facts += [("size", size_text(run.size))] if run.size is not None else []
        facts += [("attempts", str(run.attempts))] if run.attempts else []
        for name, text in (*facts, *told.life.facts):
            # The reason stands above already, whole.
            brief = text.removesuffix(f", {run.reason}") if run.reason else text
            yield from self._in_full(((f"   {glyphs.clean(name):<14} ", "dim"),), brief)
        said = {run.state.value, f"{run.state.value}: {run.reason}"}
        said |= {f"{name}: {text}" for name, text in told.life.facts}
        said |= {f"{store}: {run.marks.of(store).word}" for store in Store}
        for why in told.explanation.why:
            if why not in said:
                yield from self._in_full(("   ",), why)

    def _exit_lines(self, told: Told) -> Iterable[Line]:
        glyphs, explanation = self.console_app.glyphs, told.explanation
        if explanation.exits or explanation.by_itself:
            yield self._title("What can be done now")
        for way in explanation.exits:
            key = glyphs.clean(way_in(way, self.scope, self.console_app.keymap))
            yield from self._in_full(((f"   {key}{'  ' if key else ''}", "key"),), way.what)
        if explanation.by_itself:
            yield from self._in_full(("   by itself: ",), explanation.by_itself)

    def _in_full(self, head: Sequence[Piece | str], text: str) -> Iterable[Line]:
        """A text over as many lines as it needs, below itself."""
        room = self.size.width - length(line(*head).pieces) - 1
        first, *more = wrapped(self.console_app.glyphs.clean(text, 1000), room, MOST_LINES) or [""]
        yield line(*head, first)
        indent = " " * length(line(*head).pieces)
        for part in more:
            yield line(f"{indent}{part}")

    def _title(self, text: str) -> Line:
        return line((f" {text}", "header"))

    def _file_lines(self) -> Iterable[Line]:
        glyphs, comparison = self.console_app.glyphs, self._comparison
        if comparison is None:
            yield self._title("Files")
            yield line((f"   {glyphs.clean(self._files_word)}", "dim"))
            return
        yield self._title(f"Files ({len(comparison.files)}): filesystem, artdaqDB, UconDB")
        for file in comparison.files:
            marks = [(f"{glyphs.mark(file.marks.of(store))} ", MARK_STYLE[file.marks.of(store)]) for store in Store]
            size = "" if file.size is None else size_text(file.size)
            changed = "" if file.changed is None else file.changed.strftime("%Y-%m-%d %H:%M")
            facts = (f"  {size:>7} {changed:16} ", "dim")
            note = (f"  {glyphs.clean(file.note)}", "dim")
            yield line("   ", *marks, facts, glyphs.clean(file.name), note, subject=("file", file.name))
        for problem in comparison.problems:
            yield line((f"   ! {glyphs.clean(problem, 1000)}", "bad"))

    def _attempt_lines(self, life: RunLife) -> Iterable[Line]:
        glyphs = self.console_app.glyphs
        yield self._title(f"Attempts ({len(life.attempts)})")
        for attempt in reversed(life.attempts):
            took = "" if attempt.ended is None else duration((attempt.ended - attempt.started).total_seconds())
            failure = attempt.failure
            if failure is not None:
                outcome, style = f"{failure.code}: {failure.message}", "bad"
            else:
                outcome, style = ("done", "good") if attempt.ended is not None else ("not ended", "warn")
            stamp = attempt.started.isoformat(" ", "seconds")
            yield line(
                (f"   {stamp:<26} ", "dim"),
                (f"{attempt.stage.value} {attempt.number} ", "strong"),
                (glyphs.clean(outcome, 1000), style),
                (f"  {took}  {glyphs.clean(attempt.writer)}", "dim"),
                subject=("attempt", attempt.stage, attempt.number, attempt.started),
            )

    def _check_lines(self, life: RunLife) -> Iterable[Line]:
        glyphs = self.console_app.glyphs
        if life.checks:
            yield self._title(f"Checks ({len(life.checks)})")
        for record in reversed(life.checks):
            result = record.result
            yield line(
                (f"   {record.at.isoformat(' ', 'seconds'):<26} ", "dim"),
                (f"{result.verdict.value} ", VERDICT_STYLE[result.verdict]),
                (f"{glyphs.clean(result.name)} ", "strong"),
                glyphs.clean(result.evidence, 1000),
            )

    def _hash_lines(self, life: RunLife) -> Iterable[Line]:
        if life.hashes:
            yield self._title("Hashes")
        for hop in life.hashes:
            words = f"{hop.input_hash[:16]} -> {hop.output_hash[:16]}  {self.console_app.glyphs.clean(hop.tool)}"
            yield line((f"   {hop.at.isoformat(' ', 'seconds'):<26} {hop.stage.value:<8} ", "dim"), words)

    def _history_lines(self, life: RunLife) -> Iterable[Line]:
        glyphs = self.console_app.glyphs
        if life.decisions:
            yield self._title("Decisions")
        for made in life.decisions:
            stamp = (f"   {made.at.isoformat(' ', 'seconds'):<26} ", "dim")
            text = f"{glyphs.clean(made.text, 1000)}  {glyphs.clean(made.actor)}"
            yield line(stamp, (f"{glyphs.clean(made.kind)} ", "warn"), text)
        if life.events:
            yield self._title("Events")
        for event in reversed(life.events):
            stamp = (f"   {event.at.isoformat(' ', 'seconds'):<26} ", "dim")
            yield line(stamp, (glyphs.clean(event.message, 1000), SEVERITY_STYLE[event.severity]))

    # --- keys

    def action_work(self, kind: str) -> None:
        """Act on this run."""
        work.propose(self.console_app, kind, (self.run_number,))

    def action_compare(self) -> None:
        """Compare this run."""
        self.console_app.compare_run(self.run_number)

    def action_waive(self) -> None:
        """Waive this run."""
        work.decide(self.console_app, "waive", (self.run_number,))

    def action_note(self) -> None:
        """Note on this run."""
        work.decide(self.console_app, "note", (self.run_number,))

    def action_step_back(self) -> None:
        """Back to where one came from."""
        self.app.pop_screen()

    def export_rows(self) -> Export:
        """The attempts."""
        attempts = self._told.life.attempts if self._told else ()
        rows = [
            (
                self.run_number, a.stage.value, a.number, a.started.isoformat(), a.ended and a.ended.isoformat(),
                a.writer, a.failure and a.failure.code, a.failure and a.failure.message,
            )
            for a in attempts
        ]  # fmt: skip
        return ("run", "stage", "attempt", "started", "ended", "writer", "code", "message"), list(rows)

    def copy_text(self) -> str:
        """Everything shown."""
        return self.query_one("#detail", PieceList).text
