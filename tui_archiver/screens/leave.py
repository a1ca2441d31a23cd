"""Quitting while a job runs here: says what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from runarchive.errors import ExitCode
from runarchive.model import RunState
from tui_archiver.screens.dialogs import Dialog, DialogScreen, text_block

if TYPE_CHECKING:
    from tui_archiver.app import ConsoleApp

IN_HAND = (RunState.IMPORTING, RunState.MIGRATING)


class LeaveScreen(DialogScreen[None]):
    """Waits for the runs in hand, naming them; a second `q` leaves them to the next start."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "now", "Leave at once", id="leave.now", tooltip="Leave the runs in hand to the next start"),
    ]

    def compose(self) -> ComposeResult:
        """What is waited for."""
        with Dialog():
            yield Static(text_block(["Finishing the runs in hand"]), classes="dialog-title")
            yield Static(id="in-hand")
            yield Static(text_block(["q leaves them to the next start"]), classes="dialog-hint")

    def on_mount(self) -> None:
        """Ask the jobs to stop, and look until they have."""
        self._app.archive.stop()
        self._look()
        self.set_interval(0.25, self._look)

    @property
    def _app(self) -> ConsoleApp:
        return cast("ConsoleApp", self.app)

    def _look(self) -> None:
        app = self._app
        runs = [f"run {run.run}: {run.state.value.lower()}" for run in app.book.rows if run.state in IN_HAND]
        self.query_one("#in-hand", Static).update(text_block(runs[:10] or ["waiting for the last answers"]))
        if not app.archive.working():
            app.exit(ExitCode.DONE)

    def action_now(self) -> None:
        """Do not wait."""
        self._app.archive.stop(now=True)
        self._app.exit(ExitCode.DONE)
