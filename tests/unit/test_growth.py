"""A record that only went on is told from one that was changed; updates are named so that the newest is the newest."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.artdaqdb.growth import compare_originals, entity_grew, next_version, update_numbers
from runarchive.fhicl.originals import FileKind, OriginalFile, pack_originals

BASE = 'config_name: "demo"\ncomponents: ["tpc01"]\n'
START = 'DAQInterface_start_time: "Sat Nov 21 06:29:33 UTC 2026"\n'
STOP = 'DAQInterface_stop_time: "Sat Nov 21 07:29:33 UTC 2026"\n'


def test_update_numbers_rise_by_number_and_as_text() -> None:
    numbers = list(islice(update_numbers(), 400))
    assert numbers[:12] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 90, 91, 92]
    assert 99 in numbers
    assert 990 in numbers
    assert all(a < b and str(a) < str(b) for a, b in pairwise(numbers))


@given(st.lists(st.integers(1, 2000), max_size=12))
def test_the_next_version_is_newer_than_any_there_is(taken: list[int]) -> None:
    there = ["7/demo", *(f"7/demov{number}" for number in taken)]
    new = next_version("7/demo", there)
    assert all(new > version for version in there)
    assert all(int(new.removeprefix("7/demov")) > number for number in taken)


def test_after_a_foreign_v11_comes_v90() -> None:
    assert next_version("7/demo", [f"7/demov{number}" for number in range(1, 12)]) == "7/demov90"


@pytest.mark.parametrize(
    ("earlier", "later", "grew"),
    [
        (BASE, BASE + START, True),
        (BASE + START, BASE + START + STOP, True),
        (BASE + START, BASE + START, True),
        (BASE + START + STOP, BASE + START, False),
        (BASE + START, BASE + STOP, False),
        (BASE + START, BASE + START.replace("06:29", "06:30") + STOP, False),
        (BASE + START, BASE.replace("tpc01", "tpc02") + START + STOP, False),
        (BASE, BASE + "DAQInterface_time: 1\n", False),
        ("a: [", BASE, False),
    ],
)
def test_only_added_times_are_growth(earlier: str, later: str, grew: bool) -> None:
    assert entity_grew("metadata", earlier, later) is grew


def test_a_second_stop_keeps_the_first_one() -> None:
    later = 'DAQInterface_stop_time: "later"\n' + STOP.replace('time: "', 'time_repeated: ["').replace('"\n', '"]\n')
    assert entity_grew("metadata", BASE + STOP, BASE + later)
    assert not entity_grew("metadata", BASE + later, BASE + STOP)


def test_run_control_adds_to_run_history_and_to_nothing_else() -> None:
    for entity, grew in (("RunHistory", True), ("RunHistory2", True), ("metadata", False)):
        assert entity_grew(entity, START, START + STOP + 'Run_type: "test"\n') is grew
        assert not entity_grew(entity, START + 'Run_type: "test"\n', START + 'Run_type: "beam"\n')


def _packed(metadata: bytes, *more: OriginalFile, mtime: int = 1) -> str:
    return pack_originals([OriginalFile("metadata.txt", 0o444, mtime, metadata), *more])


TEXT = b"Config name: demo\n\nprocess management method: direct\n"
LATER = TEXT + b"\nDAQInterface start time: Sat Nov 21 06:29:33 UTC 2026\n"


def test_originals_with_other_modes_and_times_are_the_same() -> None:
    assert compare_originals(_packed(TEXT), _packed(TEXT, mtime=5)) is True


def test_originals_grow_by_times_and_by_files() -> None:
    late = OriginalFile("rc_info_stop.txt", 0o444, 7, b"stop reason: end\n", FileKind.FILE)
    assert compare_originals(_packed(TEXT), _packed(LATER)) is False
    assert compare_originals(_packed(TEXT), _packed(TEXT, late)) is False


def test_originals_with_a_changed_or_lost_file_are_others() -> None:
    boot = OriginalFile("boot.txt", 0o444, 7, b"debug level: 1\n")
    assert compare_originals(_packed(LATER), _packed(TEXT)) is None
    assert compare_originals(_packed(TEXT, boot), _packed(LATER)) is None
    assert compare_originals(_packed(TEXT), _packed(TEXT.replace(b"direct", b"pmt"))) is None
