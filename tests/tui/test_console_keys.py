"""What the keys of the table do: filter, marks, range, cursor, on an archive that stands still."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.binding import Binding
from textual.dom import DOMNode
from textual.events import Key
from textual.screen import ModalScreen

from runarchive.keymap import EVERYWHERE, KEYMAP
from runarchive.model import Mark, Marks, RunState
from tests.tui.console_help import console, press, runs_of, screen_text, settled, type_line, until
from tests.tui.stand_in import StandIn, made_runs
from tui_archiver.app import ConsoleApp
from tui_archiver.screens.all import SCREENS
from tui_archiver.screens.detail import DetailScreen
from tui_archiver.screens.dialogs import ConfirmScreen, PromptScreen, TextScreen
from tui_archiver.screens.leave import LeaveScreen
from tui_archiver.widgets.line_view import LineView


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
