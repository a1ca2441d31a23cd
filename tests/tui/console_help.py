"""What the console tests share: a frozen console, waiting for a condition, and the screen as text."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import zip_longest
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.stand_in import NOW, StandIn
from tui_archiver.app import ConsoleApp
from tui_archiver.screens.runs import RunsScreen
from tui_archiver.session import Options

SNAPSHOTS = Path(__file__).parent / "snapshots"
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
PATIENCE = 20.0


def options(**given: object) -> Options:
    """Options of a console that does not watch, remembers nothing and whose clock stands."""
    return Options(**{"watch": False, "clock": lambda: NOW, **given})  # type: ignore[arg-type]


@asynccontextmanager
async def console(
    archive: StandIn | None = None, size: tuple[int, int] = (80, 24), **given: object
) -> AsyncIterator[tuple[ConsoleApp, Pilot[int]]]:
    """A running console on a stand-in archive, its runs loaded and shown."""
    app = ConsoleApp((archive or StandIn()).as_archive(), options(**given))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.loaded and app.health)
        await settled(pilot)
        yield app, pilot
    assert not app.defects


async def until(pilot: Pilot[int], holds: Callable[[], object]) -> None:
    """Wait for a condition; fails after PATIENCE seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while not holds():
        assert loop.time() < end, "the condition never came to hold"
        await pilot.pause(0.01)


async def settled(pilot: Pilot[int]) -> None:
    """Wait until no call into the archive is under way and everything is painted."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    await pilot.pause()
    await until(pilot, lambda: app.fetcher.idle)
    await pilot.pause()


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press keys and wait for what they bring about."""
    await pilot.press(*keys)
    await settled(pilot)


def screen_text(app: ConsoleApp) -> str:
    """What the terminal shows, line by line, without styles and trailing blanks."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips) + "\n"


def check_snapshot(name: str, text: str, directory: Path = SNAPSHOTS) -> None:
    """Compare with the kept picture; `UPDATE_SNAPSHOTS=1` keeps this one instead."""
    path = directory / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, "utf-8")
    assert path.exists(), f"there is no {name}; UPDATE_SNAPSHOTS=1 keeps it"
    kept = path.read_text("utf-8")
    lines = zip_longest(text.split("\n"), kept.split("\n"))
    assert text == kept, f"{name}: " + "\n".join(f"{new}\n{old}" for new, old in lines if new != old)


async def type_line(pilot: Pilot[int], text: str) -> None:
    """Type a line into the prompt that is open, and enter it."""
    pilot.app.screen.query_one(Input).value = text
    await press(pilot, "enter")


async def press_only(pilot: Pilot[int], *keys: str) -> None:
    """Press keys without waiting for what they ask the archive."""
    await pilot.press(*keys)
    await pilot.pause()


def runs_of(app: ConsoleApp) -> RunsScreen:
    """The screen Runs, which is shown."""
    assert isinstance(app.screen, RunsScreen)
    return app.screen
