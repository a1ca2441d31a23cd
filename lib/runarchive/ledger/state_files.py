"""The state files and failure logs of the older archiver, written so that it could take over again.

A state file is JSON with `last_contiguous_run` and `last_attempted_run`; a failure log has one run number a line.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, run_number

CONTIGUOUS = "last_contiguous_run"
ATTEMPTED = "last_attempted_run"


@dataclass(frozen=True, slots=True)
class StageState:
    """What a stage's state file says, or should say; `holding` is the run that keeps `contiguous` from going on."""

    contiguous: int = 0
    attempted: int = 0
    failed: tuple[int, ...] = ()
    holding: int | None = None


@dataclass(frozen=True, slots=True)
class StateFile:
    """What was read of a state file; `problem` says why nothing could be."""

    values: dict[str, Any]
    problem: str = ""

    @property
    def contiguous(self) -> int:
        """`last_contiguous_run`, 0 where it is not written."""
        return _number(self.values.get(CONTIGUOUS))

    @property
    def attempted(self) -> int:
        """`last_attempted_run`, 0 where it is not written."""
        return _number(self.values.get(ATTEMPTED))


def derive(done: Iterable[int], failed: Iterable[int], waiting: Iterable[int]) -> StageState:
    """What a stage's state files should say.

    `contiguous` is the highest known run at and below which no known run is failed or waiting (missing counts as
    waiting). `attempted` is the highest known run at and below which none is waiting: the older archiver looks only at
    higher ones, and finds the failed ones in its failure log.
    """
    failures, held = set(failed), set(waiting)
    finished = set(done) - failures - held
    contiguous = attempted = 0
    holding: int | None = None
    for run in sorted(finished | failures | held):
        if run in held:
            holding = run if holding is None else holding
            break
        attempted = run
        if run in failures:
            holding = run if holding is None else holding
        elif holding is None:
            contiguous = run
    return StageState(contiguous, attempted, tuple(sorted(failures)), holding)


def read_state(path: Path) -> StateFile:
    """What a state file says; one that is missing says nothing, one that cannot be read says so in `problem`."""
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return StateFile({})
    except (OSError, ValueError) as error:
        return StateFile({}, f"state file {path} cannot be read: {error}")
    if not isinstance(values, dict):
        return StateFile({}, f"state file {path} holds no JSON object")
    return StateFile(values)


def write_state(path: Path, state: StageState) -> bool:
    """Write a stage's state file, keeping what else is in it; returns whether it changed. Raises ArchiveError."""
    before = read_state(path)
    values = {**before.values, CONTIGUOUS: state.contiguous, ATTEMPTED: state.attempted}
    if values == before.values and not before.problem and path.exists():
        return False
    write_atomically(path, json.dumps(values, indent=2))
    return True


def read_failure_log(path: Path) -> tuple[int, ...]:
    """The runs in a failure log, each once, by number; lines that are no run numbers are passed over."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(sorted({run for line in lines if (run := run_number(line.strip())) is not None}))


def update_failure_log(path: Path, *, add: Iterable[int] = (), remove: Iterable[int] = ()) -> tuple[int, ...]:
    """Add and remove runs of a failure log, keeping what others wrote into it meanwhile; returns what it holds now.

    A log that is not there and would be empty is not made. Raises ArchiveError.
    """
    before = read_failure_log(path)
    now = tuple(sorted((set(before) | set(add)) - set(remove)))
    text = "".join(f"{run}\n" for run in now)
    try:
        same = path.read_text(encoding="utf-8", errors="replace") == text
    except OSError:
        same = not now
    if not same:
        write_atomically(path, text)
    return now


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by this text in one step: a reader sees the old or the new, a crash leaves one of them.

    Raises ArchiveError (DISK_FULL or PERMISSION); the old file then stays as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        code = Code.PERMISSION if isinstance(error, PermissionError) else Code.DISK_FULL
        raise ArchiveError(code, f"{path} cannot be written: {error}", phase=Phase.WRITE) from error


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
