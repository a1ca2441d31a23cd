"""What the ledger tells of one run: its life, its failures, and why it stands where it stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from runarchive.errors import TAXONOMY, ArchiveError, Code, with_next_step
from runarchive.ledger.history import Attempt as LedgerAttempt
from runarchive.ledger.history import Outcome as AttemptOutcome
from runarchive.ledger.ledger import Ledger
from runarchive.model import TROUBLED_STATES, Failure, Mark, Phase, Run, RunState, Stage, Store, moment
from runarchive.pipeline.asked import Asked
from runarchive.pipeline.evidence import Evidence, HopEvidence, RecordFacts, configuration_names
from runarchive.pipeline.memory import Memory
from runarchive.pipeline.plan import is_anothers, may_supersede, takes_ours
from runarchive.pipeline.states import Settling
from runarchive.pipeline.views import (
    Attempt,
    CheckRecord,
    Decision,
    Exit,
    Explanation,
    HopHash,
    RunFailure,
    RunLife,
    RunOutcome,
    RunResult,
)


def known_run(ledger: Ledger, number: int) -> Run:
    """The run as the ledger has it; raises ArchiveError(NOT_FOUND)."""
    run = ledger.runs.get(number)
    if run is None:
        raise ArchiveError(Code.NOT_FOUND, f"run {number} is in no store and in no directory", run=number)
    return run


def attempts_of(ledger: Ledger, run: int | None = None, *, job: int | None = None) -> tuple[Attempt, ...]:
    """The attempts of one run, or of one job, oldest first."""
    found = ledger.history.attempts(run, job=job, limit=100_000)
    return tuple(
        Attempt(
            one.stage, one.number, one.started, one.ended, one.worker, _failure_of(one.outcome, one.failure), one.job
        )
        for one in found
    )


def _failure_of(outcome: AttemptOutcome, failure: Failure | None) -> Failure | None:
    if outcome is AttemptOutcome.CRASHED and failure is None:
        hint = "the next start continues it"
        return Failure(None, Phase.WRITE, Code.CANCELLED.value, True, "its process was cut off", hint)
    return failure


def outcomes_of(ledger: Ledger, job: int) -> tuple[RunOutcome, ...]:
    """How each run of a job ended so far, lowest run first; a run still in hand is not among them."""
    by_run: dict[int, list[LedgerAttempt]] = {}
    for attempt in ledger.history.attempts(job=job, limit=1_000_000):
        by_run.setdefault(attempt.run, []).append(attempt)
    known = {run.run: run for run in ledger.runs.some(by_run)}
    found = []
    for number, attempts in sorted(by_run.items()):
        run, last = known.get(number), attempts[-1]
        if run is None or last.ended is None:
            continue
        stages = tuple(dict.fromkeys(one.stage for one in attempts if one.outcome is AttemptOutcome.DONE))
        seconds = sum((one.ended - one.started).total_seconds() for one in attempts if one.ended)
        result = _RESULTS[last.outcome]
        failure = _failure_of(last.outcome, last.failure)
        tries = sum(one.stage is last.stage for one in attempts)
        found.append(RunOutcome(number, result, run.state, stages, run.reason, failure, tries, seconds, last.stage))
    return tuple(found)


_RESULTS = {
    AttemptOutcome.DONE: RunResult.DONE,
    AttemptOutcome.FAILED: RunResult.FAILED,
    AttemptOutcome.CANCELLED: RunResult.CANCELLED,
    AttemptOutcome.CRASHED: RunResult.CANCELLED,
    AttemptOutcome.RUNNING: RunResult.CANCELLED,
}


def hashes_of(ledger: Ledger, run: int | None = None) -> dict[int, tuple[HopHash, ...]]:
    """The newest hash of each hop, by run."""
    found: dict[int, tuple[HopHash, ...]] = {}
    for one in ledger.history.hashes(run):
        if one.at is not None:
            hop = HopHash(Stage(one.hop), one.input, one.digest, one.at, one.tool)
            found[one.run] = (*found.get(one.run, ()), hop)
    return found


def decisions_of(ledger: Ledger, run: int | None = None) -> dict[int, tuple[Decision, ...]]:
    """What people decided, by run, oldest first."""
    found: dict[int, tuple[Decision, ...]] = {}
    for one in ledger.decisions.all(run):
        if one.run is not None:
            found[one.run] = (*found.get(one.run, ()), Decision(one.kind.value, one.reason, one.who, one.at))
    return found


def life_of(ledger: Ledger, memory: Memory, number: int) -> RunLife:
    """Everything the ledger knows of one run, oldest first; raises ArchiveError(NOT_FOUND)."""
    run = known_run(ledger, number)
    return RunLife(
        run=run,
        attempts=attempts_of(ledger, number),
        checks=tuple(CheckRecord(one.at, one.result) for one in ledger.history.checks(number)),
        hashes=hashes_of(ledger, number).get(number, ()),
        events=ledger.events.latest(run=number),
        decisions=decisions_of(ledger, number).get(number, ()),
        facts=_facts(memory.evidence(number)),
    )


def _facts(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    facts: list[tuple[str, str]] = []
    record = evidence.record
    if record is not None:
        newest = moment(record.newest_mtime_ns)
        gone = "" if evidence.on_disk else ", gone since"
        size = f"{record.files} entries, {record.size} bytes"
        facts.append(("record", f"{size}, newest {newest:%Y-%m-%d %H:%M:%S} UTC{gone}"))
    for name in configuration_names(evidence.artdaqdb):
        facts.append(("artdaqDB", name))
    facts += _hop_facts("artdaqDB verdict", evidence.import_hop)
    if evidence.ucondb:
        number, size, adler = evidence.ucondb.split(":")
        facts.append(("UconDB", f"version {number}, {size} bytes, adler32 {adler}"))
    facts += _hop_facts("UconDB verdict", evidence.migrate_hop)
    return tuple(facts)


def _hop_facts(label: str, hop: HopEvidence | None) -> list[tuple[str, str]]:
    if hop is None:
        return []
    at = f" on {hop.at:%Y-%m-%d %H:%M} UTC" if hop.at else ""
    return [(label, f"{hop.verdict}{at}" + (f", {hop.reason}" if hop.reason else ""))]


def failures_of(ledger: Ledger, memory: Memory) -> tuple[RunFailure, ...]:
    """Every run that stands in a troubled state, lowest first."""
    troubled = ledger.runs.in_states(TROUBLED_STATES)
    if not troubled:
        return ()
    evidence = memory.load(run.run for run in troubled)
    rows: list[Any] = ledger.database.rows(
        "SELECT run, min(started), max(coalesce(ended, started)), count(*) FROM attempts"
        " WHERE outcome != 'done' GROUP BY run"
    )
    times = {run: (_time(first), _time(last), count) for run, first, last, count in rows}
    found = []
    for run in troubled:
        stage, failure = trouble_of(run, evidence.get(run.run) or Evidence(run.run))
        first, last, count = times.get(run.run, (None, None, 0))
        found.append(RunFailure(run.run, run.state, stage, failure, first, last, count))
    return tuple(found)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_CODE_OF_STATE = {RunState.PARTIAL: Code.PARTIAL, RunState.CONFLICT: Code.CONFLICT, RunState.OUTDATED: Code.CONFLICT}


def trouble_of(run: Run, evidence: Evidence) -> tuple[Stage, Failure]:
    """The stage at which a troubled run stands, and its failure."""
    if evidence.failed is not None and run.state is RunState.FAILED:
        return evidence.failed.stage, evidence.failed.failure
    code = _CODE_OF_STATE.get(run.state, Code.NOT_FOUND)
    differs = run.marks.ucondb is Mark.DIFFERS and run.marks.artdaqdb is not Mark.DIFFERS
    at_ucondb = differs or (run.state is RunState.OUTDATED and run.marks.artdaqdb is not Mark.UNKNOWN)
    stage, store = (Stage.MIGRATE, Store.UCONDB) if at_ucondb else (Stage.IMPORT, Store.ARTDAQDB)
    ways = [way for way in exits_of(run, evidence) if way.action != "waive"]
    hint = ", or ".join(f"{way.what} (`{way.command.removeprefix('tui-archiver ')}`)" for way in ways)
    return stage, Failure(store, Phase.VERIFY, code.value, TAXONOMY[code].retryable, run.reason, hint)


# --- why, and what would change it


def explain_run(ledger: Ledger, memory: Memory, asked: Asked, number: int) -> Explanation:
    """Why a run is in its state, every way out of it, and what happens by itself; raises ArchiveError(NOT_FOUND)."""
    run = asked.honest((known_run(ledger, number),))[0]
    evidence = memory.evidence(number)
    why = [f"{run.state}: {run.reason}" if run.reason else str(run.state)]
    for store in Store:
        mark = run.marks.of(store)
        why.append(f"{store}: {mark.word}")
    why += [f"{label}: {text}" for label, text in _facts(evidence)]
    if evidence.failed is not None:
        failure = evidence.failed.failure
        times = "once" if evidence.failed.attempts == 1 else f"{evidence.failed.attempts} times"
        why.append(with_next_step(f"{evidence.failed.stage} failed {times}: {failure.message}", failure.hint))
    return Explanation(run, tuple(why), exits_of(run, evidence), _by_itself(run, evidence, memory.settling))


def exits_of(run: Run, evidence: Evidence) -> tuple[Exit, ...]:
    """The ways out of the run's state, each with its command and the console's action."""
    number = run.run
    waive = Exit("take it out of every plan", f"tui-archiver waive {number} --reason TEXT", "waive")
    retry = Exit("continue it at the stage that failed", f"tui-archiver retry {number}", "retry")
    compare = Exit("look at the difference", f"tui-archiver compare {number} --show-diff", "compare")
    match run.state:
        case RunState.NEW:
            return (Exit("import it", f"tui-archiver import {number}", "import"), waive)
        case RunState.WAITING:
            command = f"tui-archiver import {number} --force"
            return (Exit("import it although it may still grow", command, "force"), waive)
        case RunState.IMPORTED | RunState.ORPHAN:
            return (Exit("migrate it", f"tui-archiver migrate {number}", "migrate"), *_ours(run, evidence), waive)
        case RunState.ARCHIVED:
            verify = Exit("read every hop again", f"tui-archiver verify {number}", "verify")
            return (verify, *_ours(run, evidence))
        case RunState.FAILED if not (evidence.has_record or evidence.artdaqdb):
            return (Exit("put its directory back", "", ""), waive)
        case RunState.FAILED:
            return (retry, waive)
        case RunState.PARTIAL:
            if not evidence.has_record:
                return (compare, waive)
            add = Exit("write ours beside it", f"tui-archiver import {number} --add", "add")
            return (compare, add if is_anothers(evidence) else retry, waive)
        case RunState.OUTDATED if run.marks.artdaqdb in (Mark.UNKNOWN, Mark.DIFFERS) and evidence.has_record:
            return (Exit("import what changed", f"tui-archiver import {number}", "import"), compare, waive)
        case RunState.CONFLICT | RunState.OUTDATED:
            return (compare, *_exits_of_conflict(run, evidence), waive)
        case RunState.WAIVED:
            return (Exit("take the waiver back", f"tui-archiver waive {number} --undo", "unwaive"),)
        case RunState.IGNORED:
            return (Exit("take it out of ignore_runs", "edit source_files.ignore_runs in the config", ""),)
        case RunState.EMPTY:
            return (Exit("fill or remove its directory", "", ""), waive)
    return ()


def _ours(run: Run, evidence: Evidence) -> tuple[Exit, ...]:
    """What another writer's run can still be given while its record is there."""
    if not takes_ours(run, evidence):
        return ()
    return (Exit("store what it lost: ours beside it", f"tui-archiver import {run.run} --add", "add"),)


def _exits_of_conflict(run: Run, evidence: Evidence) -> tuple[Exit, ...]:
    number = run.run
    if len(configuration_names(evidence.artdaqdb)) > 1:
        return ()
    if may_supersede(evidence):
        text = "put a new version into UconDB; the old one keeps its id and tag"
        return (Exit(text, f"tui-archiver migrate {number} --supersede", "supersede"),)
    if run.state is RunState.CONFLICT and evidence.has_record:
        return (Exit("write ours beside it into artdaqDB", f"tui-archiver import {number} --add", "add"),)
    return ()


def _rests_until(record: RecordFacts | None, settling: Settling) -> str:
    """Until when a WAITING run waits, if nobody touches its record."""
    if record is None:
        return "it is imported once its record is quiet"
    newest = moment(record.newest_mtime_ns)
    if record.ended:
        return f"it is imported from {newest + settling.quiet:%Y-%m-%d %H:%M:%S} UTC on, if no file changes until then"
    return f"it is imported with its stop time, or without one from {newest + settling.settle:%Y-%m-%d %H:%M} UTC on"


def _by_itself(run: Run, evidence: Evidence, settling: Settling) -> str:
    match run.state:
        case RunState.NEW | RunState.IMPORTING:
            return "the next import takes it"
        case RunState.WAITING:
            return _rests_until(evidence.record, settling)
        case RunState.IMPORTED | RunState.ORPHAN | RunState.MIGRATING:
            return "the next migration takes it"
        case RunState.PARTIAL if evidence.has_record and not is_anothers(evidence):
            return "the next import completes it"
        case RunState.FAILED if not (evidence.has_record or evidence.artdaqdb):
            return "nothing, while no store and no directory holds it"
        case RunState.FAILED:
            retryable = evidence.failed is None or evidence.failed.failure.retryable
            return "the next start tries it again" if retryable else "nothing: it fails again until something changes"
        case RunState.OUTDATED if evidence.grown:
            return "the next import stores what was added; anything else that changed is a conflict"
    return "nothing"
