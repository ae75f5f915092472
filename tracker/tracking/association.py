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
    pair_rows, pair_columns = np.nonzero(admissible)
    alone = without_rivals(admissible, pair_rows, pair_columns)
    certain = Matches(pair_rows[alone], pair_columns[alone])
    if alone.all():
        return certain
    # In a scene seen from a distance most pairs have no rival; the rest is a small problem.
    rows, columns = np.unique(pair_rows[~alone]), np.unique(pair_columns[~alone])
    block = np.ix_(rows, columns)
    priced = np.where(admissible[block], cost[block], unmatched_cost)
    chosen_rows, chosen_columns = linear_sum_assignment(priced)
    rows, columns = rows[chosen_rows], columns[chosen_columns]
    kept = admissible[rows, columns]
    return join(certain, Matches(rows[kept], columns[kept]))


def without_rivals(
    admissible: BoolArray, pair_rows: IndexArray, pair_columns: IndexArray
) -> BoolArray:
    """Returns `(P,)`: whether an admissible pair is the only one of its row and of its column.

    Args:
        admissible: `(T, N)`.
        pair_rows: `(P,)` rows of the admissible pairs.
        pair_columns: `(P,)` columns of the admissible pairs.
    """
    in_row = np.bincount(pair_rows, minlength=admissible.shape[0])
    in_column = np.bincount(pair_columns, minlength=admissible.shape[1])
    return np.asarray((in_row[pair_rows] == 1) & (in_column[pair_columns] == 1))


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
    possible = np.flatnonzero(admissible.any(axis=1))
    for age in np.unique(misses[possible]):
        rows = possible[misses[possible] == age]
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
