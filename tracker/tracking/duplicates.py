"""Removal of duplicate detections of one object in two classes.

Non-maximum suppression in a detector works per class, so a van may be detected both as a car and as
a truck, and would become two tracks.
"""

from typing import TypeVar

import numpy as np

from tracker.boxes import paired_iou
from tracker.detections import Detections
from tracker.tracking.neighbours import admissible, is_large
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, IndexArray

Sizes = TypeVar("Sizes", Float32Array, Float64Array)


def without_duplicates(detections: Detections, *, iou: float) -> BoolArray:
    """Returns `(N,)`: false where a better detection of another class nearly coincides.

    Greedy, by falling score: a suppressed detection suppresses no other.

    Args:
        detections: Of one frame.
        iou: A detection is suppressed above this overlap, in `[0.5, 1]`.
    """
    kept = np.ones(len(detections), np.bool_)
    classes = detections.classes
    if not len(classes) or np.count_nonzero(classes == classes[0]) == len(classes):
        return kept
    large = is_large(len(classes), len(classes))
    better, worse = (_in_windows if large else _in_sweep)(detections, iou)
    for one, other in zip(better.tolist(), worse.tolist(), strict=True):
        if kept[one]:
            kept[other] = False
    return kept


def _in_sweep(detections: Detections, iou: float) -> tuple[IndexArray, IndexArray]:
    """Returns the better and the worse detection `(P,)` of pairs, by rising better one."""
    boxes, classes = detections.boxes, detections.classes
    left = boxes[:, 0].astype(np.float64)
    order = left.argsort()
    ordered = left[order]
    end = ordered.searchsorted(ordered + _reach(boxes[order, 2] - ordered, iou), side="right")
    # Of each box, those that follow within its reach.
    first = np.arange(1, len(order) + 1)
    count = end - first
    total = int(np.add.reduce(count))
    if not total:
        return _NOTHING, _NOTHING
    place = np.arange(total) + (first - count.cumsum() + count).repeat(count)
    one, other = order.repeat(count), order[place]
    rivals = (classes[one] != classes[other]).nonzero()[0]
    one, other = one[rivals], other[rivals]
    top = boxes[:, 1]
    near = np.abs(top[one] - top[other]) <= _reach((boxes[:, 3] - top)[one], iou)
    if not np.count_nonzero(near):
        return _NOTHING, _NOTHING
    one, other = one[near], other[near]
    # Detections are sorted by falling score: the lower index is the better one.
    better, worse = np.minimum(one, other), np.maximum(one, other)
    coincide = paired_iou(boxes[better], boxes[worse]) > iou
    rising = better[coincide].argsort(kind="stable")
    return better[coincide][rising], worse[coincide][rising]


def _in_windows(detections: Detections, iou: float) -> tuple[IndexArray, IndexArray]:
    """Returns what `_in_sweep` does, in bounded memory however many boxes lie in one heap."""
    classes, boxes = detections.classes, detections.boxes.astype(np.float64)

    def price(rows: IndexArray, columns: IndexArray) -> tuple[Float64Array, BoolArray]:
        overlap = paired_iou(boxes[rows], boxes[columns])
        worse = (rows < columns) & (classes[rows] != classes[columns])
        return 1 - overlap, worse & (overlap > iou)

    corners = boxes[:, :2]
    pairs = admissible(corners, _reach(boxes[:, 2:] - corners, iou), corners, price=price)
    return pairs.rows, pairs.columns


def _reach(sizes: Sizes, iou: float) -> Sizes:
    """Returns how far the corner of a box may be from that of a box that coincides with it.

    The wider of two boxes is at most 1 / iou times as wide as the other, and sticks out of their
    common part by (1 - iou) of its own width at most. A little more, as float32 rounds.
    """
    return sizes * (1.001 * (1 / iou - 1) + 1e-6)


_NOTHING: IndexArray = np.zeros(0, np.intp)
