"""The order of work: lowest run first, delayed repeats, stages that stand while others go on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runarchive.errors import ArchiveError, Code
from runarchive.model import Stage
from runarchive.pipeline.schedule import Schedule, Task
from runarchive.pipeline.trouble import LONGEST_DELAY, RUNS_IN_A_ROW, Streak, backoff

FAILURE = ArchiveError(Code.WRONG_PASSWORD, "refused").failure


def taken(schedule: Schedule) -> list[tuple[int, Stage]]:
    """What the schedule gives out, each task finished at once."""
    found = []
    while (task := schedule.take(0)) is not None:
        found.append((task.run, task.stage))
        schedule.finish(task)
    return found


@given(st.sets(st.integers(0, 1000)))
def test_the_lowest_run_comes_first(runs: set[int]) -> None:
    schedule = Schedule([Task(run, Stage.IMPORT) for run in runs])
    assert taken(schedule) == [(run, Stage.IMPORT) for run in sorted(runs)]
    assert schedule.over()


def test_a_run_goes_on_before_a_higher_one_begins() -> None:
    schedule = Schedule([Task(2, Stage.IMPORT), Task(1, Stage.IMPORT)])
    first = schedule.take(0)
    assert first is not None
    schedule.finish(first, Task(1, Stage.MIGRATE))
    assert taken(schedule) == [(1, Stage.MIGRATE), (2, Stage.IMPORT)]


def test_a_standing_stage_does_not_stop_the_other() -> None:
    schedule = Schedule([Task(1, Stage.MIGRATE), Task(2, Stage.IMPORT)])
    assert schedule.pause(Stage.MIGRATE, "out of reach")
    assert not schedule.pause(Stage.MIGRATE, "again")
    assert taken(schedule) == [(2, Stage.IMPORT)]
    assert not schedule.over()
    assert schedule.paused_stages() == (Stage.MIGRATE,)
    schedule.resume(Stage.MIGRATE)
    assert taken(schedule) == [(1, Stage.MIGRATE)]
    assert schedule.over()


def test_a_closed_stage_leaves_its_runs_and_ends_the_job() -> None:
    schedule = Schedule([Task(1, Stage.MIGRATE), Task(2, Stage.MIGRATE)])
    assert schedule.close(Stage.MIGRATE, FAILURE)
    assert schedule.take(0) is None
    assert schedule.over()
    assert [task.run for task in schedule.left()] == [1, 2]


def test_a_repeat_waits_for_its_time() -> None:
    now = [100.0]
    schedule = Schedule([Task(1, Stage.IMPORT)], clock=lambda: now[0])
    task = schedule.take(0)
    assert task is not None
    schedule.finish(task, Task(1, Stage.IMPORT, 1, not_before=105.0))
    assert schedule.take(0) is None
    assert not schedule.over()
    now[0] = 105.0
    again = schedule.take(0)
    assert again is not None
    assert again.tries == 1


def test_a_stopped_schedule_gives_out_nothing_and_waits_for_what_is_in_hand() -> None:
    schedule = Schedule([Task(1, Stage.IMPORT), Task(2, Stage.IMPORT)])
    task = schedule.take(0)
    assert task is not None
    schedule.stop()
    assert schedule.take(0) is None
    assert not schedule.over()
    schedule.finish(task)
    assert schedule.over()
    assert [left.run for left in schedule.left()] == [2]


@given(st.integers(1, 40), st.floats(0, 100))
def test_waits_double_up_to_a_minute(tries: int, first: float) -> None:
    whole = min(first * 2 ** (tries - 1), LONGEST_DELAY)
    assert whole / 2 <= backoff(tries, first) <= whole


def test_several_runs_in_a_row_make_an_outage_and_one_success_ends_it() -> None:
    streak = Streak()
    assert not any(streak.meets(1, 10.0) for _ in range(9)), "one run alone says nothing about the store"
    assert [streak.meets(run, 10.0) for run in range(1, RUNS_IN_A_ROW + 1)][-1]
    streak.ends(20.0)
    assert not streak.meets(1, 21.0)


def test_runs_that_wait_in_vain_while_others_are_served_are_no_outage() -> None:
    streak = Streak()
    streak.ends(20.0)
    assert not any(streak.meets(run, began=19.0) for run in range(100))
    assert [streak.meets(run, began=20.5) for run in range(RUNS_IN_A_ROW)] == [False] * (RUNS_IN_A_ROW - 1) + [True]
