"""A person or another process stops a job, or starts a second one: no run is lost, and each side is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from runarchive.archive import Archive, JobKind, JobOptions
from runarchive.errors import ArchiveError
from runarchive.ledger.ledger import Ledger
from runarchive.model import JobState, RunState
from runarchive.pipeline.import_stage import run_import
from tests.archiver_site import Site, wait_until

LIMIT = 60.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(("lib", "."))}


def start(site: Site, *words: str) -> subprocess.Popen[str]:
    program = "import sys; from runarchive.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", program, "-c", str(site.config_file), *words],
        env=ENVIRONMENT,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def working(site: Site) -> bool:
    """Whether some run was imported by a job that still runs."""
    if not (site.work / "ledger.sqlite").exists():
        return False
    try:
        ledger = Ledger.open(site.work / "ledger.sqlite", read_only=True)
    except ArchiveError:
        return False
    try:
        return any(job.state is JobState.RUNNING and job.done > 0 for job in ledger.jobs.running())
    except ArchiveError:
        return False
    finally:
        ledger.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_finishes_the_runs_in_hand(site: Site, number: signal.Signals) -> None:
    site.make(60)
    process = start(site, "import", "--json")
    wait_until(lambda: working(site) or process.poll() is not None, "the job works")
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert '"stopped"' in out
    with Archive.open(site.config_file, writable=True) as archive:
        states = {run.state for run in archive.runs()}
        assert states == {RunState.IMPORTED, RunState.NEW}
        assert archive.jobs()[0].state is JobState.CANCELLED
        assert archive.lock_holder() is None


def test_a_second_start_leaves_with_the_holders_name_and_does_not_disturb_the_first(site: Site) -> None:
    site.make(60)
    first = start(site, "import", "--json")
    wait_until(lambda: working(site) or first.poll() is not None, "the first works")
    second = start(site, "import")
    _, said = second.communicate(timeout=LIMIT)
    assert second.returncode == 1
    assert f":{first.pid}" in said, "the holder is named"
    out, err = first.communicate(timeout=LIMIT)
    assert first.returncode == 0, err
    assert '"imported": 60' in out


def test_a_second_start_may_wait_for_the_first(site: Site) -> None:
    site.make(30)
    first = start(site, "import")
    wait_until(lambda: working(site) or first.poll() is not None, "the first works")
    second = start(site, "migrate", "--wait", "60", "--json")
    first.communicate(timeout=LIMIT)
    out, err = second.communicate(timeout=LIMIT)
    assert second.returncode == 0, err
    assert '"migrated": 30' in out


def test_another_process_may_stop_a_job_after_the_runs_in_hand_and_then_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make(3)
    in_hand, let_go = threading.Event(), threading.Event()

    def slow(*arguments: Any, **options: Any) -> Any:
        in_hand.set()
        let_go.wait(LIMIT)
        return run_import(*arguments, **options)

    monkeypatch.setattr("runarchive.pipeline.work.run_import", slow)
    with Archive.open(site.config_file, writable=True) as archive, Archive.open(site.config_file) as other:
        job = archive.start(JobKind.IMPORT, None, JobOptions(workers=1))
        assert archive.working(job)
        assert not other.working(job)
        assert in_hand.wait(LIMIT)
        try:
            other.cancel(job)
            wait_until(lambda: archive.jobs()[0].state is JobState.CANCELLING, "the job was asked to stop")
            assert archive.wait(job, timeout=1.0) is None, "it waits for the run in hand"
            other.cancel(job, now=True)
            outcome = archive.wait(job, timeout=LIMIT)
            assert outcome is not None
            assert outcome.interrupted
        finally:
            let_go.set()
        assert [event for event in archive.events() if f"cancelled job {job}" in event.message]
