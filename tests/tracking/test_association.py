"""Assignment against brute force over all partial matchings, and the cascade by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import DataError
from tracker.tracking.association import assign, matching_cascade, unmatched


def all_allowed(cost: np.ndarray) -> np.ndarray:
    return np.ones(cost.shape, np.bool_)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_match(shape: tuple[int, int]) -> None:
    cost = np.zeros(shape)
    assert len(assign(cost, all_allowed(cost), unmatched_cost=1)) == 0
    assert (
        len(matching_cascade(cost, all_allowed(cost), np.ones(shape[0], int), unmatched_cost=1))
        == 0
    )


def test_one_pair() -> None:
    matches = assign(np.array([[0.4]]), np.array([[True]]), unmatched_cost=1)
    assert (matches.rows.tolist(), matches.columns.tolist()) == ([0], [0])


def test_least_total_cost_not_greedy() -> None:
    # Greedy takes 0.1 + 0.9; together 0.2 + 0.3 is cheaper.
    cost = np.array([[0.1, 0.2], [0.3, 0.9]])
    matches = assign(cost, all_allowed(cost), unmatched_cost=1)
    assert matches.columns.tolist() == [1, 0]


def test_one_good_pair_beats_two_poor_ones() -> None:
    # Both poor pairs: 0.9 + 0.9. The good one and two left alone: 0.1 + 1.
    cost = np.array([[0.1, 0.9], [0.9, 0.0]])
    admissible = np.array([[True, True], [True, False]])
    matches = assign(cost, admissible, unmatched_cost=1)
    assert (matches.rows.tolist(), matches.columns.tolist()) == ([0], [0])


def test_forbidden_pairs_are_never_looked_at() -> None:
    cost = np.array([[np.nan, 0.5], [np.inf, np.nan]])
    admissible = np.array([[False, True], [False, False]])
    matches = assign(cost, admissible, unmatched_cost=1)
    assert (matches.rows.tolist(), matches.columns.tolist()) == ([0], [1])


def brute_force(cost: np.ndarray, admissible: np.ndarray, unmatched_cost: float) -> float:
    """Least total over all partial matchings, the smaller side's leftovers being charged."""
    rows, columns = cost.shape
    if rows > columns:
        return brute_force(cost.T, admissible.T, unmatched_cost)
    return min(
        sum(cost[r, c] if admissible[r, c] else unmatched_cost for r, c in enumerate(order))
        for order in itertools.permutations(range(columns), rows)
    )


@given(data=st.data(), rows=st.integers(1, 4), columns=st.integers(1, 5))
def test_equals_brute_force(data: st.DataObject, rows: int, columns: int) -> None:
    values = data.draw(
        st.lists(st.integers(0, 8), min_size=rows * columns, max_size=rows * columns)
    )
    mask = data.draw(st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns))
    cost = np.array(values, float).reshape(rows, columns) / 8
    admissible = np.array(mask).reshape(rows, columns)
    matches = assign(cost, admissible, unmatched_cost=1)
    assert admissible[matches.rows, matches.columns].all()
    assert len(set(matches.rows)) == len(set(matches.columns)) == len(matches)
    left = min(rows, columns) - len(matches)
    total = cost[matches.rows, matches.columns].sum() + left
    assert total == pytest.approx(brute_force(cost, admissible, 1.0))


def test_cascade_serves_the_track_seen_last_first() -> None:
    # Track 0 has the better cost but was not seen for 5 frames: track 1 goes first.
    cost = np.array([[0.1], [0.3]])
    matches = matching_cascade(cost, all_allowed(cost), np.array([5, 1]), unmatched_cost=1)
    assert (matches.rows.tolist(), matches.columns.tolist()) == ([1], [0])


def test_cascade_leaves_the_rest_to_older_tracks() -> None:
    cost = np.array([[0.1, 0.2], [0.3, 0.9], [0.0, 0.0]])
    matches = matching_cascade(cost, all_allowed(cost), np.array([3, 1, 7]), unmatched_cost=1)
    assert (matches.rows.tolist(), matches.columns.tolist()) == ([0, 1], [1, 0])


def test_unmatched_is_the_rest() -> None:
    assert unmatched(5, np.array([1, 3])).tolist() == [0, 2, 4]


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="expected one shape"):
        assign(np.zeros((1, 2)), np.ones((2, 1), np.bool_), unmatched_cost=1)
    with pytest.raises(DataError, match="up to 1"):
        assign(np.array([[2.0]]), np.array([[True]]), unmatched_cost=1)
    with pytest.raises(DataError, match="up to 1"):
        assign(np.array([[np.nan]]), np.array([[True]]), unmatched_cost=1)
