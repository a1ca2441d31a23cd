"""Rebuilding what was lost from the stores: the older archiver's state files, and the ledger."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from runarchive.config import Config
from runarchive.errors import ArchiveError, Code
from runarchive.ledger.ledger import Ledger
from runarchive.ledger.state_files import StageState, read_failure_log, read_state, update_failure_log, write_state
from runarchive.model import Mark, Phase, Run, Severity, Store
from runarchive.pipeline.legacy import standing
from runarchive.pipeline.look import Look
from runarchive.pipeline.memory import Memory
from runarchive.pipeline.views import RecoveryKind, RecoveryPreview

JUDGED = frozenset({Mark.VERIFIED, Mark.OTHER_WRITER, Mark.DIFFERS, Mark.PARTIAL})


def _files(config: Config, kind: RecoveryKind) -> tuple[Path, Path]:
    app = config.app
    if kind is RecoveryKind.IMPORT:
        return app.import_state_file, app.import_failure_log
    return app.migrate_state_file, app.migrate_failure_log


NEEDED = {
    RecoveryKind.IMPORT: (Store.FILESYSTEM, Store.ARTDAQDB),
    RecoveryKind.MIGRATE: (Store.ARTDAQDB, Store.UCONDB),
    RecoveryKind.LEDGER: tuple(Store),
}
"""The stores that a rebuild has to ask; the others may be out of reach."""


def _look_at_all(look: Look, kind: RecoveryKind) -> None:
    """A look that trusts no cached listing; raises the failure of a needed store that cannot be asked."""
    look.refresh(Store, full=True)
    for store in NEEDED[kind]:
        if store in look.failures:
            raise look.failures[store]


def _state(ledger: Ledger, memory: Memory, kind: RecoveryKind) -> StageState:
    now = standing(ledger, memory)
    return now.imported if kind is RecoveryKind.IMPORT else now.migrated


def preview(kind: RecoveryKind, config: Config, ledger: Ledger, memory: Memory, look: Look) -> RecoveryPreview:
    """What a rebuild would write, beside what is written now; raises the failure of a store that cannot be asked."""
    before = {run.run: run for run in ledger.runs.all()}
    _look_at_all(look, kind)
    if kind is RecoveryKind.LEDGER:
        return _ledger_preview(ledger, before)
    file, log = _files(config, kind)
    written, state = read_state(file), _state(ledger, memory, kind)
    lines = (
        ("last_contiguous_run", str(written.contiguous), str(state.contiguous)),
        ("last_attempted_run", str(written.attempted), str(state.attempted)),
        ("failed runs", _numbers(read_failure_log(log)), _numbers(state.failed)),
    )
    problems = [written.problem] if written.problem else []
    held = f"run {state.holding} holds last_contiguous_run at {state.contiguous}"
    notes = () if state.holding is None else (held,)
    return RecoveryPreview(kind, lines, (str(file), str(log)), tuple(problems), notes)


def _numbers(runs: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, runs[:20]))
    return (f"{shown} and {len(runs) - 20} more" if len(runs) > 20 else shown) or "none"


def _ledger_preview(ledger: Ledger, before: dict[int, Run]) -> RecoveryPreview:
    now = {run.run: run for run in ledger.runs.all()}
    faults = ledger.database.check()
    lines: list[tuple[str, str, str]] = [("runs known", str(len(before)), str(len(now)))]
    changed = sum(before.get(number) != run for number, run in now.items())
    lines.append(("runs that stand otherwise", "0", str(changed)))
    judged = sum(run.marks.ucondb in JUDGED or run.marks.artdaqdb in JUDGED for run in now.values())
    lost = (f"{judged} runs would lose their verdict; `tui-archiver verify` makes them anew",) if judged else ()
    return RecoveryPreview(RecoveryKind.LEDGER, tuple(lines), (str(ledger.path or "in memory"),), faults, lost)


def apply(kind: RecoveryKind, config: Config, ledger: Ledger, memory: Memory, look: Look) -> RecoveryPreview:
    """Rebuild it, each old file kept beside; returns what the preview said. Raises ArchiveError."""
    found = preview(kind, config, ledger, memory, look)
    if kind is RecoveryKind.LEDGER:
        _rebuild_ledger(ledger, memory, look)
    else:
        file, log = _files(config, kind)
        for path in (file, log):
            keep_beside(path)
        state = _state(ledger, memory, kind)
        write_state(file, state)
        failed = set(state.failed)
        update_failure_log(log, add=failed, remove=set(read_failure_log(log)) - failed)
    ledger.events.record(f"recovered: {kind} state, from the stores", severity=Severity.WARNING)
    return found


def keep_beside(path: Path) -> Path | None:
    """Copy a file to `<name>.before-<time>` beside it; None where there is none. Raises ArchiveError."""
    if not path.exists():
        return None
    copy = path.with_name(f"{path.name}.before-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    number = 1
    while copy.exists():
        number += 1
        copy = copy.with_name(f"{copy.name.partition('~')[0]}~{number}")
    try:
        shutil.copy2(path, copy)
        descriptor = os.open(copy, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ArchiveError(Code.PERMISSION, f"{path} cannot be kept as {copy}: {error}", phase=Phase.WRITE) from error
    return copy


def _rebuild_ledger(ledger: Ledger, memory: Memory, look: Look) -> None:
    """Forget every state and verdict, keep history and decisions, and look at the stores anew."""
    if ledger.path is not None:
        copy_ledger(ledger)
    known = [run.run for run in ledger.runs.all()]
    with ledger.transaction():
        ledger.evidence.forget(known)
        ledger.runs.forget(known)
        ledger.listings.drop(("filesystem", "artdaqdb", "ucondb", "oddities", "advice", "legacy files"))
    memory.read_decisions()
    look.refresh(Store, full=True)


def copy_ledger(ledger: Ledger) -> Path:
    """A whole copy of the ledger beside it, made by SQLite itself; raises ArchiveError."""
    assert ledger.path is not None
    copy = ledger.path.with_name(f"{ledger.path.name}.before-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    ledger.database.rows("VACUUM INTO ?", (str(copy),))
    return copy
