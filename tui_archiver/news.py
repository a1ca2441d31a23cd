"""The one line of news on every screen: events as they come, and the console's own words long enough to be read."""

from __future__ import annotations

import time
from collections.abc import Iterable

from runarchive.model import Event, Severity

READ_SECONDS = 6.0
"""How long the console's own words stand before an event may take their place."""


class News:
    """What the event line says."""

    def __init__(self) -> None:
        self.newest: Event | None = None
        self._own_until = 0.0

    @property
    def is_own(self) -> bool:
        """Whether the console itself spoke last, just now."""
        return time.monotonic() < self._own_until

    def say(self, words: Event) -> None:
        """The console has something to say itself."""
        self.newest = words
        self._own_until = time.monotonic() + READ_SECONDS

    def hear(self, events: Iterable[Event]) -> None:
        """Events came; the last one that is more than detail is news."""
        loud = [event for event in events if event.severity is not Severity.DEBUG]
        if loud and not self.is_own:
            self.newest = loud[-1]
