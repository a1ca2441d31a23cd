"""Screen 4: one run's files across the three stores, and the difference of one file between two of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from runarchive.archive import Changes, Comparison, Explanation, FileComparison
from runarchive.keymap import Key
from runarchive.model import Store, run_number
from tui_archiver.diff_model import DiffOptions
from tui_archiver.file_texts import BLOB_FRAME, PAIRS, Texts, frame_texts, is_different, likely_pair, read_texts
from tui_archiver.keys import bindings
from tui_archiver.run_book import Applied
from tui_archiver.screens.base import ConsoleScreen, Export, styles_path
from tui_archiver.screens.dialogs import PromptScreen, TextScreen
from tui_archiver.ways import way_lines
from tui_archiver.widgets.bars import STORE_NAMES, OneLine
from tui_archiver.widgets.diff_view import DiffView
from tui_archiver.widgets.line_view import LineView
from tui_archiver.widgets.paint import MARK_STYLE, Piece, fit
from tui_archiver.widgets.piece_list import Line, PieceList, line

GLANCE_SECONDS = 3.0
"""How often the directory of the run on screen is looked at."""
SOON_SECONDS = 0.3
"""How long the text shown before may stand while another is read."""


class CompareScreen(ConsoleScreen):
    """The files on the left, the text of the one under the cursor on the right."""

    CSS_PATH = styles_path("compare.tcss")
    BINDINGS = bindings("compare")
    AUTO_FOCUS = "#files"
    scope = "compare"
    title_word = "Compare"
    about = (
        "The files of one run with a mark for each store, and how the file under the cursor differs between "
        "two stores. 'As another writer left it' means that another program, such as the older archiver, "
        "wrote the run: its text is kept as it is and is no fault."
    )

    def __init__(self) -> None:
        super().__init__()
        self._run: int | None = None
        self._comparison: Comparison | None = None
        self._pair: int | None = None
        self._options = DiffOptions()
        self._original = False
        self._differing = False
        self._texts: Texts | None = None

    def body(self) -> ComposeResult:
        """Head, files, text."""
        glyphs = self.console_app.glyphs
        yield OneLine(glyphs, id="compare-head")
        with Horizontal(id="compare-panes"):
            yield PieceList(glyphs, id="files")
            with Vertical(id="compare-text"):
                yield OneLine(glyphs, id="file-head")
                yield OneLine(glyphs, id="file-note")
                yield DiffView(glyphs, id="diff")

    @property
    def files(self) -> PieceList:
        """The list of files."""
        return self.query_one("#files", PieceList)

    @property
    def diff(self) -> DiffView:
        """The text."""
        return self.query_one(DiffView)

    # --- showing

    def on_mount(self) -> None:
        """Follow the directory of the run on screen, which a look at an archived run leaves out."""
        super().on_mount()
        self.set_interval(GLANCE_SECONDS, self._glance)

    def _glance(self) -> None:
        run = self._run
        if run is not None and self.is_current:
            self.fetch("glance", lambda: self.archive.glance_at((run,)), lambda _: None)

    def catch_up(self) -> None:
        """Show the run that was asked for, else the one under the cursor of the table."""
        app = self.console_app
        wanted = app.compared_run if app.compared_run is not None else app.cursor_run
        if wanted is None:
            self._show_head("no run chosen; g asks for one")
        elif wanted != self._run:
            self._run, self._comparison, self._texts = wanted, None, None
            self.files.show([])
            self.diff.show([], [], [])
            self._load()

    def archive_changed(self, changes: Changes, applied: Applied) -> None:
        """Look again when the run on screen moved on."""
        if any(run.run == self._run for run in changes.runs):
            self._load()

    def _load(self) -> None:
        run = self._run
        if run is not None:
            self._show_head("reading the three stores …" if self._comparison is None else "")
            self.fetch("files", lambda: self.archive.compare(run), self._loaded)

    def _loaded(self, comparison: Comparison) -> None:
        if comparison.run == self._run:
            first_look, self._comparison = self._comparison is None, comparison
            self._show_files()
            if first_look and comparison.problems and not comparison.files:
                self.console_app.say("; ".join(comparison.problems), "warning")
            if first_look:
                self.files.go_to(next((n for n, file in enumerate(comparison.files) if is_different(file)), 0))
            self._load_text(keep=self._texts is not None)

    def fetch_failed(self, key: str, error: Exception) -> None:
        """Say it where one looks."""
        super().fetch_failed(key, error)
        self._show_head(str(error))

    def _show_head(self, word: str = "") -> None:
        app = self.console_app
        comparison = self._comparison
        left: list[Piece] = [(f" Compare {'' if self._run is None else self._run} ", "strong")]
        if comparison is not None:
            marks = [comparison.marks.of(store) for store in Store]
            left += [(f"{app.glyphs.mark(mark)} ", MARK_STYLE[mark]) for mark in marks]
            differ = sum(is_different(file) for file in comparison.files)
            left.append((f" {len(comparison.files)} files, {differ} not the same", ""))
            left.append((f"  {app.glyphs.clean(comparison.configuration)}", "dim"))
        if word:
            left.append((f" {app.glyphs.clean(word)}", "warn"))
        elif comparison is not None and comparison.problems:
            left.append((f"  {app.glyphs.clean(comparison.problems[0])}", "warn"))
        self.query_one("#compare-head", OneLine).show(left)

    def _show_files(self) -> None:
        comparison = self._comparison
        if comparison is None:
            return
        shown = [file for file in comparison.files if not self._differing or is_different(file)]
        room = max(8, self.files.size.width - 13)
        self.files.header_pieces = ((fit(" FILE", room + 2), ""), ("FS ADB UCON", ""))
        lines = [self._file_line(file, room) for file in shown]
        if comparison.blob_run is not None and not self._differing:
            lines.append(line((f" {fit('(header, footer)', room + 11)}", "dim"), subject=BLOB_FRAME))
        self.files.show(lines)
        self._show_head()

    def _file_line(self, file: FileComparison, room: int) -> Line:
        glyphs = self.console_app.glyphs
        pieces: list[Piece | str] = [
            (f" {fit(glyphs.clean(file.name), room)} ", "strong" if is_different(file) else "")
        ]
        for store, width in ((Store.FILESYSTEM, 3), (Store.ARTDAQDB, 4), (Store.UCONDB, 4)):
            mark = file.marks.of(store)
            pieces.append((glyphs.mark(mark).ljust(width), MARK_STYLE[mark]))
        return line(*pieces, subject=file.name)

    @on(LineView.Moved, "#files")
    def _moved(self, event: LineView.Moved) -> None:
        event.stop()
        self._load_text()

    # --- the text of one file

    def _load_text(self, *, keep: bool = False) -> None:
        name, run = self.files.subject, self._run
        if name is None or run is None:
            self.diff.show([], [], [])
            same = self._differing and bool(self._files())
            self._tell_file([(" every file is the same" if same else "", "good")], "")
            return
        if name == BLOB_FRAME and self._comparison is not None:
            self._show_text(frame_texts(self._comparison), keep)
            return
        if self._texts is None or self._texts.name != name:
            self.set_timer(SOON_SECONDS, lambda: self._still_reading(name))
        pair, original, options = PAIRS[self._chosen_pair()], self._original, self._options
        self.fetch(
            "text",
            lambda: read_texts(self.archive, run, name, pair, original=original, options=options),
            lambda texts: self._show_text(texts, keep),
        )

    def _still_reading(self, name: str) -> None:
        """The text of a large file takes its time: what was shown before must not stand for it."""
        if name == self.files.subject and (self._texts is None or self._texts.name != name):
            self._texts = None
            self.diff.show([], [], [])
            self._tell_file([(f" {self.console_app.glyphs.clean(name)}", "strong"), ("  reading …", "dim")], "")

    def _chosen_pair(self) -> int:
        """The stores to compare: those asked for, else the likeliest."""
        return likely_pair(self._file(self.files.subject)) if self._pair is None else self._pair

    def _file(self, name: str | None) -> FileComparison | None:
        return next((file for file in self._files() if file.name == name), None)

    def _show_text(self, texts: Texts, keep: bool) -> None:
        if texts.name != self.files.subject:
            return
        keep = keep and self._texts is not None and self._texts.name == texts.name
        self._texts = texts
        self.diff.show(texts.left or [], texts.right or [], texts.rows, keep=keep)
        self._show_file_head()

    def _show_file_head(self) -> None:
        app, texts = self.console_app, self._texts
        if texts is None:
            return
        if texts.name == BLOB_FRAME:
            pieces: list[Piece] = [(" header and footer of the blob", "strong"), ("  no comparison counts them", "dim")]
            self._tell_file(pieces, "")
            return
        names = [STORE_NAMES[store] for store in PAIRS[self._chosen_pair()]]
        sides = f" {names[0]} {app.glyphs.both} {names[1]}"
        missing = [name for name, text in zip(names, (texts.left, texts.right), strict=True) if text is None]
        count = self.diff.differences
        said = f"not in {' nor '.join(missing)}" if missing else "the same" if not count else f"{count} differences"
        said = "1 difference" if said == "1 differences" else said
        file = self._file(texts.name)
        note = file.note if file is not None else ""
        words = [word for word, on in (("original", self._original), *self._ignored()) if on]
        left: list[Piece] = [(f" {app.glyphs.clean(texts.name)}", "strong"), (sides, "dim")]
        left.append((f"  {said}", "good" if said == "the same" else "warn"))
        left.append((f"  {' '.join(words)}" if words else "", "key"))
        self._tell_file(left, note)

    def _tell_file(self, head: list[Piece], note: str) -> None:
        self.query_one("#file-head", OneLine).show(head)
        line_below = self.query_one("#file-note", OneLine)
        line_below.display = bool(note)
        line_below.show([(f" {self.console_app.glyphs.clean(note)}", "busy")])

    def _ignored(self) -> tuple[tuple[str, bool], ...]:
        options = self._options
        return (
            ("-blanks", options.space),
            ("-case", options.case),
            ("-blank lines", options.blank),
            (f"-/{options.pattern}/", bool(options.pattern)),
        )

    def _files(self) -> Sequence[FileComparison]:
        return self._comparison.files if self._comparison else ()

    # --- keys

    def why_not(self, key: Key) -> str:
        """All but choosing a run need one."""
        if self._run is None and key.action not in ("choose_run", "switch"):
            return "no run chosen; g asks for one"
        return super().why_not(key)

    def action_choose_run(self) -> None:
        """Ask for a run."""

        def check(text: str) -> str:
            run = run_number(text.strip())
            known = run is not None and self.console_app.book.get(run) is not None
            return "" if known or not text.strip() else f"{text.strip()!r} is no known run"

        def done(text: str | None) -> None:
            if text and text.strip():
                self.console_app.compare_run(int(text))

        self.app.push_screen(PromptScreen("compare run", check=check), done)

    def action_difference(self, step: int) -> None:
        """The next difference, else the next file that differs."""
        if self.diff.next_difference(step):
            return
        files = self.files
        different = {file.name for file in self._files() if is_different(file)}
        ahead = range(files.cursor + step, files.count if step > 0 else -1, step)
        at = next((n for n in ahead if files.lines_shown[n].subject in different), None)
        if at is None:
            self.console_app.say("no further difference")
        else:
            files.go_to(at)

    def action_pair(self) -> None:
        """The next two stores."""
        self._pair = (self._chosen_pair() + 1) % len(PAIRS)
        self._load_text()

    def action_unified(self) -> None:
        """One column or two."""
        self.diff.show_as(two_columns=not self.diff.in_columns)

    def action_whole(self) -> None:
        """Every line, or the differences."""
        self.diff.show_as(whole=not self.diff.whole)

    def action_original(self) -> None:
        """Canonical or original."""
        self._original = not self._original
        self._load_text(keep=True)

    def action_ignore(self, what: str) -> None:
        """Ignore one thing more or less."""
        now = {"space": self._options.space, "case": self._options.case, "blank": self._options.blank}[what]
        self._options = replace(self._options, **{what: not now})  # type: ignore[arg-type]
        self._load_text(keep=True)

    def action_pattern(self) -> None:
        """Ask for a regular expression."""

        def check(text: str) -> str:
            try:
                re.compile(text)
            except re.error as error:
                return f"no regular expression: {error}"
            return ""

        def done(text: str | None) -> None:
            if text is not None:
                self._options = replace(self._options, pattern=text)
                self._load_text(keep=True)

        prompt = PromptScreen("ignore lines with", value=self._options.pattern, check=check, hint="empty: none")
        self.app.push_screen(prompt, done)

    def action_differing(self) -> None:
        """Only what differs, or all."""
        self._differing = not self._differing
        self._show_files()
        self._load_text()

    def action_switch(self) -> None:
        """Files or text."""
        (self.diff if self.files.has_focus else self.files).focus()

    def action_step_back(self) -> None:
        """Back to the screen, and to the run open on it, that one came from."""
        app = self.console_app
        mode, opened = app.came_from
        app.show_screen(mode)
        if opened is not None:
            app.open_run(opened)

    def action_explain(self) -> None:
        """Why the run is in its state."""
        run = self._run
        if run is not None:
            self.fetch("explain", lambda: self.archive.explain(run), self._explained)

    def _explained(self, told: Explanation) -> None:
        others = tuple(way for way in told.exits if way.action != self.scope)
        ways = way_lines(replace(told, exits=others), self.scope, self.console_app.keymap)
        lines = [*told.why, "", *ways]
        self.app.push_screen(TextScreen(f"Run {told.run.run} is {told.run.state.value}", lines))

    def on_resize(self) -> None:
        """Names as wide as there is room."""
        super().on_resize()
        self.call_after_refresh(self._show_files)

    def export_rows(self) -> Export:
        """The files with their marks."""
        rows = [
            (self._run, file.name, *(file.marks.of(s).ascii_glyph for s in Store), file.note) for file in self._files()
        ]
        return ("run", "file", *(store.value for store in Store), "note"), list(rows)

    def copy_text(self) -> str:
        """The file's name, or in the text its lines of the second store."""
        if self.files.has_focus or self._texts is None:
            return str(self.files.subject or "")
        return "\n".join(self._texts.right or self._texts.left or [])
