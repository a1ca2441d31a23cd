"""How fast a job goes, and when it will be over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

MEMORY_SECONDS = 15.0
"""What was done this long ago weighs a third of what is done now."""
TELLING_SHARE = 0.05
"""The share of its runs that a job has done before it says when it will be over."""


class Pace:
    """Runs a second as an exponential average, and what is left at that rate."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._began = self._at = clock()
        self._done = 0
        self._average = 0.0
        self.rate = 0.0

    def update(self, done: int) -> None:
        """So many runs are over now."""
        now = self._clock()
        span = now - self._at
        if span <= 0:
            return
        new = (done - self._done) / span
        self._average += (1 - math.exp(-span / MEMORY_SECONDS)) * (new - self._average)
        # The average began at nothing: at first it is as little of the rate as time has passed.
        self.rate = max(0.0, self._average / (1 - math.exp((self._began - now) / MEMORY_SECONDS)))
        self._at, self._done = now, done

    @property
    def left(self) -> float | None:
        """Seconds until the last run is over; None while it is too early to tell, or nothing moves."""
        if self.rate <= 0 or self._done < TELLING_SHARE * self._total:
            return None
        return (self._total - self._done) / self.rate
