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

    held: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """By configuration and collection, the ids."""
    assigned: dict[str, str] = field(default_factory=dict)
    runs: dict[int, list[str]] = field(default_factory=dict)
    count: int = 0

    def _of(self, name: str) -> dict[str, list[str]]:
        held = self.held.get(name)
        if held is None:
            held = self.held[name] = {}
            run = run_of(name)
            if run is not None:
                self.runs.setdefault(run, []).append(name)
        return held

    def add_index(self, collection: str, index: Index) -> None:
        """Take over the configuration tables of a collection of which nothing is known yet."""
        for name, ids in index.tables["configurations.name"].items():
            self._of(name)[collection] = ids
            self.count += len(ids)
        for name, times in index.tables["configurations.assigned"].items():
            if times:
                self.assigned[name] = max(self.assigned.get(name, ""), max(times))

    def add(self, collection: str, entry: Entry) -> None:
        """Take over one document."""
        for name, assigned in entry.configurations:
            ids = self._of(name).setdefault(collection, [])
            if entry.id not in ids:
                ids.append(entry.id)
                self.count += 1
            self.assigned[name] = max(self.assigned.get(name, ""), assigned)

    def has(self, configuration: str, collection: str, oid: str) -> bool:
        """Whether this document is known under this configuration."""
        return oid in self.held.get(configuration, {}).get(collection, ())

    def places(self, configuration: str) -> list[tuple[str, str]]:
        """Collection and id of each document of a configuration, smallest id first."""
        held = self.held.get(configuration, {})
        return sorted(((name, oid) for name, ids in held.items() for oid in ids), key=lambda place: place[1])

    def configurations(self) -> Iterator[StoredConfiguration]:
        """All of them, in no order, without the name that means none."""
        for name, held in self.held.items():
            if name != NOT_PROVIDED:
                yield StoredConfiguration(name, self.assigned.get(name, ""), sum(map(len, held.values())))


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
