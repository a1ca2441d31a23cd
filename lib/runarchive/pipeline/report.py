"""What is where, as ranges of runs, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from runarchive.config import Config
from runarchive.errors import ArchiveError, with_next_step
from runarchive.ledger.ledger import Ledger
from runarchive.model import Job, JobState, RunState, Store
from runarchive.pipeline.legacy import standing
from runarchive.pipeline.memory import Memory
from runarchive.pipeline.views import Health, StatusReport, StoreReport

Ranges = tuple[tuple[int, int], ...]


def ranges_of(runs: Iterable[int]) -> Ranges:
    """Ranges of consecutive numbers, lowest first."""
    found: list[tuple[int, int]] = []
    for run in sorted(runs):
        if found and run == found[-1][1] + 1:
            found[-1] = (found[-1][0], run)
        else:
            found.append((run, run))
    return tuple(found)


def gaps_of(runs: set[int], known: Iterable[int]) -> Ranges:
    """Ranges of runs that other places know and this one does not, between its lowest and its highest."""
    if not runs:
        return ()
    lowest, highest = min(runs), max(runs)
    return ranges_of(run for run in known if lowest < run < highest and run not in runs)


def locations(config: Config) -> dict[Store, str]:
    """Where each store is, without passwords."""
    ucon = config.ucon_db
    return {
        Store.FILESYSTEM: str(config.source_files.run_records_dir),
        Store.ARTDAQDB: config.artdaq_db.shown_uri,
        Store.UCONDB: f"{ucon.server_url} {ucon.folder_name}/{ucon.object_name}",
    }


def make_status(
    config: Config,
    ledger: Ledger,
    memory: Memory,
    failures: Mapping[Store, ArchiveError],
    health: Mapping[Store, Health],
) -> StatusReport:
    """The report after the last look."""
    columns: dict[Store, set[int]] = {store: set() for store in Store}
    for run, disk, artdaqdb, ucondb in ledger.evidence.listed():
        if config.source_files.ignores(run):
            continue
        for store, present in zip(Store, (disk, artdaqdb, ucondb), strict=True):
            if present:
                columns[store].add(run)
    known = set().union(*columns.values())
    where = locations(config)
    stores = {}
    for store in Store:
        runs, error = columns[store], failures.get(store)
        stores[store] = StoreReport(
            store,
            where[store],
            len(runs),
            ranges_of(runs),
            gaps_of(runs, known),
            error.message if error else "",
            error.failure if error else None,
            health[store].damage,
        )
    states = Counter(state for _, state, _ in ledger.runs.states())
    now = standing(ledger, memory)
    return StatusReport(
        stores=stores,
        states=dict(sorted(states.items())),
        recommendations=recommendations(states, columns, failures, stores, next(iter(ledger.jobs.latest(1)), None)),
        import_contiguous=now.imported.contiguous or None,
        import_held_by=now.imported.holding,
        migrate_contiguous=now.migrated.contiguous or None,
        migrate_held_by=now.migrated.holding,
        ledger=str(ledger.path) if ledger.path else "in memory",
    )


def recommendations(
    states: Mapping[RunState, int],
    columns: Mapping[Store, set[int]],
    failures: Mapping[Store, ArchiveError],
    stores: Mapping[Store, StoreReport],
    last: Job | None,
) -> tuple[str, ...]:
    """What an operator should do next, in sentences; one line of praise when there is nothing.

    `last` is the newest job, which tells what stops every start.
    """

    def some(count: int) -> str:
        return f"{count} run{'s' if count != 1 else ''}"

    lines = [
        "ERROR: " + with_next_step(f"{store} could not be asked: {error.message}", error.hint)
        for store, error in failures.items()
    ]
    if last is not None and last.state in (JobState.FAILED, JobState.CRASHED):
        lines.append(f"WARNING: the last job ({last.job}, {last.kind}) {last.state}: {last.message}")
    lines += [f"WARNING: {sentence}" for report in stores.values() for sentence in report.damage]
    to_import = states.get(RunState.NEW, 0) + states.get(RunState.IMPORTING, 0)
    if to_import:
        lines.append(f"Run IMPORTER: {some(to_import)} to import (`tui-archiver import`)")
    if waiting := states.get(RunState.WAITING, 0):
        lines.append(f"INFO: {some(waiting)} may still grow and wait")
    to_migrate = sum(states.get(state, 0) for state in (RunState.IMPORTED, RunState.MIGRATING, RunState.ORPHAN))
    if to_migrate:
        lines.append(f"Run MIGRATOR: {some(to_migrate)} to migrate (`tui-archiver migrate`)")
    if failed := states.get(RunState.FAILED, 0) + states.get(RunState.PARTIAL, 0):
        lines.append(f"Run `tui-archiver retry`: {some(failed)} failed or partial")
    if held := states.get(RunState.CONFLICT, 0) + states.get(RunState.OUTDATED, 0):
        lines.append(f"WARNING: {some(held)} in conflict or outdated (`tui-archiver explain RUN` names each way out)")
    orphans = columns[Store.ARTDAQDB] - columns[Store.FILESYSTEM] - columns[Store.UCONDB]
    if orphans:
        lines.append(f"WARNING: {some(len(orphans))} in artdaqDB not on the filesystem")
    alone = columns[Store.UCONDB] - columns[Store.FILESYSTEM] - columns[Store.ARTDAQDB]
    if alone:
        lines.append(f"INFO: {some(len(alone))} in UconDB only")
    return tuple(lines) or ("All systems are synchronized",)
