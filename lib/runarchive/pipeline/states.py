"""How a run's state, reason and marks follow from the evidence, the clock and people's decisions. Pure: asks nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from runarchive.model import Mark, Marks, Run, RunState, Stage, Store, moment
from runarchive.pipeline.evidence import (
    VERDICT_MARK,
    WHOLE,
    Evidence,
    HopVerdict,
    RecordFacts,
    configuration_names,
)

NO_STOP = "no stop time"


@dataclass(frozen=True, slots=True)
class Settling:
    """How long a record must rest: `settle` for one without stop time, `quiet` after any change of a file."""

    settle: timedelta = timedelta(hours=24)
    quiet: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Decided:
    """What people decided about a run: the reason of a waiver, and whether the config ignores it."""

    waived: str | None = None
    ignored: bool = False


def _ago(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def waiting(record: RecordFacts, now: datetime, settling: Settling) -> str:
    """Why a record must rest still, or "" when it may be imported.

    The age is `now` minus the newest mtime in the directory; a negative one is unknown, and only the stop time counts.
    """
    newest = moment(record.newest_mtime_ns)
    age = now - newest
    if abs(age) < settling.quiet:
        return "changed just now" if age < timedelta(0) else f"changed {_ago(age)} ago"
    if record.ended:
        return ""
    if age < timedelta(0):
        return f"no stop time, age unknown: its newest file is dated {newest:%Y-%m-%d %H:%M} UTC"
    return f"no stop, {_ago(age)}" if age < settling.settle else ""


def _filesystem_mark(evidence: Evidence) -> Mark:
    record = evidence.record
    if not evidence.on_disk:
        return Mark.MISSING
    if record is None:
        return Mark.LISTED
    if record.empty:
        return Mark.PARTIAL
    return Mark.ERROR if record.problems else Mark.VERIFIED


def marks_of(evidence: Evidence) -> Marks:
    """The mark in each store; a store that lists a run nobody compared yet has `listed`."""
    imported, migrated = evidence.import_hop, evidence.migrate_hop
    artdaqdb = Mark.LISTED if evidence.artdaqdb else Mark.MISSING
    if imported is not None:
        artdaqdb = VERDICT_MARK[imported.verdict]
    ucondb = Mark.LISTED if evidence.ucondb else Mark.MISSING
    if migrated is not None:
        ucondb = VERDICT_MARK[migrated.verdict]
    if imported is not None and imported.verdict in WHOLE:
        if _is_older(evidence):
            ucondb = Mark.DIFFERS
        if evidence.grown and evidence.record is not None and not evidence.record.empty:
            artdaqdb = Mark.UNKNOWN
    where = evidence.failed.failure.store if evidence.failed is not None else None
    if where is Store.ARTDAQDB and artdaqdb is Mark.MISSING:
        artdaqdb = Mark.ERROR
    if where is Store.UCONDB and ucondb is Mark.MISSING:
        ucondb = Mark.ERROR
    return Marks(_filesystem_mark(evidence), artdaqdb, ucondb)


def _is_older(evidence: Evidence) -> bool:
    """Whether the blob was made of another export than the one that artdaqDB gives now."""
    hop, blob = evidence.import_hop, evidence.migrate_hop
    return bool(hop is not None and blob is not None and hop.output and blob.input and hop.output != blob.input)


def _not_imported(evidence: Evidence, now: datetime, settling: Settling) -> tuple[RunState, str]:
    record = evidence.record
    if record is None:
        return RunState.NEW, "not read yet"
    if record.empty:
        return RunState.EMPTY, "empty directory"
    rest = waiting(record, now, settling)
    if rest:
        return RunState.WAITING, "; ".join((*record.problems[:1], rest))
    failed = evidence.failed
    if failed is not None and failed.stage is Stage.IMPORT:
        return RunState.FAILED, failure_text(evidence)
    if evidence.in_hand is Stage.IMPORT:
        return RunState.NEW, "its import was cut off; the next start continues it"
    return RunState.NEW, _record_note(record)


def _record_note(record: RecordFacts) -> str:
    if record.problems:
        return record.problems[0]
    return "" if record.ended else NO_STOP


def failure_text(evidence: Evidence) -> str:
    """The reason of a failed run: the message, and how often it came."""
    failed = evidence.failed
    if failed is None:
        return ""
    times = f" ×{failed.attempts}" if failed.attempts > 1 else ""
    return f"{failed.failure.message.removeprefix(f'run {evidence.run}: ')}{times}"


_HOP_STATE: dict[HopVerdict, RunState] = {
    HopVerdict.PARTIAL: RunState.PARTIAL,
    HopVerdict.CONFLICT: RunState.CONFLICT,
    HopVerdict.OUTDATED: RunState.OUTDATED,
}


def _in_artdaqdb(evidence: Evidence, now: datetime, settling: Settling) -> tuple[RunState, str] | None:
    """The state that artdaqDB's side decides, or None where the run is whole there and UconDB decides."""
    hop = evidence.import_hop
    failed = evidence.failed
    if failed is not None and failed.stage is Stage.IMPORT and hop is None and evidence.has_record:
        return RunState.FAILED, failure_text(evidence)
    if hop is None:
        rest = waiting(evidence.record, now, settling) if evidence.on_disk and evidence.record else ""
        if rest and not evidence.ucondb:
            return RunState.WAITING, rest
        names = configuration_names(evidence.artdaqdb)
        if len(names) > 1:
            return RunState.CONFLICT, "two configurations in artdaqDB: " + ", ".join(names)
        return None
    if hop.verdict in _HOP_STATE:
        return _HOP_STATE[hop.verdict], hop.reason
    if evidence.grown and evidence.record is not None and not evidence.record.empty:
        rest = waiting(evidence.record, now, settling)
        if rest:
            return RunState.WAITING, f"the record changed after its import; {rest}"
        if failed is not None and failed.stage is Stage.IMPORT and failed.record == evidence.record.fingerprint:
            return RunState.FAILED, failure_text(evidence)
        return RunState.OUTDATED, "the record changed after its import"
    return None


def _whole(evidence: Evidence) -> tuple[RunState, str]:
    """The state of a run that artdaqDB holds and says nothing against: UconDB decides."""
    hop, blob = evidence.import_hop, evidence.migrate_hop
    note = hop.reason if hop is not None else ""
    failed = evidence.failed
    if failed is not None and failed.stage is Stage.MIGRATE and (blob is None or blob.verdict in WHOLE):
        return RunState.FAILED, failure_text(evidence)
    if not evidence.ucondb:
        if evidence.in_hand is Stage.MIGRATE:
            return RunState.IMPORTED, "its migration was cut off; the next start continues it"
        if not evidence.on_disk:
            return RunState.ORPHAN, note or "only in artdaqDB"
        return RunState.IMPORTED, note if hop is not None else "listed in artdaqDB, not compared yet"
    if blob is None:
        if evidence.in_hand is Stage.MIGRATE:
            return RunState.IMPORTED, "its migration was cut off; the next start continues it"
        if hop is not None:
            return RunState.IMPORTED, "listed in UconDB, not compared yet"
        return RunState.ARCHIVED, "listed, not verified yet"
    if blob.verdict in _HOP_STATE:
        return _HOP_STATE[blob.verdict], blob.reason
    if _is_older(evidence):
        return RunState.OUTDATED, "UconDB is older than artdaqDB"
    return RunState.ARCHIVED, blob.reason or note


def state_of(evidence: Evidence, decided: Decided, now: datetime, settling: Settling) -> tuple[RunState, str]:
    """The state of a run and its reason."""
    if decided.ignored:
        return RunState.IGNORED, "source_files.ignore_runs"
    if decided.waived is not None:
        return RunState.WAIVED, decided.waived
    if evidence.artdaqdb:
        return _in_artdaqdb(evidence, now, settling) or _whole(evidence)
    if evidence.on_disk:
        state, reason = _not_imported(evidence, now, settling)
        if state is RunState.EMPTY and evidence.ucondb:
            return RunState.ARCHIVED, "only in UconDB; its directory is empty"
        return state, reason
    if evidence.ucondb:
        return RunState.ARCHIVED, "only in UconDB"
    return RunState.FAILED, "no store holds it any more"


def run_of(evidence: Evidence, decided: Decided, now: datetime, settling: Settling) -> Run:
    """The run as screens and commands show it."""
    state, reason = state_of(evidence, decided, now, settling)
    record = evidence.record
    configuration = record.configuration if record else ""
    names = configuration_names(evidence.artdaqdb)
    if names:
        configuration = names[0].partition("/")[2]
    return Run(
        run=evidence.run,
        state=state,
        reason=reason,
        marks=marks_of(evidence),
        configuration=configuration,
        start=record.start if record else None,
        stop=record.stop if record else None,
        attempts=evidence.failed.attempts if evidence.failed else 0,
        size=record.size if record else None,
    )
