"""The one line of news on every screen: events as they come, and the console's own words long enough to be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from runarchive.model import Event, Severity

LOUD = (Severity.WARNING, Severity.ERROR)
FRESH = timedelta(hours=12)
"""How long what happened is told to whoever opens the console or looks at the failures."""
READ_SECONDS = 6.0
"""How long the console's own words stand before an event may take their place."""


class News:
    """What the event line says."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._own: Event | None = None
        self._heard: Event | None = None
        self._own_is_last = False
        self._own_until = 0.0

    @property
    def is_own(self) -> bool:
        """Whether the console itself spoke, just now."""
        return self._clock() < self._own_until

    @property
    def newest(self) -> Event | None:
        """What is to be read now."""
        return self._own if self._own_is_last or self.is_own else self._heard

    def say(self, words: Event, *, passing: bool = False) -> None:
        """The console has something to say itself; what is `passing` gives way to the first event."""
        self._own, self._own_is_last = words, True
        self._own_until = self._clock() + (0.0 if passing else READ_SECONDS)

    def hear(self, events: Iterable[Event]) -> None:
        """Events came; the last one that is more than detail is news, and trouble at once."""
        for event in events:
            if event.severity is not Severity.DEBUG:
                self._heard, self._own_is_last = event, False
            if event.severity in LOUD and (self._own is None or self._own.severity not in LOUD):
                self._own_until = self._clock()
