"""Keys typed faster than dialogs open and close, as over a slow link: each reaches the screen it was meant for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from textual import events
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen

from tui_archiver.driver import ConsoleDriver
from tui_archiver.screens.dialogs import AskingScreen

ENDS_A_LINE = ("enter", "escape")
EDITS_A_LINE = ("backspace", "delete", "left", "right", "home", "end", "up", "down", "tab", "ctrl+u", "ctrl+w")
"""Keys that act by a binding, so later than the letters after them would."""
ANSWERS = ("y", "n", "enter")
WAITED_FOR = (*ENDS_A_LINE, *EDITS_A_LINE)


class TypedAheadApp(App[int], inherit_bindings=False):
    """An App that holds back what follows the end of a line, or what answers a question that is still on its way."""

    _held: deque[events.Key] | None = None
    """What waits for a line that was ended; None: nothing waits."""
    _ended = False
    """Whether the key that ends the line was acted on."""
    _answer: str | None = None
    """What was typed to a question that is on its way, enter as a line feed; None: no question is."""
    _heard: Callable[[str], None] = staticmethod(lambda key: None)
    """Hears each key that was kept for that question, and the escape that gives it up."""

    def get_driver_class(self) -> type[Driver]:
        """The driver that keeps an escape apart from the key after it, where the terminal is read by Textual's own."""
        found = super().get_driver_class()
        return ConsoleDriver if found is LinuxDriver else found

    def expect_question(self, heard: Callable[[str], None]) -> None:
        """A question is being made: a count typed meanwhile is its answer, not the name of a screen."""
        self._answer, self._heard = "", heard

    @property
    def question_expected(self) -> bool:
        """Whether a question is being made, and nobody left it with escape."""
        return self._answer is not None

    def drop_question(self) -> None:
        """There will be no question."""
        self._answer = None

    def put_question(self, screen: Screen[bool], answered: Callable[[bool | None], None]) -> None:
        """Show the question that was expected; a yes it asks for by a key must be pressed in its sight."""
        typed, self._answer = self._answer or "", None
        if isinstance(screen, AskingScreen):
            screen.typed_before(typed)
        self.push_screen(screen, answered)

    async def on_event(self, event: events.Event) -> None:
        """Hold keys back while a line that was ended, or a question, is still on its way."""
        came_back = isinstance(event, events.Key) and event.is_forwarded
        if isinstance(event, events.Key) and not came_back:
            if self._held is not None:
                self._held.append(event)
                return
            if self._answer is not None and (event.key in ANSWERS or event.key.isdecimal()):
                self._answer += "\n" if event.key == "enter" else event.key
                self._heard(event.key)
                return
            if self._answer is not None and event.key == "escape":
                self.drop_question()
                self._heard(event.key)
                return
            screen = self.screen_stack[-1] if self.screen_stack else None
            if isinstance(screen, AskingScreen) and screen.asks_for_text and event.key in WAITED_FOR:
                self._held = deque()
        await super().on_event(event)
        if came_back and isinstance(event, events.Key) and event.key in EDITS_A_LINE and not self._ended:
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
        held, self._held, self._ended = self._held or deque(), None, False
        while held:
            await self.on_event(held.popleft())
