"""The console: one state fed by the ledger's changes, a screen for each view of it, and a clean way out."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from textual.screen import Screen

from runarchive.archive import Archive, Health, LockHolder
from runarchive.errors import ArchiveError, ExitCode, UsageError, with_next_step
from runarchive.model import Event, Job, RunState, Severity, Store
from tui_archiver.clipboard import copy_out
from tui_archiver.commands import ConsoleCommands, Palette, run_line, words_for
from tui_archiver.coverage import Coverage
from tui_archiver.export import why_no_export, write_export
from tui_archiver.keys import BY_ID, Keymap, bindings
from tui_archiver.memory import Memory
from tui_archiver.messages import Changed, Fetched, PollFailed
from tui_archiver.news import FRESH, News
from tui_archiver.run_book import RunBook, remembered_view
from tui_archiver.screens.all import SCREENS
from tui_archiver.screens.base import ConsoleScreen, styles_path
from tui_archiver.screens.detail import DetailScreen
from tui_archiver.screens.dialogs import ConfirmScreen, PromptScreen
from tui_archiver.screens.help import HelpScreen
from tui_archiver.screens.leave import LeaveScreen
from tui_archiver.screens.runs import RunsScreen
from tui_archiver.session import Call, Options
from tui_archiver.theme import CONTROL_ROOM, DAYLIGHT, theme_for
from tui_archiver.typed_ahead import TypedAheadApp
from tui_archiver.ways import hint_here
from tui_archiver.widgets.bars import ACTIVE
from tui_archiver.widgets.paint import Glyphs
from tui_archiver.workers import POLL_SECONDS, Fetcher, Poller, Watcher

KEPT_EVENTS = 5000


class ConsoleApp(TypedAheadApp, inherit_bindings=False):
    """All state lives here and changes only in handlers; threads post messages."""

    CSS_PATH = styles_path("console.tcss")
    BINDINGS = bindings("everywhere")
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {**SCREENS}
    ENABLE_COMMAND_PALETTE = False
    COMMANDS: ClassVar[set[Any]] = {ConsoleCommands}

    def __init__(self, archive: Archive, options: Options | None = None) -> None:
        self.options = options or Options()
        super().__init__()
        self.animation_level = "none"
        self.archive = archive
        self.glyphs = Glyphs(self.options.ascii_only)
        self.keymap = Keymap(dict(self.options.keymap))
        self.memory = Memory.load(self.options.memory_path, str(archive.config.path))
        self.book = RunBook()
        self.coverage = Coverage(1, ())
        self.strip_cells = 60
        self.jobs: dict[int, Job] = {}
        self.events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self.command_log: deque[Call] = deque(maxlen=KEPT_EVENTS)
        self.health: Mapping[Store, Health] = {}
        self.holder: LockHolder | None = None
        self.news = News()
        self.cursor_run: int | None = None
        self.compared_run: int | None = None
        self.came_from: tuple[str, int | None] = ("runs", None)
        self.cancelling: set[int] = set()
        self.defects: list[Exception] = []
        self.loaded = False
        self.poll_trouble = ""
        self.fetcher = Fetcher(self)
        self.poller: Poller | None = None
        self.watcher: Watcher | None = None
        self.register_theme(CONTROL_ROOM)
        self.register_theme(DAYLIGHT)
        self.set_class(self.options.ascii_only, "-ascii")

    def now(self) -> datetime:
        """The time, UTC."""
        return self.options.clock()

    @property
    def armed(self) -> bool:
        """Whether this console may write."""
        return not self.archive.read_only

    # --- start and end

    def on_mount(self) -> None:
        """Colours, keys, signals; the runs come from the ledger at once, the stores are asked behind."""
        plain = self.options.low_bandwidth or self.no_color
        self.theme = theme_for(self.console.color_system, self.memory.theme, plain=plain)
        self.set_keymap(self.keymap.textual())
        self.book.view = remembered_view(self.memory.filter, self.memory.sort, self.memory.descending, self.book.marked)
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            loop.add_signal_handler(number, self.hang_up)
        self.switch_mode(self.memory.screen if self.memory.screen in SCREENS else "runs")
        self.ask("load", self._load, self._loaded)
        self.set_interval(1.0, self._tick)

    def _load(self) -> tuple[int, Any, Any, Any]:
        archive = self.archive
        return archive.revision(), archive.runs(), archive.jobs(), archive.events(1000)

    def _loaded(self, answer: tuple[int, Any, Any, Any]) -> None:
        revision, runs, jobs, events = answer
        self.book.load(runs)
        # Each full garbage collection would walk through every run: 15 ms a time at a million.
        gc.freeze()
        self.jobs = {job.job: job for job in jobs}
        self.events.extend(events)
        self.news.hear(event for event in events if self.now() - event.at < FRESH)
        self.loaded = True
        if not self.memory.history and not events:
            greeting = "? explains every key; v marks a range, a archives what is marked"
            self.news.hear([Event(0, self.now(), Severity.INFO, greeting)])
        self._catch_up()
        seconds = 1.0 if self.options.low_bandwidth else POLL_SECONDS
        self.poller = Poller(self, self.archive, revision, seconds)
        self.poller.start()
        for notice in self.archive.notices:
            self.say(notice, "warning")
        if self.options.watch:
            self.ask("refresh", self._first_look, lambda _: None)
            self.watcher = Watcher(self, self.archive, Path(self.archive.config.source_files.run_records_dir))
            self.watcher.start()

    def _first_look(self) -> None:
        """The directories first: their runs are shown while the databases are still asked."""
        for stores in ((Store.FILESYSTEM,), (Store.ARTDAQDB, Store.UCONDB)):
            self.archive.refresh(stores)

    def _catch_up(self) -> None:
        for screen in self._console_screens():
            screen.show_frame()
            screen.catch_up()

    def _console_screens(self) -> list[ConsoleScreen]:
        return [screen for screen in self.screen_stack if isinstance(screen, ConsoleScreen) and screen.ready]

    def hang_up(self) -> None:
        """SIGHUP or SIGTERM: close the screen now; the runs in hand are finished after it."""
        self.archive.stop()
        self.exit(ExitCode.DONE)

    def on_unmount(self) -> None:
        """Stop the threads and remember how things were left."""
        if self.poller:
            self.poller.stop()
        if self.watcher:
            self.watcher.stop()
        self.memory.save()

    # --- messages from threads

    def on_fetched(self, message: Fetched) -> None:
        """A background call ended."""
        self._guarded(lambda: self.fetcher.take(message))

    def on_changed(self, message: Changed) -> None:
        """Something changed, by whichever process."""
        self._guarded(lambda: self._take_in(message))
        if self.poller:
            self.call_after_refresh(self.poller.taken)

    def _guarded(self, take: Callable[[], None]) -> None:
        """Take in what a thread found; what a screen cannot show must not take the console down."""
        try:
            take()
        except Exception as error:
            self.defects.append(error)
            self.say_error(error)

    def _take_in(self, message: Changed) -> None:
        """Take what changed into the state, and let the screen in sight show it."""
        changes = message.changes
        self.poll_trouble = ""
        self.health = message.health
        self.holder = message.holder
        before = {run.run: old.state for run in changes.runs if (old := self.book.get(run.run)) is not None}
        applied = self.book.apply(changes.runs, changes.gone)
        for run in changes.runs:
            if run.state is RunState.ARCHIVED and before.get(run.run) not in (None, RunState.ARCHIVED):
                self.book.marked.discard(run.run)
        if changes.gone or not self.coverage.fits(run.run for run in changes.runs):
            self.coverage = Coverage(self.strip_cells, self.book.rows)
        else:
            for run in changes.runs:
                self.coverage.move(before.get(run.run), run)
        for job in changes.jobs:
            self.jobs[job.job] = job
        self.events.extend(changes.events)
        self.news.hear(changes.events)
        for screen in self._console_screens():
            screen.show_frame()
            screen.archive_changed(changes, applied)

    def on_poll_failed(self, message: PollFailed) -> None:
        """The ledger or a store could not be read; say it once, and try again."""
        if repr(message.error) != self.poll_trouble:
            self.poll_trouble = repr(message.error)
            self.say_error(message.error)
        if self.poller:
            self.poller.taken()

    def _tick(self) -> None:
        for screen in self._console_screens():
            screen.show_frame()

    # --- for screens and commands

    def ask(
        self, key: str, call: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[], None] = lambda: None
    ) -> None:
        """Call into the archive in a thread; `done` gets the answer, an error is said after `failed` was told."""

        def then(value: Any, error: Exception | None) -> None:
            if error is None:
                done(value)
            else:
                failed()
                self.say_error(error)

        self.fetcher.fetch(key, call, then)

    def effect(
        self,
        words: str,
        call: Callable[[], Any],
        done: Callable[[Any], None],
        result: Callable[[Any], str] = lambda _: "done",
    ) -> None:
        """Do something that writes, in a thread, and keep it in the command log with how it went."""
        entry = Call(self.now(), words)
        self.command_log.append(entry)

        def then(value: Any, error: Exception | None) -> None:
            entry.failed = error is not None
            entry.result = result(value) if error is None else str(error)
            if error is None:
                done(value)
            else:
                self.say_error(error)

        self.fetcher.fetch(f"effect.{id(entry)}", call, then)

    def say(self, text: str, severity: str = "info", *, passing: bool = False) -> None:
        """The console's own words, on the event line of the screen in sight; `passing`: until something happens."""
        self.news.say(Event(0, self.now(), Severity(severity), text), passing=passing)
        for screen in self._console_screens():
            screen.show_frame()

    def say_error(self, error: Exception) -> None:
        """A failure as one sentence with the next step."""
        if isinstance(error, ArchiveError):
            self.say(with_next_step(error.message, hint_here(error.hint)), "error")
        else:
            self.log.error(repr(error))
            self.say(f"{type(error).__name__}: {error}", "error")

    @property
    def runs_screen(self) -> RunsScreen:
        """The table of runs, which must have been shown."""
        screen = self._screen_stacks["runs"][0] if self._screen_stacks.get("runs") else None
        if not isinstance(screen, RunsScreen):
            raise UsageError("go to the table of runs first")
        return screen

    def compare_run(self, run: int) -> None:
        """Show a run in Compare."""
        self.compared_run = run
        self.show_screen("compare")

    def open_run(self, run: int) -> None:
        """Show one run whole."""
        self.push_screen(DetailScreen(run))

    def show_screen(self, name: str) -> None:
        """Go to a screen; what lies open on it is closed. Escape in Compare leads back to where one was."""
        if self.current_mode != "compare":
            opened = next((one.run_number for one in self.screen_stack if isinstance(one, DetailScreen)), None)
            self.came_from = self.current_mode, opened
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if self.current_mode != name:
            self.switch_mode(name)
        else:
            self._catch_up()
        self.memory.remember(screen=name)

    # --- keys that work everywhere

    async def action_act(self, ident: str) -> None:
        """Do what a key stands for."""
        await self.run_action(BY_ID[ident].action)

    def action_show(self, name: str) -> None:
        """Go to a screen."""
        self.show_screen(name)

    def action_help(self) -> None:
        """What this screen shows and which keys work here."""
        if isinstance(self.screen, ConsoleScreen):
            self.push_screen(HelpScreen(self.screen, self.keymap))

    def action_command_palette(self) -> None:
        """Find an action by name."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    def action_command_line(self, begun: str = "") -> None:
        """Type a command, or go on with one that is begun."""

        def typed(line: str | None) -> None:
            if line and line.strip():
                self.memory.typed(line.strip())
                run_line(self, line.strip())

        hint = "tab completes; help lists the commands"
        prompt = PromptScreen(":", hint=hint, offer=words_for(self), history=self.memory.history)
        prompt.typed_before(begun)
        self.push_screen(prompt, typed)

    def action_look_again(self) -> None:
        """Ask the three stores."""
        self.say("asking the three stores …")
        self.ask("refresh", lambda: self.archive.refresh(full=True), lambda _: self.say("all three stores were asked"))

    def action_copy(self) -> None:
        """Copy what the cursor is on."""
        if isinstance(self.screen, ConsoleScreen):
            self.say(copy_out(self.screen.copy_text(), self.write_terminal))

    def action_export(self) -> None:
        """Ask for a file and write what the screen shows."""
        if isinstance(self.screen, ConsoleScreen):
            name = f"{self.screen.scope}-{self.now():%Y%m%d-%H%M%S}.csv"
            hint = "the ending says how: .csv or .json"
            self.push_screen(PromptScreen("export to", value=name, hint=hint, check=why_no_export), self.export_to)

    def export_to(self, path: str | None) -> None:
        """Write what the screen shows to a file, if one is named."""
        if path and path.strip():
            names, rows = self._console_screens()[-1].export_rows()
            self.ask("export", lambda: write_export(Path(path.strip()), names, rows), self.say)

    def action_step_back(self) -> None:
        """Escape."""
        if isinstance(self.screen, ConsoleScreen):
            self.screen.action_step_back()

    def arm(self, on: bool) -> None:
        """Allow or refuse writing."""
        try:
            if on:
                self.archive.arm()
            else:
                self.archive.disarm()
        except ArchiveError as error:
            self.say_error(error)
            return
        self.say("armed: this console may write" if on else "read-only", "warning" if on else "info")
        self._tick()

    def action_leave(self) -> None:
        """Quit; with a job running here, ask first and say what is waited for."""
        if not self.archive.working():
            self.exit(ExitCode.DONE)
            return
        running = [job for job in self.jobs.values() if job.state in ACTIVE]
        lines = [f"{job.kind} {job.done}/{job.total}" for job in running]
        question = ConfirmScreen("A job runs here. Finish its runs in hand and leave?", lines)
        self.push_screen(question, self._leave)

    def _leave(self, yes: bool | None) -> None:
        if yes:
            self.push_screen(LeaveScreen())
