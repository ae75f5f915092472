"""Which pairs of tracks and detections may be matched, and at what cost: motion and overlap.

Comes in: predicted states of `T` tracks and `N` detections. Goes out: `Pairs`. Pure functions.

Objects in a picture are mostly far apart, so each gate first sorts by the horizontal centre and
looks only at what is near there: work and memory follow the number of neighbours, not `T x N`.
"""

import numpy as np

from tracker.arrays import Float32Array, Float64Array, IndexArray
from tracker.boxes import cxcyah_to_xyxy, paired_iou
from tracker.errors import DataError
from tracker.tracking import kalman
from tracker.tracking.association import Pairs
from tracker.tracking.settings import TrackDistance
from tracker.util.callable_name import callable_name


def by_motion(
    mean: Float64Array,
    covariance: Float64Array,
    measurements: Float64Array,
    *,
    gate: float,
    noise: kalman.MotionNoise,
) -> Pairs:
    """Returns the pairs within the gate; costs are squared Mahalanobis distances (eq. 1 and 2).

    Args:
        mean: `(T, 8)` predicted.
        covariance: `(T, 3, 4)` predicted.
        measurements: `(N, 4)` cxcyah.
        gate: Largest admissible squared distance.
        noise: The motion model.
    """
    variance = kalman.innovation_variance(mean, covariance, noise)
    reach = np.sqrt(gate * variance[:, 0])
    rows, columns = _neighbours(mean[:, 0], reach, measurements[:, 0])
    difference = measurements[columns] - mean[rows, :4]
    np.square(difference, out=difference)
    difference /= variance[rows]
    distance = np.add.reduce(difference, axis=1)
    within = distance <= gate
    return Pairs(rows[within], columns[within], distance[within])


def by_overlap(mean: Float64Array, boxes: Float32Array, *, min_iou: float) -> Pairs:
    """Returns the pairs that overlap by at least `min_iou`; costs are 1 - IoU.

    Args:
        mean: `(T, 8)` predicted.
        boxes: `(N, 4)` xyxy of the detections.
        min_iou: Smallest admissible overlap; pairs that only touch are never admissible.
    """
    predicted, found = cxcyah_to_xyxy(mean), boxes.astype(np.float64)
    if not len(predicted) or not len(found):
        return _none()
    centre = 0.5 * (found[:, 0] + found[:, 2])
    widest = (found[:, 2] - found[:, 0]).max()
    reach = 0.5 * (predicted[:, 2] - predicted[:, 0] + widest)
    rows, columns = _neighbours(mean[:, 0], reach, centre)
    overlap = paired_iou(predicted[rows], found[columns])
    within = (overlap >= min_iou) & (overlap > 0)
    return Pairs(rows[within], columns[within], 1 - overlap[within])


def by_distance(
    mean: Float64Array, boxes: Float32Array, *, distance: TrackDistance, limit: float
) -> Pairs:
    """Returns the pairs whose distance, by a function of the user, is below 1 and within a limit.

    Args:
        mean: `(T, 8)` predicted.
        boxes: `(N, 4)` xyxy of the detections.
        distance: Is called where there are tracks and detections.
        limit: Largest admissible distance.

    Raises:
        DataError: The function returns anything but `(T, N)` numbers; infinity is one, NaN is not.
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
        size_ratio: Largest admissible ratio of the greater height to the lower, >= 1.
    """
    if not len(mean) or not len(measurements):
        return _none()
    # Of a pair's heights the greater is at most `size_ratio` times the lower.
    farthest = reach * mean[:, 3] * np.sqrt(size_ratio)
    rows, columns = _neighbours(mean[:, 0], farthest, measurements[:, 0])
    known, seen = mean[rows, :4], measurements[columns]
    height = np.sqrt(known[:, 3] * seen[:, 3])
    distance = np.hypot(known[:, 0] - seen[:, 0], known[:, 1] - seen[:, 1]) / height
    ratio = np.maximum(known[:, 3], seen[:, 3]) / np.minimum(known[:, 3], seen[:, 3])
    within = (distance <= reach[rows]) & (ratio <= size_ratio)
    return Pairs(rows[within], columns[within], distance[within])


def _neighbours(
    centres: Float64Array, reach: Float64Array, values: Float64Array
) -> tuple[IndexArray, IndexArray]:
    """Returns all `(row, column)` with `|values[column] - centres[row]| <= reach[row]`.

    Sorted by row.
    """
    if len(centres) * len(values) <= _FEW:
        rows, columns = (np.abs(values - centres[:, None]) <= reach[:, None]).nonzero()
        return rows, columns
    order = values.argsort(kind="stable")
    ordered = values[order]
    low = ordered.searchsorted(centres - reach, side="left")
    count = ordered.searchsorted(centres + reach, side="right") - low
    rows = np.arange(len(centres)).repeat(count)
    place = np.arange(len(rows)) + (low - count.cumsum() + count).repeat(count)
    return rows, order[place]


_FEW = 4096
"""Up to so many pairs, comparing all takes less time than sorting: about 64 by 64 objects."""


def _none() -> Pairs:
    empty = np.zeros(0, np.intp)
    return Pairs(empty, empty, np.zeros(0))
