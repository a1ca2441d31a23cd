"""`index.json` of a FilesystemDB collection: reading it, adding documents to it, and its exact text.

The format is the C++ library's search index: sorted ids in `ouid`, and one table each from version, configuration,
entity, active
alias and run to ids; `configurations.assigned` maps configurations to times. Nothing is ever taken out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from runarchive.fhicl.pairs import Pairs, Value

INDEX_FILE = "index.json"
OLD_TABLE = "configurable_entity.name"
"""A table that only indexes before version 1.10 have."""
TABLES = (
    "version",
    "configurations.name",
    "entities.name",
    "aliases.active.name",
    "runs.name",
    "configurations.assigned",
)


class IndexProblem(Exception):
    """An index that cannot be used as it is; `kind` is `missing`, `old` or `damaged`."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index notes of one document; `configurations` are (name, assigned)."""

    id: str
    version: str | None
    configurations: tuple[tuple[str, str], ...] = ()
    entities: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()


def _text_of(entry: Value, name: str) -> str | None:
    found = entry.get(name) if isinstance(entry, Pairs) else None
    return found if isinstance(found, str) else None


def _names(value: Value) -> tuple[str, ...]:
    names = (_text_of(one, "name") for one in value) if isinstance(value, list) else ()
    return tuple(name for name in names if name is not None)


def entry_of(oid: str, record: Pairs) -> Entry:
    """The index entry of a record.

    As in the library, a record without `version`, or with a configuration that lacks its name or time, is noted
    only as far as
    it could be read up to there.
    """
    version = record.get("version")
    configurations = record.get("configurations")
    if not isinstance(version, str):
        return Entry(oid, None)
    if not isinstance(configurations, list):
        return Entry(oid, version)
    named: list[tuple[str, str]] = []
    for one in configurations:
        name, assigned = _text_of(one, "name"), _text_of(one, "assigned")
        if name is None or assigned is None:
            return Entry(oid, version, tuple(named))
        named.append((name, assigned))
    aliases = record.table("aliases").get("active")
    return Entry(
        oid, version, tuple(named), _names(record.get("entities")), _names(aliases), _names(record.get("runs"))
    )


def _merged(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict; a table name that comes twice keeps the ids of both."""
    merged = dict(pairs)
    if len(merged) == len(pairs):
        return merged
    merged = {}
    for name, value in pairs:
        merged[name] = merged[name] + value if isinstance(merged.get(name), list) else value
    return merged


@dataclass
class Index:
    """The content of one `index.json`; the lists are sorted and without repetition whenever `text` is called."""

    ouid: list[str] = field(default_factory=list)
    tables: dict[str, dict[str, list[str]]] = field(default_factory=lambda: {name: {} for name in TABLES})
    _touched: set[int] = field(default_factory=set, repr=False)
    _unsorted: list[list[str]] = field(default_factory=list, repr=False)

    def _put(self, ids: list[str], value: str) -> None:
        ids.append(value)
        if id(ids) not in self._touched:
            self._touched.add(id(ids))
            self._unsorted.append(ids)

    def add(self, entry: Entry) -> None:
        """Note one document; noting it again changes nothing."""
        tables = self.tables
        self._put(self.ouid, entry.id)
        if entry.version is None:
            return
        self._put(tables["version"].setdefault(entry.version, []), entry.id)
        for name, assigned in entry.configurations:
            self._put(tables["configurations.name"].setdefault(name, []), entry.id)
            self._put(tables["configurations.assigned"].setdefault(name, []), assigned)
        for table, names in (
            ("entities.name", entry.entities),
            ("aliases.active.name", entry.aliases),
            ("runs.name", entry.runs),
        ):
            for name in names:
                self._put(tables[table].setdefault(name, []), entry.id)

    def settle(self) -> None:
        """Sort what was added and drop repetitions."""
        for ids in self._unsorted:
            ids[:] = sorted(set(ids))
        self._unsorted.clear()
        self._touched.clear()

    def text(self) -> str:
        """The file's text, as the library's JSON writer lays it out."""
        self.settle()
        members = [_array("ouid", self.ouid)]
        for name in TABLES:
            rows = ",\n".join(_array(key, ids) for key, ids in self.tables[name].items())
            members.append(f"{quote(name)} : {{\n{rows}\n}}")
        return "{\n" + ",\n".join(members) + "\n}"


_NOT_PLAIN = re.compile(r"[\x00-\x09\x0b-\x1f\\]")


def quote(text: str) -> str:
    """A JSON string of this text, non-ASCII characters as they are."""
    return json.dumps(text, ensure_ascii=False)


def _array(name: str, values: list[str]) -> str:
    listed = '",\n"'.join(values)
    plain = listed.count('"') == 2 * listed.count("\n") == 2 * len(values) - 2 and not _NOT_PLAIN.search(listed)
    if values and not plain:
        listed = json.dumps(values, ensure_ascii=False, separators=(",\n", ":"))[2:-2]
    return f'{quote(name)} : [\n"{listed}"\n]' if values else f"{quote(name)} : [\n\n]"


def _ids(value: Any, where: str) -> list[str]:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    raise IndexProblem("damaged", f"{where} is not a list of ids")


def parse_index(text: str) -> Index:
    """Read an index; raises IndexProblem, `old` for the format before 1.10 and `damaged` for what is no index."""
    try:
        found, _ = json.JSONDecoder(object_pairs_hook=_merged, strict=False).raw_decode(text.lstrip())
    except (ValueError, RecursionError) as error:
        raise IndexProblem("damaged", f"it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise IndexProblem("damaged", "it is not a JSON object")
    lacking = [name for name in ("ouid", *TABLES) if name not in found]
    if lacking:
        old = OLD_TABLE in found or ("ouid" not in found and any(name in found for name in TABLES))
        raise IndexProblem("old" if old else "damaged", f"it lacks {', '.join(lacking)}")
    index = Index(_ids(found["ouid"], "ouid"))
    for name in TABLES:
        if not isinstance(found[name], dict):
            raise IndexProblem("damaged", f"{name} is not a table")
        index.tables[name] = {key: _ids(ids, f"{name}: {key}") for key, ids in found[name].items()}
    return index


KEPT = frozenset({"configurations.name", "configurations.assigned"})
"""The tables that a listing needs."""

_SECTION_MARKS = tuple(f'\n"{name}" : {{\n' for name in TABLES)


def parse_configurations(text: str) -> Index:
    """Read an index section by section and keep only the configuration tables, in a fraction of the memory.

    Falls back to the whole where the text is not laid out as the library's writer does; raises as `parse_index`.
    """
    places = [text.find(mark) for mark in _SECTION_MARKS]
    whole = text.startswith('{\n"ouid" : [\n') and text.endswith("\n}\n}")
    if not whole or places != sorted(places) or places[0] < 0:
        return parse_index(text)
    index = Index()
    for start, end in pairwise((1, *places, len(text) - 2)):
        try:
            section = json.loads("{" + text[start:end].strip(",\n") + "}", object_pairs_hook=_merged)
        except (ValueError, RecursionError):
            return parse_index(text)
        for name in KEPT & section.keys():
            index.tables[name] = {key: _ids(ids, f"{name}: {key}") for key, ids in section[name].items()}
    return index


def build_index(entries: Iterable[Entry]) -> Index:
    """The index of these documents, as the library would have made it one by one."""
    index = Index()
    for entry in entries:
        index.add(entry)
    index.settle()
    return index
