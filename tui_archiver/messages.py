"""What threads tell the console; handlers on the app own all state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from textual.message import Message

from runarchive.archive import Changes, Health, LockHolder
from runarchive.model import Store


class Changed(Message, bubble=False):
    """The ledger moved on, by whichever process."""

    def __init__(self, changes: Changes, health: Mapping[Store, Health], holder: LockHolder | None) -> None:
        super().__init__()
        self.changes = changes
        self.health = health
        self.holder = holder


class Fetched(Message, bubble=False):
    """A background call ended: `value`, or the `error` that it raised."""

    def __init__(
        self, key: str, serial: int, value: Any, error: Exception | None, then: Callable[[Any, Exception | None], None]
    ) -> None:
        super().__init__()
        self.key = key
        self.serial = serial
        self.value = value
        self.error = error
        self.then = then


class PollFailed(Message, bubble=False):
    """The ledger could not be read; the console goes on with what it knows."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
