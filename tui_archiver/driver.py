"""Reading the terminal's keys: an escape stays a key of its own, however soon the next key follows it."""

from __future__ import annotations

import codecs
import os
import re
import selectors
from collections.abc import Iterable

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

ESCAPE = "\x1b"
ESCAPE_KEY = "\x1b[27u"
"""The escape key as the kitty protocol writes it: whole in itself, whatever follows."""
_BEFORE_A_KEY = re.compile(r"\x1b(?=[^\x1b\[O\t\x7f])")
"""An escape that begins no sequence; escape with tab or backspace is one key on some terminals."""
POLL_SECONDS = 0.1


class KeyParser(XTermParser):
    """Textual's parser takes an escape and a key in one packet, as a slow link delivers them, for alt and that key.

    It then loses the escape before a `:` or a digit. No key of the console is one with alt.
    """

    _open = False
    """Whether an escape was fed last, of which nobody knows yet what it begins."""

    def feed(self, data: str) -> Iterable[Message]:
        """Parse what was read; an escape right before a plain key is the escape key."""
        fed = len(ESCAPE) if self._open else 0
        self._open = data.endswith(ESCAPE)
        return super().feed(_BEFORE_A_KEY.sub(ESCAPE_KEY, ESCAPE[:fed] + data)[fed:])

    def tick(self) -> Iterable[Message]:
        """Take an escape that nothing followed for the escape key."""
        for event in super().tick():
            self._open = False
            yield event


class ConsoleDriver(LinuxDriver):
    """Textual's driver with that parser; bytes that are no UTF-8 do not end its reading."""

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
