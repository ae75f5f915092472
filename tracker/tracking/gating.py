"""Gates of track-detection pairs by motion, overlap and distance, with costs.

Most objects of a frame are far apart, so each gate compares neighbours only
(`tracker.tracking.neighbours`): time and memory grow with the number of neighbours, not with `T x
N`. `T` tracks, `N` detections; pure functions.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from tracker.boxes import cxcyah_to_xyxy, paired_iou
from tracker.errors import DataError
from tracker.tracking.association import Pairs
from tracker.tracking.neighbours import admissible, admissible_in_x, is_large
from tracker.tracking.settings import TrackDistance
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, IndexArray
from tracker.util.callable_name import callable_name

BoxPrice = Callable[
    [Float64Array, Float64Array, IndexArray, IndexArray], tuple[Float64Array, BoolArray]
]
"""From two sets of boxes xyxy, and rows and columns of them `(M,)`, to the cost of each pair and
whether it is admissible."""

_FEW = 64
"""Up to so many pairs, comparing all takes less time than to look first at how high they lie."""


def by_motion(
    mean: Float64Array,
    variance: Float64Array,
    measurements: Float64Array,
    *,
    gate: float,
) -> Pairs:
    """Returns the pairs within the gate; costs are squared Mahalanobis distances (eq. 1 and 2).

    Args:
        mean: `(T, 8)` predicted.
        variance: `(T, 4)` of the innovations.
        measurements: `(N, 4)` cxcyah.
        gate: Largest admissible squared distance.
    """

    def distances(rows: IndexArray, columns: IndexArray) -> tuple[Float64Array, BoolArray]:
        if len(rows) <= _FEW:
            distance = _squared_distances(mean[rows], variance[rows], measurements[columns])
            return distance, distance <= gate
        # Most pairs that are near in x are apart in y; to find out costs less than a distance.
        above = np.square(measurements[:, 1][columns] - mean[:, 1][rows])
        near = (above <= (gate * variance[:, 1])[rows]).nonzero()[0]
        rows, columns = rows[near], columns[near]
        distance = np.full(len(above), np.inf)
        distance[near] = _squared_distances(mean[rows], variance[rows], measurements[columns])
        return distance, distance <= gate

    if not is_large(len(mean), len(measurements)):
        reach = np.sqrt(gate * variance[:, 0])
        return admissible_in_x(mean[:, 0], reach, measurements[:, 0], price=distances)
    reach = np.sqrt(gate * variance[:, :2])
    return admissible(mean[:, :2], reach, measurements[:, :2], price=distances)


def _squared_distances(
    mean: Float64Array, variance: Float64Array, measurements: Float64Array
) -> Float64Array:
    """Returns `(P,)` squared Mahalanobis distances of pairs: `(P, 8)`, `(P, 4)` and `(P, 4)`."""
    difference = measurements - mean[:, :4]
    np.square(difference, out=difference)
    difference /= variance
    return np.asarray(np.add.reduce(difference, axis=1))


def by_overlap(mean: Float64Array, boxes: Float32Array, *, min_iou: float) -> Pairs:
    """Returns the pairs that overlap by at least `min_iou`; costs are 1 - IoU.

    Args:
        mean: `(T, 8)` predicted.
        boxes: `(N, 4)` xyxy of the detections.
        min_iou: Smallest admissible overlap; pairs that only touch are never admissible.
    """
    return meeting_pairs(cxcyah_to_xyxy(mean), boxes.astype(np.float64), partial(_losses, min_iou))


def meeting_pairs(first: Float64Array, second: Float64Array, price: BoxPrice) -> Pairs:
    """Returns the admissible pairs of boxes that meet, sorted by row; all others are not compared.

    Args:
        first: `(T, 4)` xyxy.
        second: `(N, 4)` xyxy.
        price: Returns costs and admissibility of rows of `first` with columns of some boxes.
    """
    if not len(first) or not len(second):
        return _none()
    if not is_large(len(first), len(second)):
        left, right = second[:, 0], second[:, 2]
        ends, starts = first[:, 2], first[:, 0]
        reach = 0.5 * (ends - starts + np.maximum.reduce(right - left))
        compare = partial(price, first, second)
        return admissible_in_x(0.5 * (starts + ends), reach, 0.5 * (left + right), price=compare)
    size, extent = second[:, 2:] - second[:, :2], first[:, 2:] - first[:, :2]
    places, centres = (0.5 * (boxes[:, :2] + boxes[:, 2:]) for boxes in (first, second))
    parts = []
    for group in groups_by_size(size):
        reach = 0.5 * (extent + size[group].max(axis=0))
        compare = partial(price, first, second[group])
        pairs = admissible(places, reach, centres[group], price=compare)
        parts.append(Pairs(pairs.rows, group[pairs.columns], pairs.costs))
    return _joined(parts)


def by_distance(
    mean: Float64Array, boxes: Float32Array, *, distance: TrackDistance, limit: float
) -> Pairs:
    """Returns the pairs whose user-defined distance is below 1 and at most `limit`.

    Args:
        mean: `(T, 8)` predicted.
        boxes: `(N, 4)` xyxy of the detections.
        distance: Called only where there are both tracks and detections.
        limit: Largest admissible distance.

    Raises:
        DataError: The function does not return `(T, N)` numbers; infinity is allowed, NaN is not.
    """
    if not len(mean) or not len(boxes):
        return _none()
    name = f"tracking.track_distance {callable_name(distance)}"
    shape = len(mean), len(boxes)
    try:
        costs = np.asarray(
            distance(cxcyah_to_xyxy(mean), boxes.astype(np.float64)), dtype=np.float64
        )
    except (ValueError, TypeError) as error:
        raise DataError(f"{name}: {' '.join(str(error).split())}") from error
    if costs.shape != shape or np.isnan(costs).any():
        got = "NaN" if costs.shape == shape else f"shape {costs.shape}"
        raise DataError(f"{name}: expected distances (T, N) = {shape}, got {got}")
    rows, columns = ((costs <= limit) & (costs < 1)).nonzero()
    return Pairs(rows, columns, costs[rows, columns])


def by_reach(
    mean: Float64Array,
    measurements: Float64Array,
    *,
    reach: Float64Array,
    size_ratio: float,
) -> Pairs:
    """Returns pairs of similar height whose centres are near; costs are distances in heights.

    Args:
        mean: `(T, 8)` predicted.
        measurements: `(N, 4)` cxcyah.
        reach: `(T,)` largest admissible distance of the centres, in mean (geometric) heights.
        size_ratio: Largest admissible ratio of the larger height to the smaller, >= 1.
    """
    if not len(mean) or not len(measurements):
        return _none()
    # The larger height of a pair is at most `size_ratio` times the smaller.
    farthest = reach * mean[:, 3] * np.sqrt(size_ratio)

    def distances(rows: IndexArray, columns: IndexArray) -> tuple[Float64Array, BoolArray]:
        known, seen = mean[rows, :4], measurements[columns]
        height = np.sqrt(known[:, 3] * seen[:, 3])
        distance = np.hypot(known[:, 0] - seen[:, 0], known[:, 1] - seen[:, 1]) / height
        ratio = np.maximum(known[:, 3], seen[:, 3]) / np.minimum(known[:, 3], seen[:, 3])
        return distance, (distance <= reach[rows]) & (ratio <= size_ratio)

    if not is_large(len(mean), len(measurements)):
        return admissible_in_x(mean[:, 0], farthest, measurements[:, 0], price=distances)
    both = np.repeat(farthest[:, None], 2, axis=1)
    return admissible(mean[:, :2], both, measurements[:, :2], price=distances)


def _losses(
    min_iou: float,
    predicted: Float64Array,
    found: Float64Array,
    rows: IndexArray,
    columns: IndexArray,
) -> tuple[Float64Array, BoolArray]:
    if len(rows) <= _FEW:
        overlap = paired_iou(predicted[rows], found[columns])
        return 1 - overlap, (overlap >= min_iou) & (overlap > 0)
    # Most boxes that meet in x are apart in y; to find out costs less than an overlap.
    top = np.maximum(predicted[:, 1][rows], found[:, 1][columns])
    bottom = np.minimum(predicted[:, 3][rows], found[:, 3][columns])
    meeting = (bottom > top).nonzero()[0]
    overlap = np.zeros(len(rows))
    overlap[meeting] = paired_iou(predicted[rows[meeting]], found[columns[meeting]])
    return 1 - overlap, (overlap >= min_iou) & (overlap > 0)


def groups_by_size(size: Float64Array) -> list[IndexArray]:
    """Returns the indices of boxes grouped by size, to a factor of 2.

    How far apart two boxes may be and still overlap depends on the largest one: without groups, a
    single box as large as the frame would make all boxes neighbours of all.

    Args:
        size: `(N, 2)` widths and heights.
    """
    _, octave = np.frexp(size.max(axis=1))
    return [(octave == one).nonzero()[0] for one in sorted(set(octave.tolist()))]


def _joined(parts: list[Pairs]) -> Pairs:
    rows = np.concatenate([part.rows for part in parts])
    order = rows.argsort(kind="stable")
    columns = np.concatenate([part.columns for part in parts])
    return Pairs(rows[order], columns[order], np.concatenate([p.costs for p in parts])[order])


def _none() -> Pairs:
    empty = np.zeros(0, np.intp)
    return Pairs(empty, empty, np.zeros(0))
