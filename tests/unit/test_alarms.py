"""Which stage an alarm names, and which metrics a job gives."""

from __future__ import annotations

import pytest

from runarchive.model import Failure, Phase, RunState, Stage, Store
from runarchive.notify import Alarm
from runarchive.pipeline.alarms import failed_stage, job_metrics
from runarchive.pipeline.views import JobKind, Outcome, RunOutcome, RunResult

FAILURE = Failure(Store.UCONDB, Phase.WRITE, "timeout", True, "no answer")


def outcome_of(run: int, *stages: Stage, failed: bool = False) -> RunOutcome:
    result, state = (RunResult.FAILED, RunState.FAILED) if failed else (RunResult.DONE, RunState.ARCHIVED)
    return RunOutcome(run, result, state, stages, failure=FAILURE if failed else None)


@pytest.mark.parametrize(
    ("kind", "done", "expected"),
    [
        (JobKind.IMPORT, (), Stage.IMPORT),
        (JobKind.MIGRATE, (), Stage.MIGRATE),
        (JobKind.ARCHIVE, (), Stage.IMPORT),
        (JobKind.ARCHIVE, (Stage.IMPORT,), Stage.MIGRATE),
        (JobKind.RETRY, (Stage.IMPORT,), Stage.MIGRATE),
        (JobKind.VERIFY, (), Stage.VERIFY),
        (JobKind.SCRUB, (), Stage.VERIFY),
    ],
)
def test_the_stage_that_failed(kind: JobKind, done: tuple[Stage, ...], expected: Stage) -> None:
    assert failed_stage(kind, outcome_of(1, *done, failed=True)) is expected


def test_the_metrics_of_a_migration() -> None:
    runs = (outcome_of(5, Stage.MIGRATE), outcome_of(9, Stage.MIGRATE), outcome_of(12, failed=True))
    assert job_metrics(Outcome(1, JobKind.MIGRATE, runs, seconds=2.5)) == {
        "migrate.runs_processed": 3,
        "migrate.runs_successful": 2,
        "migrate.runs_failed": 1,
        "migrate.last_successful_run": 9,
        "migrate.duration_seconds": 2.5,
    }


def test_a_migration_with_nothing_to_do_gives_zeros_and_a_verification_nothing() -> None:
    assert set(job_metrics(Outcome(0, JobKind.MIGRATE)).values()) == {0}
    assert job_metrics(Outcome(0, JobKind.VERIFY)) == {}


def test_an_alarm_survives_the_spool() -> None:
    alarm = Alarm.now("import", {7: "é\nin boot.txt", 3: ""})
    assert alarm.runs == (3, 7)
    assert Alarm.from_json(alarm.to_json()) == alarm
    assert "Why:\n7: é" in alarm.body
