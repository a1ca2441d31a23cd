"""What the keys of the screens do, on an archive that stands still."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.events import Key
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Input

from runarchive.archive import Changes, Comparison, Exit, Explanation, FileComparison, LockHolder
from runarchive.errors import ArchiveError, Code
from runarchive.keymap import EVERYWHERE, KEYMAP
from runarchive.model import Event, Job, JobState, Mark, Marks, RunState, Severity, Store
from tests.tui.console_help import console, press, screen_text, settled, until
from tests.tui.stand_in import NOW, StandIn, made_runs
from tui_archiver.app import ConsoleApp
from tui_archiver.screens.all import SCREENS
from tui_archiver.screens.compare import CompareScreen
from tui_archiver.screens.detail import DetailScreen
from tui_archiver.screens.dialogs import ConfirmScreen, PromptScreen, TextScreen
from tui_archiver.screens.leave import LeaveScreen
from tui_archiver.screens.runs import RunsScreen
from tui_archiver.widgets.diff_view import DiffView
from tui_archiver.widgets.line_view import LineView


async def type_line(pilot: object, text: str) -> None:
    """Type a line into the prompt that is open, and enter it."""
    line = pilot.app.screen.query_one(Input)  # type: ignore[attr-defined]
    line.value = text
    await press(pilot, "enter")  # type: ignore[arg-type]


async def press_only(pilot: Pilot[int], *keys: str) -> None:
    """Press keys without waiting for what they ask the archive."""
    await pilot.press(*keys)
    await pilot.pause()


def runs_of(app: ConsoleApp) -> RunsScreen:
    assert isinstance(app.screen, RunsScreen)
    return app.screen


# --- the key table


def test_every_key_has_an_action_that_its_screen_knows() -> None:
    classes = {**SCREENS, "detail": DetailScreen, EVERYWHERE: ConsoleApp}
    for key in KEYMAP:
        if key.scope == "list":
            continue
        name = f"action_{key.action.partition('(')[0]}"
        assert hasattr(classes[key.scope], name), key.id


def test_every_binding_has_id_and_tooltip() -> None:
    screens: list[type[DOMNode]] = [
        *SCREENS.values(),
        DetailScreen,
        LeaveScreen,
        ConfirmScreen,
        PromptScreen,
        TextScreen,
    ]
    screens += [ConsoleApp, LineView]
    for owner in screens:
        for binding in owner.BINDINGS:
            assert isinstance(binding, Binding)
            assert binding.id, (owner, binding)
            assert binding.tooltip, (owner, binding)


async def test_a_users_own_key_takes_the_place_of_the_given_one() -> None:
    async with console(keymap={"runs.faults": ("F",)}) as (app, pilot):
        await press(pilot, "f")
        assert not app.book.view.faults_only
        await press(pilot, "F")
        assert app.book.view.faults_only


# --- Runs


async def test_filter_narrows_while_one_types_and_escape_brings_everything_back() -> None:
    async with console() as (app, pilot):
        await press(pilot, "slash", *"failed")
        assert {app.book.rows[i].state for i in app.book.order} == {RunState.FAILED}
        await press(pilot, "enter")
        assert len(app.book.order) == 25
        await press(pilot, "escape")
        assert len(app.book.order) == 200


async def test_what_is_typed_before_the_prompt_is_there_is_not_lost() -> None:
    async with console() as (app, pilot):
        for key in ("slash", *"failed", "enter"):
            app.post_message(Key(key, "/" if key == "slash" else key if len(key) == 1 else None))
        await until(pilot, lambda: app.book.view.filter.text == "failed" and not isinstance(app.screen, ModalScreen))


async def test_what_is_typed_after_enter_in_one_burst_goes_to_the_screen_below() -> None:
    async with console() as (app, pilot):
        for key in ("slash", *"failed", "enter", "v", "down", "down", "colon", *"log", "enter"):
            app.post_message(Key(key, {"slash": "/", "colon": ":"}.get(key, key if len(key) == 1 else None)))
        await until(pilot, lambda: app.current_mode == "log")
        assert app.book.view.filter.text == "failed"
        assert len(app.book.marked) == 3


async def test_what_follows_enter_never_becomes_part_of_the_line() -> None:
    async with console() as (app, pilot):
        await press(pilot, "colon")
        for key in (*"go", "space", *"18100", "enter", "2"):
            app.post_message(Key(key, " " if key == "space" else key if len(key) == 1 else None))
        await until(pilot, lambda: app.current_mode == "jobs")
        assert app.cursor_run == 18100


async def test_typing_takes_the_place_of_the_filter_that_stands_and_an_arrow_keeps_it() -> None:
    async with console() as (app, pilot):
        await press(pilot, "slash", *"failed", "enter", "slash", *"waiting", "enter")
        assert app.book.view.filter.text == "waiting"
        await press(pilot, "slash", "right", *"|new", "enter")
        assert app.book.view.filter.text == "waiting|new"
        await press(pilot, "slash", "enter")
        assert app.book.view.filter.text == "waiting|new"


async def test_keys_after_a_refused_line_are_dropped_and_the_line_can_be_mended() -> None:
    async with console() as (app, pilot):
        await press(pilot, "slash")
        for key in (*"run:x", "enter", "i", "y"):
            app.post_message(Key(key, key if len(key) == 1 else None))
        await settled(pilot)
        assert isinstance(app.screen, PromptScreen)
        await press(pilot, "backspace", *"18100", "enter")
        assert app.book.view.filter.text == "run:18100"


async def test_a_filter_that_makes_no_sense_is_said_and_not_taken() -> None:
    async with console() as (app, pilot):
        await press(pilot, "slash")
        await type_line(pilot, "artdaqdb:wrong")
        assert isinstance(app.screen, PromptScreen)
        await press(pilot, "escape")
        assert len(app.book.order) == 200


async def test_marks_go_by_run_number_through_filter_and_sort() -> None:
    async with console() as (app, pilot):
        await press(pilot, "down", "space", "v", "down", "down", "v")
        marked = {18198, 18197, 18196, 18195}
        assert app.book.marked == marked
        await press(pilot, "f", "s", "S", "f")
        assert app.book.marked == marked
        await press(pilot, "asterisk")
        assert len(app.book.marked) == 196
        await press(pilot, "u")
        assert not app.book.marked


async def test_the_cursor_stays_on_its_run_when_runs_come_and_go() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        await press(pilot, *["down"] * 5)
        run = runs_of(app).table.run
        assert run is not None
        assert run.run == 18194
        archive.push(*made_runs(3, first=18200), 18199)
        await until(pilot, lambda: len(app.book.rows) == 202)
        await until(pilot, lambda: len(app.book.order) == 202)
        run = runs_of(app).table.run
        assert run is not None
        assert run.run == 18194


async def test_a_range_starts_at_its_run_whatever_comes_meanwhile() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        await press(pilot, *["down"] * 5, "v")
        archive.push(*made_runs(3, first=18200), *made_runs(1, first=100))
        await until(pilot, lambda: len(app.book.order) == 204)
        await press(pilot, "down", "down", "v")
        assert app.book.marked == {18194, 18193, 18192}


@pytest.mark.parametrize(("size", "importing"), [((80, 24), " 42% "), ((120, 40), " ↻ 42%")])
async def test_how_far_another_process_is_with_a_run_is_shown(size: tuple[int, int], importing: str) -> None:
    archive = StandIn()
    async with console(archive, size) as (app, pilot):
        marks = Marks(Mark.VERIFIED, Mark.RUNNING, Mark.MISSING)
        archive.push(replace(archive.known[18199], state=RunState.IMPORTING, marks=marks, percent=42, reason=""))
        marks = Marks(Mark.VERIFIED, Mark.VERIFIED, Mark.RUNNING)
        archive.push(replace(archive.known[18198], state=RunState.MIGRATING, marks=marks, percent=7, reason=""))
        await until(pilot, lambda: "MIGRATING" in screen_text(app))
        lines = screen_text(app).splitlines()
        assert importing in next(line for line in lines if "IMPORTING" in line)
        assert " ↻ 7%" in next(line for line in lines if "MIGRATING" in line)


async def test_the_line_under_the_cursor_is_always_in_sight() -> None:
    async with console() as (app, pilot):
        table = runs_of(app).table
        await press(pilot, "end")
        assert table.cursor == 199
        assert table.cursor in table.lines_in_sight()
        assert "18000" in screen_text(app)
        await press(pilot, "home", "pagedown", "down")
        assert table.cursor in table.lines_in_sight()


async def test_next_fault_and_next_hole() -> None:
    async with console() as (app, pilot):
        await press(pilot, "right_square_bracket")
        run = runs_of(app).table.run
        assert run is not None
        assert run.run == 18198
        await press(pilot, "greater_than_sign", "left_square_bracket", "less_than_sign")
        assert runs_of(app).table.run is not None


async def test_go_to_a_run_hidden_by_the_filter_says_so() -> None:
    async with console() as (app, pilot):
        runs_of(app).set_filter("archived")
        await press(pilot, "g")
        await type_line(pilot, "18199")
        assert app.news.newest is not None
        assert "hidden by the filter" in app.news.newest.message


async def test_the_mouse_moves_the_cursor_opens_a_run_and_goes_to_a_coverage_cell() -> None:
    async with console() as (app, pilot):
        await pilot.click("#runs", offset=(10, 4))
        await settled(pilot)
        assert runs_of(app).table.cursor == 3
        await pilot.click("#coverage", offset=(8, 0))
        await settled(pilot)
        run = runs_of(app).table.run
        assert run is not None
        assert run.run < 18010
        await pilot.click("#runs", offset=(10, 4), times=2)
        await settled(pilot)
        assert isinstance(app.screen, DetailScreen)


# --- acting


async def test_acting_asks_first_and_the_answer_is_no_by_default() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        await press(pilot, *["down"] * 4, "i")
        assert isinstance(app.screen, ConfirmScreen)
        await press(pilot, "enter")
        assert not [call for call in archive.calls if call[0] == "start"]
        await press(pilot, "i", "y")
        assert ("start", "import", (18195,)) in archive.calls
        assert [call.words for call in app.command_log] == ["import 18195"]


async def test_above_ten_runs_their_count_is_asked_for() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        app.book.marked.update(range(18100, 18120))
        await press(pilot, "i")
        assert isinstance(app.screen, ConfirmScreen)
        await press(pilot, "y", "enter")
        assert isinstance(app.screen, ConfirmScreen), "a wrong count is asked for again"
        assert not [call for call in archive.calls if call[0] == "start"]
        count = 20 - sum(archive.known[run].state is RunState.WAITING for run in app.book.marked)
        await type_line(pilot, str(count))
        assert [call[1] for call in archive.calls if call[0] == "start"] == ["import"]


async def test_read_only_refuses_and_says_why_until_armed() -> None:
    archive = StandIn(armed=False)
    async with console(archive) as (app, pilot):
        assert "READ-ONLY" in screen_text(app)
        await press(pilot, *["down"] * 4, "i")
        assert app.news.newest is not None
        assert "read-only" in app.news.newest.message
        assert not isinstance(app.screen, ModalScreen)
        await press(pilot, "colon")
        await type_line(pilot, "arm")
        assert "ARMED" in screen_text(app)
        await press(pilot, "i")
        assert isinstance(app.screen, ConfirmScreen)


async def test_a_run_that_stays_is_named_with_its_reason() -> None:
    async with console() as (app, pilot):
        await press(pilot, "i")
        assert isinstance(app.screen, TextScreen)
        assert "no stop, 2 h" in screen_text(app)


async def test_cancel_is_graceful_first_and_at_once_the_second_time() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        await press(pilot, *["down"] * 4, "i", "y")
        await until(pilot, lambda: any(job.state is JobState.RUNNING for job in app.jobs.values()))
        await press(pilot, "2", "C", "C")
        assert [call for call in archive.calls if call[0] == "cancel"] == [("cancel", 1, False), ("cancel", 1, True)]


async def test_waiving_needs_a_reason_and_a_yes() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        await press(pilot, "w")
        await type_line(pilot, "")
        await press(pilot, "w")
        await type_line(pilot, "test run")
        assert isinstance(app.screen, ConfirmScreen)
        await press(pilot, "y")
        assert [call for call in archive.calls if call[0] == "waive"] == [("waive", 18199, "test run")]


async def test_the_command_line_takes_runs_and_says_what_it_does_not_know() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        await press(pilot, "colon")
        await type_line(pilot, "import 18003-18004")
        assert isinstance(app.screen, ConfirmScreen)
        await press(pilot, "y")
        assert ("start", "import", (18003, 18004)) in archive.calls
        for line in ("import 99", "nonsense", "sort nothing", "go x", "theme pink", "import --what"):
            await press(pilot, "colon")
            await type_line(pilot, line)
            assert not isinstance(app.screen, ModalScreen), line
            assert app.news.newest is not None
            assert app.news.newest.severity == "warning", line


async def test_a_waiver_is_taken_back() -> None:
    archive = StandIn()
    async with console(archive) as (_, pilot):
        await press(pilot, "colon")
        await type_line(pilot, "waive 18000 --undo")
        await type_line(pilot, "it was no test run")
        assert ("unwaive", 18000, "it was no test run") in archive.calls


async def test_a_lock_is_broken_only_when_its_holder_was_named_and_the_word_typed() -> None:
    archive = StandIn()
    archive.holder = LockHolder(99, "cron", "evb01", stuck=True)
    async with console(archive, (100, 24)) as (app, pilot):
        await until(pilot, lambda: app.holder is not None)
        assert "lock cron stuck" in screen_text(app)
        await press(pilot, "colon")
        await type_line(pilot, "unlock")
        assert "cron (pid 99 on evb01) holds it" in screen_text(app)
        await type_line(pilot, "break")
        assert ("break_lock",) in archive.calls


@pytest.mark.parametrize("width", [70, 80, 100])
async def test_the_health_of_the_stores_stands_beside_a_long_named_lock_holder(width: int) -> None:
    archive = StandIn()
    archive.holder = LockHolder(99, "experiment-operator@evb01-daq:4711", "evb01", stuck=True)
    async with console(archive, (width, 24)) as (app, pilot):
        await until(pilot, lambda: app.holder is not None)
        title = screen_text(app).splitlines()[0]
        assert "lock experiment-operator" in title
        assert " fs ✓" in title
        assert "!" in title


async def test_tab_completes_commands_and_filters() -> None:
    async with console() as (app, pilot):
        await press(pilot, "colon", *"comp", "tab")
        await until(pilot, lambda: app.screen.query_one(Input).value == "compare")
        await press(pilot, "escape", "slash", *"artdaqdb:mi", "tab")
        await until(pilot, lambda: app.screen.query_one(Input).value == "artdaqdb:missing")


async def test_palette_offers_every_action_of_the_screen() -> None:
    async with console() as (app, pilot):
        await press(pilot, "ctrl+p")
        assert isinstance(app.screen, CommandPalette)
        await press(pilot, "escape")


async def test_a_count_typed_before_its_question_is_there_answers_it_and_switches_no_screen() -> None:
    archive = StandIn()
    planned = threading.Event()
    plan = archive.plan
    archive.plan = lambda *words: planned.wait(20) and plan(*words)  # type: ignore[assignment,method-assign]
    async with console(archive) as (app, pilot):
        app.book.marked.update(run for run in range(18100, 18120) if archive.known[run].state is not RunState.WAITING)
        count = str(len(app.book.marked))
        await pilot.press("i")
        for key in (*count, "enter"):
            app.post_message(Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        assert app.current_mode == "runs"
        planned.set()
        await until(pilot, lambda: [call for call in archive.calls if call[0] == "start"])


async def test_escape_leaves_a_question_that_is_still_on_its_way() -> None:
    archive = StandIn()
    planned = threading.Event()
    plan = archive.plan
    archive.plan = lambda *words: planned.wait(20) and plan(*words)  # type: ignore[assignment,method-assign]
    async with console(archive) as (app, pilot):
        await press_only(pilot, *["down"] * 4, "i", "escape", "9")
        assert app.current_mode == "log"
        planned.set()
        await until(pilot, lambda: app.news.newest and "import: not done" in app.news.newest.message)
        assert not isinstance(app.screen, ModalScreen)


async def test_a_yes_typed_before_its_question_is_there_does_not_answer_it() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        await press(pilot, *["down"] * 4)
        for key in ("i", "y"):
            app.post_message(Key(key, key))
        await settled(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert not [call for call in archive.calls if call[0] == "start"]


async def test_escape_and_a_key_in_one_packet_are_two_keys() -> None:
    async with console() as (app, pilot):
        await press(pilot, "enter")
        assert isinstance(app.screen, DetailScreen)
        app.post_message(Key("alt+9", "9"))
        await settled(pilot)
        assert app.current_mode == "log"


async def test_a_mark_goes_when_its_run_is_archived() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        app.book.marked.update((18195, 18194, 18193))
        for run, state in ((18195, RunState.ARCHIVED), (18194, RunState.IMPORTED)):
            archive.push(replace(archive.known[run], state=state))
        await until(pilot, lambda: app.book.marked == {18194, 18193})


async def test_what_the_console_says_stands_longer_than_an_event_and_hides_no_keys() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        await press(pilot, "C")
        archive.push(Event(9, NOW, Severity.INFO, "imported", 18001))
        await until(pilot, lambda: app.events)
        await settled(pilot)
        lines = screen_text(app).splitlines()
        assert "cancel: no job is running" in lines[-3]
        assert " r retry" in lines[-2]
        assert "0 Doctor" in lines[-1]


# --- the other screens


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


async def test_a_wrong_count_can_be_mended_and_what_follows_is_a_key_again() -> None:
    async with console() as (app, pilot):
        await press(pilot, "asterisk", "w", *"because", "enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await press(pilot, *"199", "enter")
        assert isinstance(app.screen, ConfirmScreen)
        for key in (*"200", "enter"):
            app.post_message(Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: not isinstance(app.screen, ModalScreen))
        await press(pilot, "9")
        assert app.current_mode == "log"
