"""Each screen's picture at 80×24 and 120×40; Runs also in 16 colours, in ASCII and at 40×10."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from runarchive.model import Event, Job, JobState, Severity, Stage
from tests.tui.console_help import PICTURES, check_snapshot, console, press, screen_text, settled, until
from tests.tui.stand_in import NOW, StandIn, likely_runs
from tui_archiver.screens.doctor import DoctorScreen
from tui_archiver.theme import THEMES
from tui_archiver.widgets.run_table import RunTable

SIZES = [(80, 24), (120, 40)]
WALK = {
    "runs": (),
    "failures": ("3", "enter"),
    "compare": ("1", "c", "tab", "n"),
    "recovery": ("5",),
    "log": ("9",),
    "doctor": ("0",),
    "detail": ("1", "j", "enter"),
    "help": ("escape", "question_mark"),
    "confirm": ("escape", "down", "down", "down", "v", "down", "down", "down", "i"),
    "jobs": ("y", "2"),
}
"""The screens with the keys that lead from each to the next."""


@pytest.fixture(autouse=True)
def _same_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DoctorScreen, "terminal_checks", lambda self: ())
    monkeypatch.setenv("TERM", "xterm")
    for name in ("COLORTERM", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_pictures_of_all_screens(size: tuple[int, int]) -> None:
    archive = StandIn()
    archive.push(Event(1, NOW, Severity.WARNING, "put: no answer in 10 s, attempt 3", 18193))
    async with console(archive, size) as (app, pilot):
        for name, keys in WALK.items():
            for key in keys:
                await press(pilot, key)
            if name == "jobs":
                await until(pilot, lambda: any(job.state is JobState.RUNNING for job in app.jobs.values()))
                await until(pilot, lambda: "18004" in screen_text(app))
            await settled(pilot)
            check_snapshot(f"{name}-{size[0]}x{size[1]}.txt", screen_text(app))


async def test_runs_in_sixteen_colours() -> None:
    async with console(size=(80, 24)) as (app, pilot):
        app.theme = "ansi-dark"
        await settled(pilot)
        sixteen = Console(color_system="standard", force_terminal=True)
        strips = app.screen._compositor.render_strips()
        text = "\n".join(strip.render(sixteen).replace("\x1b", "^[") for strip in strips) + "\n"
        check_snapshot("runs-16-colours.txt", text)
        assert "38;5" not in text
        assert "38;2" not in text


async def test_runs_in_ascii() -> None:
    async with console(size=(80, 24), ascii_only=True) as (app, _):
        check_snapshot("runs-ascii.txt", screen_text(app))


@pytest.mark.parametrize("size", [*SIZES, (40, 10)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_an_ascii_terminal_gets_nothing_but_ascii_from_any_screen(size: tuple[int, int]) -> None:
    async with console(size=size, ascii_only=True) as (app, pilot):
        for name, keys in {**WALK, "prompt": ("1", "slash"), "palette": ("escape", "ctrl+p")}.items():
            for key in keys:
                await press(pilot, key)
            foreign = {character for character in screen_text(app) if not character.isascii()}
            assert not foreign, (name, foreign)


async def test_dim_text_is_dimmer_in_every_theme_with_colours() -> None:
    async with console(size=(80, 24)) as (app, pilot):
        for theme in THEMES:
            app.theme = theme
            await settled(pilot)
            table = app.screen.query_one(RunTable)
            dim, plain = table.style_of("dim"), table.style_of("")
            assert dim.dim or dim.color != plain.color, theme
            assert not table.style_of("dim", "cursor").dim, f"{theme}: the line under the cursor must be read"


async def test_runs_on_a_tiny_terminal() -> None:
    async with console(size=(40, 10)) as (app, pilot):
        check_snapshot("runs-40x10.txt", screen_text(app))
        for key in ("2", "3", "4", "5", "9", "0", "1", "question_mark", "escape", "i"):
            await press(pilot, key)


async def test_pictures_of_the_readme_show_what_the_screens_show() -> None:
    archive = StandIn(likely_runs(6342))
    archive.push(Event(1, NOW, Severity.INFO, "imported, 49 documents", 18330, Stage.IMPORT, "cron@evb01:99"))
    archive.push(Event(2, NOW, Severity.WARNING, "put: no answer in 10 s, attempt 3", 18329, Stage.MIGRATE, "shift"))
    job = Job(7, "migrate", JobState.RUNNING, "cron@evb01:99", 41, 26, 1, NOW, rate=9.8, eta_seconds=1.5)
    archive.push(replace(job, workers=("w1 migrate 18331", "w2 migrate 18333")))
    walk = {
        "runs": ("slash", *"!waiting", "enter", "down", "space", "down", "down", "space", "n"),
        "detail": ("enter",),
        "jobs": ("escape", "2"),
        "failures": ("3", "end", "enter"),
        "compare": ("1", "c", "tab", "n"),
        "recovery": ("5",),
        "log": ("9",),
        "doctor": ("0",),
        "help": ("1", "question_mark"),
    }
    async with console(archive, (100, 28)) as (app, pilot):
        app.theme = "control-room"
        await until(pilot, lambda: app.jobs and app.events)
        for name, keys in walk.items():
            await press(pilot, *keys)
            if name == "jobs":
                await until(pilot, lambda: "18004" in screen_text(app))
            check_snapshot(f"{name}.svg", app.export_screenshot(title=f"tui-archiver: {name}"), PICTURES)
