"""Rate and time left of a job: an exponential average, told only when something is known."""

from __future__ import annotations

import pytest

from runarchive.pipeline.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_steady_job_has_its_rate_from_the_first_second_on() -> None:
    clock = Clock()
    pace = Pace(100, clock)
    for second in range(1, 40):
        clock.now = float(second)
        pace.update(2 * second)
        assert pace.rate == pytest.approx(2.0)
    assert pace.left == pytest.approx(11.0)


def test_time_left_is_not_told_before_a_twentieth_is_done_nor_while_nothing_moves() -> None:
    clock = Clock()
    pace = Pace(100, clock)
    assert pace.left is None
    clock.now = 1.0
    pace.update(4)
    assert pace.left is None
    clock.now = 2.0
    pace.update(5)
    assert pace.left is not None


def test_a_standstill_lowers_the_rate_bit_by_bit_and_a_new_start_raises_it() -> None:
    clock = Clock()
    pace = Pace(1000, clock)
    rates = []
    for second in range(1, 91):
        clock.now = float(second)
        pace.update(10 * min(second, 30) + 10 * max(0, second - 60))
        rates.append(pace.rate)
    assert rates[29] == pytest.approx(10)
    assert rates[29] > rates[35] > rates[59] > 0
    assert rates[59] < rates[65] < rates[89] <= 10
