"""One start of `run-archiver`: which stages run, over which runs, and what exit status that gives."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from runarchive.archive import Archive, JobKind, JobOptions, Outcome, RecoveryKind, StoreCall
from runarchive.cli.archiver import CurrentStage
from runarchive.cli.archiver.log import MIGRATOR, NARROW, ORCHESTRATOR, banner
from runarchive.cli.archiver.report import report
from runarchive.cli.archiver.signals import StopRequests
from runarchive.cli.archiver.stages import WORDS, Fuzz, StageLog, StageTally
from runarchive.cli.output import first_ten
from runarchive.config import Config
from runarchive.errors import ArchiveError, ExitCode
from runarchive.ledger.state_files import read_failure_log, update_failure_log
from runarchive.model import CheckResult, RunState, Stage, Store, Verdict
from runarchive.pipeline.runner import LOCK_REMOVED

FULL_FACTOR = 10
NOT_DUE = (RunState.WAITING, RunState.WAIVED, RunState.IGNORED, RunState.EMPTY)
HELD = (RunState.ARCHIVED, RunState.IMPORTED, RunState.ORPHAN, RunState.MIGRATING, RunState.WAIVED)
ARTDAQDB_CLIENT = ("run_record_archiver.clients.artdaq", "ArtdaqDBClient")
UCONDB_CLIENT = ("run_record_archiver.clients.ucondb", "UconDBClient")
CALLS = {
    Store.ARTDAQDB: (*ARTDAQDB_CLIENT, "get_archived_runs"),
    Store.UCONDB: (*UCONDB_CLIENT, "get_existing_runs"),
    StoreCall.IMPORT: (*ARTDAQDB_CLIENT, "archive_run"),
    StoreCall.EXPORT: (*ARTDAQDB_CLIENT, "export_run_configuration"),
    StoreCall.PUT: (*UCONDB_CLIENT, "upload_blob"),
    StoreCall.GET: (*UCONDB_CLIENT, "get_data"),
}
"""Module, class and function of the older archiver by which its log and metrics name the listings and calls."""


class Start:
    """Does what one command line asks for."""

    def __init__(
        self, archive: Archive, config: Config, args: argparse.Namespace, requests: StopRequests, at: CurrentStage
    ) -> None:
        self.lock_removed = False
        self._cancelled = False
        self._archive = archive
        self._config = config
        self._args = args
        self._requests = requests
        self._at = at
        self._fuzz = None if args.incremental else Fuzz(config.app_fuzz)
        archive.on_store_call(self._perf)

    @property
    def _stopped(self) -> bool:
        return self._requests.requested or self.lock_removed or self._cancelled

    def run(self) -> int:
        """Do it; returns the exit status. Raises ArchiveError for what ends the whole start."""
        args = self._args
        if args.report_status:
            self._at.stage = "Status Report"
            self._archive.refresh()
            runs = self._archive.runs()
            open_runs = {run.run for run in runs if run.state in NOT_DUE}
            return report(self._config, self._archive.status(), open_runs, compare_state=args.compare_state)
        if args.recover_import_state or args.recover_migrate_state:
            return self._recover(RecoveryKind.IMPORT if args.recover_import_state else RecoveryKind.MIGRATE)
        ORCHESTRATOR.info("=== Execution Mode: %s ===", self._mode())
        with self._archive.exclusive(args.wait):
            if args.retry_failed_import:
                return self._retry(Stage.IMPORT)
            if args.retry_failed_migrate:
                return self._retry(Stage.MIGRATE)
            imported = 0 if args.migrate_only else self._import()
            migrated = 0 if args.import_only or self._stopped else self._migrate()
            return imported or migrated

    def _mode(self) -> str:
        args = self._args
        extent = "Incremental" if args.incremental else "Full"
        if args.retry_failed_import:
            return "Retry Failed Imports"
        if args.retry_failed_migrate:
            return "Retry Failed Migrations"
        if args.import_only:
            return f"Import Only ({extent})"
        if args.migrate_only:
            return f"Migration Only ({extent})"
        return f"Full Pipeline ({extent})"

    # --- the two stages

    def _import(self) -> int:
        self._announce("Import", "STAGE: Import - Importing runs from filesystem to ArtdaqDB")
        words = WORDS[Stage.IMPORT]
        words.logger.info("Import Stage: Fetching runs (mode: %s).", self._extent())
        self._archive.refresh((Store.FILESYSTEM, Store.ARTDAQDB))
        trouble = self._trouble(Store.FILESYSTEM, Store.ARTDAQDB)
        if trouble:
            words.logger.critical("Import Stage: Failed to determine runs to import: %s", trouble)
            return self._completed("Import", 1)
        self._perf_of_listing(Store.ARTDAQDB)
        counts, waiting = self._archive.counts()
        words.logger.info("Found %d run directories in filesystem", counts[Store.FILESYSTEM])
        words.logger.info("Found %d runs already in ArtdaqDB", counts[Store.ARTDAQDB])
        if waiting:
            words.logger.info("Import Stage: %d runs wait: no stop time yet, or still being written", waiting)
        return self._completed("Import", self._batch(JobKind.IMPORT, Stage.IMPORT, None))

    def _migrate(self) -> int:
        self._announce("Migration", "STAGE: Migration - Migrating runs from ArtdaqDB to UconDB")
        words = WORDS[Stage.MIGRATE]
        if self._args.validate:
            words.logger.info("Migration Stage: Blob validation enabled")
        words.logger.info("Migration Stage: Fetching runs (mode: %s).", self._extent())
        self._archive.refresh((Store.ARTDAQDB, Store.UCONDB))
        trouble = self._trouble(Store.ARTDAQDB, Store.UCONDB)
        if trouble:
            words.logger.critical("Migration Stage: Failed to determine runs to migrate: %s", trouble)
            return self._completed("Migration", 1)
        self._perf_of_listing(Store.ARTDAQDB, Store.UCONDB)
        for sentence in self._archive.health()[Store.UCONDB].damage:
            words.logger.warning("Migration Stage: %s", sentence)
        counts, _ = self._archive.counts()
        words.logger.info("Found %d runs in ArtdaqDB", counts[Store.ARTDAQDB])
        words.logger.info("Found %d runs already in UconDB", counts[Store.UCONDB])
        return self._completed("Migration", self._batch(JobKind.MIGRATE, Stage.MIGRATE, None))

    def _batch(self, kind: JobKind, stage: Stage, runs: Sequence[int] | None) -> int:
        """One job of one stage; `runs` None is all that is due, within batch_size."""
        limit = 0 if runs is not None else self._config.app.batch_size * (1 if self._args.incremental else FULL_FACTOR)
        limit_words = "batch_size" if self._args.incremental else "batch_size * 10"
        watch = StageLog(stage, limit_words, self._config.app, self._fuzz)
        options = JobOptions(limit=limit, refresh=False, wait=self._args.wait, again=not self._args.incremental)
        outcome = self._archive.run_job(kind, runs, options, observer=watch)
        if not watch.tally.due:
            watch.planned(stage, (), 0)
        code = self._judge(stage, outcome, watch)
        if runs is None:
            self._tell_of_left(stage, watch.tally)
        if stage is Stage.MIGRATE and self._args.validate:
            code = self._validate(watch.tally.succeeded) or code
        return code

    def _judge(self, stage: Stage, outcome: Outcome, watch: StageLog) -> int:
        words, tally = WORDS[stage], watch.tally
        failed = [item.run for item in outcome.failed]
        if tally.due:
            text = f"{len(tally.succeeded)} successful, {len(failed)} failed"
            left = len(tally.due) - len(tally.succeeded) - len(failed)
            if left > 0:
                words.logger.info("Batch processing interrupted: %s, %d not processed", text, left)
            else:
                words.logger.info("Batch processing complete: %s", text)
        if failed:
            words.logger.warning("Recording %d failed runs to failure log: %s", len(failed), first_ten(failed))
        if outcome.stopped:
            words.logger.warning("%s: %s", words.title, outcome.stopped)
            self.lock_removed = self.lock_removed or outcome.stopped == LOCK_REMOVED
        self._cancelled = self._cancelled or outcome.interrupted
        if self._stopped:
            words.logger.info("%s: Shutdown requested - state saved, exiting gracefully", words.title)
        return 1 if failed or outcome.stopped or outcome.interrupted else 0

    def _tell_of_left(self, stage: Stage, tally: StageTally) -> None:
        """Name the runs that stand in this stage without having been tried now; an exit code alone would hide them."""
        words, tried = WORDS[stage], set(tally.due)
        by_state: dict[RunState, list[int]] = {}
        for run in self._archive.failures():
            if run.stage is stage and run.run not in tried:
                by_state.setdefault(run.state, []).append(run.run)
        for state, runs in by_state.items():
            text = f"{len(runs)} {state.lower()} runs are left as they are: {first_ten(runs)}"
            words.logger.warning("%s: %s (`tui-archiver explain %d`)", words.title, text, runs[0])

    def _validate(self, runs: Sequence[int]) -> int:
        """Look into the blobs just migrated for what `validation.patterns` wants to find in them."""
        faults = 0
        for run in runs:
            try:
                check = self._archive.validate(run)
            except ArchiveError as error:
                check = CheckResult("validate", Verdict.UNKNOWN, error.message, error.hint)
            if check.verdict is Verdict.PASS:
                MIGRATOR.debug("Run %d: Blob validation passed: %s", run, check.evidence)
                continue
            faults += 1
            MIGRATOR.error("✗ Run %d: Blob validation found errors: %s", run, check.evidence)
            MIGRATOR.info("Run %d: next: %s", run, check.hint)
        if runs and not faults:
            MIGRATOR.info("Migration Stage: Blob validation passed for %d runs", len(runs))
        return 1 if faults else 0

    # --- the failure logs

    def _retry(self, stage: Stage) -> int:
        words = WORDS[stage]
        name = "Import Recovery" if stage is Stage.IMPORT else "Migration Recovery"
        what = "imports" if stage is Stage.IMPORT else "migrations"
        self._announce(name, f"STAGE: {name} - Retrying failed {what}", with_extent=False)
        app = self._config.app
        failure_log = app.import_failure_log if stage is Stage.IMPORT else app.migrate_failure_log
        runs = read_failure_log(failure_log)
        if not runs:
            missing = (
                "No failure log found. Nothing to recover." if not failure_log.exists() else "Failure log is empty."
            )
            words.logger.info("%s: %s", words.title, missing)
            return self._completed(name, 0)
        stores = (Store.FILESYSTEM, Store.ARTDAQDB) if stage is Stage.IMPORT else (Store.ARTDAQDB, Store.UCONDB)
        self._archive.refresh(stores)
        if trouble := self._trouble(*stores):
            words.logger.critical("%s: Failed to determine runs to %s: %s", words.title, words.verb, trouble)
            return self._completed(name, 1)
        archived = [run for run in runs if self._is_through(run, stage)]
        if archived:
            words.logger.info(
                "Found %d run(s) already archived, removing from failure log: %s", len(archived), first_ten(archived)
            )
        due = sorted(set(runs) - set(archived))
        code = 0
        if due:
            words.logger.info("%s: Attempting to recover %d failed runs.", words.title, len(due))
            kind = JobKind.IMPORT if stage is Stage.IMPORT else JobKind.MIGRATE
            for step in self._archive.plan(kind, due, JobOptions(refresh=False)).held:
                words.logger.warning("Run %d is not retried: %s", step.run, step.reason)
            code = self._batch(kind, stage, due)
        through = [run for run in runs if self._is_through(run, stage)]
        remaining = update_failure_log(failure_log, remove=through)
        words.logger.info(
            "%s: Recovery complete. %d successful (%d already archived), %d remaining.",
            words.title,
            len(through),
            len(archived),
            len(remaining),
        )
        return self._completed(name, 1 if code or set(remaining) & set(runs) else 0)

    def _is_through(self, run: int, stage: Stage) -> bool:
        """Whether this run has passed the stage, as the stores show."""
        known = self._archive.run(run)
        if known is None:
            return False
        return known.state in (HELD if stage is Stage.IMPORT else (RunState.ARCHIVED, RunState.WAIVED))

    # --- recovery

    def _recover(self, kind: RecoveryKind) -> int:
        title = "IMPORT STATE RECOVERY" if kind is RecoveryKind.IMPORT else "MIGRATION STATE RECOVERY"
        self._at.stage = "Import State Recovery" if kind is RecoveryKind.IMPORT else "Migration State Recovery"
        banner(ORCHESTRATOR, title)
        with self._archive.exclusive(self._args.wait):
            done = self._archive.recovery_apply(kind)
        for name, before, after in done.lines:
            change = f"{after} (was {before})" if before != after else after
            ORCHESTRATOR.info("  %s: %s", name, change)
        for problem in done.problems:
            ORCHESTRATOR.warning("  %s", problem)
        for note in done.notes:
            ORCHESTRATOR.info("  %s", note)
        for name in done.writes:
            ORCHESTRATOR.info("✓ Written %s", name)
        banner(ORCHESTRATOR, f"{title} COMPLETE")
        self._at.stage = ""
        return int(ExitCode.DONE)

    # --- words

    def _announce(self, name: str, line: str, *, with_extent: bool = True) -> None:
        self._at.stage = name
        extent = [f"Mode: {self._extent().capitalize()}"] if with_extent else []
        banner(ORCHESTRATOR, line, *extent, rule=NARROW)

    def _completed(self, name: str, code: int) -> int:
        if code == 0:
            ORCHESTRATOR.info("✓ %s Stage completed successfully (exit code: %d)", name, code)
        else:
            ORCHESTRATOR.warning("✗ %s Stage completed with failures (exit code: %d)", name, code)
        self._at.stage = ""
        return code

    def _extent(self) -> str:
        return "incremental" if self._args.incremental else "full"

    def _trouble(self, *stores: Store) -> str:
        """Why one of these stores could not be looked at; empty where all were."""
        health = self._archive.health()
        return "; ".join(f"{store}: {health[store].message}" for store in stores if health[store].ok is False)

    def _perf_of_listing(self, *stores: Store) -> None:
        health = self._archive.health()
        for store in stores:
            latency = health[store].latency
            if latency is not None:
                self._perf(store, latency)

    def _perf(self, call: Store | StoreCall, seconds: float) -> None:
        """Log, and send as a metric, how long a listing or a call for one run took."""
        module, owner, function = CALLS[call]
        ORCHESTRATOR.debug("PERF: %s.%s executed in %.2f ms.", module, function, seconds * 1000)
        self._archive.alarms.metrics({f"{owner}.{function}.duration_ms": seconds * 1000})
