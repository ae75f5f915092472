"""The pixels of a frame that hide an object: a box, the oval of a head, or a mask."""

import math
from dataclasses import dataclass

import numpy as np

from tracker.errors import DataError
from tracker.masks import Mask, crop_mask
from tracker.sinks.blur_targets import LEAST_PX, grown
from tracker.util.arrays import BoolArray, Float64Array
from tracker.util.opencv import cv2

Size = tuple[int, int]
"""Height and width of a frame in pixels."""

_HEAD_SHARES = ((0.4, 0.22), (0.75, 1.0))
"""Width by height of a person's box, and the share of the height, from the top, that has to hold
the head; linear between the two, constant beyond them.

A standing adult is 7.5 to 8 heads tall and about 0.4 as wide as tall, a toddler 4 to 5 heads tall:
0.22 and the margin below it hold the head. A wider box is that of a seated person, of one whose
upper part alone is visible (cut at the waist: width by height 0.8, head 0.26 of the height; head
and shoulders: 1.2 and 0.65; head alone: 0.75 and 1), or of a lying one with the head at either
side. The shape of the box does not tell these apart, so the largest share is taken."""

_LEAST_MASK_SHARE = 0.2
"""A mask that fills less of its box than this has missed most of the object; the box is hidden."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Pixels of a frame, within a rectangle that is not empty.

    Attributes:
        rows: Rows of the rectangle.
        columns: Its columns.
        pixels: `(h, w)` bool, the pixels of the rectangle in the region; `None` for all.
    """

    rows: slice
    columns: slice
    pixels: BoolArray | None = None


def box_region(box: Float64Array, margin: float, size: Size) -> Region | None:
    """Returns the region of a box; `None` where it is outside the frame.

    Args:
        box: `(4,)` xyxy in pixels, finite.
        margin: Enlargement on each side, as a share of the box's size.
        size: Size of the frame.
    """
    return _rectangle(grown(box[None], margin)[0], size)


def head_share(width: float, height: float) -> float:
    """Returns the share of a person's box, from its top, that holds the head.

    Example:
        >>> head_share(40, 100), head_share(57.5, 100), head_share(100, 100)
        (0.22, 0.61, 1.0)
    """
    aspects, shares = zip(*_HEAD_SHARES, strict=True)
    return round(float(np.interp(width / height if height > 0 else np.inf, aspects, shares)), 6)


def face_region(box: Float64Array, margin: float, size: Size) -> Region | None:
    """Returns the oval around the head of a person; `None` where it is outside the frame.

    It covers all of the upper share of the box that may hold the head. Where that is the whole box
    the region is the box.

    Args:
        box: `(4,)` xyxy in pixels, finite.
        margin: Enlargement on each side, as a share of the box's size.
        size: Size of the frame.
    """
    width, height = box[2:] - box[:2]
    share = head_share(width, height)
    if share >= 1:
        return box_region(box, margin, size)
    half = np.array([width / 2, share * height / 2])
    centre = box[:2] + half
    axes = np.maximum(half + margin * np.array([width, height]), LEAST_PX / 2)
    axes = axes * max(1.0, math.hypot(*(half / axes))) + 1  # and pixels that are inside in part
    area = _rectangle(np.concatenate([centre - axes, centre + axes]), size)
    if area is None:
        return None
    x = (np.arange(area.columns.start, area.columns.stop) + 0.5 - centre[0]) / axes[0]
    y = (np.arange(area.rows.start, area.rows.stop) + 0.5 - centre[1]) / axes[1]
    return Region(area.rows, area.columns, x[None] ** 2 + y[:, None] ** 2 <= 1)


def mask_region(mask: Mask, box: Float64Array, margin: float, size: Size) -> Region | None:
    """Returns the region of an instance mask, enlarged by the margin.

    Args:
        mask: The mask of the object.
        box: `(4,)` xyxy in pixels, finite; its region is returned where the mask is too small.
        margin: Enlargement on each side, as a share of the size of mask or box.
        size: Size of the frame.

    Raises:
        DataError: The mask is not of the frame's size.
    """
    if mask.size != size:
        raise DataError(
            f"mask of an object to hide: expected the frame's height and width {size}, got "
            f"{mask.size}"
        )
    left, top, pixels = crop_mask(mask)
    if pixels.sum() < _least_area(box, size):
        return box_region(box, margin, size)
    height, width = pixels.shape
    around = np.array([left, top, left + width, top + height], np.float64)
    area = box_region(around, margin, size)
    if area is None:
        return None
    canvas = np.zeros((area.rows.stop - area.rows.start, area.columns.stop - area.columns.start))
    canvas = canvas.astype(np.uint8)
    row, column = top - area.rows.start, left - area.columns.start
    canvas[row : row + height, column : column + width] = pixels
    return Region(area.rows, area.columns, _dilated(canvas, margin, (height, width)))


def segmented_region(
    found: BoolArray, box: Float64Array, margin: float, size: Size
) -> Region | None:
    """Returns the pixels of a segmented frame that lie in a box, enlarged by the margin.

    Args:
        found: `(H, W)` bool of the frame: pixels of objects of the class.
        box: `(4,)` xyxy in pixels, finite; its region is returned where few pixels are found.
        margin: Enlargement on each side, as a share of the box's size.
        size: Size of the frame.
    """
    area, inner = box_region(box, margin, size), _rectangle(box, size)
    if area is None or inner is None:
        return area
    if found[inner.rows, inner.columns].sum() < _least_area(box, size):
        return area
    length = (int(np.ceil(box[3] - box[1])), int(np.ceil(box[2] - box[0])))
    pixels = found[area.rows, area.columns].astype(np.uint8)
    return Region(area.rows, area.columns, _dilated(pixels, margin, length))


def _dilated(pixels: np.ndarray, margin: float, length: Size) -> BoolArray:
    """Returns uint8 pixels grown by a share of a height and width, at least by one pixel."""
    # Growing by more than the rectangle is the same as by its size, and costs as much as it.
    reach = [
        min(max(1, math.ceil(margin * one)), side)
        for one, side in zip(length, pixels.shape, strict=True)
    ]
    size = (2 * reach[1] + 1, 2 * reach[0] + 1)
    # A sum over a rectangle takes the same time for each of its sizes, `cv2.dilate` does not: 10
    # masks of 350 x 900 pixels took 446 ms with it.
    sums = cv2.boxFilter(pixels, cv2.CV_32F, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(sums > 0.5)


def _least_area(box: Float64Array, size: Size) -> float:
    """Returns the pixels that a mask needs in the visible part of a box, at least one."""
    low, high = np.clip(box[:2], 0, size[::-1]), np.clip(box[2:], 0, size[::-1])
    return max(1.0, _LEAST_MASK_SHARE * float(np.prod(high - low)))


def _rectangle(box: Float64Array, size: Size) -> Region | None:
    """Returns all pixels that a box touches; `None` for none."""
    limits = size[::-1] * 2
    x1, y1 = np.clip(np.floor(box[:2]), 0, limits[:2]).astype(int).tolist()
    x2, y2 = np.clip(np.ceil(box[2:]), 0, limits[2:]).astype(int).tolist()
    return Region(slice(y1, y2), slice(x1, x2)) if x2 > x1 and y2 > y1 else None
