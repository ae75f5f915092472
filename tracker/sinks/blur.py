"""Objects hidden in videos and windows: few averaged cells in place of their pixels."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tracker.sinks.background import Backdrop, PixelFinder
from tracker.sinks.blur_regions import (
    Region,
    box_region,
    face_region,
    mask_region,
    segmented_region,
)
from tracker.sinks.blur_style import PERSON, BlurRegion, BlurStyle
from tracker.sinks.blur_targets import LEAST_PX, TargetFinder, Targets
from tracker.tracks import TrackedFrame
from tracker.util.arrays import BoolArray, UInt8Array
from tracker.util.opencv import cv2

_CELLS = 6
"""Cells along the longer side of a region. What is left of an object are at most 36 averages, of
which a head has one or two. A Gaussian over the pixels is not enough: it is a linear filter that
keeps most of an image below its cut-off, so that deconvolution restores much, and networks trained
on blurred images, or on mosaics of small cells, identify people in them (McPherson et al. 2016,
arXiv 1609.00408)."""

_PREDICTED_MARGIN = 2.0
"""Factor on the margin of a predicted box, which no detection of this frame has corrected."""

_UNCONFIRMED_MARGIN = 4.0
"""The same for unconfirmed objects, whose velocity is not known yet: a person who walks past a
camera of 30 frames a second moves by a tenth of the width of the box in a frame."""


def pixelated(image: UInt8Array) -> UInt8Array:
    """Returns an image `(h, w, 3)` uint8 reduced to a few cells, which are blurred and enlarged.

    Cells are averages of at least 8 x 8 pixels where the image has as many, and at most 6 along its
    longer side, so that the strength follows the size of the object.
    """
    height, width = image.shape[:2]
    cell = max(max(height, width) / _CELLS, LEAST_PX)
    size = (max(1, round(width / cell)), max(1, round(height / cell)))
    cells = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    cells = cv2.GaussianBlur(cells, (3, 3), 0)
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def hide(canvas: UInt8Array, image: UInt8Array, region: Region) -> None:
    """Replaces the pixels of a region; all others stay unchanged.

    Args:
        canvas: `(H, W, 3)` uint8, changed in place.
        image: Of the same shape, the original pixels.
        region: What is hidden.
    """
    area = (region.rows, region.columns)
    cover = pixelated(image[area])
    if region.pixels is None:
        canvas[area] = cover
    else:
        cv2.copyTo(cover, region.pixels.astype(np.uint8), canvas[area])


class Blur:
    """Hides objects of results; shared by all sinks of a source, each frame is processed once.

    Args:
        style: Which objects are hidden.
        segmenter: Segments objects in the frame, to hide their pixels in place of their boxes;
            `None` for boxes. Detections with masks of their own do not need it.
        segmented: Names of the classes that it segments.
        backdrop: Changes the background of frames before; `None` where it stays.
    """

    def __init__(
        self,
        style: BlurStyle,
        *,
        segmenter: PixelFinder | None = None,
        segmented: Sequence[str] = (),
        backdrop: Backdrop | None = None,
    ) -> None:
        self._style, self._backdrop = style, backdrop
        self._segmenter, self._segmented = segmenter, tuple(segmented)
        self._finder = TargetFinder(style)
        self._last: tuple[TrackedFrame, TrackedFrame] | None = None

    def changed(self, result: TrackedFrame) -> TrackedFrame:
        """Returns the result with a frame in which the objects are hidden.

        Results have to come in order: unconfirmed objects stay hidden for some frames.

        Args:
            result: The next result of the source; only its frame is replaced.

        Raises:
            ConfigError: A class is unknown to the detector.
            DataError: A box is not finite, or a mask is not of the frame's size.
            ModelError: The segmenter's network cannot be run.
            DependencyError: A library that it needs cannot be loaded.
        """
        if self._last is None and self._segmenter is not None:
            # At the first frame, so that an unusable network is reported early.
            self._segmenter.prepare((result.frame.height, result.frame.width))
        if self._last is None or self._last[0] is not result:
            self._last = result, self._hidden(result)
        return self._last[1]

    def _hidden(self, result: TrackedFrame) -> TrackedFrame:
        regions = self._regions(result, self._finder.find(result))
        shown = result if self._backdrop is None else self._backdrop.changed(result)
        if not regions:
            return shown
        canvas = np.array(shown.frame.image, order="C", copy=True)
        for region in regions:
            hide(canvas, shown.frame.image, region)
        canvas.setflags(write=False)
        return replace(shown, frame=replace(shown.frame, image=canvas))

    def _regions(self, result: TrackedFrame, targets: Targets) -> list[Region]:
        size, names = result.frame.image.shape[:2], result.run.class_names
        found: BoolArray | None = None
        regions = []
        for row, box in enumerate(targets.boxes):
            detection, index = int(targets.detections[row]), int(targets.classes[row])
            name = names[index] if 0 <= index < len(names) else ""
            margin = self._style.margin * _margin_factor(targets, row)
            masks = result.detections.masks
            region: Region | None
            if self._style.region is BlurRegion.FACE and name == PERSON:
                region = face_region(box, margin, size)
            elif detection >= 0 and masks is not None:
                region = mask_region(masks[detection], box, margin, size)
            elif detection >= 0 and self._segmenter is not None and name in self._segmented:
                found = self._segmenter.mask(result.frame.image) if found is None else found
                region = segmented_region(found, box, margin, size)
            else:
                region = box_region(box, margin, size)
            if region is not None:
                regions.append(region)
        return regions


def _margin_factor(targets: Targets, row: int) -> float:
    if targets.detections[row] >= 0:
        return 1.0
    return _UNCONFIRMED_MARGIN if targets.is_unconfirmed[row] else _PREDICTED_MARGIN
