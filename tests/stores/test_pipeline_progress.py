"""What every screen sees while a job works: the run in hand, its mark, the worker, the lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from runarchive.archive import Archive, JobKind, JobObserver, LockHolder, RunResult
from runarchive.ledger import Ledger
from runarchive.model import JobState, Mark, Run, RunState, Stage
from runarchive.pipeline import job as job_module
from runarchive.pipeline.context import Progress
from runarchive.pipeline.memory import WORKING
from runarchive.records_dir.make import Size, make_records
from tests.archiver_site import Site, wait_until


class Looker(JobObserver):
    """Looks at the archive, as another process would, at the start of each attempt."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.seen: list[tuple[Stage, Run]] = []
        self.holders: list[LockHolder | None] = []
        self.states: list[JobState] = []

    def attempt_started(self, run: int, stage: Stage, attempt: int, attempts: int) -> None:
        with Archive.open(self._site.config_file) as other:
            other.refresh()
            found = other.run(run)
            assert found is not None
            self.seen.append((stage, found))
            self.holders.append(other.lock_holder())
            self.states.append(other.jobs()[0].state)


def test_another_process_sees_the_run_in_hand_and_does_not_disturb_it(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.make(1)
    looker = Looker(site)
    with Archive.open(site.config_file, writable=True) as archive:
        outcome = archive.run_job(JobKind.ARCHIVE, None, None, looker)
    assert [run.state for run in outcome.runs] == [RunState.ARCHIVED]
    (first, importing), (second, migrating) = looker.seen
    assert (first, importing.state, importing.marks.artdaqdb) == (Stage.IMPORT, RunState.IMPORTING, Mark.RUNNING)
    assert (second, migrating.state, migrating.marks.ucondb) == (Stage.MIGRATE, RunState.MIGRATING, Mark.RUNNING)
    assert migrating.marks.artdaqdb is Mark.VERIFIED
    assert all(holder is not None and holder.job is not None for holder in looker.holders)
    assert set(looker.states) == {JobState.RUNNING}


class Stopper(JobObserver):
    """Asks for a stop when the first run starts."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def attempt_started(self, run: int, stage: Stage, attempt: int, attempts: int) -> None:
        self._archive.stop()


def test_a_stopped_job_does_not_count_what_it_left_to_the_next(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.make(9)
    with Archive.open(site.config_file, writable=True) as archive:
        outcome = archive.run_job(JobKind.IMPORT, None, None, Stopper(archive))
        (job,) = archive.jobs()
    done = sum(run.result is RunResult.DONE for run in outcome.runs)
    assert 0 < done < 9
    assert (job.state, job.done, job.total) == (JobState.CANCELLED, done, 9)
    assert job.message.startswith(f"{done} done, 0 failed, {9 - done} left")


def test_every_process_sees_how_far_the_run_in_hand_is(each_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time a stage tells how far it is, it waits until another process can see it."""
    site = each_site
    make_records(site.records, runs=1, first=1000, size=Size.LARGE, in_progress=0)
    site.age(1000)
    seen: dict[Stage, list[int]] = {Stage.IMPORT: [], Stage.MIGRATE: []}
    told = Progress.tell

    def tell(progress: Progress, run: int, stage: Stage, done: int, total: int) -> None:
        told(progress, run, stage, done, total)
        percent = 100 * done // total
        wait_until(lambda: shown(site, run) == (WORKING[stage], percent), f"{percent} % of the {stage}")
        seen[stage].append(percent)

    monkeypatch.setattr(Progress, "tell", tell)
    monkeypatch.setattr(job_module, "HEARTBEAT", 0.01)
    with Archive.open(site.config_file, writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
        (run,) = archive.runs()
        assert (run.state, run.percent) == (RunState.ARCHIVED, None)
    for percents in seen.values():
        assert len(set(percents)) > 1
        assert percents[-1] == 100


def shown(site: Site, run: int) -> tuple[RunState, int | None]:
    """State and percent of a run as another process reads them."""
    ledger = Ledger.open(site.work / "ledger.sqlite", read_only=True)
    try:
        found = ledger.runs.get(run)
    finally:
        ledger.close()
    assert found is not None
    return found.state, found.percent


def test_progress_that_is_told_too_late_changes_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    ledger.runs.put([Run(1, RunState.IMPORTED), Run(2, RunState.IMPORTING)])
    revision = ledger.revision()
    ledger.runs.show_percents([(1, RunState.IMPORTING, 50), (2, RunState.IMPORTING, 50), (3, RunState.IMPORTING, 1)])
    assert [(run.run, run.percent) for run in ledger.changes_since(revision).runs] == [(2, 50)]
    assert [(run.run, run.percent) for run in ledger.runs.all()] == [(1, None), (2, 50)]
    ledger.close()
