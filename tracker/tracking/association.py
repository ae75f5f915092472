"""Assignment of detections to tracks: the Hungarian method and DeepSORT's cascade.

Most pairs of a scene lie far apart, so everything after the gates works on the list of admitted
pairs, never on a full matrix. Rows are tracks, columns are detections; pure functions.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from tracker.errors import DataError
from tracker.util.arrays import BoolArray, Float64Array, IndexArray, Int64Array
from tracker.util.assignment import linear_sum_assignment

_LARGEST_MATRIX = 250_000
"""Elements up to which contested pairs are solved as a matrix. 500 by 500 objects take 8 ms as a
matrix and 2 ms as a list of pairs; 10,000 by 10,000 would take 800 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Admissible pairs, sorted by row; each at most once.

    Attributes:
        rows: `(P,)` indices of tracks.
        columns: `(P,)` indices of detections.
        costs: `(P,)` cost of matching each.
    """

    rows: IndexArray
    columns: IndexArray
    costs: Float64Array

    @classmethod
    def of(cls, cost: Float64Array, admissible: BoolArray) -> Self:
        """Returns the admissible pairs of a matrix.

        Args:
            cost: `(T, N)`; values of inadmissible pairs are ignored.
            admissible: `(T, N)`.

        Raises:
            DataError: The shapes differ.
        """
        if cost.shape != admissible.shape:
            raise DataError(
                f"cost and admissible: expected one shape, got {cost.shape} and {admissible.shape}"
            )
        rows, columns = admissible.nonzero()
        return cls(rows, columns, cost[rows, columns])

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, index: BoolArray | IndexArray | slice) -> Self:
        """Returns the pairs picked by a mask `(P,)`, rising indices or a slice."""
        return type(self)(self.rows[index], self.columns[index], self.costs[index])


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Pairs of rows and columns, in rising order of rows; each row and column at most once.

    Attributes:
        rows: `(P,)` indices of tracks.
        columns: `(P,)` indices of detections.
    """

    rows: IndexArray
    columns: IndexArray

    def __len__(self) -> int:
        return len(self.rows)


def assign(pairs: Pairs, *, unmatched_cost: float) -> Matches:
    """Returns the pairs of least total cost, each row and column at most once.

    Leaving a row and a column unmatched costs `unmatched_cost`, and no pair may cost more: one
    very good pair is therefore preferred to two that barely pass.

    Args:
        pairs: The admissible pairs.
        unmatched_cost: Cost of leaving a pair unmatched.

    Raises:
        DataError: A cost is not finite or above `unmatched_cost`.
    """
    _check_costs(pairs, unmatched_cost)
    return _assign(pairs, unmatched_cost)


def matching_cascade(pairs: Pairs, misses: Int64Array, *, unmatched_cost: float) -> Matches:
    """Returns matches made in order of the tracks' misses, most recently matched first.

    DeepSORT, sec. 2.3, listing 1: a long-occluded track has a wide gate, which would otherwise win
    detections from tracks with a certain position.

    Args:
        pairs: The admissible pairs.
        misses: `(T,)` missed detections of each track since its last match.
        unmatched_cost: See `assign`.

    Raises:
        DataError: A cost is not finite or above `unmatched_cost`.
    """
    _check_costs(pairs, unmatched_cost)
    # Pairs without rivals are matched at any turn of the cascade, so they are matched first.
    certain, contested = _split_contested(pairs)
    found = [certain]
    turns = misses[contested.rows]
    while len(contested):
        now = turns == turns.min()
        matches = _assign(contested.select(now), unmatched_cost)
        found.append(matches)
        free = np.ones(contested.columns.max() + 1, np.bool_)
        free[matches.columns] = False
        left = ~now & free[contested.columns]
        contested, turns = contested.select(left), turns[left]
    return join(*found)


def without_rivals(rows: IndexArray, columns: IndexArray) -> BoolArray:
    """Returns `(P,)`: whether a pair is the only one of its row and of its column."""
    return np.asarray((np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1))


def join(*parts: Matches) -> Matches:
    """Returns the pairs of all parts, in rising order of rows."""
    parts = tuple(part for part in parts if len(part)) or parts[:1]
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Matches(np.zeros(0, np.intp), np.zeros(0, np.intp))
    rows = np.concatenate([part.rows for part in parts])
    columns = np.concatenate([part.columns for part in parts])
    order = rows.argsort()
    return Matches(rows[order], columns[order])


def unmatched(indices: IndexArray, taken: IndexArray) -> IndexArray:
    """Returns the indices `(n,)`, rising, that are not among `taken`."""
    if not len(taken) or not len(indices):
        return indices
    free = np.ones(max(int(indices[-1]), int(taken.max())) + 1, np.bool_)
    free[taken] = False
    return indices[free[indices]]


def _check_costs(pairs: Pairs, limit: float) -> None:
    # Counting costs a tenth of `all()`; NaN fails the comparison too.
    if np.count_nonzero(pairs.costs <= limit) < len(pairs):
        raise DataError(f"cost: expected admissible values up to {limit}, got {pairs.costs.max()}")


def _assign(pairs: Pairs, unmatched_cost: float) -> Matches:
    """Returns what `assign` does, for costs that were checked."""
    certain, contested = _split_contested(pairs)
    if not len(contested):
        return certain
    return join(certain, _solve(contested, unmatched_cost))


def _split_contested(pairs: Pairs) -> tuple[Matches, Pairs]:
    """Returns the matches of pairs without rivals, and the pairs that are contested."""
    if not len(pairs):
        return Matches(pairs.rows, pairs.columns), pairs
    alone = without_rivals(pairs.rows, pairs.columns)
    if np.count_nonzero(alone) == len(pairs):
        return Matches(pairs.rows, pairs.columns), pairs.select(slice(0))
    return Matches(pairs.rows[alone], pairs.columns[alone]), pairs.select(~alone)


def _solve(pairs: Pairs, unmatched_cost: float) -> Matches:
    """Returns the best assignment of contested pairs."""
    rows, row_place = _compact(pairs.rows)
    columns, column_place = _compact(pairs.columns)
    if len(rows) * len(columns) > _LARGEST_MATRIX:
        chosen, taken = _solve_sparse(row_place, column_place, pairs.costs, unmatched_cost)
        return Matches(rows[chosen], columns[taken])
    cost = np.full((len(rows), len(columns)), unmatched_cost, np.float64)
    admissible = np.zeros(cost.shape, np.bool_)
    cost[row_place, column_place] = pairs.costs
    admissible[row_place, column_place] = True
    chosen_rows, chosen_columns = linear_sum_assignment(cost)
    kept = admissible[chosen_rows, chosen_columns]
    return Matches(rows[chosen_rows[kept]], columns[chosen_columns[kept]])


def _solve_sparse(
    rows: IndexArray, columns: IndexArray, costs: Float64Array, unmatched_cost: float
) -> tuple[IndexArray, IndexArray]:
    """Returns the best assignment of pairs without a matrix of all rows and columns.

    Each row gets an extra column of its own at the cost of no match: then all rows can be matched,
    as LAPJVsp, the sparse form of the Hungarian method, requires.

    Args:
        rows: `(P,)` places of 0 to R - 1, each at least once.
        columns: `(P,)` places of 0 to C - 1.
        costs: `(P,)` up to `unmatched_cost`.
        unmatched_cost: Cost of leaving a pair unmatched.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    count, width = int(rows.max()) + 1, int(columns.max()) + 1
    own = np.arange(count)
    # A sparse 0 would count as no entry; each row is matched once, so all costs are raised above 0.
    prices = np.concatenate([costs, np.full(count, unmatched_cost)])
    prices += 1 - prices.min()
    places = np.concatenate([rows, own]), np.concatenate([columns, width + own])
    graph = csr_array((prices, places), shape=(count, width + count))
    chosen, taken = min_weight_full_bipartite_matching(graph)
    matched = taken < width
    return chosen[matched], taken[matched]


def _compact(values: IndexArray) -> tuple[IndexArray, IndexArray]:
    """Returns the distinct values, rising, and the place of each value among them."""
    there = np.bincount(values) > 0
    return there.nonzero()[0], (there.cumsum() - 1)[values]
