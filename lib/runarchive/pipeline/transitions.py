"""Which state may follow which, as a table; every change of a run's state goes through `check_transition`."""

from __future__ import annotations

from runarchive.errors import ArchiveError, Code
from runarchive.model import RunState

_S = RunState

_FOUND = {_S.NEW, _S.WAITING, _S.IMPORTED, _S.ARCHIVED, _S.PARTIAL, _S.CONFLICT, _S.ORPHAN, _S.EMPTY}
"""Where a run can be found to stand whenever the stores are looked at: other programs write to them too."""

_BY_PEOPLE = {_S.WAIVED, _S.IGNORED}

TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    _S.NEW: frozenset(_FOUND | _BY_PEOPLE | {_S.IMPORTING, _S.FAILED, _S.OUTDATED}),
    _S.WAITING: frozenset(_FOUND | _BY_PEOPLE | {_S.IMPORTING, _S.FAILED, _S.OUTDATED}),
    _S.IMPORTING: frozenset(_FOUND | _BY_PEOPLE | {_S.FAILED, _S.OUTDATED, _S.MIGRATING}),
    _S.IMPORTED: frozenset(_FOUND | _BY_PEOPLE | {_S.IMPORTING, _S.MIGRATING, _S.FAILED, _S.OUTDATED}),
    _S.MIGRATING: frozenset(_FOUND | _BY_PEOPLE | {_S.FAILED, _S.OUTDATED}),
    _S.ARCHIVED: frozenset(_FOUND | _BY_PEOPLE | {_S.IMPORTING, _S.MIGRATING, _S.FAILED, _S.OUTDATED}),
    _S.FAILED: frozenset(_FOUND | _BY_PEOPLE | {_S.IMPORTING, _S.MIGRATING, _S.OUTDATED}),
    _S.PARTIAL: frozenset(_FOUND | _BY_PEOPLE | {_S.IMPORTING, _S.MIGRATING, _S.FAILED, _S.OUTDATED}),
    _S.CONFLICT: frozenset(_FOUND | _BY_PEOPLE | {_S.IMPORTING, _S.MIGRATING, _S.FAILED, _S.OUTDATED}),
    _S.OUTDATED: frozenset(_FOUND | _BY_PEOPLE | {_S.IMPORTING, _S.MIGRATING, _S.FAILED}),
    _S.ORPHAN: frozenset(_FOUND | _BY_PEOPLE | {_S.MIGRATING, _S.FAILED, _S.OUTDATED}),
    _S.EMPTY: frozenset(_FOUND | _BY_PEOPLE | {_S.FAILED}),
    _S.WAIVED: frozenset(_FOUND | {_S.IGNORED, _S.FAILED, _S.OUTDATED}),
    _S.IGNORED: frozenset(_FOUND | {_S.WAIVED, _S.FAILED, _S.OUTDATED}),
}
"""What a state may become. Work starts only from a state that work may change: nothing WAIVED, IGNORED or EMPTY is
imported, nothing NEW or WAITING is migrated, an ORPHAN is never imported."""

IN_HAND = frozenset({_S.IMPORTING, _S.MIGRATING})
"""States that last only while a job works on the run; found without a job they mean that it was cut off."""


def allowed(before: RunState, after: RunState) -> bool:
    """Whether a run in `before` may become `after`; staying is always allowed."""
    return before is after or after in TRANSITIONS[before]


def check_transition(run: int, before: RunState, after: RunState) -> None:
    """Raise ArchiveError(INTERNAL) for a transition that the table does not have."""
    if not allowed(before, after):
        raise ArchiveError(Code.INTERNAL, f"run {run} cannot go from {before} to {after}", run=run)
