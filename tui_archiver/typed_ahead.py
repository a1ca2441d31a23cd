"""Keys typed faster than dialogs open and close, as over a slow link: each reaches the screen it was meant for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from textual import events
from textual.screen import ModalScreen, Screen

from tui_archiver.driver import TerminalApp
from tui_archiver.screens.base import ConsoleScreen
from tui_archiver.screens.dialogs import AskingScreen

ENDS_A_LINE = ("enter", "escape")
EDITS_A_LINE = ("backspace", "delete", "left", "right", "home", "end", "up", "down", "tab", "ctrl+u", "ctrl+w")
"""Keys that act by a binding, so later than the letters after them would."""
ANSWERS = ("y", "n", "enter")
READY_SECONDS = 0.02
"""How soon a screen that has just opened is looked at again."""
LOST_SECONDS = 2.0
"""After how long a key that never came back to its action holds up the others no more."""
WAITED_FOR = (*ENDS_A_LINE, *EDITS_A_LINE)


class TypedAheadApp(TerminalApp, inherit_bindings=False):
    """An App that holds back what follows a key still on its way to its action, the end of a line, or a question."""

    _held: deque[events.Key] | None = None
    """What waits for a line that was ended; None: nothing waits."""
    _ended = False
    """Whether the key that ends the line was acted on."""
    _held_at = 0.0
    """Since when something waits."""
    _acting = False
    """Whether it waits for a key on its way to its action on a screen without a line."""
    _answer: str | None = None
    """What was typed to a question that is on its way, enter as a line feed; None: no question is."""
    _heard: Callable[[str], None] = staticmethod(lambda key: None)
    """Hears each key that was kept for that question, and the escape that gives it up."""

    def expect_question(self, heard: Callable[[str], None]) -> None:
        """A question is being made: a count typed meanwhile is its answer, not the name of a screen."""
        self._answer, self._heard = "", heard

    @property
    def question_expected(self) -> bool:
        """Whether a question is being made, and nobody left it with escape."""
        return self._answer is not None

    def drop_question(self) -> None:
        """There will be no question; what was typed after its answer goes to the screen in sight."""
        self._answer = None
        if self._held is not None and not self._acting:
            self.call_later(self._let_go)

    def put_question(self, screen: Screen[bool], answered: Callable[[bool | None], None]) -> None:
        """Show the question that was expected, with what was typed to it."""
        typed, self._answer = self._answer or "", None
        self._held_at = time.monotonic()
        if isinstance(screen, AskingScreen):
            screen.typed_before(typed)
            if self._held is not None and not screen.asks_for_text:
                self.call_later(self._let_go)
        self.push_screen(screen, answered)

    @property
    def _in_sight(self) -> Screen[Any] | None:
        return self.screen_stack[-1] if self.screen_stack else None

    @property
    def _is_lost(self) -> bool:
        """Whether what is waited for must have come by now; a question may take as long as it needs."""
        for_question = self._answer is not None and not self._acting
        return self._held is not None and not for_question and time.monotonic() - self._held_at > LOST_SECONDS

    def _hold(self) -> None:
        self._held, self._held_at = deque(), time.monotonic()

    async def on_event(self, event: events.Event) -> None:
        """Hold keys back while a line that was ended, or a question, is still on its way."""
        came_back = isinstance(event, events.Key) and event.is_forwarded
        if isinstance(event, events.Key) and not came_back:
            if self._is_lost:
                await self._let_go()
            if self._answer is not None and event.key == "escape" and not self._acting:
                self._held = None
                self.drop_question()
                self._heard(event.key)
                return
            if self._held is not None:
                self._held.append(event)
                return
            if self._answer is not None and (event.key in ANSWERS or event.key.isdecimal()):
                self._answer += "\n" if event.key == "enter" else event.key
                if event.key == "enter":
                    self._hold()
                self._heard(event.key)
                return
            screen = self._in_sight
            if isinstance(screen, AskingScreen) and screen.asks_for_text and event.key in WAITED_FOR:
                self._hold()
            elif not isinstance(screen, ModalScreen):
                self._hold()
                self._acting = True
        await super().on_event(event)
        if not isinstance(event, events.Key):
            return
        if self._acting and (came_back or not event.is_forwarded):
            await self._acted()
        elif came_back and event.key in EDITS_A_LINE and not self._ended:
            await self._let_go()

    async def _acted(self) -> None:
        """A key did what it stands for; the next is for the screen that shows now, once that has taken the focus."""
        screen = self._in_sight
        waits = isinstance(screen, ConsoleScreen) and screen.focused is None
        if waits and not self._is_lost:
            self.set_timer(READY_SECONDS, self._acted)
        elif self._acting:
            await self._let_go()

    async def on_key(self, event: events.Key) -> None:
        """A key that no widget took: typed ahead of the dialog that now waits for it, or a binding's."""
        screen = self.screen
        if not isinstance(screen, AskingScreen) or not screen.asks_for_text:
            return
        if self._held is not None and self._ended:
            event.prevent_default()
            self._held.append(events.Key(event.key, event.character))
        elif event.key in ENDS_A_LINE:
            self._held, self._ended = self._held or deque(), True
            if event.key == "enter":
                event.prevent_default()
                await screen.end_line()
        elif event.is_printable and event.character:
            event.prevent_default()
            screen.take_early(event.character)

    def on_asking_screen_answered(self, message: AskingScreen.Answered) -> None:
        """A line was taken or refused."""
        if message.refused:
            self._held, self._ended = None, False
        else:
            self.call_later(self._let_go)

    async def _let_go(self) -> None:
        """Hand the held keys on; a yes that is one key must be pressed in sight of its question."""
        screen = self._in_sight
        if self._held and isinstance(screen, AskingScreen) and not screen.asks_for_text:
            self._held.clear()
        held, self._held, self._ended, self._acting = self._held or deque(), None, False, False
        while held:
            await self.on_event(held.popleft())
