"""Screen 1: one row a run, highest first, with its marks in the three stores, its state and why."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from textual import on
from textual.app import ComposeResult

from runarchive.archive import Changes
from runarchive.errors import UsageError
from runarchive.filters import parse_filter
from runarchive.keymap import Key
from runarchive.model import TROUBLED_STATES, Run
from tui_archiver import work
from tui_archiver.columns import COLUMNS, DEFAULT_COLUMNS, export_row
from tui_archiver.coverage import Coverage, run_span
from tui_archiver.keys import bindings
from tui_archiver.run_book import SORT_KEYS, THREAD_ABOVE, Applied, View, derive
from tui_archiver.screens.base import ConsoleScreen, Export, styles_path
from tui_archiver.screens.run_prompts import columns_prompt, filter_prompt, run_prompt
from tui_archiver.widgets.bars import CoverageStrip, OneLine, count_line
from tui_archiver.widgets.line_view import LineView
from tui_archiver.widgets.run_table import RunTable

COUNTED_MARKS = 1000
"""Up to how many marks those out of sight are counted at each step of the cursor."""
CALM_SECONDS = 1.0
"""How often at most a changing filter or sort order is derived anew."""


class RunsScreen(ConsoleScreen):
    """The table of runs with its coverage strip and filter line."""

    CSS_PATH = styles_path("runs.tcss")
    BINDINGS = bindings("runs")
    scope = "runs"
    title_word = "Runs"
    about = (
        "One row a run, highest first. The marks say what the filesystem, artdaqDB and UconDB hold. The strip "
        "above sums up every run: # or full all archived, + some, . none yet, ! a fault among them. Actions "
        "take the marked runs, else the one under the cursor."
    )

    def __init__(self) -> None:
        super().__init__()
        self._arranged_at = 0.0
        self._arrange_due = False

    def body(self) -> ComposeResult:
        """Coverage, filter line, table."""
        app = self.console_app
        yield CoverageStrip(app.glyphs, id="coverage")
        yield OneLine(app.glyphs, id="filter")
        table = RunTable(app.book, app.glyphs, id="runs")
        table.choose_columns(app.memory.columns or DEFAULT_COLUMNS)
        yield table

    @property
    def table(self) -> RunTable:
        """The table."""
        return self.query_one(RunTable)

    # --- showing

    def catch_up(self) -> None:
        """Everything anew: the book may have moved on while another screen was shown. The runs come first."""
        self.derive_order()
        self.call_after_refresh(self.recount)

    def recount(self) -> None:
        """Sum the coverage strip up from scratch."""
        app = self.console_app
        strip = self.query_one(CoverageStrip)
        app.strip_cells = strip.cells_in(self.size.width, *run_span(app.book.rows))
        app.coverage = Coverage(app.strip_cells, app.book.rows)
        self.show_counts()

    def show_counts(self) -> None:
        """Fill coverage strip and filter line."""
        app = self.console_app
        book, table = app.book, self.table
        run = table.run
        self.query_one(CoverageStrip).tell(app.coverage, None if run is None else run.run)
        sort = book.view.sort
        states = (
            ("faults only", book.view.faults_only),
            ("range", table.range_start is not None),
            (f"sorted by {COLUMNS[sort].title.lower()}", not table.shows(sort)),
        )
        said = count_line(
            app.glyphs,
            book.view.filter.text,
            len(book.order),
            len(book.rows),
            len(book.marked),
            book.hidden_marks() if len(book.marked) <= COUNTED_MARKS else 0,
            " ".join(word for word, on in states if on),
            self.size.width or 80,
        )
        self.query_one("#filter", OneLine).show(said)
        table.say_when_empty(app.glyphs.clean(self._why_empty(), 200))

    def _why_empty(self) -> str:
        app, view = self.console_app, self.console_app.book.view
        if not app.book.rows:
            place = app.archive.config.source_files.run_records_dir
            return f"no run is known yet; run records are looked for in {place}" if app.loaded else "reading the ledger"
        faults = app.keymap.name("runs.faults")
        if view.filter.words:
            with_fault = " with a fault" if view.faults_only else ""
            return f"no run{with_fault} passes the filter; escape clears it"
        return f"no run has a fault; {faults} shows all runs again"

    def on_resize(self) -> None:
        """The strip has as many cells as there is room."""
        super().on_resize()
        self.call_after_refresh(self.recount)

    def archive_changed(self, changes: Changes, applied: Applied) -> None:
        """Paint the changed rows in sight; derive the order anew at most once a second."""
        if applied.rearranged:
            self._show_order()
        elif applied.stale:
            self._arrange_soon()
        self.table.rows_changed(applied.dirty)
        self.show_counts()

    def _arrange_soon(self) -> None:
        wait = CALM_SECONDS - (time.monotonic() - self._arranged_at)
        if wait <= 0 or not self.console_app.book.order:
            self.derive_order()
        elif not self._arrange_due:
            self._arrange_due = True
            self.set_timer(wait, self.derive_order)

    def derive_order(self) -> None:
        """Derive the order from filter and sort, in a thread where there are very many rows."""
        self._arrange_due = False
        self._arranged_at = time.monotonic()
        book = self.console_app.book
        if len(book.rows) > THREAD_ABOVE and (
            book.view.filter.words or book.view.faults_only or book.view.sort != "run"
        ):
            rows, view = book.rows, book.view
            self.fetch("arrange", lambda: (rows, view, derive(rows, view)), self._arranged)
        else:
            book.arrange()
            self._show_order()

    def _arranged(self, answer: tuple[Sequence[Run], View, Sequence[int]]) -> None:
        rows, view, order = answer
        book = self.console_app.book
        if rows is book.rows and view is book.view:
            book.order = order
            self._show_order()

    def _show_order(self) -> None:
        self.table.arranged()
        self.show_counts()

    @on(LineView.Moved)
    def _moved(self) -> None:
        run = self.table.run
        self.console_app.cursor_run = None if run is None else run.run
        self.show_counts()

    @on(LineView.Chosen)
    def _chosen(self) -> None:
        self.action_detail()

    def show_view(self, view: View) -> None:
        """Show the runs by another filter or sort."""
        self.console_app.book.view = view
        self.console_app.memory.remember(filter=view.filter.text, sort=view.sort, descending=view.descending)
        self.derive_order()

    # --- keys

    def why_not(self, key: Key) -> str:
        """Besides being armed: there must be a run to act on."""
        if key.action == "cancel":
            return work.why_not_cancel(self.console_app, work.job_to_cancel(self.console_app))
        needs_run = key.writes or key.action in ("compare", "detail", "mark", "range")
        if needs_run and self.table.run is None and not self.console_app.book.marked:
            return "no run is shown; escape clears the filter"
        return super().why_not(key)

    def action_filter(self) -> None:
        """Ask for a filter; what is typed so far narrows the table at once."""
        before = self.console_app.book.view

        def done(text: str | None) -> None:
            self.show_view(before) if text is None else self.set_filter(text)

        self.app.push_screen(filter_prompt(before.filter.text, self.set_filter), done)

    def set_filter(self, text: str) -> None:
        """Show only what this filter lets through; one that makes no sense yet changes nothing."""
        book = self.console_app.book
        try:
            wanted = parse_filter(text, book.marked)
        except UsageError:
            return
        self.show_view(replace(book.view, filter=wanted))

    def action_faults(self) -> None:
        """Faults only, or all."""
        book = self.console_app.book
        self.show_view(replace(book.view, faults_only=not book.view.faults_only))

    def action_step_back(self) -> None:
        """End the range, else clear the faults view, else the filter."""
        book, table = self.console_app.book, self.table
        if table.range_start is not None:
            table.range_start = None
            self.show_counts()
        elif book.view.faults_only:
            self.action_faults()
        elif book.view.filter.words:
            self.set_filter("")

    def action_mark(self) -> None:
        """Mark or unmark."""
        self.table.toggle()
        self.show_counts()

    def action_range(self) -> None:
        """Start or end a range."""
        self.table.toggle_range()
        self.show_counts()

    def action_invert(self) -> None:
        """Turn the marks round."""
        self.console_app.book.invert()
        self.table.refresh()
        self.show_counts()

    def action_unmark(self) -> None:
        """No marks."""
        self.console_app.book.marked.clear()
        self.table.range_start = None
        self.table.refresh()
        self.show_counts()

    def targets(self) -> tuple[int, ...]:
        """The marked runs, else the one under the cursor."""
        return self.console_app.book.targets(self.table.cursor)

    def action_work(self, kind: str) -> None:
        """Import, migrate, retry or verify the targets, after asking."""
        app = self.console_app
        hidden, key = app.book.hidden_marks(), app.keymap.name("runs.unmark")
        note = f"Of the marked runs the filter does not show {hidden}; {key} takes every mark away." if hidden else ""
        work.propose(app, kind, self.targets(), note=note)

    def action_cancel(self) -> None:
        """Cancel the job under way, one's own first."""
        job = work.job_to_cancel(self.console_app)
        if job is not None:
            work.cancel(self.console_app, job)

    def action_waive(self) -> None:
        """Waive the targets."""
        work.decide(self.console_app, "waive", self.targets())

    def action_note(self) -> None:
        """Note on the targets."""
        work.decide(self.console_app, "note", self.targets())

    def action_compare(self) -> None:
        """Compare the run under the cursor."""
        run = self.table.run
        if run is not None:
            self.console_app.compare_run(run.run)

    def action_detail(self) -> None:
        """The run under the cursor, whole."""
        run = self.table.run
        if run is not None:
            self.console_app.open_run(run.run)

    def action_sort(self) -> None:
        """Sort by the next column shown."""
        book = self.console_app.book
        names = [name for name in self.table.columns if name in SORT_KEYS]
        at = names.index(book.view.sort) if book.view.sort in names else -1
        self.sort_by(names[(at + 1) % len(names)])

    def sort_by(self, name: str, descending: bool | None = None) -> None:
        """Sort by a column; numbers and times start with the highest."""
        book = self.console_app.book
        down = name in ("run", "start", "stop", "attempts", "size") if descending is None else descending
        self.show_view(replace(book.view, sort=name, descending=down))
        self.console_app.say(f"sorted by {COLUMNS[name].title.lower()}, {'highest' if down else 'lowest'} first")

    def action_reverse(self) -> None:
        """The other way round."""
        view = self.console_app.book.view
        self.sort_by(view.sort, not view.descending)

    def action_columns(self) -> None:
        """Ask for the columns."""

        def done(text: str | None) -> None:
            if text is not None:
                self.set_columns(text.split())

        self.app.push_screen(columns_prompt(self.table.columns), done)

    def set_columns(self, names: Sequence[str]) -> None:
        """Show these columns, and remember them."""
        chosen = tuple(dict.fromkeys(name for name in names if name in COLUMNS))
        self.table.choose_columns(chosen or DEFAULT_COLUMNS)
        self.console_app.memory.remember(columns=self.table.columns)

    def action_goto(self) -> None:
        """Ask for a run number."""
        self.app.push_screen(run_prompt(), lambda text: self.go_to_run(int(text)) if text and text.strip() else None)

    def go_to_run(self, number: int) -> None:
        """Put the cursor on a run, or say why it is not shown."""
        book = self.console_app.book
        line = book.line_of(number)
        if line is not None:
            self.table.go_to(line, centre=True)
        elif book.get(number) is None:
            self.console_app.say(f"run {number} is in none of the three stores", "warning")
        else:
            self.console_app.say(f"run {number} is hidden by the filter; escape clears it", "warning")

    def action_fault(self, step: int) -> None:
        """Go to the next run with a fault."""
        line = self.console_app.book.next_line(self.table.cursor, step, lambda run: run.state in TROUBLED_STATES)
        if line is None:
            self.console_app.say("no run shown has a fault")
        else:
            self.table.go_to(line, centre=True)

    def action_cell(self, step: int) -> None:
        """Go to the next cell with holes."""
        run = self.table.run
        coverage = self.console_app.coverage
        if run is None:
            return
        cell = coverage.next_hole(coverage.cell_of(run.run), step)
        if cell is None:
            self.console_app.say("every run is settled")
        else:
            self.go_to_cell(cell)

    @on(CoverageStrip.Picked)
    def _picked(self, message: CoverageStrip.Picked) -> None:
        self.go_to_cell(message.cell)

    def go_to_cell(self, cell: int) -> None:
        """Put the cursor on the first run of a cell that is not settled, else on its first run shown."""
        coverage, book = self.console_app.coverage, self.console_app.book
        low, high = coverage.span_of(cell)
        inside = [at for at, index in enumerate(book.order) if low <= book.rows[index].run <= high]
        open_ones = [
            at for at in inside if book.rows[book.order[at]].state.value not in ("ARCHIVED", "WAIVED", "IGNORED")
        ]
        if inside:
            self.table.go_to((open_ones or inside)[0], centre=True)
        self.console_app.say(coverage.words(cell))

    # --- what is shown, for export and copy

    def export_rows(self) -> Export:
        """Every run shown, in its order, with every column."""
        book = self.console_app.book
        return tuple(COLUMNS), [export_row(book.rows[index]) for index in book.order]

    def copy_text(self) -> str:
        """The run's line, or the marked run numbers."""
        marked = self.console_app.book.marked
        if marked:
            return "\n".join(str(number) for number in sorted(marked))
        run = self.table.run
        return "" if run is None else "\t".join(str(value) for value in export_row(run))
