"""What people and dashboards hear of a job that ended: an alarm for each stage with failed runs, and metrics."""

from __future__ import annotations

from runarchive.config import Config
from runarchive.ledger.ledger import Ledger
from runarchive.model import Severity, Stage
from runarchive.notify import Notifier
from runarchive.pipeline.plan import STAGES_OF
from runarchive.pipeline.telling import tell
from runarchive.pipeline.views import Outcome

CLOSING_SECONDS = 5.0
WORDS = {Stage.IMPORT: "import", Stage.MIGRATE: "migration", Stage.VERIFY: "verification"}
METRIC = {Stage.IMPORT: "import", Stage.MIGRATE: "migrate"}


class Alarms:
    """Sends what the config's `reporting` and `carbon` ask for; trouble with that becomes events."""

    def __init__(self, config: Config, ledger: Ledger) -> None:
        self._ledger = ledger
        self._notifier = Notifier(config, self._tell)
        self._closed = False

    def _tell(self, sentence: str, severity: Severity) -> None:
        if self._closed:
            return  # a delivery that outlasted its time limit: the ledger is closed, the alarm is kept
        tell(self._ledger, sentence, severity=severity)

    def __call__(self, outcome: Outcome) -> None:
        """Tell of one job that ended."""
        self._notifier.send_kept()
        by_stage: dict[Stage, dict[int, str]] = {}
        for run in outcome.failed:
            reason = run.failure.message if run.failure else run.reason
            by_stage.setdefault(run.last_stage or Stage.IMPORT, {})[run.run] = reason
        for stage, failures in by_stage.items():
            self._notifier.failures(WORDS[stage], failures)
        self._notifier.metrics(job_metrics(outcome))

    def metrics(self, values: dict[str, float]) -> None:
        """Send further metrics."""
        self._notifier.metrics(values)

    def close(self, timeout: float = CLOSING_SECONDS) -> None:
        """Wait for what is under way, so many seconds at most: an alarm not sent then is kept for the next job."""
        if not self._notifier.close(timeout):
            sentence = "notifications are still on their way: alarms are kept, and sent by the next job"
            self._tell(sentence, Severity.WARNING)
        self._closed = True


def job_metrics(outcome: Outcome) -> dict[str, float]:
    """The metrics of each stage of a job, as the older archiver names them; `duration_seconds` is the whole job's."""
    values: dict[str, float] = {}
    for stage, name in METRIC.items():
        if stage not in STAGES_OF[outcome.kind]:
            continue
        failed = {run.run for run in outcome.failed if run.last_stage is stage}
        done = [run.run for run in outcome.runs if stage in run.stages and run.run not in failed]
        values[f"{name}.runs_processed"] = len(done) + len(failed)
        values[f"{name}.runs_successful"] = len(done)
        values[f"{name}.runs_failed"] = len(failed)
        if done:
            values[f"{name}.last_successful_run"] = max(done)
            values[f"{name}.duration_seconds"] = outcome.seconds
    return values
