"""Training targets of anchors: batched task-aligned assignment with static shapes.

TOOD (arXiv 2108.07755, sec. 3.2): an object's anchors are the `k` inside its box whose alignment
`score^alpha * iou^beta` is highest. Everything is written in `keras.ops`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from tracker.training.settings import AssignSettings
from tracker.util.arrays import Float32Array

_TINY = 1e-9


class Anchors(NamedTuple):
    """A point in each cell of all maps, in the order in which `flatten_maps` puts them.

    Attributes:
        centres: `(A, 2)` float32 x, y in pixels of the network's input: the middles of the cells,
            or their top left corners for integral boxes.
        strides: `(A, 1)` float32 pixels in a cell.
    """

    centres: Float32Array
    strides: Float32Array


class Predictions(NamedTuple):
    """Predictions of the network for each anchor.

    Attributes:
        boxes: `(B, A, 4)` float32 xyxy in pixels of the network's input.
        logits: `(B, A, C)` float32: class values before the sigmoid.
    """

    boxes: Any
    logits: Any


class Truth(NamedTuple):
    """Ground truth of a batch; `M` boxes per image, padded.

    Attributes:
        boxes: `(B, M, 4)` float32 xyxy in pixels of the network's input.
        classes: `(B, M)` int32.
        ignore: `(B, M)` bool: a region that counts neither as object nor as background.
        valid: `(B, M)` bool: there is a box at all.
        scores: `(B, M)` float32 in `[0, 1]`: how sure the label is.
    """

    boxes: Any
    classes: Any
    ignore: Any
    valid: Any
    scores: Any


class Targets(NamedTuple):
    """Training targets of the anchors.

    Attributes:
        boxes: `(B, A, 4)` float32 xyxy: the box of the anchor's object; anything where there is
            none.
        scores: `(B, A, C)` float32 in `[0, 1]`: the target score.
        positive: `(B, A)` bool: the anchor has an object.
        counted: `(B, A)` bool: the anchor's scores are judged; `False` inside ignored regions.
    """

    boxes: Any
    scores: Any
    positive: Any
    counted: Any


def make_anchors(
    input_size: tuple[int, int], strides: Sequence[int], *, place: float = 0.5
) -> Anchors:
    """Returns the anchors of an input: map by map, row by row, column by column.

    Args:
        input_size: Height and width in pixels; maps round up where a stride does not divide them.
        strides: Pixels in a cell, map by map.
        place: Of the anchor in its cell: 0.5 for the middle, 0 for the top left corner.
    """
    centres, sizes = [], []
    for stride in strides:
        rows, columns = (-(-side // stride) for side in input_size)
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
        centres.append((grid + place) * stride)
        sizes.append(np.full((len(grid), 1), stride))
    return Anchors(
        np.concatenate(centres).astype(np.float32), np.concatenate(sizes).astype(np.float32)
    )


def flatten_maps(maps: Sequence[Any], anchors: Anchors) -> Predictions:
    """Returns what raw maps `(B, h, w, 4 + C)` say, anchor by anchor.

    The boxes are those of `detection.decode` for `AnchorFreeHead`: the distances to the four sides
    are `softplus` of the first four channels, in cells.

    Args:
        maps: Raw maps with static height, width and channels, in the order of the strides.
        anchors: Of the input size of these maps.
    """
    raw = joined_rows(maps)
    # PyTorch multiplies no tensor by an array.
    centres, strides = (ops.convert_to_tensor(array) for array in anchors)
    distances = ops.softplus(raw[..., :4]) * strides
    corners = [centres - distances[..., :2], centres + distances[..., 2:]]
    return Predictions(ops.concatenate(corners, axis=-1), raw[..., 4:])


def joined_rows(maps: Sequence[Any]) -> Any:
    """Returns the channels of all cells, float32 `(B, A, C)`, map by map and row by row.

    Args:
        maps: `(B, h, w, C)` with static height, width and channels.
    """
    flat = [ops.reshape(m, (-1, m.shape[1] * m.shape[2], m.shape[3])) for m in maps]
    return ops.cast(ops.concatenate(flat, axis=1), "float32")


def assign(
    predictions: Predictions, truth: Truth, anchors: Anchors, settings: AssignSettings
) -> Targets:
    """Returns the targets of each anchor, without gradients.

    Of an anchor that several objects want, the one that it overlaps most gets it. The score that
    an anchor deserves is its alignment, scaled so that the best anchor of an object deserves the
    highest overlap among the object's anchors, or the score of its label where that is less. Boxes
    that are narrower than the finest cell are widened to it before it is asked which anchors lie
    inside, so that every object has a chance.

    Args:
        predictions: The network's predictions.
        truth: The ground truth.
        anchors: `A` anchors.
        settings: Assignment of anchors to objects.
    """
    boxes = ops.stop_gradient(predictions.boxes)
    scores = ops.sigmoid(ops.stop_gradient(predictions.logits))
    is_object = truth.valid & ~truth.ignore
    overlap = pairwise_iou(truth.boxes, boxes)  # (B, M, A)
    inside = _inside(truth.boxes, anchors) & is_object[..., None]
    class_count = scores.shape[-1]
    wanted = ops.one_hot(truth.classes, class_count)  # (B, M, C)
    own_score = ops.matmul(wanted, ops.transpose(scores, (0, 2, 1)))  # (B, M, A)
    alignment = own_score**settings.alpha * overlap**settings.beta
    alignment = ops.where(inside, alignment, 0.0)
    chosen = _top(alignment, settings.top_k)
    # An anchor has at most one object: the first of those that it overlaps most.
    best = ops.argmax(ops.where(chosen, overlap, -1.0), axis=1)  # (B, A)
    slots = ops.arange(truth.boxes.shape[1], dtype="int32")[:, None]
    chosen = chosen & (ops.cast(best, "int32")[:, None, :] == slots)
    alignment, overlap = ops.where(chosen, alignment, 0.0), ops.where(chosen, overlap, 0.0)
    peak = ops.max(alignment, axis=-1, keepdims=True)
    highest = ops.minimum(ops.max(overlap, axis=-1, keepdims=True), truth.scores[..., None])
    quality = alignment * (highest / ops.maximum(peak, _TINY**4))
    chosen_number = ops.transpose(ops.cast(chosen, "float32"), (0, 2, 1))  # (B, A, M)
    return Targets(
        boxes=ops.matmul(chosen_number, truth.boxes),
        scores=ops.matmul(ops.transpose(quality, (0, 2, 1)), wanted),
        positive=ops.any(chosen, axis=1),
        counted=_counted(truth, anchors, ops.any(chosen, axis=1)),
    )


def pairwise_iou(first: Any, second: Any) -> Any:
    """Returns `(B, M, A)` intersection over union of boxes `(B, M, 4)` and `(B, A, 4)` xyxy.

    A pair whose union is empty has 0.
    """
    first, second = first[:, :, None, :], second[:, None, :, :]
    size = ops.minimum(first[..., 2:], second[..., 2:]) - ops.maximum(
        first[..., :2], second[..., :2]
    )
    size = ops.maximum(size, 0.0)
    intersection = size[..., 0] * size[..., 1]
    union = _area(first) + _area(second) - intersection
    return intersection / ops.maximum(union, _TINY)


def _area(boxes: Any) -> Any:
    size = ops.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return size[..., 0] * size[..., 1]


def _inside(boxes: Any, anchors: Anchors) -> Any:
    """Returns `(B, M, A)`: the anchor's middle lies in the box, widened to the finest cell."""
    centre = 0.5 * (boxes[..., :2] + boxes[..., 2:])
    half = ops.maximum(0.5 * (boxes[..., 2:] - boxes[..., :2]), 0.5 * float(anchors.strides.min()))
    centres = ops.convert_to_tensor(anchors.centres)
    away = ops.abs(centres[None, None] - centre[:, :, None, :])
    return ops.all(away <= half[:, :, None, :], axis=-1)


def _top(alignment: Any, count: int) -> Any:
    """Returns `(B, M, A)`: among the `count` highest of its object, and above 0.

    Where several are equal to the lowest of these, all of them are.
    """
    values, _ = ops.top_k(alignment, min(count, alignment.shape[-1]))
    return (alignment >= values[..., -1:]) & (alignment > 0.0)


def _counted(truth: Truth, anchors: Anchors, positive: Any) -> Any:
    """Returns `(B, A)`: has an object, or lies in no ignored region."""
    low, high = truth.boxes[:, :, None, :2], truth.boxes[:, :, None, 2:]
    centres = ops.convert_to_tensor(anchors.centres)[None, None]
    inside = ops.all((centres >= low) & (centres <= high), axis=-1)
    ignored = ops.any(inside & (truth.valid & truth.ignore)[..., None], axis=1)
    return positive | ~ignored
