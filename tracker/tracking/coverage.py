"""Boxes that two objects share: crops of them show another object too, the nearer one."""

from functools import partial

import numpy as np

from tracker.tracking.gating import meeting_pairs
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, IndexArray

_FEW = 64
"""Up to so many boxes, comparing all with all takes less time than a search."""

_ROUNDING = 1e-3
"""Pixels by which the search reaches farther than it has to."""


def covered_by_nearer(boxes: Float32Array, others: Float32Array, *, limit: float) -> BoolArray:
    """Returns `(N,)`: whether the box of a nearer object covers more than `limit` of each box.

    The object whose box ends lower in the image is taken for the nearer one, as on a common ground;
    its own crop shows it whole. Of boxes that end at the same height neither is.

    Args:
        boxes: `(N, 4)` xyxy.
        others: `(M, 4)` xyxy that may cover them; the boxes may be among them.
        limit: Share of a box, 0 to 1.

    Example:
        >>> boxes = np.array([[0, 0, 10, 20], [4, 0, 14, 24]], np.float32)
        >>> covered_by_nearer(boxes, boxes, limit=0.5).tolist()
        [True, False]
    """
    far, near = boxes.astype(np.float64), others.astype(np.float64)
    if len(far) <= _FEW:
        share, nearer = _covers(far[:, None], near[None])
        return np.asarray(np.logical_or.reduce((share > limit) & nearer, axis=1))
    size = far[:, 2:] - far[:, :2]
    middle, half = far[:, :2] + 0.5 * size, max(0.5 - limit, 0.0) * size
    cores = np.concatenate([middle - half, middle + half], axis=1)  # covered at least in part
    result = np.zeros(len(far), np.bool_)
    result[meeting_pairs(cores, near, partial(_price, limit, far)).rows] = True
    return result


def _price(
    limit: float,
    far: Float64Array,
    cores: Float64Array,
    near: Float64Array,
    rows: IndexArray,
    columns: IndexArray,
) -> tuple[Float64Array, BoolArray]:
    # Most boxes that meet in x are apart in y; to find out costs less than the share.
    lower = near[:, 3][columns] > far[:, 3][rows]
    lower &= near[:, 1][columns] < cores[:, 3][rows] + _ROUNDING
    some = lower.nonzero()[0]
    share, nearer = _covers(far[rows[some]], near[columns[some]])
    cost, covers = np.ones(len(rows)), np.zeros(len(rows), np.bool_)
    cost[some] = 1 - share
    covers[some] = (share > limit) & nearer
    return cost, covers


def _covers(far: Float64Array, near: Float64Array) -> tuple[Float64Array, BoolArray]:
    """Returns the share of each box that another covers, and whether that one ends lower."""
    # Each side by itself: over rows of two, broadcasting takes three times as long.
    width = np.minimum(far[..., 2], near[..., 2])
    width -= np.maximum(far[..., 0], near[..., 0])
    height = np.minimum(far[..., 3], near[..., 3])
    height -= np.maximum(far[..., 1], near[..., 1])
    np.maximum(width, 0, out=width)
    np.maximum(height, 0, out=height)
    width *= height
    width /= (far[..., 2] - far[..., 0]) * (far[..., 3] - far[..., 1])
    return width, near[..., 3] > far[..., 3]
