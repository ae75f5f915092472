"""Box formats, clipping and overlap: the only geometry of the package.

Comes in and goes out: arrays of boxes `(N, 4)` in pixels, continuous coordinates, origin top
left. `xyxy` = left, top, right, bottom; `cxcyah` = centre, aspect (width / height), height;
`xywh` = left, top, width, height.
"""

import numpy as np

from tracker.arrays import BoolArray, Float32Array, Float64Array


def xyxy_to_cxcyah(boxes: Float32Array | Float64Array) -> Float64Array:
    """Returns `(N, 4)` float64 centre x, centre y, aspect, height of boxes `(N, 4)` xyxy.

    The boxes must have a positive height (see `is_proper`).
    """
    boxes = boxes.astype(np.float64, copy=False)
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) * 0.5
    aspect = size[:, 0] / size[:, 1]
    return np.column_stack([centre, aspect, size[:, 1]])


def cxcyah_to_xyxy(measurements: Float64Array) -> Float64Array:
    """Returns `(N, 4)` float64 xyxy of `(N, 4)` centre x, centre y, aspect, height."""
    height = measurements[:, 3]
    half = np.column_stack([measurements[:, 2] * height, height]) * 0.5
    centre = measurements[:, :2]
    return np.hstack([centre - half, centre + half])


def xyxy_to_xywh(boxes: Float32Array) -> Float32Array:
    """Returns `(N, 4)` left, top, width, height of boxes `(N, 4)` xyxy."""
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def xywh_to_xyxy(boxes: Float32Array) -> Float32Array:
    """Returns `(N, 4)` xyxy of boxes `(N, 4)` left, top, width, height."""
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def clip(boxes: Float32Array, *, width: int, height: int) -> Float32Array:
    """Returns boxes `(N, 4)` xyxy cut to the picture `[0, width] x [0, height]`."""
    limit = np.array([width, height, width, height], dtype=np.float32)
    return np.clip(boxes, np.float32(0), limit)


def is_proper(boxes: Float32Array) -> BoolArray:
    """Returns `(N,)`: finite, wider and higher than nothing."""
    finite = np.all(np.isfinite(boxes), axis=1)
    with np.errstate(invalid="ignore"):
        positive = np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
    return np.asarray(finite & positive)


def area(boxes: Float32Array | Float64Array) -> Float32Array | Float64Array:
    """Returns `(N,)` areas in square pixels of boxes `(N, 4)` xyxy; reversed boxes have 0."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return size[:, 0] * size[:, 1]


def pairwise_iou(
    first: Float32Array | Float64Array, second: Float32Array | Float64Array
) -> Float64Array:
    """Returns `(N, M)` float64 intersection over union of boxes `(N, 4)` and `(M, 4)` xyxy.

    A pair whose union is empty has 0.
    """
    first = first.astype(np.float64, copy=False)
    second = second.astype(np.float64, copy=False)
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    size = np.maximum(bottom_right - top_left, 0)
    intersection = size[..., 0] * size[..., 1]
    union = area(first)[:, None] + area(second)[None, :] - intersection
    iou = np.zeros(intersection.shape)
    np.divide(intersection, union, out=iou, where=union > 0)
    return iou
