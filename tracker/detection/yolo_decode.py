"""Decoding: from a YOLO network's raw maps to boxes, scores and classes.

Input: raw maps `(B, h, w, A * (5 + C))`, or without anchors `(B, h, w, 4 + C)` and, with integral
boxes, `(B, h, w, 4 * bins + C)`, and what their numbers mean. Output: boxes xyxy in pixels of the
network's input, scores (objectness, where there is one, times the best class's probability) and
classes. The same formulas run inside a compiled graph (all cells) and in NumPy (only promising
cells).

Papers: YOLO9000 (arXiv 1612.08242, eq. in sec. 2, `REGION`), YOLOv3 (arXiv 1804.02767, sec. 2.1),
YOLOv4 (arXiv 2004.10934, sec. 3.4, "eliminate grid sensitivity": `scale_x_y`), Scaled-YOLOv4 (arXiv
2011.08036, `SCALED`), FCOS (arXiv 1904.01355, eq. 1, distances to the sides: `AnchorFreeHead`),
generalised focal loss (arXiv 2006.04388, eq. 5, distances as means: `IntegralHead`).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tracker.models.heads import (
    AnchorFreeHead,
    BoxCoding,
    ClassActivation,
    Head,
    HeadKind,
    IntegralHead,
    YoloHead,
)
from tracker.util.arrays import Float32Array, Int32Array

_BOX = 4
_OBJECTNESS = 4
_CLASSES = 5


def decode_graph(
    maps: Sequence[Any], heads: Sequence[Head], *, input_size: tuple[int, int]
) -> tuple[Any, Any, Any]:
    """Returns boxes `(B, N, 4)`, scores `(B, N)` and classes `(B, N)` int32 as Keras tensors.

    `N` counts head by head, row by row, column by column, anchor by anchor; with integral boxes
    class by class of a cell's most probable ones. The class is otherwise the most probable one, the
    lowest on a tie. What is not finite gets score 0 and an empty box.

    Args:
        maps: For each head its raw map `(B, h, w, channels)` float32, static but for `B`.
        heads: What the maps mean.
        input_size: Height and width of the network's input in pixels.
    """
    from keras import ops

    boxes, scores, classes = zip(
        *(_decoded_map(*pair, input_size) for pair in zip(maps, heads, strict=True)), strict=True
    )
    return _finite(
        ops,
        ops.concatenate(boxes, axis=1),
        ops.concatenate(scores, axis=1),
        ops.concatenate(classes, axis=1),
    )


def _decoded_map(raw_map: Any, head: Head, input_size: tuple[int, int]) -> tuple[Any, Any, Any]:
    """Returns boxes `(B, N, 4)`, scores and classes `(B, N)` of one map as Keras tensors."""
    from keras import ops

    rows, columns = raw_map.shape[1:3]
    cell = _cell_size((rows, columns), input_size)
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
    grid = grid.reshape(-1, 1, 2).astype(np.float32)
    if isinstance(head, YoloHead):
        shape = (-1, rows * columns, len(head.anchors), 5 + head.class_count)
        raw = ops.reshape(raw_map, shape)
        anchors = _anchors_px(head, cell)
        corners = _boxes(ops, raw[..., :_BOX], grid, anchors=anchors, cell=cell, head=head)
        best, label = _scores(ops, raw, head), ops.argmax(raw[..., _CLASSES:], axis=-1)
    else:
        raw = ops.reshape(raw_map, (-1, rows * columns, 1, head.channels))
        if isinstance(head, IntegralHead):
            corners = _integral_boxes(ops, raw[..., : 4 * head.bins], grid, head)
            labels = min(head.labels, head.class_count)
            best, label = ops.top_k(raw[:, :, 0, 4 * head.bins :], labels)
            corners = ops.repeat(corners, labels, axis=2)
        else:
            corners = _distance_boxes(ops, raw[..., :_BOX], grid, cell=cell)
            values = raw[..., _BOX:]
            best, label = ops.max(values, axis=-1), ops.argmax(values, axis=-1)
        best = _sigmoid(ops, best)
    count = rows * columns * corners.shape[2]
    return (
        ops.reshape(corners, (-1, count, 4)),
        ops.reshape(best, (-1, count)),
        ops.reshape(ops.cast(label, "int32"), (-1, count)),
    )


def decode_candidates(
    maps: Sequence[Float32Array],
    heads: Sequence[Head],
    *,
    input_size: tuple[int, int],
    confidence: float,
) -> tuple[Float32Array, Float32Array, Int32Array]:
    """Returns boxes `(K, 4)`, scores `(K,)` and classes `(K,)` of one image's promising cells.

    Left out is what cannot reach the confidence because its objectness alone does not (a score
    is objectness times a probability) or, without anchors, because no class does. The
    order is that of `decode_graph`.

    Args:
        maps: For each head its raw map `(h, w, channels)` float32.
        heads: What the maps mean.
        input_size: Height and width of the network's input in pixels.
        confidence: Scores up to this are not needed, in `[0, 1]`.
    """
    parts = []
    with np.errstate(over="ignore", invalid="ignore"):
        for raw_map, head in zip(maps, heads, strict=True):
            cell = _cell_size(raw_map.shape[:2], input_size)
            if isinstance(head, AnchorFreeHead):
                found = _anchor_free_candidates(raw_map, head, cell, confidence)
            elif isinstance(head, IntegralHead):
                found = _integral_candidates(raw_map, head, confidence)
            else:
                found = _anchor_candidates(raw_map, head, cell, confidence)
            parts.append(_finite(np, *found))
    boxes, scores, classes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return boxes, scores, classes


def _anchor_candidates(
    raw_map: Float32Array, head: YoloHead, cell: Float32Array, confidence: float
) -> tuple[Float32Array, Float32Array, Int32Array]:
    """Returns boxes, scores and classes of the anchors whose objectness is high enough."""
    columns = raw_map.shape[1]
    raw = raw_map.reshape(-1, 5 + head.class_count)
    index = np.flatnonzero(raw[:, _OBJECTNESS] > _objectness_bound(confidence, head))
    raw = raw[index]
    place, anchor = np.divmod(index, len(head.anchors))
    grid = np.stack([place % columns, place // columns], axis=-1).astype(np.float32)
    anchors = _anchors_px(head, cell)[anchor]
    corners = _boxes(np, raw[:, :_BOX], grid, anchors=anchors, cell=cell, head=head)
    label = raw[:, _CLASSES:].argmax(axis=-1).astype(np.int32)
    return corners, _scores(np, raw, head), label


def _anchor_free_candidates(
    raw_map: Float32Array, head: AnchorFreeHead, cell: Float32Array, confidence: float
) -> tuple[Float32Array, Float32Array, Int32Array]:
    """Returns boxes, scores and classes of the cells whose best class value is high enough."""
    columns = raw_map.shape[1]
    raw = raw_map.reshape(-1, head.channels)
    best = raw[:, _BOX:].max(axis=-1)
    index = np.flatnonzero(best > _logistic_bound(confidence))
    raw = raw[index]
    grid = np.stack([index % columns, index // columns], axis=-1).astype(np.float32)
    corners: Float32Array = _distance_boxes(np, raw[:, :_BOX], grid, cell=cell)
    label = raw[:, _BOX:].argmax(axis=-1).astype(np.int32)
    scores: Float32Array = _sigmoid(np, best[index])
    return corners, scores, label


def _integral_candidates(
    raw_map: Float32Array, head: IntegralHead, confidence: float
) -> tuple[Float32Array, Float32Array, Int32Array]:
    """Returns boxes, scores and classes of the cells whose best class value is high enough."""
    columns = raw_map.shape[1]
    raw = raw_map.reshape(-1, head.channels)
    values = raw[:, 4 * head.bins :]
    bound = _logistic_bound(confidence)
    index = np.flatnonzero(values.max(axis=-1) > bound)
    grid = np.stack([index % columns, index // columns], axis=-1).astype(np.float32)
    corners: Float32Array = _integral_boxes(np, raw[index, : 4 * head.bins], grid, head)
    values = values[index]
    label = np.argsort(-values, axis=-1, kind="stable")[:, : head.labels]
    best = np.take_along_axis(values, label, axis=-1)
    cell, rank = np.nonzero(best > bound)
    scores: Float32Array = _sigmoid(np, best[cell, rank])
    return corners[cell], scores, label[cell, rank].astype(np.int32)


def _integral_boxes(xp: Any, raw: Any, grid: Any, head: IntegralHead) -> Any:
    """Returns xyxy in input pixels of logits `(..., 4 * bins)`; `xp` is numpy or keras.ops."""
    distance = mean_distances(xp, raw, head.bins) * head.stride
    corner = grid * np.float32(head.stride)
    return xp.concatenate([corner - distance[..., :2], corner + distance[..., 2:]], axis=-1)


def mean_distances(xp: Any, logits: Any, bins: int) -> Any:
    """Returns `(..., 4)` means in cells of four distributions over 0 to `bins - 1`.

    Args:
        xp: numpy or keras.ops.
        logits: `(..., 4 * bins)`.
        bins: Values of each distribution.
    """
    logits = xp.reshape(logits, (-1, *logits.shape[1:-1], 4, bins))
    share = xp.exp(logits - xp.max(logits, axis=-1, keepdims=True))
    share = share / xp.sum(share, axis=-1, keepdims=True)
    return xp.matmul(share, np.arange(bins, dtype=np.float32))


def _distance_boxes(xp: Any, raw: Any, grid: Any, *, cell: Float32Array) -> Any:
    """Returns xyxy in input pixels of raw distances `(..., 4)`; `xp` is numpy or keras.ops."""
    # softplus in the form that cannot overflow and that LiteRT, XLA and NumPy share.
    distance = xp.maximum(raw, 0.0) + xp.log1p(xp.exp(-xp.abs(raw)))
    centre = (grid + 0.5) * cell
    return xp.concatenate(
        [centre - distance[..., :2] * cell, centre + distance[..., 2:] * cell], axis=-1
    )


def _boxes(
    xp: Any, raw: Any, grid: Any, *, anchors: Any, cell: Float32Array, head: YoloHead
) -> Any:
    """Returns xyxy in input pixels of raw box numbers `(..., 4)`; `xp` is numpy or keras.ops."""
    if head.box_coding is BoxCoding.SCALED:
        offset, size = raw[..., :2], xp.square(2.0 * raw[..., 2:]) * anchors
    else:
        offset, size = _sigmoid(xp, raw[..., :2]), xp.exp(raw[..., 2:]) * anchors
    stretch = head.scale_x_y
    centre = (stretch * offset - 0.5 * (stretch - 1.0) + grid) * cell
    half = 0.5 * size
    return xp.concatenate([centre - half, centre + half], axis=-1)


def _scores(xp: Any, raw: Any, head: YoloHead) -> Any:
    """Returns objectness times the best class's probability of raw numbers `(..., 5 + C)`."""
    objectness, classes = raw[..., _OBJECTNESS], raw[..., _CLASSES:]
    # All activations rise, so the best class is found before they are applied, to one value only.
    best = xp.max(classes, axis=-1)
    if head.class_activation is ClassActivation.SOFTMAX:
        probability = 1.0 / xp.sum(xp.exp(classes - best[..., None]), axis=-1)
    elif head.box_coding is BoxCoding.SCALED:
        probability = best
    else:
        probability = _sigmoid(xp, best)
    if head.box_coding is BoxCoding.SCALED:
        return objectness * probability
    return _sigmoid(xp, objectness) * probability


def _finite(xp: Any, boxes: Any, scores: Any, classes: Any) -> tuple[Any, Any, Any]:
    finite = xp.all(xp.isfinite(boxes), axis=-1) & xp.isfinite(scores)
    return xp.where(finite[..., None], boxes, 0.0), xp.where(finite, scores, 0.0), classes


def _sigmoid(xp: Any, values: Any) -> Any:
    """Returns 1 / (1 + exp(-values)) in the form that cannot overflow."""
    return 0.5 * xp.tanh(0.5 * values) + 0.5


def _cell_size(grid_size: tuple[int, int], input_size: tuple[int, int]) -> Float32Array:
    """Returns width and height of a cell in input pixels."""
    (rows, columns), (height, width) = grid_size, input_size
    return np.array([width / columns, height / rows], dtype=np.float32)


def _anchors_px(head: YoloHead, cell: Float32Array) -> Float32Array:
    """Returns anchors `(A, 2)` in input pixels."""
    anchors = np.array(head.anchors, dtype=np.float32)
    return anchors * cell if head.kind is HeadKind.REGION else anchors


def _objectness_bound(confidence: float, head: YoloHead) -> np.float32:
    """Returns the raw objectness up to which no score exceeds the confidence, less a margin."""
    if head.box_coding is BoxCoding.SCALED:
        return np.float32(confidence - 1e-6)
    return _logistic_bound(confidence)


def _logistic_bound(confidence: float) -> np.float32:
    """Returns the raw value up to which no logistic exceeds the confidence, less a margin."""
    if confidence in (0.0, 1.0):
        return np.float32(math.inf if confidence else -math.inf)
    # The margin covers the rounding of float32; what passes in excess falls at suppression.
    return np.float32(math.log(confidence / (1.0 - confidence)) - 1e-3)
