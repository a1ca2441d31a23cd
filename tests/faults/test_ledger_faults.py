"""The ledger when its process is killed, its disk is full, its pages rot, and while others write."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runarchive.cli.main import main
from runarchive.errors import ArchiveError, Code
from runarchive.ledger import Ledger, Outcome
from runarchive.model import Run, RunState
from tests.archiver_site import Site

WRITER = """
import sys
from pathlib import Path
from runarchive.ledger import Ledger
from runarchive.model import Run, RunState, Stage
ledger = Ledger.open(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    with ledger.transaction():
        attempt = ledger.history.begin_attempt(number, Stage.IMPORT)
        ledger.runs.put([Run(number, RunState.IMPORTED, "x" * 200)])
        ledger.history.end_attempt(attempt)
    print(number, flush=True)
"""
FULL = """
import resource, sys
from pathlib import Path
from runarchive.errors import ArchiveError
from runarchive.ledger import Ledger
ledger = Ledger.open(Path(sys.argv[1]))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
written = 0
try:
    while True:
        ledger.events.record("x" * 1000)
        written += 1
except ArchiveError as error:
    print(error.code.value, error.retryable)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
ledger.events.record("there is room again")
print(written, len(ledger.events.latest(limit=100_000)), ledger.database.check())
"""


CLOSING = """
import sys, threading, time
from pathlib import Path
from runarchive.errors import ArchiveError
from runarchive.ledger import Ledger
from runarchive.model import Run, RunState
path = Path(sys.argv[1])
first = Ledger.open(path)
first.runs.put([Run(number, RunState.ARCHIVED, "x" * 100) for number in range(3000)])
first.close()
def read(ledger, going):
    going.wait()
    try:
        for _ in range(3):
            ledger.runs.all()
    except ArchiveError:
        return
for _ in range(20):
    ledger, going = Ledger.open(path), threading.Barrier(4)
    threads = [threading.Thread(target=read, args=(ledger, going), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    going.wait()
    time.sleep(0.002)
    ledger.close()
    for thread in threads:
        thread.join()
print("closed")
"""


def test_a_ledger_may_be_closed_while_other_threads_read_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSING, str(tmp_path / "ledger.sqlite")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "closed\n"), done.stderr


@pytest.mark.parametrize("seed", range(4))
def test_what_was_committed_survives_kill_9(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "ledger.sqlite"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    wanted = random.Random(seed).randrange(1, 400)
    for line in process.stdout:
        if int(line) >= wanted:
            break
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    acknowledged = int(rest[-1]) if rest and rest[-1].isdecimal() else wanted
    ledger = Ledger.open(path)
    assert ledger.notices == ()
    assert ledger.database.check() == ()
    runs = [run.run for run in ledger.runs.all()]
    assert runs == list(range(1, len(runs) + 1))
    assert len(runs) >= acknowledged
    assert all(ledger.history.attempts(run)[0].outcome is Outcome.DONE for run in runs)
    ledger.close()


def test_a_full_disk_is_named_and_nothing_committed_is_lost(tmp_path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY:
        pytest.skip("the size of files is limited here")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "ledger.sqlite")], capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    assert first == f"{Code.DISK_FULL.value} True"
    written, kept, faults = second.split(" ", 2)
    assert int(written) > 5
    assert int(kept) == int(written) + 1
    assert faults == "()"


def test_rot_in_the_middle_is_named_and_the_next_start_sets_it_aside(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.open(path)
    ledger.runs.put([Run(number, RunState.ARCHIVED, "x" * 100) for number in range(5000)])
    ledger.close()
    content = bytearray(path.read_bytes())
    for page in range(10, len(content) // 4096, 2):
        content[page * 4096 : page * 4096 + 512] = b"\xff" * 512
    path.write_bytes(content)
    path.with_name("ledger.sqlite-wal").touch()
    ledger = Ledger.open(path)
    assert "set aside" in ledger.notices[0]
    assert ledger.runs.all() == ()
    ledger.close()


def rotten_ledger(path: Path) -> None:
    """A ledger of which a page is bad that no opening reads."""
    ledger = Ledger.open(path)
    ledger.runs.put([Run(number, RunState.ARCHIVED, "x" * 100) for number in range(5000)])
    ledger.close()
    content = bytearray(path.read_bytes())
    for page in range(40, len(content) // 4096):
        content[page * 4096 : page * 4096 + 512] = b"\xff" * 512
    path.write_bytes(content)


@pytest.mark.parametrize("read_only", [False, True])
def test_rot_that_is_met_while_reading_is_named_and_the_next_start_sets_it_aside(
    tmp_path: Path, read_only: bool
) -> None:
    path = tmp_path / "ledger.sqlite"
    rotten_ledger(path)
    ledger = Ledger.open(path, read_only=read_only)
    with pytest.raises(ArchiveError) as caught:
        ledger.runs.all()
    assert caught.value.code is Code.CORRUPT
    assert "recover ledger" in caught.value.hint
    ledger.close()
    ledger = Ledger.open(path)
    assert "set aside" in ledger.notices[0]
    assert ledger.runs.all() == ()
    ledger.close()
    assert Ledger.open(path).notices == ()


def test_recover_ledger_mends_one_whose_rot_nobody_met_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(tmp_path / "site")
    site.make(2)
    assert site.run().code == 0
    (site.work / "ledger.sqlite").unlink()
    rotten_ledger(site.work / "ledger.sqlite")
    assert main(["-c", str(site.config_file), "recover", "ledger", "--apply"]) == 0
    assert "is set aside as ledger.sqlite.damaged-" in capsys.readouterr().err
    with site.archive() as archive:
        assert {run.run: run.state for run in archive.runs()} == dict.fromkeys((1000, 1001), RunState.ARCHIVED)


def test_a_start_that_meets_rot_ends_and_the_next_one_goes_on(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.make(2)
    rotten_ledger(site.work / "ledger.sqlite")
    first = site.run()
    assert first.code == 1
    assert "is damaged" in first
    assert "out of reach" not in first
    second = site.run()
    assert second.code == 0
    assert "is set aside as" in second
    assert site.states() == dict.fromkeys((1000, 1001), RunState.ARCHIVED)


@pytest.mark.parametrize("left", [None, b""], ids=["removed", "emptied"])
def test_a_lost_ledger_is_said_once(tmp_path: Path, left: bytes | None) -> None:
    path = tmp_path / "ledger.sqlite"
    assert Ledger.open(path).notices == ()
    for file in tmp_path.glob("ledger.sqlite*"):
        if not file.name.endswith(".opening"):
            file.unlink()
    if left is not None:
        path.write_bytes(left)
    ledger = Ledger.open(path)
    assert "is gone" in ledger.notices[0]
    assert any("is gone" in event.message for event in ledger.events.latest())
    ledger.close()
    assert Ledger.open(path).notices == ()


def test_what_is_no_file_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.mkdir()
    with pytest.raises(ArchiveError, match="cannot be opened") as caught:
        Ledger.open(path)
    assert caught.value.code is Code.PERMISSION


def test_who_polls_misses_no_change_of_any_writer(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.open(path)
    writers = [Ledger.open(path) for _ in range(3)]
    done = threading.Event()

    def write(own: Ledger, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(150):
            run = chance.randrange(40)
            if chance.random() < 0.1:
                own.runs.forget([run])
            else:
                own.runs.put([Run(run, chance.choice(list(RunState)), str(chance.random()))])
            own.events.record(str(run), run=run)

    threads = [threading.Thread(target=write, args=(own, seed)) for seed, own in enumerate(writers)]
    seen: dict[int, Run] = {}
    events: set[int] = set()

    def poll(revision: int) -> int:
        changes = ledger.changes_since(revision)
        for run in changes.gone:
            seen.pop(run, None)
        seen.update({run.run: run for run in changes.runs})
        events.update(event.number for event in changes.events)
        return changes.rev

    for thread in threads:
        thread.start()
    revision = 0
    while any(thread.is_alive() for thread in threads):
        revision = poll(revision)
        done.wait(0.001)
    poll(revision)
    assert seen == {run.run: run for run in ledger.runs.all()}
    assert len(events) == 450
    for own in (ledger, *writers):
        own.close()
