"""The import and migration stages of `run-archiver`: what is logged of them, and their made-up failures."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from runarchive.cli.archiver.log import IMPORTER, MIGRATOR, ORCHESTRATOR, banner
from runarchive.config import App, AppFuzz
from runarchive.errors import ArchiveError, Code
from runarchive.model import Failure, Stage
from runarchive.pipeline.observer import JobObserver
from runarchive.pipeline.runner import LOCK_REMOVED

PROGRESS_EVERY = 10


@dataclass(frozen=True, slots=True)
class StageWords:
    """How the lines of one stage are worded."""

    title: str
    logger: logging.Logger
    done: str
    verb: str
    tag: str


WORDS = {
    Stage.IMPORT: StageWords("Import Stage", IMPORTER, "✓ Run %d imported successfully", "import", "Import"),
    Stage.MIGRATE: StageWords(
        "Migration Stage", MIGRATOR, "✓ Run %d migrated and verified successfully", "migrate", "Migration"
    ),
}


@dataclass(slots=True)
class StageTally:
    """What became of the runs of one stage so far."""

    due: tuple[int, ...] = ()
    remaining: int = 0
    succeeded: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)

    @property
    def processed(self) -> int:
        """How many runs are through."""
        return len(self.succeeded) + len(self.failed)


class Fuzz:
    """Made-up failures, as `app_fuzz` asks for them: a share of runs left out, a share of attempts failing."""

    def __init__(self, config: AppFuzz, roll: Callable[[], float] = random.random) -> None:
        self._config = config
        self._roll = roll

    def strike(self, run: int, stage: Stage) -> None:
        """Perhaps fail this attempt; raises ArchiveError, retryable unless `random_*_retry` says it is for good."""
        config = self._config
        if self._roll() * 100 < config.random_skip_percent:
            self._fail(run, stage, "skip", config.random_skip_percent, config.random_skip_retry)
        if self._roll() * 100 < config.random_error_percent:
            self._fail(run, stage, "error", config.random_error_percent, config.random_error_retry)

    def _fail(self, run: int, stage: Stage, switch: str, percent: int, for_good: bool) -> None:
        doing = "skipping" if switch == "skip" else "failing"
        if for_good:
            text = f"Permanently {doing} run {run} - will NOT retry (random_{switch}_retry=true)"
        else:
            text = f"Randomly {doing} run {run} - will retry later (random_{switch}_percent={percent}%)"
        WORDS[stage].logger.warning("[FUZZ] %s", text)
        raise ArchiveError(
            Code.TOOL_FAILED,
            f"[FUZZ] {text}",
            run=run,
            retryable=not for_good,
            hint="set the percentages of section app_fuzz to 0",
        )


class StageLog(JobObserver):
    """Logs a job line by line as the older archiver did, and keeps the tally of the stage."""

    def __init__(self, stage: Stage, limit_words: str, app: App, fuzz: Fuzz | None) -> None:
        self.tally = StageTally()
        self._words = WORDS[stage]
        self._stage = stage
        self._limit_words = limit_words
        self._app = app
        self._fuzz = fuzz
        self._lock = threading.Lock()

    def planned(self, stage: Stage, runs: tuple[int, ...], remaining: int) -> None:
        """Log how many runs are due, and how many of them this start takes."""
        self.tally.due, self.tally.remaining = runs, remaining
        say, words = self._words.logger.info, self._words
        total = len(runs) + remaining
        say("%s: Found %d runs to %s.", words.title, total, words.verb)
        if not runs:
            say("%s: No new runs to %s.", words.title, words.verb)
            return
        say("Run range: %d to %d", min(runs), max(runs))
        if remaining:
            say("%s: Limited to %d runs (%s). %d runs remaining.", words.title, len(runs), self._limit_words, remaining)
        say("%s: Processing batch of %d runs.", words.title, len(runs))
        say("Starting parallel processing of %d runs with %d workers", len(runs), self._app.parallel_workers)

    def attempt_started(self, run: int, stage: Stage, attempt: int, attempts: int) -> None:
        """Log the attempt; raises ArchiveError for a made-up failure."""
        self._words.logger.info("→ Processing run %d (attempt %d/%d)", run, attempt, attempts)
        if self._fuzz is not None:
            self._fuzz.strike(run, stage)

    def run_done(self, run: int, stage: Stage, reason: str) -> None:
        """Log a run that is through."""
        self._words.logger.info(self._words.done, run)
        if reason:
            self._words.logger.info("Run %d: %s", run, reason)
        self._count(run, self.tally.succeeded)

    def attempt_failed(
        self, run: int, stage: Stage, attempt: int, attempts: int, failure: Failure, retry_in: float | None
    ) -> None:
        """Log why an attempt failed and what follows."""
        text = f"[{self._words.tag}] [Run {run}] {failure.message}"
        self._words.logger.error("✗ Run %d failed (attempt %d/%d): %s", run, attempt, attempts, text)
        if retry_in is not None:
            self._words.logger.info("Retrying run %d in %.3g seconds...", run, retry_in)
            return
        if failure.hint:
            self._words.logger.info("Run %d: next: %s", run, failure.hint)
        self._count(run, self.tally.failed)

    def stopping(self, why: str) -> None:
        """Log a stop that no signal asked for: the lock file was removed, or a person cancelled the job."""
        if why == LOCK_REMOVED:
            title = "LOCK FILE REMOVED - INITIATING GRACEFUL SHUTDOWN"
            place = f"Lock file: {self._app.lock_file}"
            banner(ORCHESTRATOR, title, place, "Process will finish current run and then exit", level=logging.WARNING)
        self._words.logger.warning("%s: stops after the runs in hand: %s", self._words.title, why)

    def paused(self, stage: Stage, why: str) -> None:
        """Log that the stage stands."""
        self._words.logger.warning("%s: paused: %s", self._words.title, why)

    def resumed(self, stage: Stage) -> None:
        """Log that the stage goes on."""
        self._words.logger.info("%s: goes on", self._words.title)

    def _count(self, run: int, numbers: list[int]) -> None:
        with self._lock:
            numbers.append(run)
            done, tally = self.tally.processed, self.tally
            if done % PROGRESS_EVERY == 0 or done == len(tally.due):
                self._words.logger.info(
                    "Progress: %d/%d runs processed (%d successful, %d failed)",
                    done,
                    len(tally.due),
                    len(tally.succeeded),
                    len(tally.failed),
                )

