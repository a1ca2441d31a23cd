"""What is due: the work of a job as data, from each run's state and evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from runarchive.model import Run, RunState, Stage
from runarchive.pipeline.evidence import WHOLE, Evidence, HopVerdict
from runarchive.pipeline.views import JobKind, JobOptions, Plan, PlannedRun

STAGES_OF: dict[JobKind, tuple[Stage, ...]] = {
    JobKind.IMPORT: (Stage.IMPORT,),
    JobKind.MIGRATE: (Stage.MIGRATE,),
    JobKind.ARCHIVE: (Stage.IMPORT, Stage.MIGRATE),
    JobKind.RETRY: (Stage.IMPORT, Stage.MIGRATE),
    JobKind.VERIFY: (Stage.VERIFY,),
    JobKind.SCRUB: (Stage.VERIFY,),
}

VERIFIABLE = frozenset({RunState.IMPORTED, RunState.ARCHIVED})
_NEVER = {
    RunState.WAIVED: "waived",
    RunState.IGNORED: "ignored by the config",
    RunState.EMPTY: "nothing to import: the directory is empty",
}


def import_due(run: Run, evidence: Evidence, options: JobOptions, *, asked: bool) -> bool:
    """Whether the import stage has something to do for this run; `asked` means that a person named it."""
    if not evidence.has_record:
        return False
    state, hop, failed = run.state, evidence.import_hop, evidence.failed
    if asked and options.add and takes_ours(run, evidence):
        return True
    if state in (RunState.NEW, RunState.IMPORTING):
        return True
    if state is RunState.WAITING:
        return options.force
    if state is RunState.FAILED:
        wanted = asked or options.again or _worth_another(evidence)
        return failed is not None and failed.stage is Stage.IMPORT and wanted
    if state is RunState.PARTIAL:
        return options.add or not is_anothers(evidence)
    if state is RunState.CONFLICT:
        return options.add
    if state is RunState.OUTDATED:
        return evidence.grown or (hop is not None and hop.verdict is HopVerdict.OUTDATED)
    return state is RunState.IMPORTED and hop is None


def is_anothers(evidence: Evidence) -> bool:
    """Whether another writer put into artdaqDB what is there of the run."""
    return evidence.import_hop is not None and bool(evidence.import_hop.writer)


def takes_ours(run: Run, evidence: Evidence) -> bool:
    """Whether another writer's whole run could have our documents beside it: its record is still there."""
    hop = evidence.import_hop
    standing = run.state in (RunState.IMPORTED, RunState.ARCHIVED)
    return standing and evidence.has_record and hop is not None and hop.verdict is HopVerdict.OTHER_WRITER


def _worth_another(evidence: Evidence) -> bool:
    """A failure is tried again by itself when it may pass, or when the record is no longer what failed."""
    failed, record = evidence.failed, evidence.record
    if failed is None or failed.failure.retryable:
        return True
    return record is not None and failed.record != record.fingerprint


def migrate_due(run: Run, evidence: Evidence, options: JobOptions, *, asked: bool) -> bool:
    """Whether the migration stage has something to do for this run; `asked` means that a person named it."""
    if not evidence.artdaqdb:
        return False
    state, failed = run.state, evidence.failed
    if state in (RunState.IMPORTED, RunState.ORPHAN, RunState.MIGRATING):
        return True
    if state is RunState.FAILED:
        wanted = asked or options.again or (failed is not None and failed.failure.retryable)
        return failed is not None and failed.stage is Stage.MIGRATE and wanted
    return state in (RunState.OUTDATED, RunState.CONFLICT) and options.supersede and may_supersede(evidence)


def may_supersede(evidence: Evidence) -> bool:
    """Whether a person may put what artdaqDB exports over a blob of other content: it must be whole, and the newest."""
    hop = evidence.import_hop
    whole = hop is None or hop.verdict in WHOLE
    return whole and not evidence.grown and evidence.migrate_hop is not None


def next_stage(
    kind: JobKind, run: Run, evidence: Evidence, options: JobOptions, *, asked: bool, after: Stage | None = None
) -> Stage | None:
    """The stage that a job of this kind does next for this run, or None; `after` is the stage it just did.

    A retry is always asked for by a person.
    """
    wanted = STAGES_OF[kind]
    asked = asked or kind is JobKind.RETRY
    if run.state in _NEVER:
        return None
    if Stage.VERIFY in wanted:
        return Stage.VERIFY if after is None and run.state in VERIFIABLE else None
    if kind is JobKind.RETRY and after is None and run.state not in (RunState.FAILED, RunState.PARTIAL):
        return None
    if Stage.IMPORT in wanted and after is None and import_due(run, evidence, options, asked=asked):
        return Stage.IMPORT
    if Stage.MIGRATE in wanted and after is not Stage.MIGRATE and migrate_due(run, evidence, options, asked=asked):
        return Stage.MIGRATE
    return None


def planned(kind: JobKind, run: Run, evidence: Evidence, options: JobOptions, *, asked: bool) -> PlannedRun:
    """What a job of this kind would do with one run; no stages and the reason where it would do nothing."""
    first = next_stage(kind, run, evidence, options, asked=asked)
    if first is None:
        return PlannedRun(run.run, run.state, (), _why_not(kind, run))
    stages = [first]
    if first is Stage.IMPORT and Stage.MIGRATE in STAGES_OF[kind]:
        stages.append(Stage.MIGRATE)
    overruled = ""
    if options.add or options.supersede or options.force:
        plain = replace(options, add=False, supersede=False, force=False)
        if next_stage(kind, run, evidence, plain, asked=asked) is None:
            overruled = f"{run.state}: {run.reason}"
    return PlannedRun(run.run, run.state, tuple(stages), _why(run, evidence, first), overruled)


def _why(run: Run, evidence: Evidence, stage: Stage) -> str:
    if run.state is RunState.FAILED:
        return f"failed before: {run.reason}"
    if stage is Stage.IMPORT and evidence.artdaqdb:
        return "compare with what artdaqDB holds, complete what is missing"
    return run.reason


def _why_not(kind: JobKind, run: Run) -> str:
    if run.state in _NEVER:
        return f"{_NEVER[run.state]}: {run.reason}" if run.state is RunState.WAIVED else _NEVER[run.state]
    if run.state is RunState.WAITING:
        return f"waits: {run.reason}"
    if run.state in (RunState.CONFLICT, RunState.OUTDATED, RunState.FAILED, RunState.PARTIAL):
        return run.reason
    if Stage.VERIFY in STAGES_OF[kind]:
        return "not archived yet"
    return f"nothing to do: {run.state.lower()}"


SETTLED = frozenset({RunState.IMPORTED, RunState.ARCHIVED, RunState.ORPHAN})
"""States that no plan for all runs needs to mention: nothing is due, nothing stands in the way."""

def make_plan(
    kind: JobKind,
    runs: Iterable[tuple[Run, Evidence]],
    options: JobOptions,
    *,
    asked: frozenset[int] | None = None,
    left_out: int | None = None,
) -> Plan:
    """The plan for these runs, lowest first; a limit leaves out failed runs that nothing changed for before others.

    `asked` are the runs that a person named, None for all that is due; `left_out` is a run that the config leaves out.
    """
    steps: list[PlannedRun] = []
    held: list[PlannedRun] = []
    unchanged: set[int] = set()
    for run, evidence in sorted(runs, key=lambda pair: pair[0].run):
        if asked is not None and run.run not in asked:
            continue
        if options.above is not None and run.run <= options.above:
            continue
        if run.run == left_out and not evidence.artdaqdb:
            held.append(PlannedRun(run.run, run.state, (), "the most recent run is left out by the config"))
            continue
        step = planned(kind, run, evidence, options, asked=asked is not None)
        if step.stages:
            steps.append(step)
            if run.state is RunState.FAILED and not _worth_another(evidence):
                unchanged.add(run.run)
        elif asked is not None or run.state not in SETTLED:
            held.append(step)
    remaining = 0
    if options.limit and len(steps) > options.limit and kind is not JobKind.SCRUB:
        remaining = len(steps) - options.limit
        steps.sort(key=lambda step: (step.run in unchanged, step.run))
        steps = sorted(steps[: options.limit], key=lambda step: step.run)
    return Plan(kind, tuple(steps), tuple(held), remaining)


_NEVER_JUDGED = datetime.min.replace(tzinfo=UTC)


def oldest_verdict_first(plan: Plan, evidence: Mapping[int, Evidence], limit: int) -> Plan:
    """The plan with the runs first that were compared longest ago, or never; at most `limit` of them (0: all)."""

    def judged(step: PlannedRun) -> tuple[datetime, int]:
        known = evidence[step.run]
        times = [hop.at for hop in (known.import_hop, known.migrate_hop) if hop is not None and hop.at is not None]
        return min(times, default=_NEVER_JUDGED), step.run

    steps = sorted(plan.steps, key=judged)
    kept = steps[:limit] if limit else steps
    return replace(plan, steps=tuple(kept), remaining=len(steps) - len(kept))
