"""Where connections wait: for a whole request, for one more, or for the end of what nobody wants. No thread is held."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable

from runarchive.ucondb.server.connection import Connection, Step

_TICK_SECONDS = 0.5


class Lobby:
    """Any number of connections, watched by one thread; those that are ready are handed to `serve`.

    Above `most` connections those whose time runs out first make room.
    """

    def __init__(self, serve: Callable[[Connection], None], most: int) -> None:
        self._serve = serve
        self._most = most
        self._selector = selectors.DefaultSelector()
        self._guests: set[Connection] = set()
        self._lock = threading.Lock()
        self._is_closing = False
        self._last_moment = 0.0
        self._bell, self._ring = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._watch, name="ucondb-server-lobby", daemon=True)

    def open(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def admit(self, connection: Connection) -> None:
        """Hand over a connection that is new or has been served; safe from any thread."""
        step = connection.advance()
        if step is not Step.WAIT:
            self._let_go(connection, step)
        elif not self._keep(connection):
            connection.close()

    def close(self, seconds: float) -> None:
        """Close every connection that waits; a request that has begun to come has this long to come to its end."""
        with self._lock:
            self._is_closing = True
            self._last_moment = time.monotonic() + seconds
        self._ring.close()
        self._thread.join()

    def _keep(self, connection: Connection) -> bool:
        with self._lock:
            if not self._is_closing:
                self._guests.add(connection)
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            return not self._is_closing

    def _let_go(self, connection: Connection, step: Step) -> None:
        if step is Step.READY:
            self._serve(connection)
        else:
            connection.close()

    # --- what only the watching thread does: no other takes a connection away from here

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._is_closing or (self._guests and time.monotonic() < self._last_moment):
            for key, _ in self._selector.select(_TICK_SECONDS):
                if key.data is None:
                    self._selector.unregister(self._bell)
                else:
                    self._advance(key.data)
            now = time.monotonic()
            if now - looked > _TICK_SECONDS or self._is_closing or len(self._guests) > self._most:
                looked = now
                self._show_out(now)
        for guest in list(self._guests):
            self._forget(guest)
            guest.close()
        self._selector.close()
        self._bell.close()

    def _advance(self, connection: Connection) -> None:
        step = connection.advance()
        if step is not Step.WAIT:
            self._forget(connection)
            self._let_go(connection, step)

    def _show_out(self, now: float) -> None:
        """Those whose time has run out; those who ask nothing when this is the end; the first of too many."""
        with self._lock:
            guests = sorted(self._guests, key=lambda guest: guest.deadline)
        too_many = len(guests) - self._most
        for place, guest in enumerate(guests):
            if guest.deadline < now or place < too_many or (self._is_closing and not guest.is_asking):
                self._forget(guest)
                guest.expire()

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            self._guests.discard(connection)
            self._selector.unregister(connection.socket)
