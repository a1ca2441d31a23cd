"""What every screen of the console has in common: its lines, its keys, and how it hears of changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.screen import Screen

from runarchive.archive import Archive, Changes
from runarchive.keymap import EVERYWHERE, Key
from runarchive.model import Event, JobState, Severity
from tui_archiver.format import wrapped
from tui_archiver.keys import BY_ID
from tui_archiver.news import LOUD
from tui_archiver.run_book import Applied
from tui_archiver.widgets.bars import EventLine, Hint, HintBar, JobLine, TitleBar
from tui_archiver.widgets.paint import COMPONENT_CLASSES
from tui_archiver.widgets.piece_list import Line, line

if TYPE_CHECKING:
    from tui_archiver.app import ConsoleApp

NOT_ARMED = "This console is read-only: `:arm` allows writing (or start it with --write)"


def styles_path(name: str) -> Path:
    """One style sheet: beside the package where it is installed, at the checkout's root in development."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "styles" / name
    return installed if installed.exists() else package.parent / "styles" / name


Export = tuple[Sequence[str], list[Sequence[Any]]]
"""Column names and rows, as an export writes them."""


class ConsoleScreen(Screen[None]):
    """A screen with the title line above and the job, event and key lines below."""

    scope: ClassVar[str]
    title_word: ClassVar[str]
    about: ClassVar[str]
    """What the screen shows, for its help."""

    AUTO_FOCUS = "LineView"
    COMPONENT_CLASSES: ClassVar[set[str]] = COMPONENT_CLASSES
    _filled = False
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (80, "-normal"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (16, "-tall")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        """Title, the screen's own part, job, event, keys."""
        glyphs = self.console_app.glyphs
        yield TitleBar(glyphs, id="title")
        yield from self.body()
        yield JobLine(glyphs, id="job")
        yield EventLine(glyphs, id="event")
        yield HintBar(glyphs, id="hints")
        yield HintBar(glyphs, id="screens")

    def body(self) -> ComposeResult:
        """The screen's own widgets."""
        raise NotImplementedError

    @property
    def console_app(self) -> ConsoleApp:
        """The app, by its own type."""
        return cast("ConsoleApp", self.app)

    @property
    def archive(self) -> Archive:
        """The engine's front door."""
        return self.console_app.archive

    # --- hearing of changes

    @property
    def ready(self) -> bool:
        """Whether the screen's widgets are there: before its first paint and at the end they are not."""
        return self.is_mounted and bool(self.query("#screens"))

    def on_mount(self) -> None:
        """Fill the lines, and the screen unless resuming did already."""
        self.show_frame()
        self.call_after_refresh(lambda: None if self._filled else self.on_screen_resume())

    def on_screen_resume(self) -> None:
        """Another screen was shown meanwhile: catch up."""
        if self.ready:
            self._filled = True
            self.show_frame()
            self.catch_up()

    def on_resize(self) -> None:
        """Say as much as fits now."""
        self.call_after_refresh(self.show_frame)

    def catch_up(self) -> None:
        """Show the present state of things; the screen may have been out of sight for long."""

    def archive_changed(self, changes: Changes, applied: Applied) -> None:
        """Take in what changed; only called while the screen is shown, or under a dialog."""

    def show_frame(self) -> None:
        """Fill title, job, event and key lines from the app's state."""
        if not self.ready:
            return
        app = self.console_app
        warning = "" if app.archive.config.ucon_db.verify else "TLS NOT VERIFIED"
        title = self.query_one("#title", TitleBar)
        title.tell(app.archive.name, app.armed, app.health, app.holder, app.now(), warning)
        self.query_one("#job", JobLine).tell(app.jobs.values())
        self.query_one("#event", EventLine).tell(self._news(), own=app.news.is_own)
        self.set_class(app.news.is_own, "-spoken")
        self.show_hints()

    def _news(self) -> Event | None:
        """What the event line says: what just happened, but why a job stands still for as long as it does."""
        app = self.console_app
        newest = app.news.newest
        if newest is None or app.news.is_own or newest.severity in LOUD:
            return newest
        stands = [job for job in app.jobs.values() if job.state is JobState.PAUSED and job.message]
        if not stands:
            return newest
        job = max(stands, key=lambda job: job.job)
        return Event(0, newest.at, Severity.WARNING, f"job {job.job} waits: {job.message}")

    def show_hints(self) -> None:
        """Fill the key lines; keys that cannot act now are dim."""
        app = self.console_app
        name = app.keymap.name
        hints = [Hint(name(k.id), k.label, not self.why_not(k)) for k in app.keymap.of(self.scope) if k.shown]
        self.query_one("#hints", HintBar).tell(hints)
        places = [
            Hint(name(k.id), k.label, here=k.action == f"show('{self.scope}')")
            for k in app.keymap.of(EVERYWHERE)
            if k.action.startswith("show(")
        ]
        help_, command = (Hint(name(f"{EVERYWHERE}.{word}"), word) for word in ("help", "command"))
        shorter = [help_, *(place._replace(label=place.label[:4]) for place in places)]
        shortest = [
            help_._replace(label="", between=""),
            *(place._replace(label=place.label[:3], between="") for place in places),
        ]
        self.query_one("#screens", HintBar).tell([*places, help_, command], shorter, shortest)

    def in_lines(self, text: str, first: str, rest: str, most: int) -> list[Line]:
        """A clean text over as many lines as it needs, at most so many; its first word in style `first`."""
        parts = wrapped(text, self.size.width - 2, most) or [""]
        word, blank, more = parts[0].partition(" ")
        return [line((f" {word}{blank}", first), (more, rest)), *(line((f" {part}", rest)) for part in parts[1:])]

    # --- acting

    async def action_act(self, ident: str) -> None:
        """Do what a key of this screen stands for, or say why it cannot be done now."""
        key = BY_ID[ident]
        reason = self.why_not(key)
        if reason:
            self.console_app.say(f"{key.label}: {reason}", "warning")
            return
        await self.run_action(key.action)

    def why_not(self, key: Key) -> str:
        """Why a key cannot act now, as one sentence; empty when it can."""
        if key.writes and not self.console_app.armed:
            return NOT_ARMED
        return ""

    def fetch(self, key: str, call: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Ask the archive in a thread; `done` gets the answer while this screen still lives, an error is said."""
        app = self.console_app

        def then(value: Any, error: Exception | None) -> None:
            if not self.ready:
                return
            if error is not None:
                self.fetch_failed(key, error)
            else:
                done(value)
                self.show_hints()

        app.fetcher.fetch(f"{self.scope}.{key}", call, then)

    def fetch_failed(self, key: str, error: Exception) -> None:
        """A call into the archive failed; say so."""
        self.console_app.say_error(error)

    # --- what keys that work everywhere need from a screen

    def action_step_back(self) -> None:
        """Escape, where nothing is open."""

    def export_rows(self) -> Export:
        """What the screen shows, as a table."""
        raise NotImplementedError

    def copy_text(self) -> str:
        """What `copy` takes: the thing under the cursor."""
        return ""
