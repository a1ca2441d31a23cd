"""Signals of `run-archiver`: once is a graceful stop, three interrupts within two seconds end it at once."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from runarchive.cli.archiver.log import MAIN, WIDE
from runarchive.errors import ExitCode

IMMEDIATE_COUNT = 3
WINDOW_SECONDS = 2.0


class StopRequests:
    """Whether, and why, this start was asked to stop.

    The handlers only note the signal; a thread of its own logs and acts, since neither may be done inside a handler.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.reason = ""
        self._stop = stop
        self._signals: queue.SimpleQueue[tuple[int, float]] = queue.SimpleQueue()
        self._interrupts = 0
        self._last = 0.0

    @property
    def requested(self) -> bool:
        """Whether a stop was requested."""
        return bool(self.reason)

    def install(self) -> None:
        """Take over SIGINT, SIGTERM and SIGHUP of this process; only in the main thread."""
        threading.Thread(target=self._serve, name="signals", daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def close(self) -> None:
        """End the thread; signals that come later are noted and nothing more."""
        self._signals.put((0, 0.0))

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signals.put((number, time.monotonic()))

    def _serve(self) -> None:
        while True:
            number, at = self._signals.get()
            if number == 0:
                return
            if number == signal.SIGINT:
                self._interrupt(at)
            else:
                self._graceful(signal.Signals(number).name)

    def _interrupt(self, at: float) -> None:
        if at - self._last > WINDOW_SECONDS:
            self._interrupts = 0
        self._interrupts += 1
        self._last = at
        if self._interrupts >= IMMEDIATE_COUNT:
            _warn("IMMEDIATE SHUTDOWN REQUESTED (3x Ctrl-C)")
            leave_at_once(ExitCode.INTERRUPTED)
        if self._interrupts == 1:
            self._graceful("Ctrl-C")
        else:
            MAIN.warning(
                "Ctrl-C pressed %d/%d times - press %d more for immediate shutdown",
                self._interrupts,
                IMMEDIATE_COUNT,
                IMMEDIATE_COUNT - self._interrupts,
            )

    def _graceful(self, name: str) -> None:
        lines = [f"GRACEFUL SHUTDOWN REQUESTED ({name})", "Current run will finish processing..."]
        if name == "Ctrl-C":
            lines.append("Press Ctrl-C two more times within 2 seconds for immediate shutdown")
        _warn(*lines)
        self.request("User request" if name == "Ctrl-C" else f"Signal {name}")

    def request(self, reason: str) -> None:
        """Ask for a graceful stop; the first reason stays."""
        if not self.reason:
            self.reason = reason
            self._stop()


def leave_at_once(code: int) -> None:
    """End this process now, without finishing anything but what was logged."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def _warn(*lines: str) -> None:
    for line in (WIDE, *lines, WIDE):
        MAIN.warning("%s", line)
