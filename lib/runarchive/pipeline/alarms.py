"""What people and dashboards hear of a job that ended: an alarm for each stage with failed runs, and metrics."""

from __future__ import annotations

from runarchive.config import Config
from runarchive.ledger.ledger import Ledger
from runarchive.model import Severity, Stage
from runarchive.notify import Notifier
from runarchive.pipeline.views import JobKind, Outcome, RunOutcome

WORDS = {Stage.IMPORT: "import", Stage.MIGRATE: "migration", Stage.VERIFY: "verification"}
METRIC = {JobKind.IMPORT: "import", JobKind.MIGRATE: "migrate"}


class Alarms:
    """Sends what the config's `reporting` and `carbon` ask for; trouble with that becomes events."""

    def __init__(self, config: Config, ledger: Ledger) -> None:
        self._ledger = ledger
        self._notifier = Notifier(config, self._tell)
        self._closed = False

    def _tell(self, sentence: str, severity: Severity) -> None:
        if self._closed:
            return  # a delivery that outlasted its time limit: the ledger is closed, the alarm is kept
        self._ledger.events.record(sentence, severity=severity)

    def __call__(self, outcome: Outcome) -> None:
        """Tell of one job that ended."""
        self._notifier.send_kept()
        by_stage: dict[Stage, dict[int, str]] = {}
        for run in outcome.failed:
            reason = run.failure.message if run.failure else run.reason
            by_stage.setdefault(failed_stage(outcome.kind, run), {})[run.run] = reason
        for stage, failures in by_stage.items():
            self._notifier.failures(WORDS[stage], failures)
        self._notifier.metrics(job_metrics(outcome))

    def metrics(self, values: dict[str, float]) -> None:
        """Send further metrics."""
        self._notifier.metrics(values)

    def close(self) -> None:
        """Wait for what is under way, within its time limit; what is not delivered is kept for the next start."""
        self._notifier.close()
        self._closed = True


def job_metrics(outcome: Outcome) -> dict[str, float]:
    """The metrics of a job of one stage, as the older archiver names them; none of other jobs."""
    name = METRIC.get(outcome.kind)
    if name is None:
        return {}
    failed = len(outcome.failed)
    done = [run.run for run in outcome.runs if run.failure is None and run.stages]
    values: dict[str, float] = {
        f"{name}.runs_processed": len(done) + failed,
        f"{name}.runs_successful": len(done),
        f"{name}.runs_failed": failed,
    }
    if done:
        values[f"{name}.last_successful_run"] = max(done)
        values[f"{name}.duration_seconds"] = outcome.seconds
    return values


def failed_stage(kind: JobKind, run: RunOutcome) -> Stage:
    """The stage in which a run of a job failed."""
    if kind in (JobKind.VERIFY, JobKind.SCRUB):
        return Stage.VERIFY
    if kind is JobKind.MIGRATE or Stage.IMPORT in run.stages:
        return Stage.MIGRATE
    return Stage.IMPORT
