"""How a console is started, and what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How a console is started; `low_bandwidth` paints once a second and in the terminal's own colours."""

    ascii_only: bool = False
    low_bandwidth: bool = False
    keymap: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    memory_path: Path | None = None
    watch: bool = True
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass
class Call:
    """One line of the command log: what this console did, and how it went."""

    at: datetime
    words: str
    result: str = "…"
    failed: bool = False
