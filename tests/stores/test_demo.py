"""`demo`: the whole chain without a screen, in any directory, again and again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runarchive.cli.main import main
from runarchive.errors import ExitCode
from tests.trees import remove


def demo(directory: Path, runs: int, capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    """What a headless demo in this directory answers."""
    assert main(["demo", "--headless", "--runs", str(runs), "--dir", str(directory), "--json"]) == ExitCode.DONE
    answer: dict[str, int] = json.loads(capsys.readouterr().out)
    return answer


@contextmanager
def running(directory: Path, runs: int) -> Iterator[subprocess.Popen[str]]:
    """A headless demo in a process of its own, which does not outlive the test."""
    command = [sys.executable, "-m", "tui_archiver", "demo", "--headless", "--runs", str(runs), "--json", "--dir"]
    with subprocess.Popen(
        [*command, str(directory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_second_call_finds_nothing_to_do_and_more_runs_are_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = demo(tmp_path, 12, capsys)
    assert first["imported"] == first["migrated"] == first["verified"] == 12 - first["waiting"]
    assert first["waiting"] >= 1
    again = demo(tmp_path, 12, capsys)
    assert (again["imported"], again["migrated"], again["verified"]) == (0, 0, first["verified"])
    more = demo(tmp_path, 14, capsys)
    assert (more["runs"], more["imported"], more["failed"]) == (14, 2, 0)


@pytest.mark.parametrize("name", ["a: b", "a #b", 'say "x"', "{x}", "-x", "%41", "back\\slash", "Ørsted", "x?y#z"])
def test_any_directory_will_do(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / name
    assert demo(place, 1, capsys)["verified"] == 1
    assert sorted(os.listdir(place)) == ["artdaqdb", "conf", "config.yaml", "records", "ucondb.sqlite", "work"]
    assert main(["-c", str(place / "config.yaml"), "records", "restore", "1000", "--out", str(place / "back")]) == 0


@pytest.mark.parametrize("name", ["two\nlines", "x${HOME}", "x$HOME", "\udcff"])
def test_a_directory_that_no_config_can_name_is_refused(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    assert main(["demo", "--headless", "--runs", "1", "--dir", str(place)]) == ExitCode.USAGE
    assert not place.exists()


def test_a_directory_that_was_moved_goes_on_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo(tmp_path / "old", 2, capsys)
    (tmp_path / "old").rename(tmp_path / "new")
    answer = demo(tmp_path / "new", 2, capsys)
    assert (answer["imported"], answer["verified"], answer["failed"]) == (0, 2, 0)
    assert not (tmp_path / "old").exists()


def test_what_was_edited_in_the_config_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo(tmp_path, 1, capsys)
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text().replace("parallel_workers: 2", "parallel_workers: 1"))
    demo(tmp_path, 1, capsys)
    assert "parallel_workers: 1\n" in config.read_text()


def test_an_interrupted_demo_calls_nothing_failed_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path, 80) as process:
        while not any((tmp_path / "artdaqdb").rglob("*.json")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    answer = json.loads(out)
    assert answer["failed"] == 0
    assert answer["verified"] + answer["waiting"] < 80
    after = demo(tmp_path, 80, capsys)
    assert after["verified"] + after["waiting"] == 80


def test_a_stage_that_stands_is_told_while_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo(tmp_path, 0, capsys)
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text().replace("app:\n", "app:\n  disk_reserve_mb: 999999999\n"))
    with running(tmp_path, 3) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        assert told.startswith("import stands: ")
        assert told.endswith(" less than app.disk_reserve_mb 999999999: make room; it goes on by itself\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == ExitCode.INTERRUPTED


@pytest.mark.parametrize("cut", ["config.yaml", "conf"])
def test_a_part_that_is_gone_is_made_again(tmp_path: Path, cut: str, capsys: pytest.CaptureFixture[str]) -> None:
    demo(tmp_path, 2, capsys)
    gone = tmp_path / cut
    if gone.is_dir():
        remove(gone)
    else:
        gone.unlink()
    assert demo(tmp_path, 2, capsys)["verified"] == 2
