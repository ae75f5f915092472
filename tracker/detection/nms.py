"""Greedy non-maximum suppression, in NumPy and inside a compiled Keras graph.

Both forms give what `tf.image.non_max_suppression` gives when it is run class by class and its
results are merged by score: the arithmetic is float32 in the same order, ties go to the lower
index, boxes with reversed corners are read as if they were not, and both thresholds drop what lies
*at* them on the losing side: a score has to be greater than its threshold, an overlap has to be
greater than its threshold to suppress.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError
from tracker.util.arrays import BoolArray, Float32Array, IndexArray, Int32Array
from tracker.util.check_types import check_types


class NmsMode(Enum):
    """Which boxes can suppress each other."""

    PER_CLASS = "per-class"
    """Only boxes of the same class."""
    AGNOSTIC = "agnostic"
    """All boxes."""


_BLOCK = 128
"""Boxes that are compared at once: comparing a block's boxes in one go takes a third of the time
of one winner at a time (100 boxes, 2-core machine), and memory stays bounded for thousands."""


@dataclass(frozen=True, slots=True)
class NmsSettings:
    """What suppression keeps.

    Attributes:
        confidence: A box is kept if its score is greater than this, in `[0, 1]`.
        iou: A box is suppressed if its overlap with a better one is greater than this, `[0, 1]`.
        max_detections: At most this many boxes, the best ones.
        mode: Which boxes can suppress each other.
    """

    confidence: float = 0.25
    iou: float = 0.45
    max_detections: int = 300
    mode: NmsMode = NmsMode.PER_CLASS

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("confidence", "iou"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name}: expected a number in [0, 1], got {value}")
        if self.max_detections < 1:
            raise ConfigError(f"max_detections: expected at least 1, got {self.max_detections}")


def nms(
    boxes: Float32Array, scores: Float32Array, classes: Int32Array, *, settings: NmsSettings
) -> IndexArray:
    """Returns the indices `(M,)` of the boxes that survive, by falling score.

    Args:
        boxes: `(N, 4)` float32 xyxy.
        scores: `(N,)` float32; NaN never survives.
        classes: `(N,)` int32.
        settings: What is kept.
    """
    candidates = np.flatnonzero(scores > np.float32(settings.confidence))
    order = candidates[np.argsort(-scores[candidates], kind="stable")]
    labels = classes[order] if settings.mode is NmsMode.PER_CLASS else np.zeros(len(order), int)
    # A box so large that its area overflows has no overlap (NaN), as in TensorFlow.
    with np.errstate(over="ignore", invalid="ignore"):
        corners, areas = _normalised(boxes[order])
        kept = _greedy(corners, areas, labels, settings)
    return order[kept]


def _greedy(
    corners: Float32Array, areas: Float32Array, labels: NDArray[Any], settings: NmsSettings
) -> IndexArray:
    """Returns the positions that survive, in order, of boxes sorted by falling score."""

    def suppresses(winners: IndexArray, others: IndexArray) -> BoolArray:
        overlap = _overlaps(
            corners[:, winners, None], areas[winners, None], corners[:, None, others], areas[others]
        )
        same: BoolArray = labels[winners, None] == labels[others]
        return (overlap > np.float32(settings.iou)) & same

    kept = np.zeros(0, dtype=np.intp)
    for start in range(0, len(areas), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(areas)))
        if len(kept):
            block = block[~suppresses(kept, block).any(axis=0)]
        matrix = suppresses(block, block)
        alive = np.ones(len(block), dtype=bool)
        winners = []
        for index in range(len(block)):
            if alive[index]:
                winners.append(index)
                alive &= ~matrix[index]
        kept = np.concatenate([kept, block[winners]])
        if len(kept) >= settings.max_detections:
            break
    return kept[: settings.max_detections]


def nms_graph(boxes: Any, scores: Any, classes: Any, *, settings: NmsSettings) -> Any:
    """Returns `(boxes (B, M, 4), scores (B, M), classes (B, M), count (B,))` as Keras tensors.

    Exact for any `N`: no pre-selection. Rows from `count` on are zeros. `M` is `max_detections`.

    Args:
        boxes: `(B, N, 4)` float32 xyxy; `N` is static.
        scores: `(B, N)` float32.
        classes: `(B, N)` int32.
        settings: What is kept.
    """
    from keras import ops

    batch, most = ops.shape(scores)[0], settings.max_detections
    selected = ops.full((batch, most), -1, dtype="int32")
    if boxes.shape[1]:
        selected = _select(boxes, scores, classes, settings, selected)
    count = ops.sum(ops.cast(selected >= 0, "int32"), axis=1)
    if not boxes.shape[1]:
        empty = ops.zeros((batch, most))
        return ops.zeros((batch, most, 4)), empty, ops.cast(empty, "int32"), count
    index = ops.maximum(selected, 0)
    valid = selected >= 0
    best_boxes = ops.take_along_axis(boxes, index[..., None], axis=1)
    return (
        ops.where(valid[..., None], best_boxes, 0.0),
        ops.where(valid, ops.take_along_axis(scores, index, axis=1), 0.0),
        ops.where(valid, ops.take_along_axis(classes, index, axis=1), 0),
        count,
    )


def _select(boxes: Any, scores: Any, classes: Any, settings: NmsSettings, selected: Any) -> Any:
    """Returns the winners' indices `(B, M)` int32 by falling score, -1 after the last."""
    from keras import ops

    corners, areas = _normalised_graph(boxes)
    lowest = float("-inf")
    steps = ops.arange(settings.max_detections, dtype="int32")
    positions = ops.arange(boxes.shape[1], dtype="int32")

    def any_left(step: Any, remaining: Any, selected: Any) -> Any:
        return ops.any(remaining > lowest)

    def take_best(step: Any, remaining: Any, selected: Any) -> Any:
        winner = ops.argmax(remaining, axis=1)  # the lowest index on ties
        active = ops.max(remaining, axis=1) > lowest
        pick = winner[:, None]
        best = [ops.take_along_axis(side, pick, axis=1) for side in corners]
        overlap = _overlaps_graph(best, ops.take_along_axis(areas, pick, axis=1), corners, areas)
        loses = overlap > settings.iou
        if settings.mode is NmsMode.PER_CLASS:
            loses = loses & (classes == ops.take_along_axis(classes, pick, axis=1))
        # A winner without area does not overlap itself, so it is taken out by its index.
        gone = loses | (positions[None] == pick)
        fill = active[:, None] & (steps[None] == step)
        return step + 1, ops.where(gone, lowest, remaining), ops.where(fill, pick, selected)

    remaining = ops.where(scores > settings.confidence, scores, lowest)
    state = (ops.zeros((), dtype="int32"), remaining, selected)
    state = ops.while_loop(any_left, take_best, state, maximum_iterations=settings.max_detections)
    return state[2]


def _normalised(boxes: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Returns sorted corners `(4, N)` (x1, y1, x2, y2) and areas `(N,)`."""
    first, second = boxes[:, :2].T, boxes[:, 2:].T
    corners = np.concatenate([np.minimum(first, second), np.maximum(first, second)])
    size = corners[2:] - corners[:2]
    return corners, size[1] * size[0]


def _overlaps(
    boxes: Float32Array, box_areas: Float32Array, corners: Float32Array, areas: Float32Array
) -> Float32Array:
    """Returns float32 IoU of corners `(4, ...)` with corners, in TensorFlow's operations' order."""
    size = np.minimum(boxes[2:], corners[2:]) - np.maximum(boxes[:2], corners[:2])
    np.maximum(size, np.float32(0), out=size)
    intersection = size[1] * size[0]
    union = box_areas + areas - intersection
    both: BoolArray = (box_areas > 0) & (areas > 0)
    overlap: Float32Array = np.divide(intersection, union, out=np.zeros_like(union), where=both)
    return overlap


def _normalised_graph(boxes: Any) -> tuple[list[Any], Any]:
    from keras import ops

    x1, y1, x2, y2 = (boxes[..., side] for side in range(4))
    corners = [ops.minimum(x1, x2), ops.minimum(y1, y2), ops.maximum(x1, x2), ops.maximum(y1, y2)]
    return corners, (corners[3] - corners[1]) * (corners[2] - corners[0])


def _overlaps_graph(box: list[Any], area: Any, corners: list[Any], areas: Any) -> Any:
    from keras import ops

    width = ops.minimum(box[2], corners[2]) - ops.maximum(box[0], corners[0])
    height = ops.minimum(box[3], corners[3]) - ops.maximum(box[1], corners[1])
    product = ops.maximum(height, 0.0) * ops.maximum(width, 0.0)
    # An intersection is never larger than either box, in rounded arithmetic too: the minimum
    # changes no value. It stands between the product and the subtraction, so that no compiler
    # may fuse them into a multiply-add, which rounds once where TensorFlow and NumPy round twice.
    intersection = ops.minimum(product, areas)
    union = area + areas - intersection
    both = (areas > 0.0) & (area > 0.0)
    return ops.where(both, intersection / ops.where(both, union, 1.0), 0.0)
