"""One stage of one run, done and written down: the attempt, its verdict, its hashes, its failure."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from runarchive.errors import ArchiveError, Code
from runarchive.ledger.history import HopHash, Outcome
from runarchive.ledger.ledger import Ledger
from runarchive.model import TROUBLED_STATES, CheckResult, Failure, Phase, Run, RunState, Severity, Stage, Verdict
from runarchive.pipeline.context import Context, unexpected
from runarchive.pipeline.evidence import WHOLE, Evidence, FailureEvidence, HopEvidence
from runarchive.pipeline.import_stage import run_import
from runarchive.pipeline.life import trouble_of
from runarchive.pipeline.migrate_stage import run_migrate
from runarchive.pipeline.transitions import check_transition
from runarchive.pipeline.trouble import STAGE_ENDING
from runarchive.pipeline.verify_stage import run_verify
from runarchive.pipeline.views import JobOptions


@dataclass(frozen=True, slots=True)
class Done:
    """How one attempt at a stage ended: the run as it stands, or the failure.

    `held` is why a stage that ran through leaves its run where a person or another try is needed.
    """

    run: Run
    evidence: Evidence
    failure: Failure | None = None
    checks: tuple[CheckResult, ...] = ()
    seconds: float = 0.0
    held: Failure | None = None


class Worker:
    """Does stages and keeps the ledger; one serves every thread of a job."""

    def __init__(self, context: Context, ledger: Ledger, options: JobOptions, job: int | None) -> None:
        self._context = context
        self._memory = context.memory
        self._ledger = ledger
        self._options = options
        self._job = job

    def do(self, run: int, stage: Stage, worker: str, before: Callable[[], None]) -> Done:
        """One attempt at a stage of a run. Raises ArchiveError only where the ledger cannot be written.

        `before` is called first; what it raises is the attempt's failure.
        """
        began = time.monotonic()
        evidence = self._memory.evidence(run)
        attempt = None
        if stage is not Stage.VERIFY:
            attempt = self._begin(evidence, stage, worker)
        try:
            before()
            after, checks = self._stage(stage, evidence)
        except ArchiveError as error:
            return self._failed(evidence, stage, attempt, error.failure, began)
        except Exception as error:
            return self._surprised(evidence, stage, attempt, error, began)
        try:
            if stage is Stage.VERIFY:
                return self._verified(evidence, after, checks, began)
            return self._done(stage, attempt, after, began)
        except ArchiveError:
            raise
        except Exception as error:
            return self._surprised(evidence, stage, attempt, error, began)

    def _surprised(
        self, evidence: Evidence, stage: Stage, attempt: int | None, error: Exception, began: float
    ) -> Done:
        """A defect of ours met this run: the event keeps where, and the run fails alone."""
        self._ledger.events.record(
            traceback.format_exc(), severity=Severity.ERROR, run=evidence.run, stage=stage, job=self._job
        )
        return self._failed(evidence, stage, attempt, unexpected(error), began)

    def _begin(self, evidence: Evidence, stage: Stage, worker: str) -> int:
        state = self._memory.derive(evidence).state
        target = RunState.IMPORTING if stage is Stage.IMPORT else RunState.MIGRATING
        check_transition(evidence.run, state, target)
        with self._ledger.transaction():
            attempt = self._ledger.history.begin_attempt(evidence.run, stage, job=self._job, worker=worker)
            self._memory.show_working(replace(evidence, in_hand=stage), stage)
        return attempt

    def _stage(self, stage: Stage, evidence: Evidence) -> tuple[Evidence, tuple[CheckResult, ...]]:
        if stage is Stage.IMPORT:
            return run_import(self._context, evidence, add=self._options.add), ()
        if stage is Stage.MIGRATE:
            return run_migrate(self._context, evidence, supersede=self._options.supersede), ()
        return run_verify(self._context, evidence)

    def _done(self, stage: Stage, attempt: int | None, after: Evidence, began: float) -> Done:
        after = replace(after, in_hand=None)
        hop = after.import_hop if stage is Stage.IMPORT else after.migrate_hop
        with self._ledger.transaction():
            run = self._memory.save([after])[0]
            held = _held(run, after)
            if attempt is not None:
                self._ledger.history.end_attempt(attempt, held)
            if hop is not None:
                self._ledger.history.record_hashes([_hash(after.run, stage, hop)], job=self._job)
            self._record(run, stage, hop)
        return Done(run, after, seconds=time.monotonic() - began, held=held)

    def _record(self, run: Run, stage: Stage, hop: HopEvidence | None) -> None:
        if hop is not None and hop.verdict in WHOLE:
            word = "imported" if stage is Stage.IMPORT else "archived"
            self._event(run, stage, f"{run.run} {word}" + (f": {run.reason}" if run.reason else ""), Severity.INFO)
        else:
            self._event(run, stage, f"{run.run} {run.state}: {run.reason}", Severity.WARNING)

    def _event(self, run: Run, stage: Stage, message: str, severity: Severity) -> None:
        self._ledger.events.record(message, severity=severity, run=run.run, stage=stage, job=self._job)

    def _failed(
        self, evidence: Evidence, stage: Stage, attempt: int | None, failure: Failure, began: float
    ) -> Done:
        seconds = time.monotonic() - began
        blameless = failure.code == Code.CANCELLED or Code(failure.code) in STAGE_ENDING
        if stage is Stage.VERIFY:
            check = CheckResult("verify", Verdict.UNKNOWN, failure.message, failure.hint, seconds)
            self._ledger.history.record_checks([check], run=evidence.run, stage=stage, job=self._job)
            return Done(self._memory.derive(evidence), evidence, failure, (check,), seconds)
        before = evidence.failed
        again = before is not None and before.stage is stage
        tries = (before.attempts if before is not None and again else 0) + (0 if blameless else 1)
        after = replace(evidence, in_hand=None)
        if not blameless:
            record = evidence.record.fingerprint if evidence.record else ""
            after = replace(after, failed=FailureEvidence(stage, failure, tries, record))
        with self._ledger.transaction():
            run = self._memory.save([after])[0]
            if attempt is not None:
                self._ledger.history.end_attempt(
                    attempt, failure, Outcome.CANCELLED if failure.code == Code.CANCELLED else Outcome.FAILED
                )
            self._event(run, stage, f"{run.run} {stage} failed, attempt {tries}: {failure.message}", Severity.ERROR)
        return Done(run, after, failure, seconds=seconds)

    def _verified(
        self, before: Evidence, after: Evidence, checks: tuple[CheckResult, ...], began: float
    ) -> Done:
        """Keep the verdicts, unless a job changed the run while it was read."""
        with self._ledger.transaction():
            if self._memory.evidence(before.run) != before:
                return Done(self._memory.derive(before), before, seconds=time.monotonic() - began)
            run = self._memory.save([after])[0]
            self._ledger.history.record_checks(checks, run=run.run, stage=Stage.VERIFY, job=self._job)
            self._ledger.history.record_hashes(hop_hashes(after), job=self._job)
            for check in checks:
                if check.verdict is Verdict.FAIL:
                    message = f"{run.run} {check.name}: {check.evidence}"
                    self._event(run, Stage.VERIFY, message, Severity.ERROR)
        return Done(run, after, checks=checks, seconds=time.monotonic() - began, held=_held(run, after, checks))


def _held(run: Run, evidence: Evidence, checks: Iterable[CheckResult] = ()) -> Failure | None:
    failed = next((check for check in checks if check.verdict is Verdict.FAIL), None)
    if run.state in (RunState.CONFLICT, RunState.PARTIAL, RunState.FAILED) or (failed and run.state in TROUBLED_STATES):
        return trouble_of(run, evidence)[1]
    if failed is None:
        return None
    sentence = f"{failed.name}: {failed.evidence}"
    return ArchiveError(Code.MISMATCH, sentence, phase=Phase.VERIFY, run=run.run, hint=failed.hint).failure


def hop_hashes(evidence: Evidence) -> list[HopHash]:
    """The hash of each hop of a run that was compared."""
    hops = ((Stage.IMPORT, evidence.import_hop), (Stage.MIGRATE, evidence.migrate_hop))
    return [_hash(evidence.run, stage, hop) for stage, hop in hops if hop is not None and hop.output]


def _hash(run: int, stage: Stage, hop: HopEvidence) -> HopHash:
    return HopHash(run, stage.value, hop.output, hop.input, hop.at)
