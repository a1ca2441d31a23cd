"""What the commands on a whole archive share: opening it, run numbers, signals, exit codes, jobs as text and JSON."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from runarchive.archive import (
    Archive,
    JobKind,
    JobObserver,
    JobOptions,
    Outcome,
    Plan,
    PlannedRun,
    RunOutcome,
    RunResult,
)
from runarchive.clean import clean
from runarchive.cli.output import emit, emit_json, talk
from runarchive.cli.progress import progress_line
from runarchive.cli.refusing import refuse_read_only
from runarchive.errors import TAXONOMY, Code, ExitCode, UsageError
from runarchive.model import Failure, Marks, Run, RunState, Stage, Store, run_number
from runarchive.pipeline.trouble import stands

IMPATIENT = 3
IMPATIENT_SECONDS = 2.0


def open_archive(args: argparse.Namespace, *, writes: bool = False, examine: bool = False) -> Archive:
    """The archive of the config that the arguments name; `writes` arms it, unless they say --read-only, and `examine`
    reads its ledger through before.

    Raises ArchiveError(READ_ONLY) where a writing command is refused, ConfigError for a bad config.
    """
    archive = Archive.open(args.config, writable=writes and not args.read_only, actor="", examine=examine)
    if writes and archive.read_only:
        archive.close()
        refuse_read_only(args, "this command writes", config=True)
    for notice in archive.notices:
        talk(clean(notice))
    return archive


def look(archive: Archive, runs: Iterable[int] = ()) -> None:
    """Look at the stores, at these runs closely, and say which stores could not be asked."""
    archive.refresh()
    archive.glance_at(runs)
    for store, error in archive.silent_stores().items():
        talk(f"{store}: {clean(error.message)}")
        if error.hint:
            talk(f"  next: {clean(error.hint)}")


# --- run numbers

Selection = tuple[tuple[int, int], ...]


def parse_runs(words: Sequence[str]) -> Selection | None:
    """`12000`, `12000-12500`, `12000,12003` as ranges; None where no word is given. Raises UsageError."""
    ranges: list[tuple[int, int]] = []
    for word in ",".join(words).split(","):
        first, dash, last = word.strip().partition("-")
        if not first and not dash:
            continue
        begin, end = run_number(first.strip()), run_number(last.strip() if dash else first.strip())
        if begin is None or end is None:
            raise UsageError(f"{word!r} is no run number, and no range like 12000-12500")
        if end < begin:
            raise UsageError(f"{word!r}: the range ends before it begins")
        ranges.append((begin, end))
    if words and not ranges:
        raise UsageError("no run is named; leave the numbers out for all runs that are due")
    return tuple(ranges) if words else None


def expand(selection: Selection, archive: Archive) -> tuple[int, ...]:
    """The run numbers of a selection: single ones as they are, of a range those that are known."""
    wanted = {first for first, last in selection if first == last}
    ranges = [(first, last) for first, last in selection if first != last]
    known = [run.run for run in archive.runs()] if ranges else []
    for first, last in ranges:
        found = [run for run in known if first <= run <= last]
        wanted.update(found)
        if not found:
            talk(f"{first}-{last}: no such run is known")
    return tuple(sorted(wanted))


# --- signals


@contextmanager
def graceful(archive: Archive) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP finish the runs in hand; three interrupts within two seconds end at once."""
    pressed: list[float] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            now = time.monotonic()
            pressed[:] = [at for at in pressed if at > now - IMPATIENT_SECONDS] + [now]
        if len(pressed) >= IMPATIENT:
            os.write(2, b"interrupted at once; the next start continues the runs in hand\n")
            os._exit(ExitCode.INTERRUPTED)
        os.write(2, b"finishing the runs in hand; interrupt three times within two seconds to stop at once\n")
        archive.stop()

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Telling(JobObserver):
    """Says on standard error that a stage stands, so that nobody waits without knowing for what."""

    def paused(self, stage: Stage, why: str) -> None:
        """A stage stands."""
        talk(clean(stands(stage, why)))

    def resumed(self, stage: Stage) -> None:
        """A stage goes on."""
        talk(f"{stage} goes on")


def run_job(
    archive: Archive, kind: JobKind, runs: Iterable[int] | None = None, options: JobOptions | None = None
) -> Outcome:
    """Do one job to its end, or until a signal asks to finish the runs in hand."""
    with graceful(archive), progress_line(archive):
        return archive.run_job(kind, runs, options, observer=_Telling())


# --- as JSON


def marks_json(marks: Marks) -> dict[str, str]:
    """The ASCII marks by store."""
    return {store.value: marks.of(store).ascii_glyph for store in Store}


def run_json(run: Run) -> dict[str, Any]:
    """One run as scripts read it."""
    return {
        "run": run.run,
        "state": run.state.value,
        "reason": run.reason,
        "marks": marks_json(run.marks),
        "configuration": run.configuration,
        "start": run.start.isoformat() if run.start else None,
        "stop": run.stop.isoformat() if run.stop else None,
        "attempts": run.attempts,
        "size": run.size,
    }


def failure_json(failure: Failure | None) -> dict[str, Any] | None:
    """A failure with all its parts, or None."""
    if failure is None:
        return None
    return {
        "store": failure.store.value if failure.store else None,
        "phase": failure.phase.value,
        "code": failure.code,
        "retryable": failure.retryable,
        "message": failure.message,
        "hint": failure.hint,
    }


def planned_json(step: PlannedRun) -> dict[str, Any]:
    """One run of a plan."""
    stages = [stage.value for stage in step.stages]
    return {"run": step.run, "state": step.state.value, "stages": stages, "reason": step.reason}


def outcome_json(outcome: RunOutcome) -> dict[str, Any]:
    """One run of a job."""
    return {
        "run": outcome.run,
        "result": outcome.result.value,
        "state": outcome.state.value,
        "stages": [stage.value for stage in outcome.stages],
        "reason": outcome.reason,
        "attempts": outcome.attempts,
        "seconds": round(outcome.seconds, 3),
        "failure": failure_json(outcome.failure),
    }


# --- plans and outcomes


def show_plan(plan: Plan, as_json: bool) -> int:
    """Print what a job would do; always DONE."""
    if as_json:
        emit_json(
            {
                "kind": plan.kind.value,
                "runs": [planned_json(step) for step in plan.steps],
                "held": [planned_json(step) for step in plan.held],
                "remaining": plan.remaining,
            }
        )
        return ExitCode.DONE
    for step in plan.steps:
        emit(f"{step.run}  {', '.join(step.stages)}" + (f"  {clean(step.reason)}" if step.reason else ""))
    _tell_held(plan.held)
    held = f"{len(plan.held)} held, {plan.remaining} beyond the limit"
    talk(f"{len(plan.steps)} to {plan.kind}, {held}; nothing was done")
    return ExitCode.DONE


def _tell_held(held: Sequence[PlannedRun]) -> None:
    """The runs that stay as they are, each with its reason, and where its ways out stand."""
    for step in held:
        talk(f"{step.run}  held, {step.state}: {clean(step.reason)}")
    open_ones = [step for step in held if step.state is not RunState.ARCHIVED]
    if open_ones:
        named = open_ones[0].run if len(open_ones) == 1 else "RUN"
        talk(f"  next: `tui-archiver explain {named}` says what can be done")


REFUSED_WORDS = ("no store and no directory",)


def show_outcome(
    outcome: Outcome, held: Iterable[PlannedRun], as_json: bool, unclaimed: dict[str, int] | None = None
) -> int:
    """Print how a job ended, and return the exit code; `held` are runs that were asked for and stayed.

    `unclaimed` counts, by state, the runs that a verification had nothing to read of.
    """
    refused = tuple(held)
    if as_json:
        others = {} if unclaimed is None else {"not_verified": unclaimed}
        emit_json(
            {
                **others,
                "job": outcome.job,
                "kind": outcome.kind.value,
                "imported": outcome.count(Stage.IMPORT),
                "migrated": outcome.count(Stage.MIGRATE),
                "verified": outcome.count(Stage.VERIFY),
                "failed": len(outcome.failed),
                "runs": [outcome_json(run) for run in outcome.runs],
                "held": [planned_json(step) for step in refused],
                "remaining": outcome.remaining,
                "seconds": round(outcome.seconds, 3),
                "stopped": outcome.stopped,
            }
        )
    else:
        for run in outcome.runs:
            emit(_outcome_line(run))
        _tell_held(refused)
        talk(_summary(outcome, len(refused)))
        if unclaimed:
            counts = ", ".join(f"{count} {state}" for state, count in unclaimed.items())
            talk(f"not verified, as neither imported nor archived: {counts}")
    return exit_code(outcome, refused)


def _outcome_line(run: RunOutcome) -> str:
    stages = ", ".join(run.stages) or "nothing"
    text = run.failure.message if run.failure else run.reason
    return f"{run.run}  {run.result}  {run.state}  {stages}" + (f"  {clean(text)}" if text else "")


def _summary(outcome: Outcome, held: int) -> str:
    if not outcome.runs and not outcome.stopped:
        return f"nothing to {outcome.kind}" + (f", {held} held" if held else "")
    done = sum(run.result is RunResult.DONE for run in outcome.runs)
    rate = outcome.over / outcome.seconds if outcome.seconds > 0 else 0.0
    text = f"{outcome.kind}: {done} done, {len(outcome.failed)} failed in {outcome.seconds:.1f} s ({rate:.1f} runs/s)"
    left = outcome.remaining + len(outcome.runs) - outcome.over
    if left:
        text += f", {left} remain"
    return f"{text}; {clean(outcome.why_stopped)}" if outcome.stopped else text


def exit_code(outcome: Outcome, held: Sequence[PlannedRun] = ()) -> int:
    """130 interrupted, 75 where a store was out of reach, 1 where runs failed or were refused, else 0."""
    if outcome.interrupted:
        return ExitCode.INTERRUPTED
    if outcome.stop_failure is not None:
        return TAXONOMY[Code(outcome.stop_failure.code)].exit_code
    failures = [run.failure for run in outcome.failed if run.failure is not None]
    if failures and all(TAXONOMY[Code(failure.code)].exit_code is ExitCode.UNREACHABLE for failure in failures):
        return ExitCode.UNREACHABLE
    if outcome.failed or any(_is_refused(step) for step in held):
        return ExitCode.FAILED
    return ExitCode.DONE


def _is_refused(step: PlannedRun) -> bool:
    return step.state in ("CONFLICT", "PARTIAL", "FAILED", "OUTDATED") or step.reason.startswith(REFUSED_WORDS)
