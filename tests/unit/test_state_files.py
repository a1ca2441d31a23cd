"""The older archiver's state files: what they say, and that it could take over from them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.errors import ArchiveError, Code
from runarchive.ledger.state_files import (
    StageState,
    derive,
    read_failure_log,
    read_state,
    update_failure_log,
    write_state,
)

numbers = st.sets(st.integers(1, 60))


def test_counting_starts_at_the_lowest_known_run_and_unknown_numbers_are_no_gaps() -> None:
    assert derive({1000, 1003, 1010}, (), ()) == StageState(1010, 1010)


def test_a_failed_run_holds_the_contiguous_one_but_not_the_attempted_one() -> None:
    assert derive({1, 2, 4}, {3}, ()) == StageState(2, 4, (3,), 3)


def test_a_waiting_run_holds_both() -> None:
    assert derive({1, 2, 5}, {3}, {4}) == StageState(2, 3, (3,), 3)
    assert derive({2}, (), {1}) == StageState(0, 0, (), 1)


def test_nothing_known() -> None:
    assert derive((), (), ()) == StageState()


@given(numbers, numbers, numbers)
def test_an_older_archiver_that_takes_over_misses_no_run(done: set[int], failed: set[int], waiting: set[int]) -> None:
    state = derive(done, failed, waiting)
    archived = done - failed - waiting
    candidates = {run for run in done | failed | waiting if run > max(state.contiguous, state.attempted)} - archived
    assert candidates | set(state.failed) == (failed | waiting)
    assert all(run in archived for run in done | failed | waiting if run <= state.contiguous)
    assert state.contiguous in {0} | archived
    assert state.holding == min(failed | waiting, default=None)


def test_state_files_look_like_the_older_archivers(tmp_path: Path) -> None:
    path = tmp_path / "work" / "importer_state.json"
    assert write_state(path, StageState(3, 4))
    assert path.read_text() == '{\n  "last_contiguous_run": 3,\n  "last_attempted_run": 4\n}'
    assert not write_state(path, StageState(3, 4))
    assert read_state(path).contiguous == 3
    assert read_state(path).attempted == 4


def test_other_keys_of_a_state_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"note": "kept", "last_attempted_run": 2}')
    write_state(path, StageState(1, 2))
    assert json.loads(path.read_text()) == {"note": "kept", "last_attempted_run": 2, "last_contiguous_run": 1}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b""])
def test_a_bad_state_file_says_so_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(content)
    assert str(path) in read_state(path).problem
    assert read_state(path).contiguous == 0
    assert write_state(path, StageState(1, 1))
    assert read_state(path).problem == ""


def test_a_missing_state_file_is_no_problem(tmp_path: Path) -> None:
    found = read_state(tmp_path / "none.json")
    assert (found.values, found.problem) == ({}, "")


def test_values_that_are_no_numbers_count_as_none(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"last_contiguous_run": "7", "last_attempted_run": true}')
    assert (read_state(path).contiguous, read_state(path).attempted) == (0, 0)


def test_failure_logs_hold_each_run_once_and_keep_what_others_add(tmp_path: Path) -> None:
    path = tmp_path / "import_failures.log"
    assert update_failure_log(path, remove=[1]) == ()
    assert not path.exists()
    assert update_failure_log(path, add=[5, 3, 5]) == (3, 5)
    assert path.read_text() == "3\n5\n"
    with path.open("a") as file:
        file.write("9\n3\n# by hand\n²\n")
    assert update_failure_log(path, add=[4], remove=[5]) == (3, 4, 9)
    assert update_failure_log(path, remove=[3, 4, 9]) == ()
    assert path.read_text() == ""
    assert read_failure_log(tmp_path / "none") == ()


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.json"
    write_state(path, StageState(1, 1))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArchiveError) as caught:
        write_state(path, StageState(2, 2))
    assert caught.value.code is Code.DISK_FULL
    assert read_state(path).contiguous == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.json"]


def test_the_mode_of_a_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    write_state(path, StageState(1, 1))
    path.chmod(0o640)
    write_state(path, StageState(2, 2))
    assert path.stat().st_mode & 0o777 == 0o640
