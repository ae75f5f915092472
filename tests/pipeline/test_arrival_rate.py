"""Waiting for the next frame of a source with an interval of 40 ms; derived by hand."""

import pytest

from tracker.pipeline.arrival_rate import Rhythm


def regular(count: int = 10, interval_s: float = 0.04) -> Rhythm:
    """Returns a rhythm whose last item arrived at `(count - 1) * interval_s`."""
    rhythm = Rhythm()
    for number in range(count):
        rhythm.add(number * interval_s)
    return rhythm


@pytest.mark.parametrize(
    ("after_s", "expected_s"),
    [
        (0.000, 0.0),  # the next one is due in 40 ms, a full interval
        (0.029, 0.0),  # 11 ms, more than a quarter
        (0.031, 0.013),  # 9 ms, and 4 ms that it may be late
        (0.040, 0.004),
        (0.043, 0.001),
        (0.045, 0.0),  # overdue: its arrival is unknown
        (5.000, 0.0),
    ],
)
def test_wait_is_at_most_a_quarter_of_an_interval(after_s: float, expected_s: float) -> None:
    last_s = 9 * 0.04
    assert regular().seconds_until_next(last_s + after_s) == pytest.approx(expected_s, abs=1e-9)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_no_wait_before_ten_items(count: int) -> None:
    rhythm = regular(count)
    assert rhythm.seconds_until_next(max(count - 1, 0) * 0.04 + 0.035) == 0


def test_pause_and_burst_do_not_change_the_interval() -> None:
    rhythm = regular()
    for now_s in (3.0, 3.001, 3.002, 3.003):  # four of the last nine intervals
        rhythm.add(now_s)
    assert rhythm.seconds_until_next(3.003 + 0.035) == pytest.approx(0.009)


def test_new_interval_is_learnt() -> None:
    rhythm = regular()
    for number in range(1, 10):
        rhythm.add(0.36 + number * 0.1)
    assert rhythm.seconds_until_next(1.26 + 0.035) == 0
    assert rhythm.seconds_until_next(1.26 + 0.090) == pytest.approx(0.02)
