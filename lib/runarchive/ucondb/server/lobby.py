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

    Above `most` connections the one whose time runs out first makes room.
    """

    def __init__(self, serve: Callable[[Connection], None], most: int) -> None:
        self._serve = serve
        self._most = most
        self._selector = selectors.DefaultSelector()
        self._guests: set[Connection] = set()
        self._lock = threading.Lock()
        self._closing = False
        self._last_moment = 0.0
        self._bell, self._ring = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="ucondb-server-lobby", daemon=True)

    def open(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def admit(self, connection: Connection) -> None:
        """Hand over a connection that is new or has been served; safe from any thread."""
        step = connection.advance()
        if step is Step.WAIT:
            self._keep(connection)
        else:
            self._let_go(connection, step)

    def close(self, seconds: float) -> None:
        """Close every connection that waits; a request that has begun to come has this long to come to its end."""
        with self._lock:
            self._closing = True
            self._last_moment = time.monotonic() + seconds
            self._close_all_but(lambda guest: guest.is_asking)
        self._ring.close()
        self._thread.join()
        with self._lock:
            self._close_all_but(lambda guest: False)
            self._selector.close()
            self._bell.close()

    def _keep(self, connection: Connection) -> None:
        with self._lock:
            if self._closing:
                connection.close()
                return
            if len(self._guests) >= self._most:
                self._show_out(min(self._guests, key=lambda guest: guest.deadline))
            self._guests.add(connection)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._closing or (self._guests and time.monotonic() < self._last_moment):
            for key, _ in self._selector.select(_TICK_SECONDS):
                if key.data is None:
                    self._selector.unregister(self._bell)
                else:
                    self._advance(key.data)
            if time.monotonic() - looked > _TICK_SECONDS:
                looked = time.monotonic()
                self._show_out_the_late(looked)

    def _advance(self, connection: Connection) -> None:
        with self._lock:
            if connection not in self._guests:
                return
            step = connection.advance()
            if step is Step.WAIT:
                return
            self._forget(connection)
        self._let_go(connection, step)

    def _let_go(self, connection: Connection, step: Step) -> None:
        if step is Step.READY:
            self._serve(connection)
        else:
            connection.close()

    def _show_out_the_late(self, now: float) -> None:
        with self._lock:
            for connection in [guest for guest in self._guests if guest.deadline < now]:
                self._show_out(connection)

    def _show_out(self, connection: Connection) -> None:
        self._forget(connection)
        connection.expire()

    def _close_all_but(self, stays: Callable[[Connection], bool]) -> None:
        for connection in [guest for guest in self._guests if not stays(guest)]:
            self._forget(connection)
            connection.close()

    def _forget(self, connection: Connection) -> None:
        self._guests.discard(connection)
        self._selector.unregister(connection.socket)
