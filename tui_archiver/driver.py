"""The console's end of the terminal: no escape is lost among the keys, and only cells that change are sent."""

from __future__ import annotations

import codecs
import os
import re
import selectors
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from textual._xterm_parser import XTermParser
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter, NoColor
from textual.message import Message

from tui_archiver.wire import Wire

ESCAPE = "\x1b"
_BEFORE_A_KEY = re.compile(r"\x1b(?=[^\x1b\[O\t\x7f])")
"""An escape that begins no sequence; escape with tab or backspace is one key on some terminals."""
PASTE_BEGINS, PASTE_ENDS = "\x1b[200~", "\x1b[201~"
PASTE_SECONDS = 3.0
"""After how long without a character a paste is taken for ended: else a lost end would make every key part of it."""
POLL_SECONDS = 0.1


class KeyParser(XTermParser):
    """Textual's parser takes an escape and a key in one packet, as a slow link delivers them, for alt and that key.

    It then loses the escape before a `:` or a digit. No key of the console is one with alt. In a pasted text it takes
    an escape, and an end that comes in two packets, for keys; so it gets a paste whole, and without escapes.
    """

    _tail = ""
    """What was fed last, of which nobody knows yet what it begins."""
    _pasted: str | None = None
    """What was pasted so far; None: nothing is being pasted."""
    _heard_at = 0.0

    def feed(self, data: str) -> Iterator[Message]:
        """Parse what was read; an escape right before a plain key is the escape key."""
        self._heard_at = time.monotonic()
        while data:
            if self._pasted is None:
                fed = len(self._tail)
                keys, begins, data = (self._tail + data).partition(PASTE_BEGINS)
                yield from self._feed_keys((keys + begins)[fed:])
                self._tail, self._pasted = ("", "") if begins else (keys[1 - len(PASTE_BEGINS) :], None)
            else:
                self._pasted, ends, data = (self._pasted + data).partition(PASTE_ENDS)
                if ends:
                    pasted, self._pasted = self._pasted, None
                    yield from super().feed(pasted.replace(ESCAPE, "") + PASTE_ENDS)

    def _feed_keys(self, keys: str) -> Iterator[Message]:
        known = self._tail[-1:]
        *escaped, rest = _BEFORE_A_KEY.split(known + keys)
        for part in escaped:
            yield from self._feed_some((part + ESCAPE)[len(known) :])
            known = ""
            self._timeout_time = 0.0
            yield from super().tick()
        yield from self._feed_some(rest[len(known) :])

    def _feed_some(self, keys: str) -> Iterable[Message]:
        """Parse these; to the parser itself no characters mean the end."""
        return super().feed(keys) if keys else ()

    def tick(self) -> Iterator[Message]:
        """Take an escape that nothing followed for the escape key, and a paste that stopped for ended."""
        for event in super().tick():
            self._tail = ""
            yield event
        if self._pasted is not None and time.monotonic() - self._heard_at > PASTE_SECONDS:
            yield from self.feed(PASTE_ENDS)


class ConsoleDriver(LinuxDriver):
    """Textual's driver with that parser; bytes that are no UTF-8 do not end its reading."""

    def __init__(self, app: App[Any], **given: Any) -> None:
        super().__init__(app, **given)
        self._wire = Wire()

    def start_application_mode(self) -> None:
        """Take the terminal, at the start and after a suspension: its screen is blank then."""
        self._wire.forget()
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def forget_screen(self) -> None:
        """Send the next update whole."""
        self._wire.forget()

    def write(self, data: str) -> None:
        """Write to the terminal what it does not show yet."""
        told = self._wire.told(data)
        if told:
            super().write(told)

    def run_input_thread(self) -> None:
        """Read keys until the driver is told to stop, or the terminal is gone."""
        parser = KeyParser(self._debug)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(POLL_SECONDS):
                    try:
                        read = os.read(self.fileno, 4096)
                    except OSError:
                        read = b""
                    if not read:
                        return
                    self._pass_on(parser.feed(text) if (text := decoder.decode(read)) else ())
                self._pass_on(parser.tick())

    def _pass_on(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)


class TerminalApp(App[int], inherit_bindings=False):
    """An App on that driver, wherever Textual would take its own for a Unix terminal."""

    def get_driver_class(self) -> type[Driver]:
        """The class of the driver."""
        found = super().get_driver_class()
        return ConsoleDriver if found is LinuxDriver else found

    def get_line_filters(self) -> Sequence[LineFilter]:
        """With NO_COLOR no colour at all, where Textual's own filter would send greys."""
        return [NoColor()] if self.no_color else super().get_line_filters()

    def action_redraw(self) -> None:
        """Paint everything, for a terminal that something else wrote into."""
        self.forget_terminal()
        self.refresh(layout=True)
        self.screen.refresh(layout=True)

    def on_resize(self) -> None:
        """A terminal of another size may show anything."""
        self.forget_terminal()

    def forget_terminal(self) -> None:
        """Send the next update whole, whatever the terminal shows."""
        if isinstance(self._driver, ConsoleDriver):
            self._driver.forget_screen()

    def write_terminal(self, sequence: str) -> bool:
        """Send a sequence that paints nothing; False where there is no terminal."""
        if self._driver is None:
            return False
        self._driver.write(sequence)
        self._driver.flush()
        return True
