"""The ledger: what is put in comes out, by every thread and process, and a damaged file is set aside."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runarchive.errors import ArchiveError, Code
from runarchive.ledger import DecisionKind, HopHash, Ledger, Outcome
from runarchive.ledger.jobs import process_birth
from runarchive.ledger.place import filesystem_type, ledger_place
from runarchive.ledger.schema import MIGRATIONS, VERSION
from runarchive.model import (
    CheckResult,
    Failure,
    JobState,
    Mark,
    Marks,
    Phase,
    Run,
    RunState,
    Severity,
    Stage,
    Store,
    Verdict,
)

FAILURE = Failure(Store.UCONDB, Phase.WRITE, "timeout", True, "no answer in 10 s", "retry")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger.open(tmp_path / "ledger.sqlite", actor="shifter@evb01")
    yield found
    found.close()


runs = st.builds(
    Run,
    run=st.integers(0, 2**40),
    state=st.sampled_from(RunState),
    reason=st.text(max_size=20),
    marks=st.builds(Marks, st.sampled_from(Mark), st.sampled_from(Mark), st.sampled_from(Mark)),
    configuration=st.text(max_size=10),
    start=st.none() | st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    stop=st.none(),
    attempts=st.integers(0, 9),
    size=st.none() | st.integers(0, 2**50),
    percent=st.none() | st.integers(0, 100),
)


@given(st.lists(runs, max_size=8, unique_by=lambda run: run.run))
@settings(max_examples=40, deadline=None)
def test_runs_come_out_as_they_went_in(given_runs: list[Run]) -> None:
    ledger = Ledger.open(Path("/nonexistent/never"), read_only=True)
    ledger.runs.put(given_runs)
    assert ledger.runs.all() == tuple(sorted(given_runs, key=lambda run: run.run))
    ledger.close()


def test_only_what_changed_gets_a_new_revision(ledger: Ledger) -> None:
    ledger.runs.put([Run(1, RunState.NEW), Run(2, RunState.NEW)])
    before = ledger.revision()
    assert ledger.runs.put([Run(1, RunState.NEW), Run(2, RunState.IMPORTED)]) == 1
    changes = ledger.changes_since(before)
    assert [run.run for run in changes.runs] == [2]
    assert changes.rev == ledger.revision() > before
    assert ledger.changes_since(changes.rev).runs == ()


def test_forgotten_runs_are_told_and_may_come_back(ledger: Ledger) -> None:
    ledger.runs.put([Run(1, RunState.NEW)])
    before = ledger.revision()
    ledger.runs.forget([1])
    assert ledger.changes_since(before).gone == (1,)
    assert ledger.runs.get(1) is None
    ledger.runs.put([Run(1, RunState.NEW)])
    assert ledger.changes_since(before).gone == ()
    assert ledger.runs.get(1) == Run(1, RunState.NEW)


def test_attempts_keep_their_reason_and_count_since_the_last_success(ledger: Ledger) -> None:
    def attempt(failure: Failure | None = None) -> None:
        ledger.history.end_attempt(ledger.history.begin_attempt(7, Stage.MIGRATE, worker="w1"), failure)

    for failure in (FAILURE, FAILURE, None, FAILURE):
        attempt(failure)
    other = ledger.history.begin_attempt(7, Stage.IMPORT)
    found = ledger.history.attempts(7)
    assert [(a.stage, a.number, a.outcome, a.failure) for a in found] == [
        (Stage.MIGRATE, 1, Outcome.FAILED, FAILURE),
        (Stage.MIGRATE, 2, Outcome.FAILED, FAILURE),
        (Stage.MIGRATE, 3, Outcome.DONE, None),
        (Stage.MIGRATE, 1, Outcome.FAILED, FAILURE),
        (Stage.IMPORT, 1, Outcome.RUNNING, None),
    ]
    assert found[-1].id == other
    assert found[-1].ended is None


def test_checks_hashes_decisions_and_events(ledger: Ledger) -> None:
    result = CheckResult("blob", Verdict.FAIL, "adler32 differs", "compare", 0.5)
    ledger.history.record_checks([result], run=3, stage=Stage.VERIFY)
    assert ledger.history.checks(3)[0].result == result
    ledger.history.record_hashes([HopHash(3, "blob", "aa", "export"), HopHash(3, "blob", "bb", "export")])
    assert [(item.digest, item.tool[:12]) for item in ledger.history.hashes(3)] == [("bb", "tui-archiver")]
    ledger.decisions.record(DecisionKind.WAIVE, 3, "test run", "anna@evb01")
    ledger.decisions.record(DecisionKind.WAIVE, 4, "test run", "anna@evb01")
    ledger.decisions.record(DecisionKind.UNWAIVE, 4, "no, keep it", "ben@evb02")
    assert [(item.run, item.who) for item in ledger.decisions.all(3)] == [(3, "anna@evb01")]
    kinds = [item.kind for item in ledger.decisions.all(4)]
    assert (kinds, ledger.decisions.waived()) == ([DecisionKind.WAIVE, DecisionKind.UNWAIVE], {3: "test run"})
    number = ledger.events.record("put failed", severity=Severity.ERROR, run=3, stage=Stage.MIGRATE)
    (event,) = ledger.events.latest(run=3)
    assert (event.number, event.writer, event.severity) == (number, "shifter@evb01", Severity.ERROR)
    assert ledger.events.since(number) == ()
    assert ledger.events.since(number - 1) == (event,)


def test_a_transaction_is_all_or_nothing(ledger: Ledger) -> None:
    def cut_off() -> None:
        with ledger.transaction():
            ledger.runs.put([Run(1, RunState.NEW)])
            ledger.events.record("x")
            assert ledger.runs.get(1) is not None
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert ledger.runs.all() == ()
    assert ledger.events.latest() == ()


def test_threads_record_at_the_same_time(ledger: Ledger) -> None:
    def work(first: int) -> None:
        for run in range(first, first + 50):
            with ledger.transaction():
                ledger.history.end_attempt(ledger.history.begin_attempt(run, Stage.IMPORT))
                ledger.runs.put([Run(run, RunState.IMPORTED)])
            ledger.runs.get(run)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 400, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.runs.all()) == 400
    assert all(ledger.history.attempts(run)[0].outcome is Outcome.DONE for run in range(400))


def _events_of_a_process(path: str, count: int) -> None:
    ledger = Ledger.open(Path(path))
    for number in range(count):
        ledger.events.record(f"{os.getpid()} {number}")
    ledger.close()


def test_processes_record_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_events_of_a_process, args=(str(path), 100)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    ledger = Ledger.open(path)
    numbers = [event.number for event in ledger.events.latest(limit=1000)]
    assert len(numbers) == len(set(numbers)) == 300
    ledger.close()


def test_a_second_ledger_sees_the_first_ones_job(tmp_path: Path) -> None:
    first, second = (Ledger.open(tmp_path / "ledger.sqlite") for _ in range(2))
    job = first.jobs.start("import", 4)
    before = second.revision()
    assert first.jobs.progress(job, done=1, rate=2.5, eta_seconds=1.2, workers=["1 converts", ""]) == 0
    (seen,) = second.changes_since(before).jobs
    assert (seen.done, seen.rate, seen.eta_seconds, seen.workers) == (1, 2.5, 1.2, ("1 converts", ""))
    assert seen.owner.endswith(f":{os.getpid()}")
    assert second.jobs.request_cancel(job)
    assert first.jobs.progress(job, done=2, state=JobState.RUNNING) == 1
    assert second.jobs.get(job).state is JobState.CANCELLING  # type: ignore[union-attr]
    first.jobs.end(job, JobState.CANCELLED, "stopped by a person")
    assert second.jobs.running() == ()
    assert not second.jobs.request_cancel(job)
    first.close()
    second.close()


def test_the_job_of_a_killed_process_is_found_crashed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    program = (
        "import sys, os, signal\nfrom pathlib import Path\nfrom runarchive.ledger import Ledger\n"
        "from runarchive.model import Stage\nledger = Ledger.open(Path(sys.argv[1]))\n"
        "job = ledger.jobs.start('import', 2)\nledger.history.begin_attempt(9, Stage.IMPORT, job=job)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -9
    watcher = Ledger.open(path, read_only=True)
    (seen,) = watcher.jobs.latest()
    assert seen.state is JobState.CRASHED, "before anybody wrote it down"
    assert watcher.jobs.running() == ()
    watcher.close()
    ledger = Ledger.open(path)
    mine = ledger.jobs.start("migrate", 1)
    (crashed,) = ledger.jobs.reap()
    assert crashed.state is JobState.CRASHED
    assert ledger.history.attempts(9)[0].outcome is Outcome.CRASHED
    assert [job.job for job in ledger.jobs.running()] == [mine]
    assert ledger.jobs.reap() == ()
    ledger.close()


def test_a_job_without_progress_is_stuck(ledger: Ledger) -> None:
    job = ledger.jobs.start("import", 1)
    seen = ledger.jobs.get(job)
    assert seen is not None
    assert not ledger.jobs.is_stuck(seen)
    with ledger.database.write() as db:
        db.execute("UPDATE jobs SET updated = updated - 3600")
    assert ledger.jobs.is_stuck(ledger.jobs.get(job))  # type: ignore[arg-type]


def test_the_birth_of_a_process_tells_it_from_others() -> None:
    assert process_birth(os.getpid())
    assert process_birth(os.getpid()) != process_birth(1)


def test_listings_are_kept_by_token_and_may_be_lost(ledger: Ledger) -> None:
    ledger.listings.put("ucondb", "17", b"payload" * 100)
    found = ledger.listings.get("ucondb")
    assert found is not None
    assert (found.token, found.data) == ("17", b"payload" * 100)
    assert datetime.now(UTC) - found.at < timedelta(minutes=1)
    with ledger.database.write() as db:
        db.execute("UPDATE listings SET data = x'00'")
    assert ledger.listings.get("ucondb") is None
    ledger.listings.drop(["ucondb"])


@pytest.mark.parametrize("damage", ["garbage", "cut"])
def test_a_damaged_ledger_is_set_aside_and_said(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.open(path)
    ledger.runs.put([Run(number, RunState.ARCHIVED, "x" * 100) for number in range(2000)])
    ledger.close()
    content = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"\0garbage" * 4096)
    else:
        path.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    ledger = Ledger.open(path)
    assert "set aside" in ledger.notices[0]
    assert "recover ledger" in ledger.notices[0]
    assert ledger.runs.all() == ()
    assert any("set aside" in event.message for event in ledger.events.latest())
    assert len(list(tmp_path.glob("ledger.sqlite.damaged-*"))) >= 1
    ledger.close()


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger.open(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(ArchiveError, match="newer version"):
        Ledger.open(path)
    assert list(tmp_path.glob("*.damaged-*")) == []


def test_an_older_schema_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.open(path)
    ledger.runs.put([Run(5, RunState.ARCHIVED)])
    ledger.close()
    steps = (*MIGRATIONS, "CREATE TABLE later (a INTEGER); INSERT INTO later VALUES (1)")
    monkeypatch.setattr("runarchive.ledger.database.MIGRATIONS", steps)
    monkeypatch.setattr("runarchive.ledger.database.VERSION", len(steps))
    ledger = Ledger.open(path)
    assert ledger.database.one("SELECT a FROM later") == (1,)
    assert ledger.runs.get(5) == Run(5, RunState.ARCHIVED)
    ledger.close()


def test_reading_a_ledger_that_is_not_there_makes_none(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite", read_only=True)
    assert ledger.runs.all() == ()
    ledger.close()
    assert list(tmp_path.iterdir()) == []


def as_nobody(say: Callable[[], str]) -> str:
    """What this says in a child process that runs as another account."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.write(writing, say().encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said.decode()


@pytest.mark.skipif(os.getuid() != 0, reason="needs to become another account")
def test_an_account_that_may_not_write_sees_what_the_ledger_remembers() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = Path(directory) / "ledger.sqlite"
        ledger = Ledger.open(path)
        ledger.runs.put([Run(5, RunState.ARCHIVED)])
        ledger.close()

        def remembered() -> str:
            found = (Ledger.open(path, read_only=True), Ledger.in_memory(copy_of=path))
            return str([([run.run for run in one.runs.all()], len(one.notices)) for one in found])

        def refused() -> str:
            with pytest.raises(ArchiveError) as caught:
                Ledger.open(path)
            return caught.value.code.value

        assert as_nobody(refused) == "permission"
        path.with_name("ledger.sqlite-wal").touch()
        assert as_nobody(refused) == "permission"
        path.with_name("ledger.sqlite-wal").unlink()
        path.with_name("ledger.sqlite.opening").unlink()
        assert as_nobody(refused) == "permission"
        assert as_nobody(remembered) == "[([5], 1), ([5], 1)]"
        assert not path.with_name("ledger.sqlite-wal").exists()


def test_reading_a_ledger_that_is_being_made_finds_it_empty(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch()
    ledger = Ledger.open(path, read_only=True)
    assert ledger.runs.all() == ()
    assert ledger.notices == ()
    ledger.close()


def test_a_read_only_ledger_refuses_to_record(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "ledger.sqlite").close()
    ledger = Ledger.open(tmp_path / "ledger.sqlite", read_only=True)
    with pytest.raises(ArchiveError) as caught:
        ledger.events.record("x")
    assert caught.value.code is Code.PERMISSION
    ledger.close()


def test_on_a_network_filesystem_the_ledger_lives_on_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    place, sentence = ledger_place(tmp_path / "work" / "ledger.sqlite", lambda path: "nfs4")
    assert place.parent == tmp_path / "state" / "tui-archiver"
    assert "network filesystem (nfs4)" in sentence
    assert str(place) in sentence
    other, _ = ledger_place(tmp_path / "other" / "ledger.sqlite", lambda path: "nfs4")
    assert other != place
    assert ledger_place(tmp_path / "ledger.sqlite", lambda path: "ext4") == (tmp_path / "ledger.sqlite", "")


def test_the_kind_of_a_filesystem() -> None:
    assert filesystem_type(Path("/proc/self")) == "proc"
    assert filesystem_type(Path("/proc/none/such/file")) == "proc"


def test_a_closed_ledger_stays_closed(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    ledger.runs.all()
    ledger.close()
    files = sorted(tmp_path.iterdir())
    with pytest.raises(ArchiveError, match="closed"):
        ledger.runs.all()
    with ThreadPoolExecutor() as pool, pytest.raises(ArchiveError, match="closed"):
        pool.submit(ledger.runs.all).result()
    assert sorted(tmp_path.iterdir()) == files
