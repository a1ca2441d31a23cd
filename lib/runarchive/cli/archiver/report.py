"""The status report of `run-archiver`: what each store holds, the state files beside it, what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runarchive.archive import StatusReport, StoreReport
from runarchive.cli.archiver.log import REPORTER, WIDE
from runarchive.config import Config, redact_uri
from runarchive.ledger.state_files import read_failure_log, read_state
from runarchive.model import Store

Ranges = Sequence[tuple[int, int]]
RANGES_SHOWN = 10
GAPS_SHOWN = 20
LINE = "-" * 70


def report(config: Config, status: StatusReport, not_due: set[int], *, compare_state: bool) -> int:
    """Log the report; `not_due` are runs on disk that are not to be imported now.

    Returns the exit status, 1 where a store could not be asked.
    """
    say = REPORTER.info
    for line in (WIDE, "RUN RECORD ARCHIVER - STATUS REPORT", WIDE, "Querying data sources..."):
        say("%s", line)
    names = {Store.FILESYSTEM: "Filesystem", Store.ARTDAQDB: "ArtdaqDB", Store.UCONDB: "UconDB"}
    complete = True
    for store, name in names.items():
        error = status.stores[store].error
        if error:
            complete = False
            REPORTER.error("✗ %s query failed: %s", name, error)
        else:
            say("✓ %s query complete", name)
    _heading("DATA SOURCE SUMMARY")
    _store(
        "FILESYSTEM (Source)", status.stores[Store.FILESYSTEM], ("Location", str(config.source_files.run_records_dir))
    )
    _store(
        "ARTDAQDB (Intermediate Storage)", status.stores[Store.ARTDAQDB], ("Database URI", config.artdaq_db.shown_uri)
    )
    _store(
        "UCONDB (Long-term Storage)",
        status.stores[Store.UCONDB],
        ("Server URL", redact_uri(config.ucon_db.server_url)),
        ("Folder/Object", f"{config.ucon_db.folder_name}/{config.ucon_db.object_name}"),
    )
    if compare_state:
        _compare_state(config, status)
    _heading("RECOMMENDATIONS")
    for number, sentence in enumerate(recommendations(status, not_due), 1):
        say("%d. %s", number, sentence)
    say("")
    for line in (WIDE, "END OF STATUS REPORT", WIDE):
        say("%s", line)
    return 0 if complete else 1


def _heading(title: str) -> None:
    for line in ("", WIDE, title, WIDE):
        REPORTER.info("%s", line)


def _field(name: str, value: object) -> None:
    REPORTER.info("  %-16s %s", f"{name}:", value)


def _store(title: str, store: StoreReport, *places: tuple[str, str]) -> None:
    for line in ("", title, LINE):
        REPORTER.info("%s", line)
    for name, place in places:
        _field(name, place)
    if store.error:
        _field("Status", f"could not be asked: {store.error}")
        return
    _field("Total Runs", store.runs)
    if not store.ranges:
        _field("Status", "No runs found")
        return
    _field("Range", f"{store.ranges[0][0]} to {store.ranges[-1][1]}")
    _field("Contiguous", shown_ranges(store.ranges))
    _field("Gaps", shown_numbers(_numbers(store.gaps), _count(store.gaps)))


def shown_ranges(ranges: Ranges) -> str:
    """These ranges, at most the first and last five."""
    words = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    if not words:
        return "None"
    if len(words) <= RANGES_SHOWN:
        return ", ".join(words)
    half = RANGES_SHOWN // 2
    return f"{', '.join(words[:half])} ... {', '.join(words[-half:])} ({len(words)} ranges total)"


def shown_numbers(numbers: Iterable[int], total: int, most: int = GAPS_SHOWN) -> str:
    """These numbers, at most the first `most`, and how many there are."""
    words: list[str] = []
    for number in numbers:
        if len(words) == most:
            break
        words.append(str(number))
    if not words:
        return "None"
    return ", ".join(words) + (f" ... ({total} gaps total)" if total > most else "")


def _numbers(ranges: Ranges) -> Iterable[int]:
    return (number for first, last in ranges for number in range(first, last + 1))


def _count(ranges: Ranges) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _held(status: StatusReport, store: Store) -> set[int]:
    return set(_numbers(status.stores[store].ranges))


def recommendations(status: StatusReport, not_due: set[int]) -> list[str]:
    """What to do next, worded as sites know it; stores that could not be asked give none."""
    asked = {store for store in Store if not status.stores[store].error}
    disk, artdaq, ucon = (_held(status, store) for store in (Store.FILESYSTEM, Store.ARTDAQDB, Store.UCONDB))
    found = []
    if {Store.FILESYSTEM, Store.ARTDAQDB} <= asked and (due := disk - artdaq - not_due):
        place = f"(range: {min(due)}-{max(due)})"
        found.append(f"Run IMPORTER: {len(due)} run(s) on filesystem not in artdaqDB {place}")
    if {Store.ARTDAQDB, Store.UCONDB} <= asked and (due := artdaq - ucon):
        place = f"(range: {min(due)}-{max(due)})"
        found.append(f"Run MIGRATOR: {len(due)} run(s) in artdaqDB not in UconDB {place}")
    if {Store.FILESYSTEM, Store.ARTDAQDB} <= asked and (gone := artdaq - disk):
        found.append(f"WARNING: {len(gone)} run(s) in artdaqDB but not on filesystem (may have been deleted)")
    if {Store.ARTDAQDB, Store.UCONDB} <= asked and (only := ucon - artdaq):
        why = "may have been cleaned up from intermediate storage"
        found.append(f"INFO: {len(only)} run(s) in UconDB but not in artdaqDB ({why})")
    if later := (disk - artdaq) & not_due:
        found.append(f"INFO: {len(later)} run(s) on filesystem wait or are left out (see `tui-archiver runs`)")
    found.extend(f"WARNING: {sentence}" for store in status.stores.values() for sentence in store.damage)
    if len(asked) < len(Store):
        found.append("WARNING: a data source could not be queried; this report is not complete")
    return found or ["All systems are synchronized - no action needed"]


def _compare_state(config: Config, status: StatusReport) -> None:
    _heading("STATE COMPARISON")
    app = config.app
    disk, artdaq, ucon = (_held(status, store) for store in (Store.FILESYSTEM, Store.ARTDAQDB, Store.UCONDB))
    stages = (
        ("IMPORT STAGE STATE", app.import_state_file, app.import_failure_log, disk, artdaq, "ArtdaqDB", "import"),
        ("MIGRATION STAGE STATE", app.migrate_state_file, app.migrate_failure_log, artdaq, ucon, "UconDB", "migration"),
    )
    for title, state_file, failure_log, source, target, name, word in stages:
        for line in ("", title, LINE):
            REPORTER.info("%s", line)
        state = read_state(state_file)
        if state.problem:
            REPORTER.warning("  %s", state.problem)
        _state_field("Last Contiguous Run", str(state.contiguous))
        if state.attempted:
            _state_field("Last Attempted Run", str(state.attempted))
        if state.contiguous or state.attempted:
            _state_against(state.contiguous, source, target, name)
        else:
            _state_field("Status", f"No {word} state recorded")
        if failed := read_failure_log(failure_log):
            text = f"{len(failed)} run(s) logged as failed ({shown_numbers(failed, len(failed), 10)})"
            REPORTER.warning("  %-20s %s", "Failed Runs:", text)


def _state_field(name: str, value: str) -> None:
    REPORTER.info("  %-20s %s", f"{name}:", value)


def _state_against(contiguous: int, source: set[int], target: set[int], name: str) -> None:
    missing = sorted(run for run in source if run <= contiguous and run not in target)
    if missing:
        text = f"{len(missing)} run(s) before last contiguous ({shown_numbers(missing, len(missing), 10)})"
        REPORTER.warning("  %-20s %s", f"Missing in {name}:", text)
    else:
        _state_field("Status", f"All expected runs present in {name}")
    new = [run for run in source if run > contiguous and run not in target]
    if new:
        text = f"{len(new)} run(s) since last state update (range: {min(new)}-{max(new)})"
        _state_field("New Runs Available", text)
