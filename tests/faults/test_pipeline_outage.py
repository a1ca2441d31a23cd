"""Stores that go away, refuse or fill up, clocks that step back, mail that fails: the work goes on or stands."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runarchive.archive import Archive, JobKind, JobObserver, JobOptions, RunResult
from runarchive.config import load_config
from runarchive.errors import ArchiveError, Code
from runarchive.ledger.ledger import Ledger
from runarchive.model import RunState, Stage, Store, Verdict
from runarchive.pipeline import job as job_module
from runarchive.pipeline.import_stage import run_import
from tests.archiver_site import Site, wait_until
from tests.ucondb_serving import UconProcess


@pytest.fixture
def site(tmp_path: Path, ucon: UconProcess, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path / "site")
    made.configure(ucon_db={"server_url": ucon.url, "timeout_seconds": 2}, app={"run_process_retries": 1})
    monkeypatch.setattr(job_module, "FIRST_PROBE", 0.05)
    monkeypatch.setattr(job_module, "LONGEST_PROBE", 0.1)
    return made


class Watcher(JobObserver):
    """Notes what a job says, and does something when a stage stands."""

    def __init__(self, on_paused: Callable[[], None] = lambda: None) -> None:
        self.paused_stages: list[Stage] = []
        self.resumed_stages: list[Stage] = []
        self._on_paused = on_paused

    def paused(self, stage: Stage, why: str) -> None:
        self.paused_stages.append(stage)
        self._on_paused()

    def resumed(self, stage: Stage) -> None:
        self.resumed_stages.append(stage)


def test_a_server_that_goes_away_in_mid_job_pauses_migration_alone_and_it_goes_on_by_itself(
    site: Site, ucon: UconProcess
) -> None:
    site.make(12)
    back = threading.Event()

    def bring_back() -> None:
        wait_until(lambda: all_imported(site), "the import goes on while migration stands")
        ucon.start()
        back.set()

    watcher = Watcher(lambda: threading.Thread(target=bring_back, daemon=True).start())
    with Archive.open(site.config_file, writable=True) as archive:
        archive.refresh()
        ucon.kill()
        outcome = archive.run_job(JobKind.ARCHIVE, None, JobOptions(refresh=False), watcher)
        assert back.is_set()
        assert watcher.paused_stages == [Stage.MIGRATE]
        assert watcher.resumed_stages == [Stage.MIGRATE]
        assert {(run.result, run.state) for run in outcome.runs} == {(RunResult.DONE, RunState.ARCHIVED)}
        texts = [event.message for event in archive.events()]
    assert any(text.startswith("migrate stands: ") for text in texts)
    assert "migrate goes on" in texts


def all_imported(site: Site) -> bool:
    ledger = Ledger.open(site.work / "ledger.sqlite", read_only=True)
    try:
        marks = [run.marks.artdaqdb.ascii_glyph for run in ledger.runs.all()]
    finally:
        ledger.close()
    return len(marks) == 12 and set(marks) == {"="}


def test_one_run_that_meets_a_dead_server_is_tried_again_and_then_failed(site: Site, ucon: UconProcess) -> None:
    site.make(1)
    with Archive.open(site.config_file, writable=True) as archive:
        archive.run_job(JobKind.IMPORT)
        ucon.kill()
        outcome = archive.run_job(JobKind.MIGRATE, None, JobOptions(refresh=False))
        [failed] = outcome.failed
        assert failed.failure is not None
        assert (failed.attempts, failed.failure.retryable) == (2, True)
        ucon.start()
        assert archive.run_job(JobKind.MIGRATE).runs[0].state is RunState.ARCHIVED


def test_a_job_for_a_store_that_is_out_of_reach_says_so_at_once(site: Site, ucon: UconProcess) -> None:
    site.make(1)
    ucon.kill()
    with Archive.open(site.config_file, writable=True) as archive:
        assert archive.run_job(JobKind.IMPORT).count(Stage.IMPORT) == 1, "an import needs no UconDB"
        with pytest.raises(ArchiveError) as refused:
            archive.run_job(JobKind.MIGRATE)
        assert refused.value.exit_code == 75


def test_patience_ends(site: Site, ucon: UconProcess) -> None:
    site.make(6)
    with Archive.open(site.config_file, writable=True) as archive:
        archive.run_job(JobKind.IMPORT)
        ucon.kill()
        outcome = archive.run_job(JobKind.MIGRATE, None, JobOptions(refresh=False, patience=0.5))
        assert outcome.stop_failure is not None
        assert all(run.result in (RunResult.HELD, RunResult.FAILED) for run in outcome.runs)
        ucon.start()
        assert len(archive.run_job(JobKind.MIGRATE).runs) == 6


def test_a_wrong_password_ends_migration_at_the_first_run_and_import_goes_on(site: Site) -> None:
    site.make(6)
    site.configure(ucon_db={"writer_password": "wrong"}, app={"parallel_workers": 1})
    with Archive.open(site.config_file, writable=True) as archive:
        outcome = archive.run_job(JobKind.ARCHIVE)
        assert outcome.stop_failure is not None
        assert outcome.stop_failure.code == Code.WRONG_PASSWORD
        assert {(run.result, run.state) for run in outcome.runs} == {(RunResult.HELD, RunState.IMPORTED)}
        attempts = [one for run in outcome.runs for one in archive.life(run.run).attempts if one.stage is Stage.MIGRATE]
        assert len(attempts) == 1
        [job] = archive.jobs()
        assert (job.done, job.failed) == (0, 0)
        assert job.message.startswith("0 done, 0 failed, 6 left")
        mend = "correct the user and the password in the config"
        assert job.message.endswith(f"; {mend}")
        assert any(mend in line for line in archive.status().recommendations)
        [told] = [check for check in archive.doctor() if check.name == "last job"]
        assert (told.verdict, mend in told.evidence) == (Verdict.UNKNOWN, True)
    site.configure(ucon_db={"writer_password": "secret-of-the-writer"})
    with Archive.open(site.config_file, writable=True) as archive:
        outcome = archive.run_job(JobKind.ARCHIVE)
        assert {run.state for run in outcome.runs} == {RunState.ARCHIVED}
        assert len(outcome.runs) == 6
        assert not any("the last job" in line for line in archive.status().recommendations)


def test_one_failing_run_stops_no_other(site: Site) -> None:
    site.make(5)
    with site.opened(1002) as record:
        (record / "dangling.fcl").symlink_to("nowhere.fcl")
    with Archive.open(site.config_file, writable=True) as archive:
        outcome = archive.run_job(JobKind.ARCHIVE)
        assert [run.run for run in outcome.failed] == [1002]
        assert sum(run.state is RunState.ARCHIVED for run in outcome.runs) == 4
        assert archive.status().import_held_by == 1002
        assert archive.status().import_contiguous == 1001
    assert (site.work / "import_failures.log").read_text() == "1002\n"


def test_a_full_disk_pauses_and_the_job_goes_on_when_there_is_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.make(3)
    free = {"bytes": 5_000_000}
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda place: real(place)._replace(free=free["bytes"]))

    def make_room() -> None:
        free["bytes"] = 10**12

    watcher = Watcher(make_room)
    with Archive.open(site.config_file, writable=True) as archive:
        outcome = archive.run_job(JobKind.ARCHIVE, None, None, watcher)
        assert watcher.paused_stages[0] is Stage.IMPORT
        assert {run.state for run in outcome.runs} == {RunState.ARCHIVED}
        assert any("disk_reserve_mb" in event.message for event in archive.events())


def test_a_stage_that_stands_again_at_once_is_asked_less_and_less_often(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that looks free and is full: the log of a night must not fill it."""
    (run,) = site.make(1)
    monkeypatch.setattr(job_module, "FIRST_PROBE", 0.01)
    monkeypatch.setattr(job_module, "LONGEST_PROBE", 0.16)
    delays: list[float] = []
    failing = [True] * 7
    ask = job_module.JobRun._ask_again

    def asked(job: job_module.JobRun, stage: Stage, probe: job_module._Probe) -> None:
        delays.append(probe.delay)
        ask(job, stage, probe)

    def full(*arguments: Any, **options: Any) -> Any:
        if failing and failing.pop():
            raise ArchiveError(Code.DISK_FULL, "cannot write: No space left on device", store=Store.ARTDAQDB)
        return run_import(*arguments, **options)

    monkeypatch.setattr(job_module.JobRun, "_ask_again", asked)
    monkeypatch.setattr("runarchive.pipeline.work.run_import", full)
    with Archive.open(site.config_file, writable=True) as archive:
        (done,) = archive.run_job(JobKind.IMPORT).runs
    assert (done.run, done.state) == (run, RunState.IMPORTED)
    assert delays == [0.01, 0.02, 0.04, 0.08, 0.16, 0.16, 0.16]


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A tmpfs of this size, or a skip where this account may not mount one."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this account may not mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


@pytest.mark.parametrize("what", ["artdaqdb", "work"])
def test_a_disk_that_fills_up_while_writing_loses_nothing(site: Site, tmp_path: Path, what: str) -> None:
    """A real small disk under the FilesystemDB, or under the work directory with the ledger."""
    site.make(8)
    with small_disk(tmp_path / "small", "3m") as small:
        filler = small / "filler"
        filler.write_bytes(b"x" * 2_600_000)
        if what == "artdaqdb":
            site.configure(artdaq_db={"database_uri": f"filesystemdb://{small}/db"})
        else:
            site.configure(app={"work_dir": str(small / "work")})
        site.configure(app={"disk_reserve_mb": 0})

        def make_room() -> None:
            subprocess.run(["mount", "-o", "remount,size=200m", str(small)], check=True)
            filler.unlink(missing_ok=True)

        watcher = Watcher(make_room)
        if what == "work":
            filler.write_bytes(b"x" * 2_000_000)
        with Archive.open(site.config_file, writable=True) as archive:
            if what == "work":
                archive.refresh()
                filler.write_bytes(b"x" * (2_000_000 + shutil.disk_usage(small).free - 200_000))
            outcome = archive.run_job(JobKind.ARCHIVE, None, JobOptions(refresh=what == "artdaqdb"), watcher)
            make_room()
            rest = archive.run_job(JobKind.ARCHIVE)
            assert watcher.paused_stages, "the disk was never full"
            assert not rest.failed
            assert {run.state for run in archive.runs()} == {RunState.ARCHIVED}, outcome
            assert not archive.run_job(JobKind.VERIFY).failed


def test_a_clock_that_steps_back_loses_and_doubles_nothing(site: Site) -> None:
    site.make(4)
    config = load_config(site.config_file)
    now = [datetime.now(UTC)]
    ledger = Ledger.open(config.app.ledger_file)
    archive = Archive(config, ledger, writable=True, actor="tester", clock=lambda: now[0])
    with archive:
        assert len(archive.run_job(JobKind.IMPORT).runs) == 4
        now[0] -= timedelta(days=400)
        outcome = archive.run_job(JobKind.ARCHIVE)
        assert {run.state for run in outcome.runs} == {RunState.ARCHIVED}
        assert len(outcome.runs) == 4
        assert archive.run_job(JobKind.ARCHIVE).runs == ()
        now[0] += timedelta(days=800)
        assert archive.run_job(JobKind.ARCHIVE).runs == ()
        assert not archive.run_job(JobKind.VERIFY).failed


def test_a_notification_that_fails_does_not_touch_the_work(site: Site) -> None:
    site.make(2)
    with Archive.open(site.config_file, writable=True) as archive:

        def broken(*_: object) -> None:
            raise ConnectionRefusedError("no mail server")

        archive._runner.notify = broken
        outcome = archive.run_job(JobKind.ARCHIVE)
        assert {run.state for run in outcome.runs} == {RunState.ARCHIVED}
        assert any("no mail server" in event.message for event in archive.events())
