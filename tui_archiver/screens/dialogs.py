"""The small screens on top of others: confirm, ask for a line, read a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.suggester import Suggester
from textual.widgets import Input, Static
from textual.widgets.input import Selection

from runarchive.clean import clean
from tui_archiver.screens.base import styles_path

Answer = TypeVar("Answer")
ASK_COUNT_ABOVE = 10
"""From more runs than this on, a confirmation asks for their count."""


def text_block(lines: Sequence[str]) -> Content:
    """Lines as they are, cleaned, without any markup."""
    return Content("\n".join(clean(line, 2000) for line in lines))


def still_cursors(screen: Screen[Any]) -> None:
    """Have no cursor blink: each blink would go over the line to the terminal."""
    for line in screen.query(Input):
        line.cursor_blink = False


def _close(key: str, action: str, label: str, ident: str) -> Binding:
    return Binding(key, action, label, id=f"dialog.{ident}", tooltip=label)


SCROLLING: list[BindingType] = [
    _close("down", "scroll_text(1)", "Down", "down"),
    _close("up", "scroll_text(-1)", "Up", "up"),
    _close("pagedown", "scroll_text(10)", "Page down", "page_down"),
    _close("pageup", "scroll_text(-10)", "Page up", "page_up"),
]


class Dialog(Vertical):
    """The box of a dialog: as high as its text needs; where that is more than there is, the text scrolls."""

    def on_mount(self) -> None:
        """Fit the box to the screen, now and whenever that changes its size."""
        self.screen.screen_layout_refresh_signal.subscribe(self, lambda _: self._fit())

    def _fit(self) -> None:
        body = self.query(".dialog-body")
        if body:
            rest = sum(child.outer_size.height for child in self.children if child is not body.first())
            room = self.screen.size.height - self.gutter.height - rest
            self.set_class(body.first().virtual_size.height > room, "full")


class DialogScreen(ModalScreen[Answer]):
    """A small screen on top of another."""

    CSS_PATH = styles_path("dialogs.tcss")

    def action_scroll_text(self, lines: int) -> None:
        """Move the text."""
        self.query_one(".dialog-body").scroll_relative(y=lines, animate=False)


class AskingScreen(DialogScreen[Answer]):
    """A dialog with a line to type into; what is typed before the line is ready is not lost."""

    asks_for_text = True

    def __init__(self) -> None:
        super().__init__()
        self._early = ""
        self._ended_early = False

    def typed_before(self, text: str) -> None:
        """Take as the line's beginning what was typed before the question was made; a line feed ends the line."""
        if self.asks_for_text:
            self._early, ended, _ = text.partition("\n")
            self._ended_early = bool(ended)

    async def on_mount(self) -> None:
        """Take over what was typed meanwhile."""
        still_cursors(self)
        self.take_early("")
        if self._ended_early:
            await self.end_line()

    async def end_line(self) -> None:
        """Enter: submit the line as it stands, or as soon as there is one."""
        lines = self.query(Input)
        self._ended_early = not lines
        if lines:
            await lines.first().action_submit()

    @dataclass
    class Answered(Message):
        """The line was taken, or refused as it stands."""

        refused: bool

    def _taken(self, answer: Answer) -> None:
        """Close with an answer; what was typed after it goes to the screen below."""
        self.dismiss(answer)
        self.app.post_message(self.Answered(False))

    def take_early(self, text: str) -> None:
        """Put text that was typed before the line had the focus into the line, or keep it until there is one."""
        self._early += text
        lines = self.query(Input)
        if lines and self._early:
            line = lines.first()
            line.replace(self._early, *line.selection)
            self._early = ""


class ConfirmScreen(AskingScreen[bool]):
    """A question whose answer is no unless a person says yes; above ten runs yes is their count."""

    BINDINGS: ClassVar[list[BindingType]] = [
        _close("escape,n,enter", "answer(False)", "No", "no"),
        _close("y", "answer(True)", "Yes", "yes"),
        *SCROLLING,
    ]

    def __init__(self, title: str, lines: Sequence[str], *, count: int = 0, word: str = "") -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._word = word or (str(count) if count > ASK_COUNT_ABOVE else "")
        self._count = count
        self.asks_for_text = bool(self._word)

    def compose(self) -> ComposeResult:
        """Title, what it is about, and the way to say yes."""
        with Dialog():
            yield Static(text_block([self._title]), classes="dialog-title")
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield Static(text_block(self._lines))
            if self._word:
                what = f"the number of runs, {self._word}" if self._word == str(self._count) else self._word
                asked = f"Type {what}, and enter, for yes. Escape is no."
                yield Static(text_block([asked]), id="asked", classes="dialog-hint")
                yield Input(id="answer", compact=True, max_length=40)
            else:
                yield Static(text_block(["y yes    n no (enter and escape too)"]), classes="dialog-hint")

    def action_answer(self, yes: bool) -> None:
        """Close with an answer; yes needs the count where it is asked for."""
        if not (yes and self._word):
            self._taken(yes)

    @on(Input.Submitted, "#answer")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        said = event.value.strip()
        if said in ("", self._word):
            self._taken(said == self._word)
        else:
            again = f"{said} is not {self._word}: type {self._word} for yes. Escape is no."
            self.query_one("#asked", Static).update(text_block([again]))
            event.input.selection = Selection(0, len(event.value))
            self.app.post_message(self.Answered(True))


class Suggest(Suggester):
    """Completes a line from the words that a function offers for it."""

    def __init__(self, offer: Callable[[str], Sequence[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._offer = offer

    async def get_suggestion(self, value: str) -> str | None:
        """The first word offered that goes on as `value` does."""
        if not value or value.endswith(" "):
            return None
        return next((word for word in self._offer(value) if word.startswith(value) and word != value), None)


class PromptScreen(AskingScreen[str | None]):
    """One line asked for at the bottom of the screen; None when it was left with escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        _close("escape", "cancel", "Leave it", "cancel"),
        _close("tab", "complete", "Complete the word", "complete"),
        _close("up", "recall(-1)", "The line before", "recall_older"),
        _close("down", "recall(1)", "The line after", "recall_newer"),
    ]

    def __init__(
        self,
        label: str,
        *,
        value: str = "",
        hint: str = "",
        offer: Callable[[str], Sequence[str]] | None = None,
        history: Sequence[str] = (),
        check: Callable[[str], str] | None = None,
        typed: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._label = label
        self._value = value
        self._hint = hint
        self._offer = offer
        self._history = [*history, ""]
        self._at = len(self._history) - 1
        self._check = check
        self._typed = typed

    def compose(self) -> ComposeResult:
        """Hint above, label and line below."""
        with Vertical(classes="prompt"):
            yield Static(text_block([self._hint]), id="prompt-hint", classes="dialog-hint")
            with Vertical(classes="prompt-line"):
                yield Static(text_block([self._label]), classes="prompt-label")
                suggester = Suggest(self._offer) if self._offer else None
                yield Input(self._value, id="line", compact=True, suggester=suggester, select_on_focus=False)

    async def on_mount(self) -> None:
        """What stands in the line is selected: typing takes its place, an arrow keeps it."""
        line = self.query_one("#line", Input)
        if self._value:
            line.selection = Selection(0, len(self._value))

    def action_cancel(self) -> None:
        """Leave without an answer."""
        self._taken(None)

    def action_complete(self) -> None:
        """Take what is offered."""
        line = self.query_one("#line", Input)
        line.cursor_position = len(line.value)
        line.action_cursor_right()

    def action_recall(self, step: int) -> None:
        """Bring back an earlier line."""
        self._at = max(0, min(self._at + step, len(self._history) - 1))
        line = self.query_one("#line", Input)
        line.value = self._history[self._at]
        line.cursor_position = len(line.value)

    @on(Input.Changed, "#line")
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._typed and event.value != self._value:
            self._value = event.value
            self._typed(event.value)

    @on(Input.Submitted, "#line")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        wrong = self._check(event.value) if self._check else ""
        if wrong:
            self.query_one("#prompt-hint", Static).update(text_block([wrong]))
            self.app.post_message(self.Answered(True))
        else:
            self._taken(event.value)


class TextScreen(DialogScreen[None]):
    """A text to read: help, a plan that holds nothing, a report."""

    BINDINGS: ClassVar[list[BindingType]] = [
        _close("escape,q,enter,question_mark,f1", "close", "Close", "close"),
        _close("j", "scroll_text(1)", "Down", "next"),
        _close("k", "scroll_text(-1)", "Up", "previous"),
        _close("space", "scroll_text(10)", "Page down", "page"),
        *SCROLLING,
    ]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """Title, text, how to close."""
        with Dialog(classes="broad"):
            yield Static(text_block([self._title]), classes="dialog-title")
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield Static(text_block(self._lines))
            yield Static(text_block(["escape closes, arrows scroll"]), classes="dialog-hint")

    def action_close(self) -> None:
        """Back."""
        self.dismiss(None)
