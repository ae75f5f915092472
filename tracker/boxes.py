"""Box formats, clipping and overlap (NumPy).

Boxes are arrays `(N, 4)` in pixels, in continuous coordinates with the origin at the top left.
`xyxy` = left, top, right, bottom; `cxcyah` = centre, aspect (width / height), height;
`xywh` = left, top, width, height.
"""

import numpy as np
from numpy.typing import ArrayLike

from tracker.errors import DataError
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, array_of, frozen

LARGEST_COORDINATE = 2.0**24
"""In pixels: beyond it float32 cannot tell one pixel from the next."""


def xyxy_to_cxcyah(boxes: Float32Array | Float64Array) -> Float64Array:
    """Returns `(N, 4)` float64 centre x, centre y, aspect, height of boxes `(N, 4)` xyxy.

    The boxes must have a positive height (see `is_proper`).
    """
    boxes = boxes.astype(np.float64, copy=False)
    size = boxes[:, 2:] - boxes[:, :2]
    result = np.empty((len(boxes), 4))
    centres = result[:, :2]
    np.add(boxes[:, :2], boxes[:, 2:], out=centres)
    centres *= 0.5
    height = size[:, 1]
    np.divide(size[:, 0], height, out=result[:, 2])
    result[:, 3] = height
    return result


def cxcyah_to_xyxy(measurements: Float64Array) -> Float64Array:
    """Returns `(N, 4)` float64 xyxy of `(N, 4+)` centre x, centre y, aspect, height."""
    half, centres = measurements[:, 2:4] * 0.5, measurements[:, :2]
    width = half[:, 0]
    width *= measurements[:, 3]
    result = np.empty((len(measurements), 4))
    np.subtract(centres, half, out=result[:, :2])
    np.add(centres, half, out=result[:, 2:])
    return result


def xyxy_to_xywh(boxes: Float32Array) -> Float32Array:
    """Returns `(N, 4)` left, top, width, height of boxes `(N, 4)` xyxy."""
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def xywh_to_xyxy(boxes: Float32Array) -> Float32Array:
    """Returns `(N, 4)` xyxy of boxes `(N, 4)` left, top, width, height."""
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def clip(boxes: Float32Array, *, width: int, height: int) -> Float32Array:
    """Returns boxes `(N, 4)` xyxy clipped to the image `[0, width] x [0, height]`."""
    limit = np.array([width, height, width, height], dtype=np.float32)
    return np.clip(boxes, np.float32(0), limit)


def is_proper(boxes: Float32Array) -> BoolArray:
    """Returns `(N,)` bool: finite, with positive width and height."""
    finite = np.all(np.isfinite(boxes), axis=1)
    with np.errstate(invalid="ignore"):
        positive = np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
    return np.asarray(finite & positive)


def checked_boxes(values: ArrayLike, *, name: str) -> Float32Array:
    """Returns read-only float32 boxes `(N, 4)` xyxy that are proper; `[]` becomes `(0, 4)`.

    Args:
        values: `(N, 4)` numbers of any float or integer dtype; `[]` for none.
        name: Name of the array in error messages.

    Raises:
        DataError: The shape differs, or a box is not finite, has no positive width and height in
            float32, or is beyond `LARGEST_COORDINATE`; the message names its row.
    """
    array = array_of(values, name=name)
    if array.shape == (0,):
        array = np.zeros((0, 4), np.float32)
    if array.shape[1:] != (4,) or array.ndim != 2:
        raise DataError(
            f"{name}: expected shape (N, 4) of x1, y1, x2, y2, got {array.shape}"
            f"{_shape_hint(array.shape)}"
        )
    if array.dtype == np.bool_:
        raise DataError(f"{name}: expected numbers, got bool")
    boxes = frozen(array, dtype="float32", shape=(None, 4), name=name)
    if _are_all_proper(boxes):
        return boxes
    proper = is_proper(boxes)
    if np.count_nonzero(proper) < len(boxes):
        row = int(proper.argmin())
        raise DataError(
            f"{name}: expected finite xyxy boxes with x2 > x1 and y2 > y1, got "
            f"{array[row].tolist()} in row {row}"
        )
    if len(boxes) and np.abs(boxes).max() > LARGEST_COORDINATE:
        row = int(np.abs(boxes).max(axis=1).argmax())
        raise DataError(
            f"{name}: expected coordinates of at most {LARGEST_COORDINATE:.0f} pixels, got "
            f"{array[row].tolist()} in row {row}"
        )
    return boxes


def _are_all_proper(boxes: Float32Array) -> bool:
    """Returns whether all boxes are proper and none is beyond `LARGEST_COORDINATE`."""
    largest = np.maximum.reduce(np.abs(boxes), axis=None, initial=0)
    # NaN is the largest of what it is among, and is not at most anything.
    if not largest <= LARGEST_COORDINATE:
        return False
    return bool(np.count_nonzero(boxes[:, 2:] > boxes[:, :2]) == 2 * len(boxes))


def _shape_hint(shape: tuple[int, ...]) -> str:
    if shape == (4,):
        return "; one box is [[x1, y1, x2, y2]]"
    if len(shape) == 2 and shape[0] == 4:
        return "; expected one row for each box: transpose it (.T)"
    if len(shape) == 2 and shape[1] > 4:
        return "; take [:, :4]; scores and classes are separate arguments"
    return "; give the boxes of one frame" if len(shape) == 3 else ""


def area(boxes: Float32Array | Float64Array) -> Float32Array | Float64Array:
    """Returns `(...)` areas in square pixels of boxes `(..., 4)` xyxy; reversed boxes have 0."""
    size = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return size[..., 0] * size[..., 1]


def paired_iou(
    first: Float32Array | Float64Array, second: Float32Array | Float64Array
) -> Float64Array:
    """Returns `(N,)` float64 intersection over union of boxes `(N, 4)` xyxy, row by row.

    A pair whose union is empty has 0.
    """
    return _iou(first.astype(np.float64, copy=False), second.astype(np.float64, copy=False))


def pairwise_iou(
    first: Float32Array | Float64Array, second: Float32Array | Float64Array
) -> Float64Array:
    """Returns `(N, M)` float64 intersection over union of boxes `(N, 4)` and `(M, 4)` xyxy.

    A pair whose union is empty has 0.
    """
    return _iou(
        first.astype(np.float64, copy=False)[:, None],
        second.astype(np.float64, copy=False)[None],
    )


def _iou(first: Float64Array, second: Float64Array) -> Float64Array:
    """Returns the IoU of boxes `(..., 4)` whose shapes broadcast."""
    size = np.minimum(first[..., 2:], second[..., 2:])
    size -= np.maximum(first[..., :2], second[..., :2])
    np.maximum(size, 0, out=size)
    intersection = size[..., 0] * size[..., 1]
    union = area(first) + area(second) - intersection
    iou = np.zeros(intersection.shape)
    np.divide(intersection, union, out=iou, where=union > 0)
    return iou
