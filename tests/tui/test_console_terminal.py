"""The console in a real terminal at 80×24: the whole job, another console and cron beside it, and every way out."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runarchive.archive import Archive
from runarchive.model import RunState
from runarchive.records_dir.make import make_records
from tests.tui.terminal import PATIENCE, Terminal, write_config
from tests.ucondb_serving import UconProcess

CONSOLE = [sys.executable, "-m", "tui_archiver"]

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    made.close()


def prepare(directory: Path, url: str, runs: int) -> Path:
    config = write_config(directory, url)
    make_records(directory / "records", runs=runs, first=1000, in_progress=0)
    return config


def states(config: Path) -> dict[int, RunState]:
    with Archive.open(config) as archive:
        return {run.run: run.state for run in archive.runs()}


def yes(terminal: Terminal, question: str) -> None:
    """Answer a confirmation with yes, by its count where it asks for one."""
    seen = terminal.wait_for(question)
    count = re.search(r"the number of runs, (\d+)", seen)
    terminal.type(count[1] if count else "y")
    if count:
        terminal.press("Enter")


def test_the_whole_job_in_eighty_by_twenty_four(tmp_path: Path, ucon: UconProcess, terminal: Terminal) -> None:
    config = prepare(tmp_path, ucon.url, 20)
    link = tmp_path / "records" / "1005" / "extra.fcl"
    link.parent.chmod(0o755)
    link.symlink_to("nowhere.fcl")
    terminal.start([*CONSOLE, "-c", str(config), "--write"])
    terminal.wait_for(r"20 runs")
    terminal.wait_for(r"ucondb ✓")

    terminal.type("/run:1000-1011")
    terminal.press("Enter")
    terminal.wait_for(r"12 of 20")
    terminal.press("v", "G", "v")
    terminal.wait_for(r"12 marked")
    terminal.press("i")
    yes(terminal, r"Import: 12 runs\?")
    terminal.wait_for(r"job 1 ended: 11 done, 1 failed")

    terminal.press("3")
    terminal.wait_for(r"1 +\S+ +read +dangling link .* mended")
    terminal.wait_for(r"next: restore the link's target or remove the link")
    link.unlink()
    terminal.press("r")
    yes(terminal, r"Retry: 1 run\?")
    terminal.wait_for(r"job 2 ended: 1 done, 0 failed")
    terminal.wait_for(r"no run has failed")

    ucon.kill()
    terminal.press("1", "m")
    yes(terminal, r"Migrate: 11 runs\?")
    terminal.wait_for(r"ucondb !")
    terminal.wait_for(r"cannot be reached")
    terminal.press("2")
    terminal.wait_for(r"3 migrate +failed")
    ucon.start()
    terminal.press("1", "m")
    yes(terminal, r"Migrate: 11 runs\?")
    terminal.wait_until(lambda seen: len(re.findall(r"✓ +✓ +✓ +ARCHIVED", seen)) == 12)

    terminal.press("c")
    terminal.wait_for(r"Compare 10\d\d ✓ ✓ ✓")
    terminal.wait_for(r"the same")
    terminal.press("5")
    terminal.wait_for(r"Rebuild import state +(as the stores say|differs)")
    terminal.press("0")
    terminal.wait_for(r"ok +UconDB")
    terminal.press("q")
    terminal.wait_for(r"EXIT 0")
    assert sum(state is RunState.ARCHIVED for state in states(config).values()) == 12


def test_a_whole_job_typed_ahead_in_one_packet_is_done_as_it_was_typed(tmp_path: Path, terminal: Terminal) -> None:
    config = prepare(tmp_path, f"embedded://{tmp_path}/ucondb.sqlite", 20)
    terminal.start([*CONSOLE, "-c", str(config), "--write"])
    terminal.wait_for(r"20 runs")
    terminal.wait_for(r"ucondb ✓")
    terminal.type("/run:1000-1014\rvGvi15\r21:log\r")
    terminal.wait_for(r"job 1 ended: 15 done, 0 failed")
    assert re.search(r"^ events", terminal.screen(), re.M)
    found = states(config)
    assert {run for run, state in found.items() if state is RunState.IMPORTED} == set(range(1000, 1015))


def test_two_consoles_and_cron_agree(tmp_path: Path, ucon: UconProcess, terminal: Terminal) -> None:
    config = prepare(tmp_path, ucon.url, 12)
    (tmp_path / "second").mkdir()
    second = Terminal(tmp_path / "second")
    try:
        terminal.start([*CONSOLE, "-c", str(config), "--write"])
        second.start([*CONSOLE, "-c", str(config)])
        for one in (terminal, second):
            one.wait_for(r"12 runs")
        second.wait_for(r"READ-ONLY")
        words = [sys.executable, "-m", "runarchive.cli.run_archiver", str(config), "--incremental"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        archived = sum(state is RunState.ARCHIVED for state in states(config).values())
        assert archived > 0
        screens = [one.wait_until(lambda seen: seen.count("ARCHIVED") == archived) for one in (terminal, second)]
        tables = [re.findall(r"^. (\d{4}) .* (ARCHIVED|NEW|IMPORTED)", screen, re.M) for screen in screens]
        assert tables[0] == tables[1]
        make_records(tmp_path / "records", runs=1, first=2000, in_progress=0)
        for one in (terminal, second):
            one.wait_for(r" 2000 .*(NEW|WAITING)")
    finally:
        second.close()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=lambda number: signal.Signals(number).name)
def test_a_signal_during_work_finishes_the_runs_in_hand(number: int, tmp_path: Path, terminal: Terminal) -> None:
    config = prepare(tmp_path, f"embedded://{tmp_path}/ucondb.sqlite", 40)
    terminal.start([*CONSOLE, "-c", str(config), "--write"])
    terminal.wait_for(r"40 runs")
    terminal.press(":")
    terminal.type("import")
    terminal.press("Enter")
    terminal.wait_for(r"Import: 40 runs\?")
    terminal.type("40")
    terminal.press("Enter")
    terminal.wait_for(r"IMPORTED")
    pid = terminal.console_pid()
    if number == signal.SIGHUP:
        terminal.hang_up()
    else:
        os.kill(pid, number)
    end = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
        assert time.monotonic() < end, "the console did not end"
        time.sleep(0.05)
    if number == signal.SIGTERM:
        terminal.wait_for(r"EXIT 0")
    found = set(states(config).values())
    assert RunState.IMPORTED in found
    assert RunState.IMPORTING not in found
    with Archive.open(config) as archive:
        assert not [job for job in archive.jobs() if job.state in ("running", "cancelling", "crashed")]


def test_compare_follows_a_record_that_is_changed_while_one_looks(tmp_path: Path, terminal: Terminal) -> None:
    config = prepare(tmp_path, f"embedded://{tmp_path}/ucondb.sqlite", 1)
    terminal.start([*CONSOLE, "-c", str(config), "--write"])
    terminal.wait_for(r" 1 run$")
    terminal.type("a")
    yes(terminal, r"Archive: 1 run\?")
    terminal.wait_for(r"✓ +✓ +✓ +ARCHIVED")
    terminal.press("c")
    terminal.wait_for(r"DataLogger1.fcl .* the same")
    file = tmp_path / "records" / "1000" / "DataLogger1.fcl"
    file.chmod(0o644)
    file.write_text(file.read_text() + "hand_made: 1\n")
    terminal.wait_for(r"hand_made: 1")
    terminal.wait_for(r"DataLogger1.fcl +✓ +≠ +✓")


def test_suspended_and_brought_back_in_another_size(tmp_path: Path, terminal: Terminal) -> None:
    config = prepare(tmp_path, f"embedded://{tmp_path}/ucondb.sqlite", 5)
    terminal.start(["bash", "--norc", "-i"], {"PS1": "shell> "})
    terminal.wait_for(r"^shell>")
    terminal.type(shlex.join([*CONSOLE, "-c", str(config)]))
    terminal.press("Enter")
    terminal.wait_for(r"5 runs")
    terminal.press("C-z")
    terminal.wait_for(r"Stopped")
    terminal.type("stty -a | grep -o ' [-]*icanon'")
    terminal.press("Enter")
    assert re.search(r"^ icanon", terminal.wait_for(r"^ [-]*icanon(?!')"), re.M), "the shell has its terminal back"
    terminal.resize(100, 30)
    terminal.type("fg")
    terminal.press("Enter")
    terminal.wait_until(lambda seen: re.search(r" {60}5 runs", seen))
    terminal.press("q")
    terminal.wait_for(r"^shell>")


def test_a_dialog_stands_every_size(tmp_path: Path, terminal: Terminal) -> None:
    config = prepare(tmp_path, f"embedded://{tmp_path}/ucondb.sqlite", 15)
    terminal.start([*CONSOLE, "-c", str(config), "--write"])
    terminal.wait_for(r"15 runs")
    terminal.press("*", "i")
    terminal.wait_for(r"Import: 15 runs\?")
    for size in ((40, 10), (20, 5), (200, 60), (80, 24)):
        terminal.resize(*size)
        terminal.press("Down", "Up")
    terminal.wait_for(r"Type the number of runs, 15")
    terminal.type("15")
    terminal.press("Enter")
    terminal.wait_for(r"job 1 ended: 15 done")
    terminal.press("q")
    terminal.wait_for(r"EXIT 0")


def test_sizes_and_a_locale_without_unicode(tmp_path: Path, terminal: Terminal) -> None:
    config = prepare(tmp_path, f"embedded://{tmp_path}/ucondb.sqlite", 5)
    terminal.start([*CONSOLE, "-c", str(config)], {"LC_ALL": "en_US.ISO-8859-1", "TERM": "xterm", "NO_COLOR": "1"})
    assert terminal.wait_for(r"5 runs").isascii()
    colours = terminal.colours()
    assert colours <= {"39", "49"}, f"NO_COLOR, yet {colours}"
    for size in ((40, 10), (20, 5), (200, 60), (80, 24)):
        terminal.resize(*size)
        terminal.press("2", "3", "4", "5", "9", "0", "1")
    terminal.wait_for(r"5 runs")
    terminal.press("q")
    terminal.wait_for(r"EXIT 0")
