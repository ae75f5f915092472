"""Assignment against brute force over all partial matchings, and the cascade by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import DataError
from tracker.tracking.association import Matches, Pairs, matching_cascade, unmatched
from tracker.tracking.association import assign as assign_pairs


def assign(cost: np.ndarray, admissible: np.ndarray, *, unmatched_cost: float) -> Matches:
    return assign_pairs(Pairs.of(cost, admissible), unmatched_cost=unmatched_cost)


def cascade(cost: np.ndarray, misses: list[int]) -> Matches:
    pairs = Pairs.of(cost, all_allowed(cost))
    return matching_cascade(pairs, np.array(misses), unmatched_cost=1)


def all_allowed(cost: np.ndarray) -> np.ndarray:
    return np.ones(cost.shape, np.bool_)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_match(shape: tuple[int, int]) -> None:
    cost = np.zeros(shape)
    assert len(assign(cost, all_allowed(cost), unmatched_cost=1)) == 0
    assert len(cascade(cost, [1] * shape[0])) == 0


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


def test_costs_of_inadmissible_pairs_are_ignored() -> None:
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


def test_cascade_matches_the_most_recent_track_first() -> None:
    # Track 0 has the better cost but 5 missed detections: track 1 goes first.
    cost = np.array([[0.1], [0.3]])
    matches = cascade(cost, [5, 1])
    assert (matches.rows.tolist(), matches.columns.tolist()) == ([1], [0])


def test_cascade_leaves_the_rest_to_older_tracks() -> None:
    cost = np.array([[0.1, 0.2], [0.3, 0.9], [0.0, 0.0]])
    matches = cascade(cost, [3, 1, 7])
    assert (matches.rows.tolist(), matches.columns.tolist()) == ([0, 1], [1, 0])


def by_hand(cost: np.ndarray, admissible: np.ndarray, misses: np.ndarray) -> list[tuple[int, int]]:
    """The listing of the paper: one assignment for each age, over what is left."""
    free = np.ones(cost.shape[1], np.bool_)
    found = []
    for age in range(1, misses.max() + 1):
        allowed = admissible & free & (misses == age)[:, None]
        matches = assign(cost, allowed, unmatched_cost=1)
        free[matches.columns] = False
        found += zip(matches.rows.tolist(), matches.columns.tolist(), strict=True)
    return sorted(found)


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 7), columns=st.integers(1, 7))
def test_cascade_equals_the_listing(seed: int, rows: int, columns: int) -> None:
    random = np.random.default_rng(seed)
    cost, admissible = random.random((rows, columns)), random.random((rows, columns)) < 0.4
    misses = random.integers(1, 4, rows)
    matches = matching_cascade(Pairs.of(cost, admissible), misses, unmatched_cost=1)
    assert list(zip(matches.rows, matches.columns, strict=True)) == by_hand(
        cost, admissible, misses
    )


@pytest.mark.parametrize(
    ("indices", "taken", "expected"),
    [([], [], []), ([1], [], [1]), ([1, 4], [4, 9], [1]), ([0, 2, 5], [5, 0], [2])],
)
def test_unmatched(indices: list[int], taken: list[int], expected: list[int]) -> None:
    left = unmatched(np.array(indices, np.intp), np.array(taken, np.intp))
    assert left.tolist() == expected


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="expected one shape"):
        assign(np.zeros((1, 2)), np.ones((2, 1), np.bool_), unmatched_cost=1)
    with pytest.raises(DataError, match="up to 1"):
        assign(np.array([[2.0]]), np.array([[True]]), unmatched_cost=1)
    with pytest.raises(DataError, match="up to 1"):
        assign(np.array([[np.nan]]), np.array([[True]]), unmatched_cost=1)
