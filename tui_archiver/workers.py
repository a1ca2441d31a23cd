"""The console's threads: short calls into the archive, the poll of its ledger, the watch over new run directories.

They never touch a widget; they post messages. All are daemons: what must not be cut off runs in the archive's own pool.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runarchive.archive import Archive
from runarchive.model import Store
from tui_archiver.messages import Changed, Fetched, PollFailed

if TYPE_CHECKING:
    from textual.app import App

POLL_SECONDS = 0.25
LOOK_SECONDS = 15.0
"""How often the records directory is scanned, whatever inotify says."""
LOOK_ALL_SECONDS = 120.0
"""How often the two databases are asked without being told to; a silent one with each scan."""
THREADS = 4


class Fetcher:
    """Runs short calls in threads of its own; of the calls with one key one runs, and only the newest is heard."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._work: queue.SimpleQueue[tuple[str, int, Callable[[], Any], Callable[[Any, Exception | None], None]]]
        self._work = queue.SimpleQueue()
        self._newest: dict[str, int] = {}
        self._running: set[str] = set()
        self._waiting: dict[str, tuple[str, int, Callable[[], Any], Callable[[Any, Exception | None], None]]] = {}
        self._serial = 0
        for number in range(THREADS):
            threading.Thread(target=self._run, name=f"fetch-{number}", daemon=True).start()

    def fetch(self, key: str, call: Callable[[], Any], then: Callable[[Any, Exception | None], None]) -> None:
        """Run `call` in a thread; `then(value, error)` follows on the screen's own, unless a newer call came."""
        self._serial += 1
        self._newest[key] = self._serial
        order = key, self._serial, call, then
        if key in self._running:
            self._waiting[key] = order
        else:
            self._running.add(key)
            self._work.put(order)

    def take(self, message: Fetched) -> None:
        """Hand a finished call to whoever asked for it; the app calls this from its handler."""
        if message.key in self._waiting:
            self._work.put(self._waiting.pop(message.key))
        else:
            self._running.discard(message.key)
        if self._newest.get(message.key) == message.serial:
            message.then(message.value, message.error)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._running

    def _run(self) -> None:
        while True:
            key, serial, call, then = self._work.get()
            value: Any = None
            failure: Exception | None = None
            try:
                value = call()
            except Exception as error:
                failure = error
            self._app.post_message(Fetched(key, serial, value, failure, then))


class Poller:
    """Asks the ledger four times a second what changed, and waits until the screen has taken the answer in."""

    def __init__(self, app: App[Any], archive: Archive, revision: int, seconds: float = POLL_SECONDS) -> None:
        self._app = app
        self._archive = archive
        self._revision = revision
        self._seconds = seconds
        self._stop = threading.Event()
        self._taken = threading.Event()
        self._taken.set()
        self._thread = threading.Thread(target=self._run, name="poll", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def taken(self) -> None:
        """The screen has worked off the last message."""
        self._taken.set()

    def stop(self) -> None:
        """End; waits for a poll in hand."""
        self._stop.set()
        self._taken.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        seen: object = None
        while not self._stop.wait(self._seconds):
            self._taken.wait()
            if self._stop.is_set():
                return
            try:
                changes = self._archive.changes_since(self._revision)
                state = (dict(self._archive.health()), self._archive.lock_holder())
            except Exception as error:
                self._taken.clear()
                self._app.post_message(PollFailed(error))
                continue
            if changes or state != seen:
                self._revision = changes.revision
                seen = state
                self._taken.clear()
                self._app.post_message(Changed(changes, *state))


class Watcher:
    """Looks at the stores by itself: the records directory as soon as it changes, everything every two minutes."""

    def __init__(
        self, app: App[Any], archive: Archive, records: Path | None, look_all: float = LOOK_ALL_SECONDS
    ) -> None:
        self._app = app
        self._archive = archive
        self._records = records
        self._look_all = look_all
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; does not wait for a store in hand."""
        self._stop.set()

    def _run(self) -> None:
        next_all = time.monotonic() + self._look_all
        for _ in self._ticks():
            if self._stop.is_set():
                return
            silent = any(health.ok is False for health in self._archive.health().values())
            everything = silent or time.monotonic() >= next_all
            if everything:
                next_all = time.monotonic() + self._look_all
            try:
                self._archive.refresh(tuple(Store) if everything else (Store.FILESYSTEM,))
            except Exception as error:
                self._app.post_message(PollFailed(error))

    def _ticks(self) -> Iterator[None]:
        """Yields when the records directory changed, and every LOOK_SECONDS: inotify sees nothing on a network disk."""
        while not self._stop.is_set():
            if self._records is not None and self._records.is_dir():
                try:
                    yield from self._changes(self._records)
                except (OSError, RuntimeError):
                    # The directory went away, or the host has no inotify watches left: the clock alone drives.
                    self._stop.wait(LOOK_SECONDS)
            else:
                self._stop.wait(LOOK_SECONDS)
            yield

    def _changes(self, records: Path) -> Iterator[None]:
        from watchfiles import watch

        timeout = int(LOOK_SECONDS * 1000)
        for _ in watch(records, stop_event=self._stop, rust_timeout=timeout, yield_on_timeout=True, recursive=False):
            yield
