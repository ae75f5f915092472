"""How likely a lost track is where it is predicted: against the definition, worked out slowly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.tracking.survival import Survival


def learn(survival: Survival, *gaps: tuple[int, bool]) -> None:
    misses, right = zip(*gaps, strict=True)
    survival.learn(np.array(misses, np.int64), np.array(right, np.bool_))


def test_nothing_is_known_at_first() -> None:
    survival = Survival(5)
    assert survival.shares.tolist() == [1.0, 0.3, 0.3, 0.3, 0.3, 0.3]
    assert survival.longest_gap(0.6) == 0
    assert survival.longest_gap(0.3) == 5


def test_gaps_that_were_right_are_bridged_as_long_as_they_were() -> None:
    survival = Survival(30)
    # A share of (3 + n) / (10 + n) is 0.6 from n = 7.5 on, and old gaps count a little less.
    for _ in range(7):
        learn(survival, (3, True))
    assert survival.longest_gap(0.6) == 0
    learn(survival, (3, True))
    assert survival.longest_gap(0.6) == 3
    for _ in range(1000):
        learn(survival, (3, True))
    assert survival.longest_gap(0.6) == 3
    assert survival.shares[4] == 0.3


def test_deleted_tracks_lower_all_shares() -> None:
    survival = Survival(30)
    for _ in range(50):
        learn(survival, (10, True))
    before = survival.shares
    assert survival.longest_gap(0.6) == 10
    for _ in range(50):
        learn(survival, (60, False))
    assert (survival.shares[1:] < before[1:]).all()
    assert survival.longest_gap(0.6) == 0


def test_a_wrong_prediction_counts_for_its_whole_gap_and_no_longer_one() -> None:
    survival = Survival(6)
    learn(survival, (4, False))
    np.testing.assert_allclose(survival.shares, [1, *[3 / 11] * 4, 0.3, 0.3])


def test_short_gaps_are_bridged_where_long_ones_are_wrong() -> None:
    survival = Survival(30)
    for _ in range(60):
        learn(survival, (2, True), (2, True), (8, False))
    assert survival.longest_gap(0.6) == 2


@pytest.mark.parametrize("longest", [1, 30])
def test_the_longest_gap_that_is_ever_reported(longest: int) -> None:
    survival = Survival(longest)
    for _ in range(40):
        learn(survival, (500, True))
    assert survival.longest_gap(0.6) == longest
    assert survival.longest_gap(0) == longest


def test_above_one_no_prediction_is_right() -> None:
    survival = Survival(3)
    for _ in range(2000):
        learn(survival, (3, True))
    assert survival.longest_gap(1.01) < 1


def test_no_gaps_change_nothing() -> None:
    survival = Survival(3)
    learn(survival, (2, True))
    before = survival.shares
    survival.learn(np.zeros(0, np.int64), np.zeros(0, np.bool_))
    np.testing.assert_array_equal(survival.shares, before)


@given(gaps=st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=60))
def test_shares_are_fading_means_with_a_prior(gaps: list[tuple[int, bool]]) -> None:
    survival, together = Survival(9), Survival(9)
    for gap in gaps:
        learn(survival, gap)
    learn(together, *gaps)
    np.testing.assert_array_equal(survival.shares, together.shares)
    for misses in range(1, 10):
        outcomes = [right for length, right in gaps if length >= misses][::-1]
        weights = [0.995**age for age in range(len(outcomes))]
        right = sum(weight for weight, was in zip(weights, outcomes, strict=True) if was)
        expected = (3 + right) / (10 + sum(weights))
        assert survival.shares[misses] == pytest.approx(expected)
    for least in (0.2, 0.4, 0.6):
        enough = survival.shares >= least
        assert survival.longest_gap(least) == (9 if enough.all() else enough.argmin() - 1)
