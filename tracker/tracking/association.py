"""Which detection belongs to which track: the Hungarian assignment and DeepSORT's two stages.

Comes in: cost matrices `(T, N)` and boolean masks of admissible pairs. Goes out: `Matches`. Pure
functions; rows are tracks, columns are detections.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from tracker.arrays import BoolArray, Float64Array, IndexArray
from tracker.errors import DataError


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


def assign(cost: Float64Array, admissible: BoolArray, *, unmatched_cost: float) -> Matches:
    """Returns the admissible pairs of least total cost.

    Leaving a row and a column unmatched costs `unmatched_cost`, and no admissible pair may cost
    more: one very good pair is therefore preferred to two that barely pass.

    Args:
        cost: `(T, N)`; values of pairs that are not admissible are never looked at.
        admissible: `(T, N)` pairs that may be matched.
        unmatched_cost: Price of a pair that is left unmatched.

    Raises:
        DataError: Shapes differ, or an admissible cost is not finite or above `unmatched_cost`.
    """
    if cost.shape != admissible.shape:
        raise DataError(
            f"cost and admissible: expected one shape, got {cost.shape} and {admissible.shape}"
        )
    allowed = cost[admissible]
    if not allowed.size:
        return Matches(np.zeros(0, np.intp), np.zeros(0, np.intp))
    if not (allowed <= unmatched_cost).all():
        raise DataError(
            f"cost: expected admissible values up to {unmatched_cost}, got {allowed.max()}"
        )
    rows = np.flatnonzero(admissible.any(axis=1))
    columns = np.flatnonzero(admissible.any(axis=0))
    priced = np.where(admissible, cost, unmatched_cost)[np.ix_(rows, columns)]
    chosen_rows, chosen_columns = linear_sum_assignment(priced)
    rows, columns = rows[chosen_rows], columns[chosen_columns]
    kept = admissible[rows, columns]
    return Matches(rows[kept], columns[kept])


def matching_cascade(
    cost: Float64Array, admissible: BoolArray, misses: IndexArray, *, unmatched_cost: float
) -> Matches:
    """Returns matches made in order of the tracks' misses, those seen last going first.

    DeepSORT, sec. 2.3, listing 1: a track that was not seen for long has a wide gate that would
    otherwise win detections from tracks that are certain of where they are.

    Args:
        cost: `(T, N)`.
        admissible: `(T, N)`.
        misses: `(T,)` frames since the track was last seen.
        unmatched_cost: See `assign`.
    """
    free = np.ones(cost.shape[1], dtype=np.bool_)
    found: list[Matches] = []
    for age in np.unique(misses):
        rows = np.flatnonzero(misses == age)
        matches = assign(cost[rows], admissible[rows] & free, unmatched_cost=unmatched_cost)
        free[matches.columns] = False
        found.append(Matches(rows[matches.rows], matches.columns))
    return join(*found)


def join(*parts: Matches) -> Matches:
    """Returns the pairs of all parts, in rising order of rows."""
    if not parts:
        return Matches(np.zeros(0, np.intp), np.zeros(0, np.intp))
    rows = np.concatenate([part.rows for part in parts])
    columns = np.concatenate([part.columns for part in parts])
    order = np.argsort(rows, kind="stable")
    return Matches(rows[order], columns[order])


def unmatched(count: int, taken: IndexArray) -> IndexArray:
    """Returns the indices below `count` that are not in `taken`, rising."""
    free = np.ones(count, dtype=np.bool_)
    free[taken] = False
    return np.flatnonzero(free)
