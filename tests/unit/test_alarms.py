"""Which metrics a job gives, and an alarm as text."""

from __future__ import annotations

import socket
from pathlib import Path

from runarchive.config import load_config
from runarchive.ledger import Ledger
from runarchive.model import Failure, Phase, RunState, Stage, Store
from runarchive.notify import Alarm
from runarchive.pipeline.alarms import Alarms, job_metrics
from runarchive.pipeline.views import JobKind, Outcome, RunOutcome, RunResult
from tests.archiver_site import Site

FAILURE = Failure(Store.UCONDB, Phase.WRITE, "timeout", True, "no answer")


def outcome_of(run: int, *stages: Stage, failed: Stage | None = None) -> RunOutcome:
    if failed is None:
        return RunOutcome(run, RunResult.DONE, RunState.ARCHIVED, stages, last_stage=stages[-1])
    return RunOutcome(run, RunResult.FAILED, RunState.FAILED, stages, failure=FAILURE, last_stage=failed)


def test_the_metrics_of_a_migration() -> None:
    runs = (outcome_of(5, Stage.MIGRATE), outcome_of(9, Stage.MIGRATE), outcome_of(12, failed=Stage.MIGRATE))
    assert job_metrics(Outcome(1, JobKind.MIGRATE, runs, seconds=2.5)) == {
        "migrate.runs_processed": 3,
        "migrate.runs_successful": 2,
        "migrate.runs_failed": 1,
        "migrate.last_successful_run": 9,
        "migrate.duration_seconds": 2.5,
    }


def test_a_job_of_both_stages_gives_the_metrics_of_each() -> None:
    runs = (
        outcome_of(5, Stage.IMPORT, Stage.MIGRATE),
        outcome_of(9, Stage.IMPORT, failed=Stage.MIGRATE),
        outcome_of(11, failed=Stage.MIGRATE),
        outcome_of(12, Stage.IMPORT, failed=Stage.IMPORT),
    )
    for kind in (JobKind.ARCHIVE, JobKind.RETRY):
        assert job_metrics(Outcome(1, kind, runs, seconds=2.5)) == {
            "import.runs_processed": 3,
            "import.runs_successful": 2,
            "import.runs_failed": 1,
            "import.last_successful_run": 9,
            "import.duration_seconds": 2.5,
            "migrate.runs_processed": 3,
            "migrate.runs_successful": 1,
            "migrate.runs_failed": 2,
            "migrate.last_successful_run": 5,
            "migrate.duration_seconds": 2.5,
        }


def test_a_migration_with_nothing_to_do_gives_zeros_and_a_verification_nothing() -> None:
    assert set(job_metrics(Outcome(0, JobKind.MIGRATE)).values()) == {0}
    assert job_metrics(Outcome(0, JobKind.VERIFY)) == {}


def test_what_is_not_delivered_in_time_is_said_and_kept(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mail = {"enabled": True, "recipient_email": "a@b", "sender_email": "c@d", "smtp_host": "127.0.0.1"}
        site.configure(reporting={"email": {**mail, "smtp_port": silent.getsockname()[1]}})
        ledger = Ledger.open(site.work / "ledger.sqlite")
        alarms = Alarms(load_config(site.config_file), ledger)
        alarms(Outcome(1, JobKind.IMPORT, (outcome_of(5, failed=Stage.IMPORT),)))
        alarms.close(timeout=0.1)
    assert [event.message for event in ledger.events.latest()] == [
        "notifications are still on their way: alarms are kept, and sent by the next job"
    ]
    assert len(list((site.work / "notifications").iterdir())) == 1
    ledger.close()


def test_an_alarm_survives_the_spool() -> None:
    alarm = Alarm.now("import", {7: "é\nin boot.txt", 3: ""})
    assert alarm.runs == (3, 7)
    assert Alarm.from_json(alarm.to_json()) == alarm
    assert "Why:\n7: é" in alarm.body
