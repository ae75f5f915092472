"""How likely a lost track is where it is predicted: against the definition, worked out slowly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.tracking.survival import Survival


def learn(survival: Survival, *gaps: tuple[int, bool], group: int = 0) -> None:
    misses, right = zip(*gaps, strict=True)
    groups = np.full(len(gaps), group)
    survival.learn(np.array(misses, np.int64), np.array(right, np.bool_), groups)


def longest_gap(survival: Survival, least: float, *, group: int = 0) -> int:
    """Misses up to which predictions of a track that is surely one of an object are reported."""
    misses = np.arange(1, 1000)
    share = survival.share(misses, np.full(len(misses), group))
    enough = (share > 0) & (share >= least)
    return int(enough.argmin())


def test_nothing_is_known_at_first() -> None:
    survival = Survival(5)
    assert survival.shares.tolist() == [[1.0, 0.3, 0.3, 0.3, 0.3, 0.3]]
    assert longest_gap(survival, 0.6) == 0
    assert longest_gap(survival, 0.3) == 5


def test_gaps_that_were_right_are_bridged_as_long_as_they_were() -> None:
    survival = Survival(30)
    # A share of (3 + n) / (10 + n) is 0.6 from n = 7.5 on, and old gaps count a little less.
    for _ in range(7):
        learn(survival, (3, True))
    assert longest_gap(survival, 0.6) == 0
    learn(survival, (3, True))
    assert longest_gap(survival, 0.6) == 3
    for _ in range(1000):
        learn(survival, (3, True))
    assert longest_gap(survival, 0.6) == 3
    assert survival.shares[0, 4] == 0.3


def test_deleted_tracks_lower_all_shares() -> None:
    survival = Survival(30)
    for _ in range(50):
        learn(survival, (10, True))
    before = survival.shares
    assert longest_gap(survival, 0.6) == 10
    for _ in range(50):
        learn(survival, (60, False))
    assert (survival.shares[:, 1:] < before[:, 1:]).all()
    assert longest_gap(survival, 0.6) == 0


def test_a_wrong_prediction_counts_for_its_whole_gap_and_no_longer_one() -> None:
    survival = Survival(6)
    learn(survival, (4, False))
    np.testing.assert_allclose(survival.shares, [[1, *[3 / 11] * 4, 0.3, 0.3]])


def test_short_gaps_are_bridged_where_long_ones_are_wrong() -> None:
    survival = Survival(30)
    for _ in range(60):
        learn(survival, (2, True), (2, True), (8, False))
    assert longest_gap(survival, 0.6) == 2


@pytest.mark.parametrize("longest", [1, 30])
def test_the_longest_gap_that_is_ever_reported(longest: int) -> None:
    survival = Survival(longest)
    for _ in range(40):
        learn(survival, (500, True))
    assert longest_gap(survival, 0.6) == longest
    assert longest_gap(survival, 0) == longest


def test_groups_are_learnt_apart() -> None:
    survival = Survival(8, groups=2)
    for _ in range(50):
        learn(survival, (4, True), group=1)
        learn(survival, (8, False), group=0)
    assert longest_gap(survival, 0.6, group=0) == 0
    assert longest_gap(survival, 0.6, group=1) == 4
    alone = Survival(8)
    for _ in range(50):
        learn(alone, (4, True))
    np.testing.assert_array_equal(survival.shares[1], alone.shares[0])


def test_a_longer_gap_is_never_likelier() -> None:
    survival = Survival(4)
    for _ in range(20):
        learn(survival, (1, False), (4, True), (1, False))
    first, *others = survival.share(np.arange(1, 7), np.zeros(6, np.intp)).tolist()
    assert survival.shares[0, 3] > 0.6 > first
    assert others == [first] * 3 + [0, 0]


def test_above_one_no_prediction_is_right() -> None:
    survival = Survival(3)
    for _ in range(2000):
        learn(survival, (3, True))
    assert longest_gap(survival, 1.01) < 1


def test_no_gaps_change_nothing() -> None:
    survival = Survival(3)
    learn(survival, (2, True))
    before = survival.shares
    survival.learn(np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.intp))
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
        assert survival.shares[0, misses] == pytest.approx(expected)
    for least in (0.2, 0.4, 0.6):
        enough = survival.shares[0] >= least
        assert longest_gap(survival, least) == (9 if enough.all() else enough.argmin() - 1)
