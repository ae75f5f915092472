"""Percentiles and slopes against NumPy, which keeps all values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import DataError
from tracker.util.latency import (
    LONGEST_S,
    RELATIVE_ERROR,
    SHORTEST_S,
    LatencyHistogram,
    LatencyTrend,
    Percentiles,
)

AGES = st.floats(SHORTEST_S, LONGEST_S)


def histogram(values: list[float]) -> LatencyHistogram:
    result = LatencyHistogram()
    for value in values:
        result.add(value)
    return result


def trend(moments: list[tuple[float, float]]) -> LatencyTrend:
    result = LatencyTrend()
    for at_s, age_s in moments:
        result.add(at_s, age_s)
    return result


def test_nothing_has_no_percentiles() -> None:
    empty = LatencyHistogram()
    assert (empty.count, empty.mean, empty.max, empty.percentiles()) == (0, 0.0, 0.0, None)
    with pytest.raises(DataError, match="at least one duration, got none"):
        empty.percentile(50)
    assert empty.merged(empty).percentiles() is None


def test_one_is_all_of_them_exactly() -> None:
    assert histogram([0.0617]).percentiles() == Percentiles(0.0617, 0.0617, 0.0617, 0.0617)


def test_two_are_the_halves() -> None:
    two = histogram([0.2, 0.1])
    assert [two.percentile(q) for q in (0, 50, 50.1, 100)] == [0.1, 0.1, 0.2, 0.2]


def test_a_hundred_rising_milliseconds() -> None:
    ages = histogram([n / 1000 for n in range(1, 101)])
    assert ages.mean == pytest.approx(0.0505)
    found = ages.percentiles()
    assert found is not None
    for got, expected in ((found.p50, 0.05), (found.p95, 0.095), (found.p99, 0.099)):
        assert got == pytest.approx(expected, rel=RELATIVE_ERROR)
    assert found.max == 0.1


def test_what_is_out_of_the_range_is_counted() -> None:
    short = histogram([0.0, 1e-9, 1e-8])
    assert 0 <= short.percentile(50) <= SHORTEST_S
    long = histogram([1.0, 2e3, 5e3, 9e3])
    assert (long.percentile(50), long.max) == (9e3, 9e3)


@given(values=st.lists(AGES, min_size=1, max_size=60), q=st.floats(0, 100))
def test_percentiles_are_numpys_within_the_stated_error(values: list[float], q: float) -> None:
    got = histogram(values).percentile(q)
    # A hair on both sides: q x count / 100 is rounded, by NumPy as here.
    low, high = np.percentile(values, [max(q - 1e-9, 0), min(q + 1e-9, 100)], method="inverted_cdf")
    assert low * (1 - RELATIVE_ERROR) <= got <= high * (1 + RELATIVE_ERROR)


@given(first=st.lists(AGES, max_size=30), second=st.lists(AGES, max_size=30))
def test_merging_is_adding_all_to_one(first: list[float], second: list[float]) -> None:
    parts = histogram(first), histogram(second)
    merged, whole = parts[0].merged(parts[1]), histogram(first + second)
    assert (merged.count, merged.max) == (whole.count, whole.max)
    assert merged.mean == pytest.approx(whole.mean)
    assert merged.percentiles() == whole.percentiles()
    assert (parts[0].count, parts[1].count) == (len(first), len(second))


def test_memory_does_not_grow() -> None:
    ages = LatencyHistogram()
    before = len(ages._bins)
    for number in range(10_000):
        ages.add(1e-5 * number)
    assert (len(ages._bins), ages.count) == (before, 10_000)


@pytest.mark.parametrize("wrong", [-1e-9, math.nan, math.inf])
def test_no_duration(wrong: float) -> None:
    ages = histogram([0.1])
    with pytest.raises(DataError, match="expected seconds >= 0, got"):
        ages.add(wrong)
    assert ages.count == 1


@pytest.mark.parametrize("wrong", [-1, 100.1, math.nan])
def test_no_percentage(wrong: float) -> None:
    with pytest.raises(DataError, match="from 0 to 100"):
        histogram([0.1]).percentile(wrong)


def test_a_trend_needs_two_moments() -> None:
    assert trend([]).trend_s_per_minute is None
    assert trend([(5, 0.1)]).trend_s_per_minute is None
    assert trend([(5, 0.1), (5, 0.3)]).trend_s_per_minute is None
    # 3 ms more in 30 s.
    assert trend([(0, 0.1), (30, 0.103)]).trend_s_per_minute == pytest.approx(0.006)


def test_a_trend_of_a_clock_that_began_long_ago() -> None:
    far = trend([(1e9 + n / 30, 0.05 + 1e-5 * n) for n in range(900)])
    assert far.trend_s_per_minute == pytest.approx(60 * 30 * 1e-5, rel=1e-4)


MOMENTS = st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 10)), max_size=40)


@given(moments=MOMENTS)
def test_the_slope_is_numpys(moments: list[tuple[float, float]]) -> None:
    at = np.array([moment[0] for moment in moments])
    if len(moments) < 2 or np.ptp(at) < 1:
        return
    slope = np.polynomial.Polynomial.fit(at, [age for _, age in moments], 1).convert().coef
    expected = 60 * slope[1] if len(slope) > 1 else 0.0
    assert trend(moments).trend_s_per_minute == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(first=MOMENTS, second=MOMENTS)
def test_merged_trends(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> None:
    at = [moment[0] for moment in first + second]
    if len(at) < 2 or np.ptp(at) < 1:
        return
    merged = trend(first).merged(trend(second)).trend_s_per_minute
    assert merged == pytest.approx(trend(first + second).trend_s_per_minute, rel=1e-6, abs=1e-6)


def test_a_moment_that_is_none() -> None:
    with pytest.raises(DataError, match="finite seconds, got nan at 0"):
        trend([(0, math.nan)])
