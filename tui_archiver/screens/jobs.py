"""Screen 2: each running and past job of any process, and the one under the cursor in full."""

from __future__ import annotations

from pathlib import Path

from textual import on
from textual.app import ComposeResult

from runarchive.archive import Changes, RunOutcome, RunResult
from runarchive.keymap import Key
from runarchive.model import Event, Job, JobState
from tui_archiver import work
from tui_archiver.export import write_export
from tui_archiver.format import clock, duration, ranges, wrapped
from tui_archiver.keys import bindings
from tui_archiver.run_book import Applied
from tui_archiver.screens.base import ConsoleScreen, Export, styles_path
from tui_archiver.widgets.bars import ACTIVE, SEVERITY_STYLE, run_and_text
from tui_archiver.widgets.line_view import LineView
from tui_archiver.widgets.paint import Piece, fit
from tui_archiver.widgets.piece_list import Line, PieceList, line

STATE_STYLE = {
    JobState.QUEUED: "dim",
    JobState.RUNNING: "busy",
    JobState.PAUSED: "warn",
    JobState.CANCELLING: "warn",
    JobState.DONE: "good",
    JobState.FAILED: "bad",
    JobState.CANCELLED: "dim",
    JobState.CRASHED: "bad",
}
RESULT_STYLE = {
    RunResult.DONE: "good",
    RunResult.UNCHANGED: "dim",
    RunResult.HELD: "dim",
    RunResult.FAILED: "bad",
    RunResult.CANCELLED: "warn",
}


class JobsScreen(ConsoleScreen):
    """Jobs above; below what the chosen one's workers do now, its runs that did not go well, and its log."""

    CSS_PATH = styles_path("jobs.tcss")
    BINDINGS = bindings("jobs")
    AUTO_FOCUS = "#jobs"
    scope = "jobs"
    title_word = "Jobs"
    about = (
        "Every job on this archive, also those that cron or another console started. Cancelling lets the runs "
        "in hand finish; a second time it stops at once; a job of another process is asked about first. What "
        "was cancelled goes on where it stopped when it is started again."
    )

    def __init__(self) -> None:
        super().__init__()
        self._outcomes: tuple[RunOutcome, ...] = ()
        self._log: tuple[Event, ...] = ()
        self._loaded_job: int | None = None
        self._following = True

    def body(self) -> ComposeResult:
        """List and detail."""
        glyphs = self.console_app.glyphs
        yield PieceList(glyphs, id="jobs")
        yield PieceList(glyphs, id="job-now", cursor=False)
        yield PieceList(glyphs, id="job-detail")

    @property
    def table(self) -> PieceList:
        """The jobs."""
        return self.query_one("#jobs", PieceList)

    @property
    def job(self) -> Job | None:
        """The job under the cursor."""
        return self.console_app.jobs.get(self.table.subject)

    def catch_up(self) -> None:
        """List and detail anew."""
        self._show_list()
        self._load()

    def archive_changed(self, changes: Changes, applied: Applied) -> None:
        """Progress; the detail is read again when its job moved on."""
        if changes.jobs:
            self._show_list()
        if any(job.job == self.table.subject for job in changes.jobs):
            self._load()

    def _show_list(self) -> None:
        view = self.table
        bar = 24 if (view.size.width or 80) >= 100 else 0
        progress = f"{'PROGRESS':<{bar + 10}}"
        title = f" {'JOB':>4} {'KIND':<8} {'STATE':<10} {progress} {'FAILED':>6}  STARTED   TOOK/LEFT  WHO"
        view.header_pieces = ((title, ""),)
        jobs = sorted(self.console_app.jobs.values(), key=lambda job: -job.job)
        view.show(
            [self._job_line(job, bar) for job in jobs]
            or [line(("  no job yet; i on the table of runs starts one", "dim"))]
        )

    def _job_line(self, job: Job, bar: int) -> Line:
        glyphs = self.console_app.glyphs
        span = ""
        if job.state is JobState.RUNNING:
            span = f"{job.rate:.1f}/s" if job.eta_seconds is None else f"{duration(job.eta_seconds)} left"
        elif job.started and job.ended:
            span = duration((job.ended - job.started).total_seconds())
        started = "" if job.started is None else clock(job.started)
        return line(
            (f" {job.job:>4} {glyphs.clean(job.kind):<8} ", "strong"),
            (f"{job.state.value:<10} ", STATE_STYLE[job.state]),
            (glyphs.bar(job.done, job.total, bar) if bar else "", "busy" if job.state in ACTIVE else "dim"),
            (f"{' ' if bar else ''}{f'{job.done}/{job.total}':<{9 if bar else 10}}", ""),
            (f" {job.failed or '':>6}  ", "bad"),
            (f"{started:<8}  ", "dim"),
            (fit(span, 10), "dim"),
            (f" {glyphs.clean(job.owner)}", "dim"),
            subject=job.job,
        )

    @on(LineView.Moved, "#jobs")
    def _moved(self, event: LineView.Moved) -> None:
        event.stop()
        self._load()
        self.show_hints()

    def _load(self) -> None:
        job = self.job
        if job is None:
            self.query_one("#job-now", PieceList).show([])
            self.query_one("#job-detail", PieceList).show([])
            return
        number = job.job
        if number != self._loaded_job:
            self._loaded_job, self._outcomes, self._log = number, (), ()
        self._show_detail()
        self.fetch("job", lambda: (number, self.archive.job_outcomes(number), self.archive.job_log(number)), self._read)

    def _read(self, answer: tuple[int, tuple[RunOutcome, ...], tuple[Event, ...]]) -> None:
        number, outcomes, log = answer
        if number == self._loaded_job:
            self._outcomes, self._log = outcomes, log
            self._show_detail()

    def _show_detail(self) -> None:
        job = self.job
        if job is None:
            return
        glyphs = self.console_app.glyphs
        said = f"{glyphs.clean(job.kind, 12)} {job.job}: {glyphs.clean(job.message) or job.state.value}"
        now = [line((f" {text}", "strong")) for text in wrapped(said, self.size.width - 2, 4)]
        for worker, _, doing in (text.partition(" ") for text in job.workers):
            now.append(line((f"   worker {glyphs.clean(worker.removeprefix('w'))}  ", "dim"), glyphs.clean(doing)))
        self.query_one("#job-now", PieceList).show(now)
        lines = [*self._outcome_lines(), *(self._event_line(event) for event in self._log)]
        self.query_one("#job-detail", PieceList).show(lines, follow=self._following)

    def _outcome_lines(self) -> list[Line]:
        """Counts by result, and each run that did not end well."""
        if not self._outcomes:
            return []
        glyphs = self.console_app.glyphs
        pieces: list[Piece | str] = [" "]
        for result in RunResult:
            count = sum(outcome.result is result for outcome in self._outcomes)
            if count:
                pieces += [(f"{count} {result.value}", RESULT_STYLE[result]), "   "]
        wrong = [outcome for outcome in self._outcomes if outcome.result in (RunResult.FAILED, RunResult.CANCELLED)]
        rows = [
            line(
                (f"   {outcome.run} ", "strong"),
                (f"{outcome.result.value} ", RESULT_STYLE[outcome.result]),
                glyphs.clean(outcome.reason),
                subject=("run", outcome.run),
            )
            for outcome in wrong
        ]
        return [line(*pieces), *rows]

    def _event_line(self, event: Event) -> Line:
        run, message = run_and_text(event)
        text = self.console_app.glyphs.clean(message, 2000)
        pieces = (f"   {clock(event.at)} ", "dim"), (run, "strong"), (text, SEVERITY_STYLE[event.severity])
        return line(*pieces, subject=("event", event.number))

    # --- keys

    def why_not(self, key: Key) -> str:
        """Cancelling needs a job that runs; the rest needs a job."""
        job = self.job
        if job is None:
            return "there is no job"
        if key.action == "cancel":
            return work.why_not_cancel(self.console_app, job)
        return super().why_not(key)

    def action_cancel(self) -> None:
        """Cancel the job under the cursor."""
        if self.job is not None:
            work.cancel(self.console_app, self.job)

    def action_follow(self) -> None:
        """Follow the log, or stand."""
        self._following = not self._following
        self.console_app.say("the log follows its end" if self._following else "the log stands")

    def action_detail(self) -> None:
        """The job's runs in the table, or the run under the cursor of the detail."""
        detail = self.query_one("#job-detail", PieceList)
        if detail.has_focus and isinstance(detail.subject, tuple) and detail.subject[0] == "run":
            self.console_app.open_run(detail.subject[1])
            return
        runs = [outcome.run for outcome in self._outcomes]
        if not runs:
            self.console_app.say("this job has finished no run yet")
            return
        self.console_app.show_screen("runs")
        self.console_app.runs_screen.set_filter("run:" + ranges(runs, 10_000).replace(", ", ","))

    def action_export_log(self) -> None:
        """The job's log as a file."""
        job = self.job
        if job is not None:
            rows = [(e.at.isoformat(), e.severity.value, e.run, e.message) for e in self._log]
            path = Path(f"job-{job.job}.csv")
            self.console_app.ask(
                "export", lambda: write_export(path, ("at", "severity", "run", "message"), rows), self.console_app.say
            )

    def export_rows(self) -> Export:
        """The jobs."""
        names = ("job", "kind", "state", "owner", "total", "done", "failed", "started", "ended", "message")
        jobs = sorted(self.console_app.jobs.values(), key=lambda job: -job.job)
        rows = [
            (
                job.job, job.kind, job.state.value, job.owner, job.total, job.done, job.failed,
                job.started and job.started.isoformat(), job.ended and job.ended.isoformat(), job.message,
            )
            for job in jobs
        ]  # fmt: skip
        return names, list(rows)

    def copy_text(self) -> str:
        """The job's detail as text."""
        return "\n".join(self.query_one(part, PieceList).text for part in ("#job-now", "#job-detail"))
