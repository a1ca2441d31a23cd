"""What was made of texts and of documents, remembered in room that does not grow with the length of a job."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

FRESH_BYTES = 16 << 20
LASTING_BYTES = 48 << 20
NAMES_KEPT = 8192


def content_key(content: bytes) -> bytes:
    """The digest under which a cache remembers a content."""
    return hashlib.sha256(content).digest()[:20]


class _Part(Generic[T]):
    """Values in order, the first dropped while they take more than `room` bytes."""

    def __init__(self, room: int) -> None:
        self.values: OrderedDict[str | bytes, T] = OrderedDict()
        self.room = room
        self.taken = 0

    def add(self, key: str | bytes, value: T, size: Callable[[T], int]) -> list[str | bytes]:
        """Put a value at the end; returns the keys of what had to go."""
        self.values[key] = value
        self.taken += size(value)
        dropped = []
        while self.taken > self.room:
            oldest, gone = self.values.popitem(last=False)
            self.taken -= size(gone)
            dropped.append(oldest)
        return dropped


class ContentCache(Generic[T]):
    """Values by content, or by its digest; safe to call from threads.

    Configurations repeat from run to run, but some texts of each run are its alone. What comes in waits in a queue of
    `fresh` bytes; what is wanted again after it left the queue is kept for long, in `lasting` bytes, the least lately
    used dropped first. So what never comes again crowds out nothing (2Q: Johnson and Shasha, VLDB 1994).
    """

    def __init__(self, size: Callable[[T], int], *, fresh: int = FRESH_BYTES, lasting: int = LASTING_BYTES) -> None:
        self._size = size
        self._fresh: _Part[T] = _Part(fresh)
        self._lasting: _Part[T] = _Part(lasting)
        self._left: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """The bytes of everything remembered."""
        return self._fresh.taken + self._lasting.taken

    def peek(self, key: str | bytes) -> T | None:
        """What is remembered under `key`, or None."""
        with self._lock:
            found = self._lasting.values.get(key)
            if found is None:
                return self._fresh.values.get(key)
            self._lasting.values.move_to_end(key)
            return found

    def put(self, key: str | bytes, value: T) -> None:
        """Remember a value; one that is there stays."""
        with self._lock:
            if key in self._fresh.values or key in self._lasting.values:
                return
            part = self._lasting if hash(key) in self._left else self._fresh
            self._left.pop(hash(key), None)
            self._left.update(dict.fromkeys(map(hash, part.add(key, value, self._size))))
            while len(self._left) > NAMES_KEPT:
                self._left.popitem(last=False)

    def get(self, key: str | bytes, make: Callable[[], T]) -> T:
        """What is remembered under `key`, else what `make` gives; what `make` raises is not remembered."""
        found = self.peek(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found


class JustWritten(Generic[T]):
    """What was written a moment ago, until it is read back, once; what nobody reads makes room for what comes later."""

    def __init__(self, room: int) -> None:
        self._values: dict[str | bytes, tuple[int, T]] = {}
        self._room = room
        self._lock = threading.Lock()

    def put(self, key: str | bytes, value: T, size: int) -> None:
        """Keep a value of so many bytes in place of one that had its key."""
        with self._lock:
            self._drop(key)
            self._values[key] = size, value
            self._room -= size
            while self._room < 0:
                self._drop(next(iter(self._values)))

    def take(self, key: str | bytes) -> T | None:
        """What was kept under `key`, or None; it is kept no longer."""
        with self._lock:
            return self._drop(key)

    def _drop(self, key: str | bytes) -> T | None:
        size, value = self._values.pop(key, (0, None))
        self._room += size
        return value
