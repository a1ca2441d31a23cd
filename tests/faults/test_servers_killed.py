"""Both servers die by SIGKILL in mid-job and come back: the job goes on, and ends with everything archived."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runarchive.archive import Archive, JobKind, JobObserver, RunResult
from runarchive.model import RunState, Stage
from runarchive.real_servers import MongodServer
from tests.archiver_site import LIMIT_SECONDS, Site
from tests.pipeline_killer import finish, no_doubled_documents, no_doubled_versions
from tests.servers import start_mongod
from tests.ucondb_serving import UconProcess

RUNS = 12


@pytest.fixture
def mongod(mongodb_database: str) -> Iterator[MongodServer]:
    """A mongod for this test alone; `mongodb_database` skips the test where none can run."""
    made = start_mongod()
    yield made
    made.stop()


class Killing(JobObserver):
    """Kills both servers when so many runs are imported, and notes which stages stood then."""

    def __init__(self, mongod: MongodServer, ucon: UconProcess) -> None:
        self._mongod, self._ucon = mongod, ucon
        self._imported = 0
        self.stood = threading.Event()

    def run_done(self, run: int, stage: Stage, reason: str) -> None:
        self._imported += stage is Stage.IMPORT
        if self._imported == RUNS // 3 and stage is Stage.IMPORT:
            assert self._mongod.pid is not None
            os.kill(self._mongod.pid, signal.SIGKILL)
            self._ucon.kill()

    def paused(self, stage: Stage, why: str) -> None:
        self.stood.set()


def test_both_servers_are_killed_and_come_back_in_mid_job(
    tmp_path: Path, mongod: MongodServer, ucon: UconProcess
) -> None:
    site = Site(tmp_path / "site", f"{mongod.uri}/killed")
    site.configure(
        artdaq_db={"timeout_seconds": 2},
        ucon_db={"server_url": ucon.url, "timeout_seconds": 2},
    )
    runs = site.make(RUNS)
    killing = Killing(mongod, ucon)
    with Archive.open(site.config_file, writable=True) as archive, ThreadPoolExecutor(1) as pool:
        job = pool.submit(archive.run_job, JobKind.ARCHIVE, None, None, killing)
        assert killing.stood.wait(LIMIT_SECONDS), "no stage stood"
        mongod.stop()
        mongod.start()
        ucon.start()
        outcome = job.result(LIMIT_SECONDS)
    assert {(run.run, run.result, run.state) for run in outcome.runs} == {
        (run, RunResult.DONE, RunState.ARCHIVED) for run in runs
    }
    no_doubled_documents(site)
    assert no_doubled_versions(site) == set(runs)
    finish(site)
