"""What the ledger remembers of runs, as evidence; saving evidence derives the run that every screen shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from runarchive.config import Config
from runarchive.ledger.ledger import Ledger
from runarchive.model import Mark, Run, RunState, Stage
from runarchive.pipeline.evidence import Evidence, from_text, to_text
from runarchive.pipeline.states import Decided, Settling, run_of

Clock = Callable[[], datetime]

WORKING: dict[Stage, RunState] = {Stage.IMPORT: RunState.IMPORTING, Stage.MIGRATE: RunState.MIGRATING}


def utc_now() -> datetime:
    """The present in UTC."""
    return datetime.now(UTC)


class Memory:
    """Evidence in, runs out; safe for many threads."""

    def __init__(self, config: Config, ledger: Ledger, clock: Clock = utc_now) -> None:
        self._sources = config.source_files
        self._ledger = ledger
        self.clock = clock
        self.settling = Settling(
            timedelta(hours=config.app.settle_hours), timedelta(seconds=config.app.quiet_seconds)
        )
        self.read_decisions()

    def read_decisions(self) -> None:
        """Read again what people decided, in whichever process."""
        self._waived = self._ledger.decisions.waived()

    def decided(self, run: int) -> Decided:
        """What people and the config decided about a run."""
        return Decided(self._waived.get(run), self._sources.ignores(run))

    def load(self, runs: Iterable[int]) -> dict[int, Evidence]:
        """The evidence of these runs; for one that is not known, none."""
        return {row[0]: from_text(*row) for row in self._ledger.evidence.of(runs)}

    def evidence(self, run: int) -> Evidence:
        """The evidence of one run, empty for one that is not known."""
        return self.load([run]).get(run) or Evidence(run)

    def derive(self, evidence: Evidence) -> Run:
        """The run that follows from this evidence now."""
        return run_of(evidence, self.decided(evidence.run), self.clock(), self.settling)

    def save(self, evidence: Iterable[Evidence]) -> list[Run]:
        """Remember this evidence and the runs that follow from it, in one commit."""
        items = list(evidence)
        runs = [self.derive(item) for item in items]
        with self._ledger.transaction():
            self._ledger.evidence.put(
                (item.run, item.on_disk, item.artdaqdb, item.ucondb, to_text(item)) for item in items
            )
            self._ledger.runs.put(runs)
        return runs

    def update(self, runs: Iterable[int], change: Callable[[Evidence], Evidence | None]) -> None:
        """Change the evidence of these runs, with nobody writing in between; None leaves a run as it is.

        A run that nothing holds any more, and with which nothing was ever done, is forgotten.
        """
        numbers = list(runs)
        with self._ledger.transaction():
            known = self.load(numbers)
            changed = [change(known.get(run) or Evidence(run)) for run in numbers]
            kept = [item for item in changed if item is not None]
            self.save(item for item in kept if not item.is_nothing)
            gone = [item.run for item in kept if item.is_nothing]
            if gone:
                self._ledger.evidence.forget(gone)
                self._ledger.runs.forget(gone)

    def show_percents(self, percents: Mapping[tuple[int, Stage], int]) -> None:
        """Show how far these runs are in the stage in hand; those that are no longer in it stay as they are."""
        self._ledger.runs.show_percents(
            (run, WORKING[stage], percent) for (run, stage), percent in percents.items()
        )

    def show_working(self, evidence: Evidence, stage: Stage) -> Run:
        """Remember that a stage has this run in hand, and show it as IMPORTING or MIGRATING."""
        run = self.derive(evidence)
        if stage in WORKING:
            at = "artdaqdb" if stage is Stage.IMPORT else "ucondb"
            marks = replace(run.marks, **{at: Mark.RUNNING})
            run = replace(run, state=WORKING[stage], reason="", marks=marks)
        with self._ledger.transaction():
            self._ledger.evidence.put(
                [(evidence.run, evidence.on_disk, evidence.artdaqdb, evidence.ucondb, to_text(evidence))]
            )
            self._ledger.runs.put([run])
        return run
