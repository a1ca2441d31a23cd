"""What a console remembers until next time: screen, filter, sort, columns, theme, the lines typed."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

HISTORY_LINES = 100


def state_path() -> Path:
    """Where it is kept: `$XDG_STATE_HOME/tui-archiver/console.json`."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base) / "tui-archiver" / "console.json"


@dataclass
class Memory:
    """One archive's part of the file; `path` None is a console that forgets."""

    path: Path | None = None
    archive: str = ""
    screen: str = "runs"
    filter: str = ""
    sort: str = "run"
    descending: bool = True
    columns: tuple[str, ...] = ()
    theme: str = ""
    history: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path | None, archive: str) -> Memory:
        """What was remembered of this archive; a file that cannot be read is as good as none."""
        memory = cls(path, archive)
        kept = _read(path).get(archive) if path else None
        if isinstance(kept, dict):
            for field in fields(cls):
                value = kept.get(field.name)
                value = tuple(map(str, value)) if isinstance(value, list) else value
                if field.name not in ("path", "archive") and type(value) is type(getattr(memory, field.name)):
                    setattr(memory, field.name, value)
        return memory

    def remember(self, **changes: Any) -> None:
        """Keep these values for `save`."""
        for name, value in changes.items():
            setattr(self, name, value)

    def typed(self, line: str) -> None:
        """Keep a line of the command line."""
        self.history = (*(old for old in self.history if old != line), line)[-HISTORY_LINES:]

    def save(self) -> None:
        """Write the file; not being able to is no reason to disturb anybody."""
        if self.path is None:
            return
        kept = _read(self.path)
        kept[self.archive] = {k: v for k, v in asdict(self).items() if k not in ("path", "archive")}
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            part.write_text(json.dumps(kept, ensure_ascii=False, indent=1), "utf-8")
            part.replace(self.path)


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
