"""Losses of a detector with integral boxes, with and without a teacher network of the same shape.

Generalised focal loss (arXiv 2006.04388): the quality focal loss of scores (eq. 2), the
distribution focal loss of the sides (eq. 6) and GIoU of the boxes, means of the distributions.

A teacher, frozen, sees the same pixels. It decides which anchors belong to which object (its boxes
do not move while the network learns). Where the labels are silent its scores are the targets, so
that classes without labels are kept, and its distributions are the targets of the sides
(localisation distillation, arXiv 2102.12252); what it finds and no label confirms counts for less.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from tracker.models.integral_shape import BINS
from tracker.training.detector.losses import DetectionLoss, cross_entropy, giou
from tracker.training.detector.targets import (
    Anchors,
    Predictions,
    Targets,
    Truth,
    joined_rows,
    pairwise_iou,
)

_SIDES = 4 * BINS
_DISTRIBUTION_WEIGHT = 0.25
"""Weight of the distribution focal loss against GIoU (arXiv 2006.04388, sec. 4)."""

_CONFIRMED_IOU = 0.5
"""A teacher's box is confirmed by a label of its class that it overlaps by more than this."""

_FINDING = 0.12
"""From this score on, what a teacher finds has to be confirmed."""

_SIGNIFICANT = 0.05
"""Anchors whose best score is lower do not count as objects."""


class IntegralPredictions(NamedTuple):
    """Predictions of the network for each anchor.

    Attributes:
        boxes: `(B, A, 4)` float32 xyxy in pixels of the network's input.
        logits: `(B, A, C)` float32: class values before the sigmoid.
        sides: `(B, A, 4, 8)` float32: logits of the distances to the four sides.
    """

    boxes: Any
    logits: Any
    sides: Any


def integral_predictions(maps: Sequence[Any], anchors: Anchors) -> IntegralPredictions:
    """Returns what raw maps `(B, h, w, 4 * 8 + C)` say, anchor by anchor.

    Args:
        maps: Raw maps with static height, width and channels, in the order of the strides.
        anchors: Corners of the cells of these maps.
    """
    raw = joined_rows(maps)
    sides = ops.reshape(raw[..., :_SIDES], (-1, raw.shape[1], 4, BINS))
    corners, strides = (ops.convert_to_tensor(array) for array in anchors)
    bins = ops.convert_to_tensor(np.arange(BINS, dtype=np.float32))
    distances = ops.sum(ops.softmax(sides, axis=-1) * bins, axis=-1) * strides
    boxes = [corners - distances[..., :2], corners + distances[..., 2:]]
    return IntegralPredictions(ops.concatenate(boxes, axis=-1), raw[..., _SIDES:], sides)


def integral_loss(found: IntegralPredictions, targets: Targets, anchors: Anchors) -> DetectionLoss:
    """Returns the losses of predictions that learn from labels alone.

    Args:
        found: The network's predictions.
        targets: Its targets.
        anchors: Corners of the cells.
    """
    score = quality_focal(found.logits, targets.scores)
    score = ops.sum(ops.where(targets.counted[..., None], score, 0.0))
    weight = ops.sum(targets.scores, axis=-1)
    return DetectionLoss(
        _box_loss(found, targets, anchors), score / ops.maximum(ops.sum(weight), 1.0)
    )


def taught_loss(
    found: IntegralPredictions,
    taught: IntegralPredictions,
    targets: Targets,
    truth: Truth,
    *,
    anchors: Anchors,
    unconfirmed: float,
    teacher_weight: float = 1.0,
) -> DetectionLoss:
    """Returns the losses of predictions that learn from labels and from a teacher.

    Args:
        found: The network's predictions.
        taught: The teacher's predictions, without gradients.
        targets: The targets by the labels, assigned by the teacher's predictions.
        truth: The labels; regions to ignore confirm, too.
        anchors: Corners of the cells.
        unconfirmed: Share of the teacher's score that is the target where it finds what no label
            confirms, in `[0, 1]`.
        teacher_weight: Weight of the divergence from the teacher's distributions against the loss
            of the labels' boxes.
    """
    wanted = taught_scores(taught, targets, truth, unconfirmed=unconfirmed)
    best = ops.max(wanted, axis=-1)
    objects = ops.sum(ops.where(best > _SIGNIFICANT, best, 0.0))
    score = ops.sum(quality_focal(found.logits, wanted)) / ops.maximum(objects, 1.0)
    strength = ops.max(ops.sigmoid(taught.logits), axis=-1)
    silent = (strength > _SIGNIFICANT) & ~targets.positive
    weight = ops.where(silent, strength, 0.0)
    sides = ops.sum(_divergence(taught.sides, found.sides) * weight)
    sides = sides / ops.maximum(ops.sum(weight), 1.0)
    return DetectionLoss(_box_loss(found, targets, anchors) + teacher_weight * sides, score)


def taught_scores(
    taught: IntegralPredictions, targets: Targets, truth: Truth, *, unconfirmed: float
) -> Any:
    """Returns `(B, A, C)` target scores of labels and, where they are silent, of the teacher.

    Args:
        taught: The teacher's predictions.
        targets: The targets by the labels.
        truth: The labels.
        unconfirmed: Share of the teacher's score that is left where no label confirms it.
    """
    scores = ops.sigmoid(taught.logits)
    near = pairwise_iou(truth.boxes, taught.boxes) > _CONFIRMED_IOU  # (B, M, A)
    near = ops.cast(near & truth.valid[..., None], "float32")
    classes = ops.one_hot(truth.classes, scores.shape[-1])  # (B, M, C)
    confirmed = ops.matmul(ops.transpose(near, (0, 2, 1)), classes) > 0.0
    kept = ops.where(confirmed | (scores < _FINDING), scores, unconfirmed * scores)
    return ops.stop_gradient(ops.where(targets.scores > 0.0, targets.scores, kept))


def quality_focal(logits: Any, targets: Any) -> Any:
    """Returns the quality focal loss `(...)` of class values and target scores in `[0, 1]`.

    Cross entropy with the target `y`, weighted by `(y - p)^2` (arXiv 2006.04388, eq. 2).
    """
    return ops.square(targets - ops.sigmoid(logits)) * cross_entropy(logits, targets)


def distribution_focal(sides: Any, distances: Any) -> Any:
    """Returns `(...)`: cross entropy with the two distances next to the wanted one.

    Args:
        sides: `(..., 8)` logits of the distances 0 to 7.
        distances: `(...)` wanted distances in cells; those beyond 7 count as 7 (arXiv 2006.04388,
            eq. 6).
    """
    distances = ops.clip(distances, 0.0, BINS - 1.0)[..., None]
    bins = ops.convert_to_tensor(np.arange(BINS, dtype=np.float32))
    share = ops.maximum(1.0 - ops.abs(bins - distances), 0.0)
    return -ops.sum(share * ops.log_softmax(sides, axis=-1), axis=-1)


def _box_loss(found: IntegralPredictions, targets: Targets, anchors: Anchors) -> Any:
    weight = ops.sum(targets.scores, axis=-1)  # (B, A)
    # Anchors without an object get a box that is never empty: their weight is 0, and 0 * NaN = NaN.
    wanted = ops.where(targets.positive[..., None], targets.boxes, found.boxes)
    wanted = ops.stop_gradient(wanted)
    corners, strides = (ops.convert_to_tensor(array) for array in anchors)
    distances = ops.concatenate([corners - wanted[..., :2], wanted[..., 2:] - corners], axis=-1)
    spread = ops.mean(distribution_focal(found.sides, distances / strides), axis=-1)
    loss = (1.0 - giou(found.boxes, wanted)) + _DISTRIBUTION_WEIGHT * spread
    return ops.sum(loss * weight) / ops.maximum(ops.sum(weight), 1.0)


def _divergence(teacher: Any, student: Any) -> Any:
    """Returns `(B, A)`: Kullback-Leibler divergence of the sides' distributions, on average."""
    share = ops.softmax(teacher, axis=-1)
    ratio = ops.log_softmax(teacher, axis=-1) - ops.log_softmax(student, axis=-1)
    return ops.mean(ops.sum(share * ratio, axis=-1), axis=-1)


def as_predictions(found: IntegralPredictions) -> Predictions:
    """Returns boxes and class values alone, for assignment."""
    return Predictions(found.boxes, found.logits)
