"""Screen 3: what went wrong, grouped by store, phase and code, with the key that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from textual import on
from textual.app import ComposeResult

from runarchive.archive import Changes, RunFailure
from runarchive.keymap import Key
from runarchive.model import JobState, RunState
from tui_archiver import work
from tui_archiver.format import clock, short_time, without_run
from tui_archiver.keys import bindings
from tui_archiver.news import FRESH
from tui_archiver.run_book import Applied
from tui_archiver.screens.base import ConsoleScreen, Export, styles_path
from tui_archiver.ways import hint_here
from tui_archiver.widgets.bars import STORE_NAMES
from tui_archiver.widgets.line_view import LineView
from tui_archiver.widgets.paint import STATE_STYLE, fit
from tui_archiver.widgets.piece_list import Line, PieceList, line

STOPPED_JOBS = 3
"""How many jobs that were stopped are told of."""
CONTINUED_STATES = frozenset({RunState.FAILED, RunState.PARTIAL})


class Group(NamedTuple):
    """The runs that failed in one way."""

    store: str
    phase: str
    code: str
    failures: tuple[RunFailure, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """What the group stands for."""
        return self.store, self.phase, self.code

    @property
    def runs(self) -> tuple[int, ...]:
        """Its runs, lowest first."""
        return tuple(sorted(failure.run for failure in self.failures))

    @property
    def first(self) -> datetime | None:
        """When it was first seen, as far as is known."""
        return min((f.first for f in self.failures if f.first is not None), default=None)

    @property
    def last(self) -> datetime | None:
        """When it was last seen, as far as is known."""
        return max((f.last for f in self.failures if f.last is not None), default=None)

    @property
    def continued(self) -> tuple[int, ...]:
        """The runs that a retry continues, lowest first; a conflict needs a decision instead."""
        return tuple(sorted(f.run for f in self.failures if f.state in CONTINUED_STATES))

    @property
    def remedy(self) -> tuple[str, str]:
        """Whether a retry helps, in a word with its style."""
        if not self.continued:
            return "no", "dim"
        return ("yes", "good") if any(f.failure.retryable for f in self.failures) else ("mended", "warn")


def group(failures: Sequence[RunFailure]) -> list[Group]:
    """Failures by store, phase and code; the group with most runs first."""
    groups: dict[tuple[str, str, str], list[RunFailure]] = {}
    for failure in failures:
        store = "" if failure.failure.store is None else STORE_NAMES[failure.failure.store]
        groups.setdefault((store, failure.failure.phase.value, failure.failure.code), []).append(failure)
    made = [Group(*key, tuple(sorted(members, key=lambda f: -f.run))) for key, members in groups.items()]
    return sorted(made, key=lambda one: (-len(one.failures), one.key))


class FailuresScreen(ConsoleScreen):
    """What stopped the newest job, then groups; an open group shows its runs."""

    CSS_PATH = styles_path("failures.tcss")
    BINDINGS = bindings("failures")
    scope = "failures"
    title_word = "Failures"
    about = (
        "Every run that stands in FAILED, PARTIAL, CONFLICT or OUTDATED, grouped by where, doing what and why "
        "it failed. The line below the list says what to do next. Retrying adds an attempt; it never rewrites "
        "one."
    )

    def __init__(self) -> None:
        super().__init__()
        self._groups: list[Group] = []
        self._open: set[tuple[str, str, str]] = set()
        self._read = False

    def body(self) -> ComposeResult:
        """Groups, and what to do about the one under the cursor."""
        glyphs = self.console_app.glyphs
        view = PieceList(glyphs, id="failures")
        view.header_pieces = (
            (f"   {'RUNS':>5}  {'WHERE':<9} {'DOING':<7} {'WHY':<17} {'FIRST':<12} {'LAST':<12} RETRY", ""),
        )
        yield PieceList(glyphs, id="failed-job", cursor=False)
        yield view
        yield PieceList(glyphs, id="failure-message", cursor=False)

    @property
    def table(self) -> PieceList:
        """The groups."""
        return self.query_one("#failures", PieceList)

    def catch_up(self) -> None:
        """Ask the ledger."""
        self.fetch("failures", self.archive.failures, self._loaded)

    def archive_changed(self, changes: Changes, applied: Applied) -> None:
        """Ask again when any run moved."""
        if changes.runs or changes.gone:
            self.catch_up()
        if changes.jobs:
            self._show_failed_jobs()

    def _loaded(self, failures: Sequence[RunFailure]) -> None:
        self._read = True
        self._groups = group(failures)
        self._show()

    def _show(self) -> None:
        lines: list[Line] = []
        for one in self._groups:
            lines.append(self._group_line(one))
            if one.key in self._open:
                lines += [self._run_line(failure) for failure in one.failures]
        if not lines:
            word = "no run has failed" if self._read else "reading the ledger …"
            lines = [line((f"   {word}", "good" if self._read else "dim"))]
        self.table.show(lines)
        self._show_failed_jobs()
        self._show_hint()

    def _group_line(self, one: Group) -> Line:
        now = self.console_app.now()
        seen = ["" if when is None else short_time(when, now, wide=False) for when in (one.first, one.last)]
        sign = "v" if one.key in self._open else ">"
        return line(
            (f" {sign} {len(one.failures):>5}  ", "strong"),
            (f"{one.store or '-':<9} {one.phase:<7} ", ""),
            (fit(self.console_app.glyphs.clean(one.code.replace("_", " ")), 17) + " ", "bad"),
            (f"{seen[0]:<12} {seen[1]:<12} ", "dim"),
            one.remedy,
            subject=("group", one.key),
        )

    def _run_line(self, failure: RunFailure) -> Line:
        return line(
            (f"     {failure.run:>7} ", "strong"),
            (f"{failure.state.value:<9} ", STATE_STYLE[failure.state]),
            (f"try {failure.attempts:<3} ", "dim"),
            without_run(self.console_app.glyphs.clean(failure.failure.message), failure.run),
            subject=("run", failure.run),
        )

    @on(LineView.Moved)
    def _moved(self) -> None:
        self._show_hint()

    def _show_hint(self) -> None:
        """The failure under the cursor in full, and what to do next."""
        failure, clean = self._failure(), self.console_app.glyphs.clean
        lines: list[Line] = []
        if failure is not None:
            told = f"{failure.run} {without_run(clean(failure.failure.message, 1000), failure.run)}"
            lines += self.in_lines(told, "strong", "", 3)
            lines += self.in_lines(f"next: {clean(hint_here(failure.failure.hint), 1000)}", "key", "", 2)
        self.query_one("#failure-message", PieceList).show(lines)
        self.show_hints()

    def _show_failed_jobs(self) -> None:
        """A job that ended early left runs behind that did not fail: say what stopped the last one of each kind."""
        app = self.console_app
        last = {job.kind: job for job in sorted(app.jobs.values(), key=lambda job: job.job)}
        failed = [job for job in last.values() if job.state in (JobState.FAILED, JobState.CRASHED)]
        stopped = [job for job in failed if job.done < job.total or not job.total]
        stopped = [job for job in stopped if job.ended is None or app.now() - job.ended < FRESH]
        stopped = sorted(stopped, key=lambda job: -job.job)[:STOPPED_JOBS]
        lines: list[Line] = []
        for job in stopped:
            when = "" if job.ended is None else f" at {clock(job.ended)}"
            what = f"{app.glyphs.clean(job.kind)} {job.state.value}{when}"
            told = f"job {job.job}: {what}: {app.glyphs.clean(job.message, 1000)}"
            lines += self.in_lines(told, "strong", "bad", 3 if len(stopped) == 1 else 2)
        view = self.query_one("#failed-job", PieceList)
        view.display = bool(lines)
        view.show(lines)

    # --- what the cursor is on

    def _group(self) -> Group | None:
        subject = self.table.subject
        if subject is None:
            return None
        if subject[0] == "group":
            return next((one for one in self._groups if one.key == subject[1]), None)
        return next((one for one in self._groups if subject[1] in one.runs), None)

    def _failure(self) -> RunFailure | None:
        one, subject = self._group(), self.table.subject
        if one is None:
            return None
        wanted = subject[1] if subject[0] == "run" else None
        return next((f for f in one.failures if wanted in (None, f.run)), None)

    def _targets(self) -> tuple[int, ...]:
        subject, one = self.table.subject, self._group()
        if one is None:
            return ()
        return (subject[1],) if subject[0] == "run" else one.runs

    # --- keys

    def why_not(self, key: Key) -> str:
        """There must be a failure; retrying needs one that a retry may mend."""
        one = self._group()
        if key.action == "retry_all":
            if not any(group.continued for group in self._groups):
                return "no run stands in FAILED or PARTIAL"
        elif one is None:
            return "no run has failed"
        elif key.action == "retry" and not self._continued():
            failure = self._failure()
            return f"a retry cannot mend this; {failure.failure.hint if failure else ''}"
        return super().why_not(key)

    def _continued(self) -> tuple[int, ...]:
        one = self._group()
        return tuple(run for run in self._targets() if one is not None and run in one.continued)

    def action_detail(self) -> None:
        """Open or close the group; a run's detail."""
        subject = self.table.subject
        if subject is None:
            return
        if subject[0] == "run":
            self.console_app.open_run(subject[1])
        else:
            self._open ^= {subject[1]}
            self._show()

    def action_retry(self) -> None:
        """Retry what the cursor is on."""
        work.propose(self.console_app, "retry", self._continued())

    def action_retry_all(self) -> None:
        """Retry all."""
        work.propose(self.console_app, "retry", tuple(sorted(run for one in self._groups for run in one.continued)))

    def action_compare(self) -> None:
        """Compare the run."""
        failure = self._failure()
        if failure is not None:
            self.console_app.compare_run(failure.run)

    def action_waive(self) -> None:
        """Waive the run or the group."""
        work.decide(self.console_app, "waive", self._targets())

    def action_note(self) -> None:
        """Note on the run or the group."""
        work.decide(self.console_app, "note", self._targets())

    def action_mark(self) -> None:
        """Mark in the table of runs."""
        targets = set(self._targets())
        marked = self.console_app.book.marked
        if targets <= marked:
            marked -= targets
            self.console_app.say(f"{len(targets)} unmarked in the table of runs")
        else:
            marked |= targets
            self.console_app.say(f"{len(targets)} marked in the table of runs")

    def export_rows(self) -> Export:
        """Every failure."""
        names = ("run", "state", "store", "phase", "code", "retryable", "first", "last", "attempts", "message", "hint")
        rows = [
            (
                f.run, f.state.value, one.store, one.phase, one.code, f.failure.retryable,
                f.first and f.first.isoformat(), f.last and f.last.isoformat(), f.attempts, f.failure.message,
                f.failure.hint,
            )
            for one in self._groups
            for f in one.failures
        ]  # fmt: skip
        return names, list(rows)

    def copy_text(self) -> str:
        """The failure in one line."""
        failure = self._failure()
        return "" if failure is None else f"{failure.run}: {failure.failure.message} ({failure.failure.hint})"
