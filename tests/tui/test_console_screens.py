"""What the other screens do, how trouble is told, and how one leaves."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runarchive.archive import Changes, Comparison, Exit, Explanation, FileComparison, RunFailure
from runarchive.errors import ArchiveError, Code
from runarchive.model import Event, Failure, Job, JobState, Mark, Marks, Phase, RunState, Severity, Stage, Store
from tests.tui.console_help import console, press, runs_of, screen_text, settled, type_line, until
from tests.tui.stand_in import NOW, StandIn, made_runs
from tui_archiver.screens.compare import CompareScreen
from tui_archiver.screens.detail import DetailScreen
from tui_archiver.screens.dialogs import ConfirmScreen, PromptScreen
from tui_archiver.screens.leave import LeaveScreen
from tui_archiver.screens.runs import RunsScreen
from tui_archiver.widgets.diff_view import DiffView


async def test_failures_are_grouped_and_retried_as_a_group() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        await press(pilot, "3", "r")
        assert app.news.newest is not None
        assert "a retry cannot mend this" in app.news.newest.message
        await press(pilot, "down", "down", "r")
        assert isinstance(app.screen, ConfirmScreen)
        await type_line(pilot, "25")
        started = [call for call in archive.calls if call[0] == "start"]
        assert started[0][1] == "retry"
        runs = started[0][2]
        assert isinstance(runs, tuple)
        assert {archive.known[run].state for run in runs} == {RunState.FAILED}


LONG = "24 done, 0 failed, 24 left in 0.4 s; the UconDB server at http://127.0.0.1:18911/app refuses the credentials"


async def test_what_stopped_a_job_can_be_read_whole_at_eighty_columns_wherever_one_looks() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        job = Job(3, "archive", JobState.FAILED, "cron@evb01:99", 24, ended=NOW, message=LONG)
        archive.push(job, Event(5, NOW, Severity.WARNING, f"job 3 ended: {LONG}", None))
        await until(pilot, lambda: app.jobs)
        for key in ("1", "2", "3", "9"):
            await press(pilot, key)
            assert "refuses the credentials" in screen_text(app), key


async def test_what_stopped_the_last_job_of_each_kind_is_told_while_it_is_news() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        for number, kind, message, hours in (
            (1, "import", "No space left on device", 30),
            (2, "import", "schema.fcl cannot be read", 2),
            (3, "migrate", "cannot be reached", 1),
            (4, "retry", "the lock was removed", 20),
        ):
            ended = NOW - timedelta(hours=hours)
            archive.push(Job(number, kind, JobState.FAILED, "cron@evb01:99", 24, 9, ended=ended, message=message))
        archive.push(Job(5, "verify", JobState.DONE, "cron@evb01:99", 24, ended=NOW))
        await until(pilot, lambda: 5 in app.jobs)
        await press(pilot, "3")
        assert "job 3: migrate failed at 05:14:00: cannot be reached" in screen_text(app)
        assert "job 2: import failed at 04:14:00: schema.fcl cannot be read" in screen_text(app)
        assert "No space" not in screen_text(app)
        assert "lock was removed" not in screen_text(app), "half a day ago"
        archive.push(Job(6, "import", JobState.DONE, "cron@evb01:99", 24, ended=NOW))
        await until(pilot, lambda: "job 2" not in screen_text(app))
        assert "job 3" in screen_text(app)
        archive.push(Job(7, "migrate", JobState.FAILED, "cron@evb01:99", 24, 24, 3, ended=NOW, message="3 failed"))
        await until(pilot, lambda: "job 3" not in screen_text(app))
        assert "job 7" not in screen_text(app), "it went through all its runs; those that failed are in the list"


async def test_the_commands_a_hint_names_are_those_of_the_command_line_here() -> None:
    hint = "look at the difference (`compare 18003 --show-diff`), or write ours beside it (`import 18003 --add`)"
    archive = StandIn(made_runs(1))
    failure = Failure(Store.ARTDAQDB, Phase.VERIFY, "conflict", False, "holds other content", hint)
    told = RunFailure(18000, RunState.CONFLICT, Stage.IMPORT, failure, NOW, NOW, 1)
    archive.failures = lambda: (told,)  # type: ignore[method-assign]
    async with console(archive, (120, 24)) as (app, pilot):
        await press(pilot, "3")
        assert "(`:compare 18003`), or write ours beside it (`:import 18003 --add`)" in screen_text(app)


async def test_compare_goes_from_difference_to_difference_and_file_to_file() -> None:
    async with console(size=(120, 40)) as (app, pilot):
        await press(pilot, "c")
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        view = screen.query_one(DiffView)
        assert view.differences == 3
        places = []
        for _ in range(4):
            places.append((screen.files.subject, view.cursor))
            await press(pilot, "n")
        assert len(set(places)) == 4
        assert [name for name, _ in places] == ["boot.fcl"] * 3 + ["tpc00.fcl"]


async def test_compare_shows_no_other_file_while_a_large_one_is_read() -> None:
    archive, read = StandIn(), threading.Event()
    text = archive.text
    archive.text = lambda store, name: (name != "tpc03.fcl" or read.wait(20)) and text(store, name)  # type: ignore[assignment,return-value]
    async with console(archive, (120, 40)) as (app, pilot):
        await press(pilot, "c")
        assert isinstance(app.screen, CompareScreen)
        screen = app.screen
        names = [line.subject for line in screen.files.lines_shown]
        screen.files.go_to(names.index("tpc03.fcl"))
        await until(pilot, lambda: "tpc03.fcl  reading" in screen_text(app))
        assert not screen.query_one(DiffView).count
        read.set()
        await until(pilot, lambda: "tpc03.fcl" in screen_text(app) and "the same" in screen_text(app))


async def test_compare_opens_at_the_first_file_that_differs_and_tells_its_note() -> None:
    archive = StandIn()
    same, differs = Marks(*[Mark.VERIFIED] * 3), Marks(Mark.VERIFIED, Mark.VERIFIED, Mark.DIFFERS)
    files = (FileComparison("a.fcl", same), FileComparison("boot.fcl", differs, "as the older archiver wrote it"))
    archive.compare = lambda run: Comparison(run, differs, files)  # type: ignore[method-assign]
    async with console(archive) as (app, pilot):
        await press(pilot, "c")
        assert isinstance(app.screen, CompareScreen)
        assert app.screen.files.subject == "boot.fcl"
        assert "as the older archiver wrote it" in screen_text(app)


async def test_compare_shows_the_two_stores_between_which_a_file_differs() -> None:
    archive = StandIn()
    grown = Marks(Mark.VERIFIED, Mark.DIFFERS, Mark.VERIFIED)
    archive.compare = lambda run: Comparison(run, grown, (FileComparison("boot.fcl", grown),))  # type: ignore[method-assign]
    archive.text = lambda store, name: "old" if store is not Store.FILESYSTEM else "new"
    async with console(archive) as (app, pilot):
        await press(pilot, "c")
        assert "boot.fcl fs ↔ artdaqdb  1 difference" in screen_text(app)


async def test_the_blobs_header_and_footer_stand_apart_from_the_files() -> None:
    async with console() as (app, pilot):
        await press(pilot, "c", "end")
        assert "no comparison coun" in screen_text(app)
        assert "Packed on Nov 21 06:14 UTC" in screen_text(app)
        await press(pilot, "f")
        assert "Packed on" not in screen_text(app)


async def test_what_the_workers_do_stays_in_sight_above_a_long_log() -> None:
    archive = StandIn()
    archive.push(*(Event(n, NOW, Severity.INFO, f"imported {n}", 18003) for n in range(50)))
    async with console(archive) as (app, pilot):
        await press(pilot, *["down"] * 4, "i", "y", "2")
        await until(pilot, lambda: "imported 49" in screen_text(app))
        assert "worker 1  import 18003" in screen_text(app)
        assert "worker 2  migrate 18011" in screen_text(app)


async def test_a_file_that_only_the_directory_lacks_is_no_difference() -> None:
    archive = StandIn()
    gone = Marks(Mark.MISSING, Mark.VERIFIED, Mark.VERIFIED)
    lost = Marks(Mark.VERIFIED, Mark.VERIFIED, Mark.MISSING)
    files = (FileComparison("schema.fcl", gone, "goes with every run"), FileComparison("boot.fcl", lost))
    archive.compare = lambda run: Comparison(run, gone, files)  # type: ignore[method-assign]
    async with console(archive) as (app, pilot):
        await press(pilot, "c", "f")
        assert isinstance(app.screen, CompareScreen)
        assert [item.subject for item in app.screen.files.lines_shown] == ["boot.fcl"]


async def test_compare_ignores_what_it_is_told_to() -> None:
    async with console(size=(120, 40)) as (app, pilot):
        await press(pilot, "c", "C")
        view = app.screen.query_one(DiffView)
        assert view.differences == 2
        await press(pilot, "x")
        await type_line(pilot, "key_(20|100):")
        assert view.differences == 0
        await press(pilot, "x")
        await type_line(pilot, "(")
        assert isinstance(app.screen, PromptScreen)


async def test_recovery_is_applied_only_when_it_is_typed_out() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        await press(pilot, "5", "A")
        await type_line(pilot, "yes")
        assert isinstance(app.screen, ConfirmScreen)
        await type_line(pilot, "recover import")
        assert ("recover", "import") in archive.calls


async def test_detail_follows_enter_and_escape_returns() -> None:
    async with console() as (app, pilot):
        await press(pilot, "enter")
        assert isinstance(app.screen, DetailScreen)
        assert "timeout: put: no answer" in app.screen.copy_text()
        await press(pilot, "escape")
        assert isinstance(app.screen, RunsScreen)


async def test_a_run_whose_way_out_is_no_command_can_be_opened() -> None:
    archive = StandIn()
    way = Exit("fill or remove its directory", "", "")
    archive.explain = lambda run: Explanation(archive.known[run], (), (way,), "")  # type: ignore[method-assign]
    async with console(archive) as (app, pilot):
        await press(pilot, "enter")
        assert "   fill or remove its directory" in screen_text(app)


async def test_doctor_report_names_failures_with_their_next_step() -> None:
    async with console() as (app, pilot):
        await press(pilot, "0")
        text = app.screen.report()  # type: ignore[attr-defined]
        assert "FAIL UconDB: connection refused\n       next: start the server" in text


@pytest.mark.parametrize("key", ["3", "4", "5", "0", "enter", "i", "f5"])
async def test_trouble_in_the_engine_is_said_and_takes_no_screen_down(key: str) -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        archive.broken = ArchiveError(Code.TIMEOUT, "ucondb gave no answer in 10 s", store=Store.UCONDB)
        await press(pilot, *["down"] * 4, key)
        assert app.news.newest is not None
        assert "no answer" in app.news.newest.message
        archive.broken = None
        await press(pilot, "escape", "1", "down")
        assert app.is_running


async def test_a_change_that_a_screen_cannot_show_takes_nothing_down(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = StandIn(20)
    async with console(archive) as (app, pilot):
        monkeypatch.setattr(RunsScreen, "archive_changed", lambda *_: 1 / 0)
        archive.push(replace(archive.known[18003], reason="changed"))
        await until(pilot, lambda: app.defects)
        assert "division by zero" in screen_text(app)
        monkeypatch.undo()
        app.defects.clear()
        archive.push(*made_runs(1, first=18100))
        await until(pilot, lambda: app.book.get(18100))


async def test_a_ledger_that_cannot_be_read_is_said_once_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = StandIn()
    said: list[str] = []
    async with console(archive) as (app, pilot):
        whole, asked = archive.changes_since, 0

        def torn(revision: int) -> Changes:
            nonlocal asked
            asked += 1
            raise OSError("database disk image is malformed")

        monkeypatch.setattr(app, "say_error", lambda error: said.append(str(error)))
        monkeypatch.setattr(archive, "changes_since", torn)
        await until(pilot, lambda: asked >= 3)
        assert said == ["database disk image is malformed"]
        monkeypatch.setattr(archive, "changes_since", whole)
        archive.push(*made_runs(1, first=19000))
        await until(pilot, lambda: app.book.get(19000))


# --- files, clipboard, memory, leaving


@pytest.mark.parametrize("ending", ["csv", "json"])
async def test_export_writes_what_is_shown_and_never_over_a_file(ending: str, tmp_path: Path) -> None:
    async with console() as (app, pilot):
        path = tmp_path / f"runs.{ending}"
        runs_of(app).set_filter("failed")
        for _ in range(2):
            await press(pilot, "e")
            await type_line(pilot, str(path))
            await settled(pilot)
        assert app.news.newest is not None
        assert "is there already" in app.news.newest.message
        text = path.read_text("utf-8")
        assert len(json.loads(text) if ending == "json" else text.splitlines()[1:]) == 25


async def test_what_was_chosen_is_remembered(tmp_path: Path) -> None:
    place = tmp_path / "state" / "console.json"
    async with console(memory_path=place) as (app, pilot):
        runs_of(app).set_filter("failed")
        runs_of(app).set_columns(["run", "state"])
        await press(pilot, "3")
    async with console(memory_path=place) as (app, pilot):
        assert app.current_mode == "failures"
        await press(pilot, "1")
        assert app.book.view.filter.text == "failed"
        assert runs_of(app).table.columns == ("run", "state")


async def test_runs_that_move_on_while_their_table_was_never_shown_are_counted(tmp_path: Path) -> None:
    place = tmp_path / "console.json"
    archive = StandIn(20)
    async with console(archive, memory_path=place) as (app, pilot):
        await press(pilot, "2")
    async with console(archive, memory_path=place) as (app, pilot):
        assert app.current_mode == "jobs"
        archive.push(replace(archive.known[18003], state=RunState.ARCHIVED))
        await until(pilot, lambda: app.book.rows[3].state is RunState.ARCHIVED)
        await press(pilot, "1")
        cell = app.coverage.cell_of(18003)
        assert app.coverage.words(cell) == "18003: all archived; 1 settled, 0 open, 0 with a fault"


async def test_quitting_asks_only_while_a_job_runs_here_and_waits_for_it() -> None:
    archive = StandIn()
    archive.busy = True
    async with console(archive) as (app, pilot):
        await press(pilot, "q")
        assert isinstance(app.screen, ConfirmScreen)
        await press(pilot, "n", "q", "y")
        assert isinstance(app.screen, LeaveScreen)
        assert ("stop", False) in archive.calls
        archive.busy = False
        await until(pilot, lambda: (app.return_code == 0 and not app.is_running) or app._exit)


async def test_a_second_q_does_not_wait() -> None:
    archive = StandIn()
    archive.busy = True
    async with console(archive) as (app, pilot):
        await press(pilot, "q", "y", "q")
        assert ("stop", True) in archive.calls
        assert app._exit
