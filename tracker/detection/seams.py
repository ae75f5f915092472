"""Merges what was found in a frame and in its tiles, so that each object is one box.

Input: the detections of all views, in pixels of the frame, and the view of each. Output: the
detections of the frame. The idea of slicing is that of SAHI (arXiv 2202.06934).

A box that touches an inner border of its tile may be a part of an object. In this order:

1. A part that lies in a whole box of its class is dropped: intersection over the smaller area.
2. Parts that continue each other across a seam are joined to the box around them.
3. Parts that lie in such a joined box are dropped.
4. What is left is suppressed by intersection over union, as within one image.
"""

from dataclasses import dataclass

import numpy as np

from tracker.boxes import area
from tracker.detection.nms import NmsMode, NmsSettings, nms
from tracker.detections import Detections
from tracker.masks import Mask, united_mask
from tracker.util.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    Int64Array,
)

CONTAINED = 0.6
"""A part is dropped if more than this share of the smaller of the two boxes is common to both."""

CONTINUED = 0.5
"""Two parts are joined if their extents along the seam have an IoU above this."""

TOUCH_SHARE = 0.05
"""A box touches a border that is no further away than this share of the tile's side: networks place
the edge of a cut object up to so far inside. Chosen on `train2017` of `benchmarks/slices.py`
(`small`, then of six classes, at 256 in 2x2 tiles): AP50 of people 56.8, 58.6, 59.4 and 59.0 with
0.005, 0.02, 0.05 and 0.1; 52.2 without tiles, 42.5 with plain suppression by
IoU. `CONTAINED` of 0.4 to 0.8 changes 0.1.
"""

TOUCH_PX = 2.0
"""A box touches a border that is no further away than this, in small tiles too."""

_LEFT, _TOP, _RIGHT, _BOTTOM = range(4)


@dataclass(frozen=True, slots=True)
class MergeSettings:
    """How the detections of the views of a frame are merged.

    Attributes:
        iou: Of two boxes that overlap by more than this, the better one is kept, in `[0, 1]`.
        max_detections: At most this many boxes a frame, the best ones.
        mode: Which boxes can suppress each other.
    """

    iou: float = NmsSettings().iou
    max_detections: int = NmsSettings().max_detections
    mode: NmsMode = NmsMode.PER_CLASS


def merged(
    found: Detections, views: IndexArray, rectangles: Int64Array, settings: MergeSettings
) -> Detections:
    """Returns the detections of a frame, one for each object.

    Args:
        found: `N` detections of all views, in pixels of the frame.
        views: `(N,)` index of the view of each detection.
        rectangles: `(V, 4)` xyxy in pixels of the frame: the frame itself, then its tiles.
        settings: Which boxes are kept.
    """
    boxes = found.boxes.astype(np.float64)
    classes = found.classes if settings.mode is NmsMode.PER_CLASS else np.zeros_like(found.classes)
    touched = touched_seams(boxes, rectangles[views], rectangles[0])
    whole: BoolArray = np.asarray(~touched.any(axis=1))
    rows: IndexArray = np.flatnonzero(whole | ~_contained(boxes, classes, within=whole))
    groups = _groups(boxes[rows], classes[rows], rectangles[views[rows]], touched[rows])
    # The best row of each group stands for it: it has the group's number.
    best, sizes = np.unique(groups, return_counts=True)
    joined = sizes > 1
    around = _boxes_around(boxes[rows], groups)[best]
    inside = _contained(around, classes[rows[best]], within=joined)
    kept = np.flatnonzero(whole[rows[best]] | joined | ~inside)
    best = best[kept]
    kept_boxes: Float32Array = around[kept].astype(np.float32)
    limits = NmsSettings(0.0, settings.iou, settings.max_detections, settings.mode)
    chosen = rows[best]
    winners = nms(kept_boxes, found.scores[chosen], found.classes[chosen], settings=limits)
    return Detections(
        kept_boxes[winners],
        found.scores[chosen[winners]],
        found.classes[chosen[winners]],
        found.embeddings[chosen[winners]],
        _united_masks(found.masks, [rows[groups == group] for group in best[winners]]),
    )


def touched_seams(boxes: Float64Array, tiles: Int64Array, frame: Int64Array) -> BoolArray:
    """Returns `(N, 4)`: whether the left, top, right and bottom of a box touch an inner border.

    Args:
        boxes: `(N, 4)` xyxy in pixels of the frame.
        tiles: `(N, 4)` xyxy of the tile, or the frame, in which each was found.
        frame: `(4,)` xyxy of the frame: its own borders cut no object.
    """
    sides = np.tile(tiles[:, 2:] - tiles[:, :2], 2)
    near = np.abs(boxes - tiles) <= np.maximum(TOUCH_PX, TOUCH_SHARE * sides)
    inner: BoolArray = near & (tiles != frame)
    return inner


def _contained(boxes: Float64Array, classes: Int32Array, *, within: BoolArray) -> BoolArray:
    """Returns `(N,)`: whether a box shares more than `CONTAINED` with another of its class.

    Args:
        boxes: `(N, 4)` xyxy.
        classes: `(N,)`.
        within: `(N,)` which boxes count as the others; these themselves are not contained.
    """
    contained = np.zeros(len(boxes), bool)
    inner, outer = boxes[~within], boxes[within]
    common = np.concatenate(
        [
            np.maximum(inner[:, None, :2], outer[None, :, :2]),
            np.minimum(inner[:, None, 2:], outer[None, :, 2:]),
        ],
        axis=2,
    )
    smaller = np.minimum(area(inner)[:, None], area(outer)[None])
    same = classes[~within][:, None] == classes[within][None]
    contained[~within] = (same & (area(common) > CONTAINED * smaller)).any(axis=1)
    return contained


def _groups(
    boxes: Float64Array, classes: Int32Array, tiles: Int64Array, touched: BoolArray
) -> IndexArray:
    """Returns `(N,)` the number of each box's group: the lowest row among the parts it joins."""
    groups = np.arange(len(boxes))
    parts = np.flatnonzero(touched.any(axis=1))
    linked = np.eye(len(parts), dtype=bool)
    same = classes[parts][:, None] == classes[parts][None]
    for axis, (first, last) in enumerate(((_LEFT, _RIGHT), (_TOP, _BOTTOM))):
        across = 1 - axis
        overlap = _interval_iou(boxes[parts][:, [across, across + 2]])
        before = tiles[parts][:, None]
        after = tiles[parts][None]
        neighbours = (before[..., across] == after[..., across]) & (
            (before[..., first] < after[..., first]) & (after[..., first] <= before[..., last])
        )
        ends, begins = touched[parts][:, None, last], touched[parts][None, :, first]
        linked |= same & neighbours & ends & begins & (overlap > CONTINUED)
    linked |= linked.T
    numbers = parts
    while len(parts):
        lowest = np.where(linked, numbers[None], len(boxes)).min(axis=1)
        if (lowest == numbers).all():
            break
        numbers = lowest
    groups[parts] = numbers
    return groups


def _interval_iou(intervals: Float64Array) -> Float64Array:
    """Returns `(N, N)` IoU of intervals `(N, 2)`."""
    begin, end = intervals[:, 0], intervals[:, 1]
    common = np.minimum(end[:, None], end[None]) - np.maximum(begin[:, None], begin[None])
    hull = np.maximum(end[:, None], end[None]) - np.minimum(begin[:, None], begin[None])
    overlap: Float64Array = np.maximum(common, 0) / hull
    return overlap


def _boxes_around(boxes: Float64Array, groups: IndexArray) -> Float64Array:
    """Returns `(N, 4)`: at the row of each group's number the box around its boxes."""
    around = boxes.copy()
    np.minimum.at(around[:, :2], groups, boxes[:, :2])
    np.maximum.at(around[:, 2:], groups, boxes[:, 2:])
    return around


def _united_masks(
    masks: tuple[Mask, ...] | None, members: list[IndexArray]
) -> tuple[Mask, ...] | None:
    """Returns for each group the mask of all pixels of its masks."""
    if masks is None:
        return None
    return tuple(united_mask([masks[row] for row in rows.tolist()]) for rows in members)
