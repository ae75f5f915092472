"""Losses of a detector: GIoU for boxes, varifocal loss for scores."""

from typing import Any, NamedTuple

from keras import ops

from tracker.training.detector.targets import Predictions, Targets

_TINY = 1e-7

VARIFOCAL_ALPHA = 0.75
VARIFOCAL_GAMMA = 2.0
"""Weight of background and its focus (arXiv 2008.13367, sec. 3.1)."""


class DetectionLoss(NamedTuple):
    """The two parts, each a scalar.

    Attributes:
        box: Mean of `1 - GIoU`, weighted by target scores.
        score: Varifocal loss.
    """

    box: Any
    score: Any


def detection_loss(predictions: Predictions, targets: Targets) -> DetectionLoss:
    """Returns how far predictions are from their targets.

    Args:
        predictions: The network's predictions.
        targets: Its targets.
    """
    weight = ops.sum(targets.scores, axis=-1)  # (B, A)
    total = ops.maximum(ops.sum(weight), 1.0)
    # Anchors without an object get a box that is never empty: their weight is 0, and 0 * NaN = NaN.
    wanted = ops.where(targets.positive[..., None], targets.boxes, predictions.boxes)
    box = ops.sum((1.0 - giou(predictions.boxes, ops.stop_gradient(wanted))) * weight)
    score = varifocal(predictions.logits, targets.scores)
    score = ops.sum(ops.where(targets.counted[..., None], score, 0.0))
    return DetectionLoss(box / total, score / total)


def giou(first: Any, second: Any) -> Any:
    """Returns generalised IoU in `[-1, 1]` of boxes `(..., 4)` xyxy, pair by pair.

    IoU less the share of the smallest common box that belongs to neither (arXiv 1902.09630).
    """
    overlap = ops.minimum(first[..., 2:], second[..., 2:]) - ops.maximum(
        first[..., :2], second[..., :2]
    )
    hull = ops.maximum(first[..., 2:], second[..., 2:]) - ops.minimum(
        first[..., :2], second[..., :2]
    )
    intersection = _product(ops.maximum(overlap, 0.0))
    union = _area(first) + _area(second) - intersection
    hull_area = _product(hull)
    iou = intersection / ops.maximum(union, _TINY)
    return iou - (hull_area - union) / ops.maximum(hull_area, _TINY)


def varifocal(logits: Any, targets: Any) -> Any:
    """Returns the varifocal loss `(...)` of class values and target scores in `[0, 1]`.

    Cross entropy with the target score `q`, weighted by `q` where it is positive and by
    `alpha * p^gamma` for background: easy background hardly counts, good boxes count most
    (arXiv 2008.13367, eq. 2).
    """
    probability = ops.sigmoid(logits)
    background = VARIFOCAL_ALPHA * probability**VARIFOCAL_GAMMA
    weight = ops.where(targets > 0.0, targets, background)
    return weight * cross_entropy(logits, targets)


def cross_entropy(logits: Any, targets: Any) -> Any:
    """Returns the binary cross entropy `(...)` of class values and target scores in `[0, 1]`."""
    # max(x, 0) - x q + log(1 + exp(-|x|)) is the form that cannot overflow.
    return ops.maximum(logits, 0.0) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))


def _product(size: Any) -> Any:
    return size[..., 0] * size[..., 1]


def _area(boxes: Any) -> Any:
    return _product(boxes[..., 2:] - boxes[..., :2])
