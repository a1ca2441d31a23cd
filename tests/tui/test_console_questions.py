"""What the console asks before it acts, and what becomes of what is typed meanwhile."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList

from runarchive.archive import Health, LockHolder
from runarchive.errors import UsageError
from runarchive.keymap import EVERYWHERE, KEYMAP
from runarchive.model import Event, Job, JobState, RunState, Severity, Store
from tests.tui.console_help import console, press, screen_text, settled, type_line, until
from tests.tui.stand_in import NOW, StandIn
from tui_archiver.commands import COMMANDS, ConsoleCommands, run_line
from tui_archiver.screens.dialogs import ConfirmScreen, PromptScreen, TextScreen


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


async def test_after_a_cancel_that_failed_the_next_is_no_second_one() -> None:
    archive = StandIn()
    cancel = archive.cancel
    async with console(archive) as (app, pilot):
        await press(pilot, *["down"] * 4, "i", "y")
        await until(pilot, lambda: app.jobs)
        archive.cancel = _no_cancel  # type: ignore[method-assign]
        await press(pilot, "C")
        await until(pilot, lambda: app.news.newest and "the ledger is busy" in app.news.newest.message)
        archive.cancel = cancel  # type: ignore[method-assign]
        await press(pilot, "C")
        assert [call for call in archive.calls if call[0] == "cancel"] == [("cancel", 1, False)]


def _no_cancel(job: int, *, now: bool = False) -> None:
    raise UsageError("the ledger is busy")


@pytest.mark.parametrize("way", ["1", "2"])
async def test_the_job_of_another_process_is_stopped_only_after_a_yes(way: str) -> None:
    archive = StandIn()
    job = Job(7, "migrate", JobState.RUNNING, "cron@evb01:4711", 40, 12, started=NOW)
    async with console(archive) as (app, pilot):
        archive.push(job)
        await until(pilot, lambda: app.jobs)
        await press(pilot, way, "C")
        assert isinstance(app.screen, ConfirmScreen)
        assert "Stop job 7 of another process after the runs in hand?" in screen_text(app)
        assert "cron@evb01:4711 does it: migrate 12/40" in screen_text(app)
        await press(pilot, "enter")
        assert not [call for call in archive.calls if call[0] == "cancel"]
        await press(pilot, "C", "y")
        assert [call for call in archive.calls if call[0] == "cancel"] == [("cancel", 7, False)]
        archive.push(replace(job, state=JobState.CANCELLING))
        await until(pilot, lambda: app.jobs[7].state is JobState.CANCELLING)
        await press(pilot, "C")
        assert "Stop job 7 of another process at once?" in screen_text(app)
        await press(pilot, "y")
        assert [call for call in archive.calls if call[0] == "cancel"][1:] == [("cancel", 7, True)]


async def test_ones_own_job_is_stopped_before_that_of_another_process_and_without_being_armed() -> None:
    archive = StandIn(armed=False)
    async with console(archive) as (app, pilot):
        await press(pilot, *["down"] * 4, "x", "y")
        archive.push(Job(7, "migrate", JobState.RUNNING, "cron@evb01:4711", 40, 12, started=NOW))
        await until(pilot, lambda: 7 in app.jobs)
        await press(pilot, "C")
        assert [call for call in archive.calls if call[0] == "cancel"] == [("cancel", 1, False)]
        archive.push(replace(app.jobs[1], state=JobState.CANCELLED, ended=NOW))
        await until(pilot, lambda: app.jobs[1].state is JobState.CANCELLED)
        await press(pilot, "C")
        assert not isinstance(app.screen, ModalScreen)
        assert app.news.newest is not None
        assert "cron@evb01:4711 does job 7. This console is read-only" in app.news.newest.message


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


@pytest.mark.parametrize(
    "line", ["run NUMBER", "go NUMBER", "compare NUMBER", "cancel NUMBER", "verify NUMBER", "filter attempts:NUMBER"]
)
async def test_a_number_of_thousands_of_digits_is_answered_with_a_sentence(line: str) -> None:
    async with console() as (app, pilot):
        run_line(app, line.replace("NUMBER", "9" * 5000))
        await settled(pilot)
        if not line.startswith("filter"):
            assert app.news.newest is not None
            assert "no " in app.news.newest.message or "name one run number" in app.news.newest.message


@pytest.mark.parametrize(("screen", "key"), [("1", "g"), ("4", "g")])
async def test_a_prompt_for_a_run_refuses_thousands_of_digits(screen: str, key: str) -> None:
    async with console() as (app, pilot):
        await press(pilot, screen, key)
        app.screen.query_one(Input).value = "9" * 5000
        await press(pilot, "enter")
        assert isinstance(app.screen, PromptScreen)


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


async def test_a_store_that_answers_but_looks_wrong_is_no_store_that_is_well() -> None:
    archive = StandIn()
    doubt = "the folder was made by this archive and holds nothing; is its name right?"
    known = archive.health()
    known[Store.UCONDB] = Health(Store.UCONDB, True, 0.014, "0 runs", NOW, damage=(doubt,))
    archive.health = lambda: known  # type: ignore[method-assign]
    async with console(archive) as (app, pilot):
        await until(pilot, lambda: app.health)
        assert "ucondb ? 14 ms" in screen_text(app).splitlines()[0]


@pytest.mark.parametrize("width", [80, 120])
async def test_how_long_ago_a_store_was_looked_at_is_shown_where_there_is_room(width: int) -> None:
    archive = StandIn()
    known = archive.health()
    known[Store.UCONDB] = Health(Store.UCONDB, True, 0.014, "0 runs", NOW - timedelta(minutes=2))
    archive.health = lambda: known  # type: ignore[method-assign]
    async with console(archive, (width, 24)) as (app, _):
        assert "artdaqdb ✓ 12 ms  ucondb ✓ 14 ms (2 min)" in screen_text(app).splitlines()[0]


@pytest.mark.parametrize("size", [(40, 10), (40, 24), (60, 24), (80, 24), (200, 50)])
async def test_the_way_to_every_screen_is_shown_at_every_width(size: tuple[int, int]) -> None:
    async with console(size=size) as (app, pilot):
        for key in "1234590":
            await press(pilot, key)
            shown = screen_text(app).splitlines()[-1]
            assert [name in shown for name in ("1", "2", "3", "4", "5", "9", "0")] == [True] * 7, shown
            assert re.search(r"1 ?Run.*2 ?Job.*3 ?Fai.*4 ?Com.*5 ?Rec.*9 ?Log.*0 ?Doc", shown)


async def test_tab_completes_commands_and_filters() -> None:
    async with console() as (app, pilot):
        await press(pilot, "colon", *"comp", "tab")
        await until(pilot, lambda: app.screen.query_one(Input).value == "compare")
        await press(pilot, "escape", "slash", *"artdaqdb:mi", "tab")
        await until(pilot, lambda: app.screen.query_one(Input).value == "artdaqdb:missing")


async def test_palette_offers_every_action_of_the_screen_and_every_command() -> None:
    async with console() as (app, _):
        offered = [hit.text or "" async for hit in ConsoleCommands(app.screen).discover()]
        for key in KEYMAP:
            if key.scope in ("runs", EVERYWHERE) and key.action not in ("command_palette", "step_back"):
                assert [text for text in offered if f": {key.label} (" in text], key.id
        for name in COMMANDS:
            assert [text for text in offered if re.match(rf"command: :{name}\b", text)], name


async def test_an_action_found_in_the_palette_is_done_and_a_command_that_takes_words_is_begun() -> None:
    async with console() as (app, pilot):
        await press(pilot, "ctrl+p", *"faults")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 1)
        await press(pilot, "enter")
        await until(pilot, lambda: app.book.view.faults_only)
        await press(pilot, "ctrl+p", *"note", "left_square_bracket", *"RUNS")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 1)
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, PromptScreen))
        await press(pilot, *"18003")
        assert app.screen.query_one(Input).value == "note 18003"


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


@pytest.mark.parametrize("keys", [("slash",), ("colon",), ("ctrl+p",), ("asterisk", "i")])
async def test_no_cursor_blinks_over_the_line(keys: tuple[str, ...]) -> None:
    async with console() as (app, pilot):
        await press(pilot, *keys)
        lines = list(app.screen.query(Input))
        assert lines
        assert not [line for line in lines if line.cursor_blink]
