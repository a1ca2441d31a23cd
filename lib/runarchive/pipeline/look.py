"""A look at the three stores: what is listed where, what changed since the last look, and the states that follow."""

from __future__ import annotations

import hashlib
import json
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from runarchive.config import Config
from runarchive.errors import ArchiveError, with_next_step
from runarchive.ledger.ledger import Ledger
from runarchive.model import Severity, Store
from runarchive.pipeline.asked import Asked
from runarchive.pipeline.evidence import Evidence, RecordFacts, artdaqdb_key, same_listing, ucondb_key
from runarchive.pipeline.glance import glance
from runarchive.pipeline.memory import Memory
from runarchive.pipeline.stores import IF_ARCHIVE_IS_NEW, Stores
from runarchive.pipeline.views import Health
from runarchive.records_dir import Scan, scan_records
from runarchive.ucondb.listing import ListingCache

CHUNK = 2000
"""Runs that are glanced at before what was seen is shown."""

MANY = 5000
"""With more runs than this to glance at, all are shown by number first."""

_ODDITIES_TOLD = 20
"""So many names that are no runs become an event each."""

Listed = tuple[bool, str, str]
"""On disk, artdaqDB's entry, UconDB's entry."""

NOWHERE: Listed = (False, "", "")


class ListedTable:
    """What was listed of each run at the last look, and now; read only if a store shows that something changed.

    It must be read before that store is listed: what a job writes meanwhile is then newer than both.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.tokens: list[tuple[str, str, bytes]] = []
        """By store, what tells that it did not change: kept once all that it lists is in the ledger."""

    @cached_property
    def known(self) -> dict[int, Listed]:
        """At the last look."""
        return _entries(self._ledger.evidence.listed())

    @cached_property
    def now(self) -> dict[int, Listed]:
        """Now, as far as it was looked at."""
        return dict(self.known)

    @property
    def _is_read(self) -> bool:
        return "now" in vars(self)

    def changed(self) -> set[int]:
        """The runs of which something else is listed now."""
        if not self._is_read:
            return set()
        return {run for run, entry in self.now.items() if self.known.get(run) != entry}

    def of(self, runs: Iterable[int]) -> tuple[Mapping[int, Listed], Mapping[int, Listed]]:
        """What was listed of these runs, and perhaps of others, at the last look, and now."""
        if self._is_read:
            return self.known, self.now
        known = _entries(self._ledger.evidence.of(runs))
        return known, known


class Look:
    """Looks at the stores of one archive and keeps the ledger's memory true; one look at a time."""

    def __init__(self, config: Config, stores: Stores, ledger: Ledger, memory: Memory) -> None:
        self._config = config
        self._stores = stores
        self._ledger = ledger
        self._memory = memory
        self.health: dict[Store, Health] = {store: Health(store) for store in Store}
        self.failures: dict[Store, ArchiveError] = {}
        self.asked = Asked(ledger)
        self._ucondb_is_new = False

    def refresh(self, stores: Iterable[Store], *, full: bool = False) -> None:
        """Ask these stores and derive the states of every run that they, time or a person changed."""
        wanted = set(stores)
        self._memory.read_decisions()
        table = ListedTable(self._ledger)
        if Store.FILESYSTEM in wanted:
            self._measured(Store.FILESYSTEM, lambda: self._see_directory(table, full=full))
        if Store.ARTDAQDB in wanted:
            self._measured(Store.ARTDAQDB, lambda: self._see_artdaqdb(table, full=full))
        if Store.UCONDB in wanted:
            self._measured(Store.UCONDB, lambda: self._see_ucondb(table, full=full))
        changed = table.changed()
        due = set(self._ledger.evidence.unsettled()) | self._ignored_otherwise()
        if full:
            due |= {run for run, entry in table.now.items() if entry[0]}
        if changed or due:
            self._take_in(*table.of(changed | due), changed, due)
        for name, token, data in table.tokens:
            self._ledger.listings.put(name, token, data)

    def glance_at(self, runs: Iterable[int]) -> None:
        """See the directories of these runs again, however they stand: one may change long after its archiving."""
        records = {run: glance(self._stores.record(run)) for run in runs}

        def change(item: Evidence) -> Evidence | None:
            record = records[item.run]
            if record is None or not item.on_disk or item.in_hand is not None:
                return None
            return replace(item, record=record)

        self._memory.update(records, change)

    # --- the three listings

    def _measured(self, store: Store, look: Callable[[], str]) -> None:
        before = self.health[store]
        began = time.monotonic()
        try:
            message = look()
            damage, advice = self._damage(store), self._advice(store)
        except ArchiveError as error:
            if error.store is None:
                raise  # the ledger's, which says nothing about the store
            self.failures[store] = error
            self.health[store] = Health(store, False, None, error.message, self._memory.clock())
            if before.ok is not False and not self._ledger.read_only:
                words = with_next_step(f"{store} is out of reach: {error.message}", error.hint)
                self._ledger.events.record(words, severity=Severity.WARNING)
            return
        self.failures.pop(store, None)
        self.asked.remember(store)
        latency, wrong = time.monotonic() - began, (*damage, *advice)
        self.health[store] = Health(store, True, latency, message, self._memory.clock(), damage=wrong)
        if not self._ledger.read_only:
            for sentence in sorted(set(damage) - set(before.damage)):
                self._ledger.events.record(sentence, severity=Severity.WARNING)
        if before.ok is False and not self._ledger.read_only:
            self._ledger.events.record(f"{store} answers again")

    def _damage(self, store: Store) -> tuple[str, ...]:
        if store is Store.ARTDAQDB:
            return self._stores.artdaqdb.damage()
        if store is Store.UCONDB and self._ucondb_is_new:
            doubt = self._stores.ucondb.doubt()
            return (f"{doubt}: {IF_ARCHIVE_IS_NEW}",) if doubt else ()
        return ()

    def _advice(self, store: Store) -> tuple[str, ...]:
        if store is not Store.ARTDAQDB:
            return ()
        advice = self._stores.artdaqdb.advice()
        self._tell_once("advice", advice)
        return advice

    def _tell_once(self, what: str, sentences: Sequence[str]) -> None:
        """Make events of these sentences, unless the last look of any process at this archive found the same."""
        token = json.dumps(sentences)
        before = self._ledger.listings.get(what)
        if self._ledger.read_only or (before.token if before else "[]") == token:
            return
        self._ledger.listings.put(what, token, b"")
        for sentence in sentences:
            self._ledger.events.record(sentence, severity=Severity.WARNING)

    def _see_directory(self, table: ListedTable, *, full: bool) -> str:
        scan = scan_records(self._stores.records)
        if full or not self._holds(scan):
            now = table.now
            scan = scan_records(self._stores.records)
            _set_column(now, 0, dict.fromkeys(scan.runs, True), False)
            if not self._ledger.read_only:
                table.tokens.append(("filesystem", _token_of(scan), b""))
        self._report_oddities(scan.oddities)
        return f"{len(scan.runs)} records"

    def _holds(self, scan: Scan) -> bool:
        """Whether the ledger holds these very runs as those on disk; a job may have noted one that is gone by now."""
        kept = self._ledger.listings.get("filesystem")
        same = kept is not None and kept.token == _token_of(scan)
        return same and self._ledger.evidence.counts()[0] == len(scan.runs)

    def _report_oddities(self, oddities: tuple[tuple[str, str], ...]) -> None:
        shown = [(name, reason) for name, reason in oddities if not name.startswith(".")]
        told = [f"{name!r} in the records directory: {reason}" for name, reason in shown[:_ODDITIES_TOLD]]
        if len(shown) > _ODDITIES_TOLD:
            told.append(f"{len(shown) - _ODDITIES_TOLD} more names in the records directory are no runs")
        self._tell_once("oddities", told)

    def _see_artdaqdb(self, table: ListedTable, *, full: bool) -> str:
        store = self._stores.artdaqdb
        token = store.change_token()
        kept = self._ledger.listings.get("artdaqdb")
        name = f"{store.uri} {token}"
        if not full and token is not None and kept is not None and kept.token == name:
            return "nothing changed"
        now = table.now
        names: dict[int, list[tuple[str, str]]] = {}
        for configuration in store.list_configurations():
            run = configuration.run
            if run is not None:
                names.setdefault(run, []).append((configuration.name, configuration.assigned))
        keys = {run: artdaqdb_key(pairs) for run, pairs in names.items()}
        for run in keys.keys() & now.keys():
            if same_listing(now[run][1], keys[run]):
                keys[run] = now[run][1]
        _set_column(now, 1, keys, "")
        if token is not None and not self._ledger.read_only:
            table.tokens.append(("artdaqdb", "" if store.damage() else name, b""))
        return f"{len(names)} runs"

    def _see_ucondb(self, table: ListedTable, *, full: bool) -> str:
        change = self._stores.ucondb_token()
        kept = None if full else self._ledger.listings.get("ucondb")
        if change is not None and kept is not None and kept.data.decode() == change:
            return "nothing changed"
        now = table.now
        client = self._stores.ucondb
        listing = client.list_runs(None if kept is None else ListingCache.from_json(kept.token))
        self._ucondb_is_new = not listing.exists
        keys = {run: ucondb_key(version) for run, version in listing.runs.items()}
        if listing.incremental:
            for run, key in keys.items():
                entry = now.get(run, NOWHERE)
                now[run] = (entry[0], entry[1], key)
        else:
            _set_column(now, 2, keys, "")
        newest = max((*listing.runs.values(), *listing.others), key=lambda version: version.tr, default=None)
        if not self._ledger.read_only and (newest is not None or not listing.incremental):
            token = ListingCache(client.uri, {newest.id: newest}).as_json() if newest is not None else ""
            table.tokens.append(("ucondb", token, (change or "").encode() if listing.exists else b""))
        return f"{len(keys)} new" if listing.incremental else f"{len(keys)} runs"

    # --- what follows

    def _ignored_otherwise(self) -> set[int]:
        """Runs whose state does not say what `ignore_runs` says now."""
        return set(self._ledger.runs.ignored_otherwise(self._config.source_files.ignore_runs))

    def _take_in(
        self, known: Mapping[int, Listed], now: Mapping[int, Listed], changed: set[int], due: set[int]
    ) -> None:
        working = bool(self._ledger.jobs.running())
        touched = sorted(changed | due, reverse=True)
        if len(changed) > MANY:
            for part in _parts([run for run in touched if run in changed]):
                self._memory.update(part, lambda item: _listed(item, known, now))
        for part in _parts(touched):
            records = {run: self._glance(run, now, due) for run in part}

            def change(item: Evidence, records: Mapping[int, RecordFacts | None] = records) -> Evidence | None:
                if working and item.in_hand is not None:
                    return None
                item = _listed(item, known, now)
                record = records[item.run]
                return item if record is None else replace(item, record=record)

            self._memory.update(part, change)

    def _glance(self, run: int, now: Mapping[int, Listed], due: set[int]) -> RecordFacts | None:
        """A glance at the run's directory, where that can decide something."""
        on_disk, artdaqdb, ucondb = now.get(run, NOWHERE)
        if not on_disk or (artdaqdb and ucondb and run not in due):
            return None
        return glance(self._stores.record(run))


def _entries(rows: Iterable[tuple[Any, ...]]) -> dict[int, Listed]:
    return {row[0]: (bool(row[1]), row[2], row[3]) for row in rows}


def _token_of(scan: Scan) -> str:
    """Which runs were seen in the records directory."""
    return hashlib.sha256(array("q", scan.runs).tobytes()).hexdigest()


def _parts(runs: list[int]) -> Iterator[list[int]]:
    return (runs[start : start + CHUNK] for start in range(0, len(runs), CHUNK))


def _listed(item: Evidence, known: Mapping[int, Listed], now: Mapping[int, Listed]) -> Evidence:
    """The evidence with what the look changed; what a job wrote since the look began stays."""
    before, after = known.get(item.run, NOWHERE), now.get(item.run, NOWHERE)
    mine = (item.on_disk, item.artdaqdb, item.ucondb)
    disk, artdaqdb, ucondb = (
        new if old == kept else kept for old, new, kept in zip(before, after, mine, strict=True)
    )
    item = replace(item, on_disk=bool(disk), artdaqdb=str(artdaqdb), ucondb=str(ucondb))
    came_back = item.on_disk and not mine[0]
    if came_back and item.imported is not None and not item.imported.record:
        return replace(item, imported=None, migrated=None)  # judged without the directory, which may tell more
    return item


def _set_column(now: dict[int, Listed], column: int, values: Mapping[int, bool | str], nothing: bool | str) -> None:
    """Put one store's listing into the table; runs that it does not list get `nothing`."""
    for run, entry in now.items():
        value = values.get(run, nothing)
        if entry[column] != value:
            changed = list(entry)
            changed[column] = value
            now[run] = (bool(changed[0]), str(changed[1]), str(changed[2]))
    for run in values.keys() - now.keys():
        blank: list[bool | str] = [False, "", ""]
        blank[column] = values[run]
        now[run] = (bool(blank[0]), str(blank[1]), str(blank[2]))
