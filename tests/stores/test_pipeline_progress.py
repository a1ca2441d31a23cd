"""What every screen sees while a job works: the run in hand, its mark, the worker, the lock."""

from __future__ import annotations

from pathlib import Path

from runarchive.archive import Archive, JobKind, JobObserver, LockHolder, RunResult
from runarchive.model import JobState, Mark, Run, RunState, Stage
from tests.archiver_site import Site


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
