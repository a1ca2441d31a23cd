"""The state files and failure logs of the older archiver, kept so that it could take over again."""

from __future__ import annotations

from dataclasses import dataclass

from runarchive.config import Config
from runarchive.errors import ArchiveError
from runarchive.ledger.ledger import Ledger
from runarchive.ledger.state_files import StageState, derive, update_failure_log, write_state
from runarchive.model import RunState, Severity, Stage
from runarchive.pipeline.memory import Memory
from runarchive.pipeline.telling import tell

_SETTLED = frozenset({RunState.WAIVED, RunState.IGNORED, RunState.EMPTY})
_TROUBLED = frozenset({RunState.FAILED, RunState.PARTIAL, RunState.CONFLICT})


@dataclass(frozen=True, slots=True)
class Standing:
    """What each stage's state file and failure log should say, over the runs that are `known`."""

    imported: StageState
    migrated: StageState
    known: frozenset[int]


def standing(ledger: Ledger, memory: Memory) -> Standing:
    """How the two stages stand, over every run that a store or a directory holds.

    A run that no database holds whole holds the import stage, one that is not archived holds the migration stage.
    """
    rows = ledger.runs.states()
    troubled = memory.load(run for run, state, _ in rows if state in _TROUBLED)
    lists: dict[Stage, tuple[list[int], list[int], list[int]]] = {
        Stage.IMPORT: ([], [], []), Stage.MIGRATE: ([], [], [])
    }  # fmt: skip
    for run, state, marks in rows:
        done, failed, waiting = lists[Stage.IMPORT]
        at_migration = False
        if state in _TROUBLED:
            evidence = troubled[run]
            stage = evidence.failed.stage if evidence.failed else None
            at_migration = stage is Stage.MIGRATE or (stage is None and marks[2] not in "-.?")
            (done if at_migration else failed).append(run)
        elif state in (RunState.NEW, RunState.WAITING, RunState.IMPORTING):
            waiting.append(run)
        else:
            done.append(run)
        done, failed, waiting = lists[Stage.MIGRATE]
        if state in _SETTLED or state in (RunState.ARCHIVED, RunState.OUTDATED):
            done.append(run)
        elif state in _TROUBLED and at_migration:
            failed.append(run)
        else:
            waiting.append(run)
    known = frozenset(run for run, _, _ in rows)
    return Standing(derive(*lists[Stage.IMPORT]), derive(*lists[Stage.MIGRATE]), known)


def write_legacy_files(config: Config, ledger: Ledger, memory: Memory) -> None:
    """Bring state files and failure logs up to date where anything changed; trouble becomes an event."""
    revision = str(ledger.runs.newest_revision())
    before = ledger.listings.get("legacy files")
    present = config.app.import_state_file.exists() and config.app.migrate_state_file.exists()
    if before is not None and before.token == revision and present:
        return
    try:
        write_standing(config, standing(ledger, memory))
        ledger.listings.put("legacy files", revision, b"")
    except ArchiveError as error:
        tell(ledger, f"the older archiver's state files: {error.message}", severity=Severity.WARNING)


def write_standing(config: Config, now: Standing) -> None:
    """Write both stages' state files and failure logs; raises ArchiveError.

    A number in a failure log that no store and no directory knows was written by somebody else, and stays.
    """
    app = config.app
    failures: list[ArchiveError] = []
    for state, file, log in (
        (now.imported, app.import_state_file, app.import_failure_log),
        (now.migrated, app.migrate_state_file, app.migrate_failure_log),
    ):
        try:
            write_state(file, state)
            update_failure_log(log, add=state.failed, remove=now.known.difference(state.failed))
        except ArchiveError as error:
            failures.append(error)
    if failures:
        raise failures[0]
