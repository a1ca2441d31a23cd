"""What a FilesystemDB provider remembers of its indexes: the documents and time of each configuration."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runarchive.artdaqdb.index import Entry, Index
from runarchive.artdaqdb.store import NOT_PROVIDED, StoredConfiguration, run_of


@dataclass(slots=True)
class Memory:
    """Configurations by name and by run; adding a document twice changes nothing."""

    documents: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    assigned: dict[str, str] = field(default_factory=dict)
    runs: dict[int, list[str]] = field(default_factory=dict)
    count: int = 0

    def _held(self, name: str) -> list[tuple[str, str]]:
        held = self.documents.get(name)
        if held is None:
            held = self.documents[name] = []
            run = run_of(name)
            if run is not None:
                self.runs.setdefault(run, []).append(name)
        return held

    def add_index(self, collection: str, index: Index) -> None:
        """Take over a collection's configuration tables."""
        for name, ids in index.tables["configurations.name"].items():
            held = self._held(name)
            held.extend((collection, oid) for oid in ids)
            self.count += len(ids)
        for name, times in index.tables["configurations.assigned"].items():
            if times:
                self.assigned[name] = max(self.assigned.get(name, ""), max(times))

    def add(self, collection: str, entry: Entry) -> None:
        """Take over one document."""
        for name, assigned in entry.configurations:
            held = self._held(name)
            if (collection, entry.id) not in held:
                held.append((collection, entry.id))
                self.count += 1
            self.assigned[name] = max(self.assigned.get(name, ""), assigned)

    def has(self, configuration: str, collection: str, oid: str) -> bool:
        """Whether this document is known under this configuration."""
        return (collection, oid) in self.documents.get(configuration, ())

    def configurations(self) -> Iterator[StoredConfiguration]:
        """All of them, in no order, without the name that means none."""
        for name, held in self.documents.items():
            if name != NOT_PROVIDED:
                yield StoredConfiguration(name, self.assigned.get(name, ""), len(held))


def _cache_file(directory: Path) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    name = hashlib.sha256(os.fsencode(os.path.realpath(directory))).hexdigest()[:24]
    return Path(home) / "tui-archiver" / f"artdaqdb-{name}.json"


def remembered_listing(directory: Path, token: str) -> list[StoredConfiguration] | None:
    """The listing kept when the database was at this change token, or None; kept in the user's cache directory."""
    try:
        kept = json.loads(_cache_file(directory).read_bytes())
        if kept["token"] != token:
            return None
        return [StoredConfiguration(name, assigned, count) for name, assigned, count in kept["configurations"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember_listing(directory: Path, token: str, listing: Iterable[StoredConfiguration]) -> None:
    """Keep a listing for the next process; where the cache cannot be written, the next one reads the index again."""
    file = _cache_file(directory)
    rows = [[one.name, one.assigned, one.documents] for one in listing]
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps({"token": token, "configurations": rows}), encoding="utf-8")
        temporary.replace(file)
