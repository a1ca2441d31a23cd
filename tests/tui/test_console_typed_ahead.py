"""What is typed before the screen or the question it is meant for is there."""

from __future__ import annotations

import threading

import pytest
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input

from runarchive.model import Job, JobState, RunState
from tests.tui.console_help import console, press, press_only, screen_text, settled, until
from tests.tui.stand_in import NOW, StandIn
from tui_archiver import typed_ahead
from tui_archiver.screens.dialogs import ConfirmScreen


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


async def test_a_yes_typed_before_the_job_of_another_process_is_asked_about_does_not_stop_it() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        archive.push(Job(7, "migrate", JobState.RUNNING, "cron@evb01:4711", 40, 12, started=NOW))
        await until(pilot, lambda: app.jobs)
        for key in ("C", "y"):
            app.post_message(Key(key, key))
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await settled(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert not [call for call in archive.calls if call[0] == "cancel"]
        await press(pilot, "y")
        assert [call for call in archive.calls if call[0] == "cancel"] == [("cancel", 7, False)]


async def test_a_yes_typed_right_after_a_reason_does_not_waive() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        for key in ("w", *"cold", "enter", "y"):
            app.post_message(Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await settled(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert not [call for call in archive.calls if call[0] == "waive"]


async def test_a_count_typed_after_a_second_wish_is_no_answer_to_the_first() -> None:
    archive, planned = StandIn(), threading.Event()
    plan = archive.plan
    archive.plan = lambda *words: planned.wait(20) and plan(*words)  # type: ignore[assignment,method-assign]
    async with console(archive) as (app, pilot):
        app.book.marked.update(run for run in range(18100, 18120) if archive.known[run].state is not RunState.WAITING)
        await press_only(pilot, "i", "x")
        for key in (*str(len(app.book.marked)), "enter"):
            app.post_message(Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        planned.set()
        await until(pilot, lambda: [call for call in archive.calls if call[0] == "start"])
        await settled(pilot)
        assert [call[1] for call in archive.calls if call[0] == "start"] == ["verify"]


async def test_a_count_typed_in_one_burst_with_the_key_that_asks_for_it_is_its_answer() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        app.book.marked.update(run for run in range(18100, 18120) if archive.known[run].state is not RunState.WAITING)
        for key in ("i", *str(len(app.book.marked)), "enter"):
            app.post_message(Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: [call for call in archive.calls if call[0] == "start"])
        assert app.current_mode == "runs"


@pytest.mark.parametrize("given_up", [False, True])
async def test_after_an_answer_typed_ahead_keys_wait_for_its_question_and_escape_gives_it_up(given_up: bool) -> None:
    archive, planned = StandIn(), threading.Event()
    plan = archive.plan
    archive.plan = lambda *words: planned.wait(20) and plan(*words)  # type: ignore[assignment,method-assign]
    async with console(archive) as (app, pilot):
        app.book.marked.update(run for run in range(18100, 18120) if archive.known[run].state is not RunState.WAITING)
        keys = ["i", *str(len(app.book.marked)), "enter", "9", *(["escape"] if given_up else [])]
        for key in keys:
            app.post_message(Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: app.question_expected is not given_up)
        await pilot.pause()
        assert app.current_mode == "runs"
        planned.set()
        await settled(pilot)
        if not given_up:
            await until(pilot, lambda: app.current_mode == "log")
        assert bool([call for call in archive.calls if call[0] == "start"]) is not given_up


async def test_keys_in_one_burst_with_the_key_of_another_screen_act_there() -> None:
    async with console() as (app, pilot):
        for key in ("9", "slash", *"retry", "enter", "2", "l", "1", "G"):
            app.post_message(Key(key, "/" if key == "slash" else key if len(key) == 1 else None))
        await until(pilot, lambda: app.cursor_run == 18000)
        await press(pilot, "9")
        assert "/ retry" in screen_text(app)
        await press(pilot, "2")
        assert app.news.newest is not None
        assert app.news.newest.message == "follow: there is no job", "l was a key of Jobs"


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


async def test_a_key_that_never_comes_back_from_a_line_does_not_make_the_console_deaf(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with console() as (app, pilot):
        await press(pilot, "colon")
        with monkeypatch.context() as lost:
            lost.setattr(Input, "_forward_event", lambda line, event: None)
            app.post_message(Key("backspace", None))
            await pilot.pause()
        monkeypatch.setattr(typed_ahead, "LOST_SECONDS", 0.0)
        app.post_message(Key("escape", None))
        await until(pilot, lambda: not isinstance(app.screen, ModalScreen))
