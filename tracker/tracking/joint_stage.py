"""One assignment of all tracks by everything that is known: the default association.

The cost of a pair is the negative logarithm of how likely the detection is under the track, less
that of a detection out of nowhere. Its parts:

- Motion: a Student t density of the innovation, whose long tails forgive a box that is cut off now
  and then. The variance is the filter's own, so a track that was not seen for long, or that turns,
  is compared less strictly and costs more: no order of tracks is needed.
- Overlap: minus the logarithm of the IoU, which tells people apart who walk side by side.
- Score: the log odds by which a detection is too weak to start a track (`score_scale.py`), and the
  logarithm of how much commoner such detections are than new objects (`clutter.py`).
- Appearance: the cosine distance to the mean of the track's embeddings, less the neutral one. Where
  tracks nearly coincide and appearances are known, motion counts half: by motion, two balls that
  bounce off each other would swap their ids.
"""

import numpy as np

from tracker.boxes import cxcyah_to_xyxy, paired_iou, pairwise_iou
from tracker.tracking import gating
from tracker.tracking.association import Pairs
from tracker.tracking.scene import Scene, Stage, of_same_class
from tracker.util.arrays import BoolArray, Float64Array, IndexArray

_GATE = 150.0
"""Largest squared Mahalanobis distance; the cost decides long before."""

_TAILS = 3.0
"""Degrees of freedom of the Student t density."""

_LEAST_IOU = 0.01
_NEAREST, _FARTHEST = -5.0, 6.0
"""Bounds of the appearance's share of the cost."""

_TOUCHING_IOU = 0.6
_TOUCHING_MOTION = 0.5
"""Share of the motion's cost that counts for tracks whose boxes overlap so much, where appearances
are known: objects that meet may stop or bounce, and motion would have them pass."""

_FEW = 24
"""Up to so many tracks, comparing all boxes with all takes less time than a search."""

_BEYOND_NEUTRAL = 0.3
"""Cosine distance beyond the neutral one from which a pair is not admissible."""

_NO_MATCH = 0.0


def joint_stage(rows: IndexArray, columns: IndexArray) -> Stage:
    """Returns the stage that assigns detections to tracks by all that is known."""
    return Stage(
        tracks=rows,
        detections=columns,
        gate=_joint_gate,
        cost=_joint_cost,
        unmatched_cost=_NO_MATCH,
    )


def _joint_gate(scene: Scene, rows: IndexArray, columns: IndexArray) -> Pairs:
    """Returns the near pairs of one class; costs are squared Mahalanobis distances."""
    near = gating.by_motion(
        scene.table.mean[rows], scene.variance[rows], scene.measurements[columns], gate=_GATE
    )
    return of_same_class(scene, near, rows, columns)


def _joint_cost(scene: Scene, pairs: Pairs) -> Pairs:
    """Returns the pairs that are likelier than no match, with their costs."""
    rows, columns = pairs.rows, pairs.columns
    if not len(rows):
        return pairs
    used, place = _compact(rows)
    mean = scene.table.mean[used]
    predicted = cxcyah_to_xyxy(mean)
    cost = (0.5 * (_TAILS + 4)) * np.log1p(pairs.costs / _TAILS)
    if scene.has_appearance:
        cost[_touching(mean, predicted)[place] & scene.comparable(pairs)] *= _TOUCHING_MOTION
    cost += _log_volume(mean, scene.variance[used])[place]
    overlap = paired_iou(predicted[place], scene.detections.boxes[columns])
    cost -= np.log(np.maximum(overlap, _LEAST_IOU))
    cost += scene.score_cost[columns]
    if scene.has_appearance:
        cost += _appearance(scene, pairs)
    likely = (cost <= _NO_MATCH).nonzero()[0]
    return Pairs(rows[likely], columns[likely], cost[likely])


def _compact(rows: IndexArray) -> tuple[IndexArray, IndexArray]:
    """Returns the distinct ones of rising rows, at least one, and the place of each among them."""
    first = np.empty(len(rows), np.bool_)
    first[0] = True
    np.not_equal(rows[1:], rows[:-1], out=first[1:])
    return rows[first], first.cumsum() - 1


def _touching(mean: Float64Array, predicted: Float64Array) -> BoolArray:
    """Returns `(T,)`: whether the predicted box of a track overlaps that of another one.

    Args:
        mean: `(T, 8)` of the tracks.
        predicted: `(T, 4)` xyxy, the same as boxes.
    """
    if len(mean) <= _FEW:
        overlap = pairwise_iou(predicted, predicted) >= _TOUCHING_IOU
        return np.asarray(np.add.reduce(overlap, axis=1) > 1)  # each overlaps itself
    near = gating.by_overlap(mean, predicted.astype(np.float32), min_iou=_TOUCHING_IOU)
    touching = np.zeros(len(mean), np.bool_)
    touching[near.rows[near.rows != near.columns]] = True
    return touching


def _log_volume(mean: Float64Array, variance: Float64Array) -> Float64Array:
    """Returns `(T,)` logarithms of the deviations' product, lengths in object heights."""
    height = mean[:, 3]
    return np.asarray(0.5 * np.add.reduce(np.log(variance), axis=1) - 3 * np.log(height))


def _appearance(scene: Scene, pairs: Pairs) -> Float64Array:
    """Returns `(P,)` the appearance's share: 0 where not known, infinite where they differ."""
    settings, slots = scene.settings, scene.table.slots[pairs.rows]
    distance = scene.gallery.mean_distances(slots, pairs.columns, scene.detections.embeddings)
    apart = distance - settings.max_appearance_distance
    share = np.clip(settings.appearance_weight * apart, _NEAREST, _FARTHEST)
    share[apart > _BEYOND_NEUTRAL] = np.inf
    share[~scene.comparable(pairs)] = 0.0
    return np.asarray(share)
