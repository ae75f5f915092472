"""Neighbour search, the coarse part of every gate: which points lie near which centres.

Small inputs are compared all with all. Large ones are sorted into horizontal strips, within a strip
by x, and each centre is compared only with a window of the strips that it reaches. `T` centres, `N`
points, `M` pairs in the windows.
"""

from collections.abc import Callable, Iterator

import numpy as np

from tracker.tracking.association import Pairs
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, IndexArray

Price = Callable[[IndexArray, IndexArray], tuple[Float64Array, BoolArray]]
"""From rows and columns `(M,)` to the cost of each pair and whether it is admissible."""

Floats = Float32Array | Float64Array

_FEW = 4096
"""Up to so many pairs, comparing all takes less time than sorting: about 64 by 64 objects."""

_MANY = 250_000
"""From so many pairs on, sorting by both coordinates pays: 500 by 500 objects."""

_AT_ONCE = 500_000
"""Pairs whose costs are computed in one call; its arrays take 100 MB."""

MOST_PAIRS = 200_000
"""Most pairs in all where windows hold more than `_AT_ONCE`, as with boxes piled in one place: each
row keeps its cheapest pairs. Memory stays bounded; the assignment is good, though not optimal."""


def is_large(rows: int, columns: int) -> bool:
    """Returns whether so many rows and columns are sorted by both coordinates."""
    return rows * columns > _MANY


def admissible(
    centres: Float64Array, reach: Float64Array, points: Float64Array, *, price: Price
) -> Pairs:
    """Returns the pairs of near centres and points that are admissible, sorted by row.

    Args:
        centres: `(T, 2)` x and y.
        reach: `(T, 2)` half the width and height of the window of each centre; every pair outside
            has to be inadmissible.
        points: `(N, 2)` x and y.
        price: Returns costs and admissibility of pairs within the windows, and of a few just
            outside.
    """
    if not is_large(len(centres), len(points)):
        return admissible_in_x(centres[:, 0], reach[:, 0], points[:, 0], price=price)
    windows = Windows(centres, reach, points)
    is_heap = windows.pair_count > _AT_ONCE
    parts = []
    for rows, columns in windows.pairs():
        part = _priced(rows, columns, price)
        # Before the costs of the next part are computed: all parts would take gigabytes.
        parts.append(_cheapest(part, len(centres), len(points)) if is_heap else part)
    return Pairs(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.costs for part in parts]),
    )


def admissible_in_x(centres: Floats, reach: Floats, points: Floats, *, price: Price) -> Pairs:
    """Returns what `admissible` does, by comparing x alone: for scenes that are not large.

    Args:
        centres: `(T,)` x.
        reach: `(T,)` half the width of the window of each centre.
        points: `(N,)` x.
        price: Decides on all pairs whose point is within the width of the window.
    """
    return _priced(*_near_in_x(centres, reach, points), price)


class Windows:
    """Windows of centres over points that are sorted into strips.

    Args:
        centres: `(T, 2)` x and y, at least one.
        reach: `(T, 2)` half the width and height of each window.
        points: `(N, 2)` x and y, at least one.
    """

    def __init__(self, centres: Float64Array, reach: Float64Array, points: Float64Array) -> None:
        origin, span = points.min(axis=0), np.ptp(points, axis=0)
        # As high as windows are on average, so that a window reaches two or three strips; and no
        # more strips than a few for each point, whatever the coordinates.
        height = max(2 * reach[:, 1].mean(), span[1] / (4 * len(points)), 1e-6)
        # Places along one line: the strips one after the other, with a gap between two.
        pitch = 2 * span[0] + 1
        strip = np.floor((points[:, 1] - origin[1]) / height)
        place = strip * pitch + (points[:, 0] - origin[0])
        self._order = place.argsort(kind="stable")
        ordered = place[self._order]
        middle = centres - origin
        top, bottom = ((middle[:, 1] + sign * reach[:, 1]) / height for sign in (-1, 1))
        first = np.clip(np.floor(top - 1e-6), 0, strip.max() + 1).astype(np.intp)
        last = np.clip(np.floor(bottom + 1e-6), -1, strip.max()).astype(np.intp)
        count = np.maximum(last - first + 1, 0)
        self._rows = np.arange(len(centres)).repeat(count)
        line = (_counted(count) + first.repeat(count)) * pitch
        slack = 1e-6 + 1e-15 * abs(ordered[-1])
        left = np.clip(middle[:, 0] - reach[:, 0], 0, span[0] + 0.5)[self._rows]
        right = np.clip(middle[:, 0] + reach[:, 0], -0.5, span[0])[self._rows]
        self._start = ordered.searchsorted(line + left - slack, side="left")
        end = ordered.searchsorted(line + right + slack, side="right")
        self._held = np.maximum(end - self._start, 0)
        self._y, self._middle_y = points[:, 1], centres[:, 1]
        self._reach_y = reach[:, 1] * (1 + 1e-9) + 1e-6

    @property
    def pair_count(self) -> int:
        """Number of pairs of a centre and a point within its strips and its range of x."""
        return int(self._held.sum())

    def pairs(self) -> Iterator[tuple[IndexArray, IndexArray]]:
        """Yields rows and columns `(M,)`, sorted by row; all pairs of a row in one part."""
        ends = np.append(np.flatnonzero(np.diff(self._rows)) + 1, len(self._rows))
        total = self._held.cumsum()
        start = 0
        while start < len(self._rows):
            before = total[start - 1] if start else 0
            fitting = ends[ends > start]
            enough = fitting[total[fitting - 1] - before <= _AT_ONCE]
            end = int(enough[-1] if len(enough) else fitting[0])
            held = self._held[start:end]
            place = _counted(held) + self._start[start:end].repeat(held)
            rows, columns = self._rows[start:end].repeat(held), self._order[place]
            # Strips reach beyond the window; comparing y is cheaper than computing a cost.
            apart = np.abs(self._y[columns] - self._middle_y[rows])
            inside = (apart <= self._reach_y[rows]).nonzero()[0]
            yield rows[inside], columns[inside]
            start = end
        if not len(self._rows):
            yield np.zeros(0, np.intp), np.zeros(0, np.intp)


def _priced(rows: IndexArray, columns: IndexArray, price: Price) -> Pairs:
    costs, within = price(rows, columns)
    kept = within.nonzero()[0]
    if len(kept) == len(rows):
        return Pairs(rows, columns, costs)
    return Pairs(rows[kept], columns[kept], costs[kept])


def _cheapest(pairs: Pairs, row_count: int, column_count: int) -> Pairs:
    """Returns the cheapest pairs of each row, limited in total.

    Between equals each row prefers columns from its own number on, so that boxes in exactly the
    same place do not all keep the same few.
    """
    each = max(MOST_PAIRS // row_count, 8)
    turn = (pairs.columns - pairs.rows) % column_count
    order = np.lexsort((turn, pairs.costs, pairs.rows))
    ranks = _counted(np.unique(pairs.rows, return_counts=True)[1])
    return pairs.select(order[ranks < each])


def _counted(counts: IndexArray) -> IndexArray:
    """Returns the concatenated ranges 0, 1, ..., count - 1 of all counts."""
    return np.arange(counts.sum()) - (counts.cumsum() - counts).repeat(counts)


def _near_in_x(centres: Floats, reach: Floats, values: Floats) -> tuple[IndexArray, IndexArray]:
    """Returns all `(row, column)` with `|values[column] - centres[row]| <= reach[row]`.

    Sorted by row.
    """
    if len(centres) * len(values) <= _FEW:
        apart = values - centres[:, None]
        np.abs(apart, out=apart)
        rows, columns = (apart <= reach[:, None]).nonzero()
        return rows, columns
    order = values.argsort(kind="stable")
    ordered = values[order]
    low = ordered.searchsorted(centres - reach, side="left")
    count = ordered.searchsorted(centres + reach, side="right") - low
    rows = np.arange(len(centres)).repeat(count)
    place = np.arange(len(rows)) + (low - count.cumsum() + count).repeat(count)
    return rows, order[place]
