"""What every stage needs: the config, the stores, the schema, and how one run's record becomes what is wanted."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from runarchive.config import Config
from runarchive.errors import TAXONOMY, ArchiveError, Code
from runarchive.model import Failure, Phase, Stage, Store
from runarchive.pipeline.memory import Memory
from runarchive.pipeline.stores import Stores

if TYPE_CHECKING:
    from runarchive.artdaqdb.export import Export

EXPORTS_KEPT = 8
"""As many as workers can have between two hops; an export takes a few megabytes."""

EXPORT_SECONDS = 10.0
"""How long what was read of a run stands for the store; other programs write to it too."""


class Progress:
    """How far the runs in hand are in their stage, in percent; told by workers, safe for many threads."""

    def __init__(self) -> None:
        self._percents: dict[tuple[int, Stage], int] = {}
        self._lock = threading.Lock()

    def tell(self, run: int, stage: Stage, done: int, total: int) -> None:
        """Note that this much of the stage's work on a run is done: documents written, or bytes put."""
        with self._lock:
            self._percents[run, stage] = 100 * done // max(total, 1)

    def take(self) -> dict[tuple[int, Stage], int]:
        """What was told since the last call."""
        with self._lock:
            told, self._percents = self._percents, {}
        return told


class StoreCall(StrEnum):
    """What a stage asks of a store for one run, as a whole: what a site watches the duration of."""

    IMPORT = "import"
    EXPORT = "export"
    PUT = "put"
    GET = "get"


class CallTimes:
    """Tells whoever listens how many seconds each call to a store took, failed ones too; from the worker's thread."""

    def __init__(self) -> None:
        self.heard: Callable[[StoreCall, float], None] = lambda call, seconds: None

    @contextmanager
    def of(self, call: StoreCall) -> Iterator[None]:
        """Take the time of the block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.heard(call, time.perf_counter() - began)


@dataclass(slots=True)
class Context:
    """The parts that the stages of one archive share; safe for many threads."""

    config: Config
    stores: Stores
    memory: Memory
    progress: Progress = field(default_factory=Progress)
    times: CallTimes = field(default_factory=CallTimes)
    _schema: str | None = None
    _exports: OrderedDict[tuple[int, str], tuple[float, Export]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep_export(self, run: int, key: str, export: Export) -> None:
        """Keep what was just read of a run, for the hop that follows at once; `key` is the store's listing entry."""
        with self._lock:
            self._exports[run, key] = time.monotonic(), export
            while len(self._exports) > EXPORTS_KEPT:
                self._exports.popitem(last=False)

    def take_export(self, run: int, key: str) -> Export | None:
        """What was kept of a run, once and not for long; None where the store must be read."""
        with self._lock:
            read_at, export = self._exports.pop((run, key), (0.0, None))
        return export if time.monotonic() - read_at < EXPORT_SECONDS else None

    @property
    def schema(self) -> str:
        """The text of schema.fcl: the one in `artdaq_db.fcl_conf_dir`, else the built-in one; read once."""
        with self._lock:
            if self._schema is None:
                from runarchive.artdaqdb.schema import schema_text

                self._schema, _ = schema_text(self.config.artdaq_db.fcl_conf_dir)
            return self._schema


def sha256(*texts: str) -> str:
    """The SHA-256 of texts one after the other, each ended by its length, in hexadecimal."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogateescape")
        digest.update(data)
        digest.update(b"\0%d\0" % len(data))
    return digest.hexdigest()


def raise_failure(failure: Failure, run: int) -> None:
    """Raise a failure that was kept as data."""
    raise ArchiveError(
        Code(failure.code),
        failure.message,
        store=failure.store,
        phase=failure.phase,
        run=run,
        hint=failure.hint,
        retryable=failure.retryable,
    )


def unexpected(error: BaseException, store: Store | None = None) -> Failure:
    """A defect of this program as a failure of one run; it stops no other."""
    kind = TAXONOMY[Code.INTERNAL]
    text = f"{type(error).__name__}: {error}"
    return Failure(store, Phase.CONVERT, Code.INTERNAL.value, kind.retryable, text, kind.hint)
