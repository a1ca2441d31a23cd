"""Rows 27 to 33 and row 25: signals and the lock, on real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runarchive.ledger import WriterLock
from runarchive.ledger.lock import read_pid
from runarchive.model import RunState, Store
from runarchive.ucondb.embedded import EmbeddedServer
from tests.archiver_site import Site, wait_for_line, wait_until
from tests.http_faults import FaultyProxy, Message, pass_on

RUNS = 4


class Gate:
    """A UconDB server whose first upload waits until `open` is set; `reached` tells that it came."""

    def __init__(self, site: Site) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self._server = EmbeddedServer(
            site.root / "ucondb.sqlite", "test01", "configuration", "writer", "secret-of-the-writer"
        )
        self.proxy = FaultyProxy(self._server.start())

    def __enter__(self) -> Gate:
        self.proxy.__enter__()
        self.proxy.faults = [self._wait_at_put] * 10_000
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self.proxy.__exit__(None, None, None)
        self._server.stop()

    def _wait_at_put(self, proxy: FaultyProxy, connection: object, request: Message) -> bool:
        if request.line.startswith(("PUT", "POST")) and request.body:
            self.reached.set()
            self.open.wait(60)
        return pass_on(proxy, connection, request)  # type: ignore[arg-type]


@pytest.fixture
def gate(site: Site) -> Iterator[Gate]:
    """Imported runs, and a server that holds the first upload."""
    site.make(RUNS)
    site.configure(app={"parallel_workers": 1, "batch_size": 0})
    assert site.run("--import-only").code == 0
    with Gate(site) as found:
        site.configure(ucon_db={"server_url": found.proxy.url, "timeout_seconds": 60})
        yield found
    site.configure(ucon_db={"server_url": f"embedded://{site.root}/ucondb.sqlite"})


def archived(site: Site) -> set[int]:
    site.configure(ucon_db={"server_url": f"embedded://{site.root}/ucondb.sqlite"})
    return site.held(Store.UCONDB)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGINT, "User request"), (signal.SIGTERM, "Signal SIGTERM"), (signal.SIGHUP, "Signal SIGHUP")],
)
def test_rows_024_and_027_and_029_and_s10_and_d14_one_signal_finishes_the_run_in_hand(
    site: Site, gate: Gate, number: signal.Signals, reason: str
) -> None:
    process = site.start("--migrate-only")
    assert gate.reached.wait(60)
    process.send_signal(number)
    said = wait_for_line(process, "GRACEFUL SHUTDOWN REQUESTED")
    gate.open.set()
    done = site.end(process)
    assert done.code == 130
    assert "✓ GRACEFUL SHUTDOWN COMPLETED" in done
    assert f"Reason: {reason}" in done
    assert "✓ Run 1000 migrated and verified successfully" in said + done.out
    assert archived(site) == {1000}
    assert '"last_contiguous_run": 1000' in (site.work / "migrator_state.json").read_text()


def test_row_028_three_interrupts_within_two_seconds_end_it_at_once(site: Site, gate: Gate) -> None:
    process = site.start("--migrate-only")
    assert gate.reached.wait(60)
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "GRACEFUL SHUTDOWN REQUESTED")
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "Ctrl-C pressed 2/3 times - press 1 more for immediate shutdown")
    process.send_signal(signal.SIGINT)
    done = site.end(process)
    assert done.code == 130
    assert "IMMEDIATE SHUTDOWN REQUESTED" in done
    assert not gate.open.is_set()
    gate.open.set()
    site.configure(ucon_db={"server_url": gate.proxy.url})
    assert site.run("--migrate-only").code == 0
    assert set(site.states().values()) == {RunState.ARCHIVED}


def test_row_030_a_second_start_leaves_with_the_holders_name(site: Site, gate: Gate) -> None:
    first = site.start("--migrate-only")
    assert gate.reached.wait(60)
    second = site.run("--migrate-only")
    assert second.code == 1
    assert f"Another process may be running. Lock file '{site.work}/.archiver.lock' is held." in second
    assert f":{first.pid} (job" in second
    assert "Error Type: LockExistsError" in second
    gate.open.set()
    assert site.end(first).code == 0
    assert archived(site) == set(range(1000, 1000 + RUNS))


def test_row_030_a_second_start_with_wait_goes_on_after_the_first(site: Site, gate: Gate) -> None:
    first = site.start("--migrate-only")
    assert gate.reached.wait(60)
    second = site.start("--migrate-only", "--wait", "60")
    wait_for_line(second, "=== Execution Mode")
    gate.open.set()
    assert site.end(first).code == 0
    done = site.end(second)
    assert done.code == 0
    assert "No new runs to migrate" in done


def test_row_030_a_start_that_waits_for_the_lock_can_be_interrupted(site: Site, gate: Gate) -> None:
    first = site.start("--migrate-only")
    assert gate.reached.wait(60)
    second = site.start("--migrate-only", "--wait", "600")
    wait_for_line(second, "=== Execution Mode")
    second.send_signal(signal.SIGTERM)
    done = site.end(second)
    assert done.code == 130
    assert "✓ GRACEFUL SHUTDOWN COMPLETED" in done
    gate.open.set()
    assert site.end(first).code == 0


def test_s1_and_l14_a_second_start_does_not_disturb_the_first(site: Site, gate: Gate) -> None:
    first = site.start("--migrate-only")
    assert gate.reached.wait(60)
    lock = site.work / ".archiver.lock"
    before = (lock.read_bytes(), lock.stat().st_mtime_ns)
    assert site.run().code == 1
    assert site.run("--report-status").code == 0
    assert (lock.read_bytes(), lock.stat().st_mtime_ns) == before
    gate.open.set()
    done = site.end(first)
    assert done.code == 0
    assert "LOCK FILE REMOVED" not in done


@pytest.mark.parametrize("how", ["removed", "other content"])
def test_rows_025_and_031_and_d16_and_d17_removing_the_lock_file_is_a_graceful_stop_with_exit_1(
    site: Site, gate: Gate, how: str
) -> None:
    process = site.start("--migrate-only")
    assert gate.reached.wait(60)
    lock = site.work / ".archiver.lock"
    if how == "removed":
        lock.unlink()
    else:
        lock.write_text("stop please\n")
    said = wait_for_line(process, "Process will finish current run and then exit")
    assert "LOCK FILE REMOVED - INITIATING GRACEFUL SHUTDOWN" in said
    assert f"Lock file: {lock}" in said
    gate.open.set()
    done = site.end(process)
    assert done.code == 1
    assert "Reason: Lock file removed" in done
    assert archived(site) == {1000}


def test_row_032_and_l15_stop_from_outside_by_the_pid_in_the_lock_file(site: Site, gate: Gate) -> None:
    process = site.start("--migrate-only")
    assert gate.reached.wait(60)
    pid = read_pid(site.work / ".archiver.lock")
    assert pid == process.pid
    os.kill(pid, signal.SIGINT)
    wait_for_line(process, "GRACEFUL SHUTDOWN REQUESTED")
    gate.open.set()
    assert site.end(process).code == 130


def test_row_033_and_d15_the_lock_file_stays_after_exit_and_a_killed_holder_frees_it(site: Site, gate: Gate) -> None:
    process = site.start("--migrate-only")
    assert gate.reached.wait(60)
    process.kill()
    process.communicate()
    gate.open.set()
    site.configure(ucon_db={"server_url": gate.proxy.url})
    done = site.run("--migrate-only")
    assert done.code == 0
    assert f":{process.pid} was cut off; its runs are continued" in done
    assert (site.work / ".archiver.lock").read_text() == f"{os.getpid()}\n"
    assert set(site.states().values()) == {RunState.ARCHIVED}
    lock = WriterLock(site.work / ".archiver.lock")
    lock.acquire()
    lock.release()


def test_s6_a_stop_in_the_import_stage_starts_no_migration(site: Site) -> None:
    site.make(80)
    site.configure(app={"batch_size": 0, "parallel_workers": 1})
    process = site.start()
    wait_for_line(process, "✓ Run 1000 imported successfully")
    process.send_signal(signal.SIGINT)
    done = site.end(process)
    assert done.code == 130
    assert "STAGE: Migration" not in done
    states = set(site.states().values())
    assert states == {RunState.IMPORTED, RunState.NEW}
    assert site.held(Store.UCONDB) == set()


def test_a_job_of_another_process_is_seen_and_cancelled(site: Site, gate: Gate) -> None:
    process = site.start("--migrate-only")
    assert gate.reached.wait(60)
    cli = [str(Path(sys.executable).with_name("tui-archiver")), "-c", str(site.config_file)]
    with site.archive() as archive:
        wait_until(lambda: bool(archive.jobs()), "the job")
        job = archive.jobs()[0]
    assert job.owner.endswith(f":{process.pid}")
    locks = subprocess.run([*cli, "locks"], capture_output=True, text=True, check=True).stdout
    assert f":{process.pid} (job {job.job}, migrate" in locks
    subprocess.run([*cli, "jobs", "cancel", str(job.job)], capture_output=True, check=True)
    gate.open.set()
    done = site.end(process)
    assert done.code in (1, 130)
    listed = subprocess.run([*cli, "jobs"], capture_output=True, text=True, check=True).stdout
    assert "cancelled" in listed
