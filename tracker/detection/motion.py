"""Detects moving objects before a fixed camera, by background subtraction; needs no model.

The background is a mixture of Gaussians a pixel (OpenCV's MOG2: Zivkovic and van der Heijden,
Pattern Recognition Letters 27, 2006) on a copy of the frame with a long side of at most 640 px.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse.csgraph import connected_components

from tracker.boxes import area, clip
from tracker.detection.motion_settings import MotionSettings
from tracker.detections import Detections
from tracker.errors import DataError
from tracker.frames import Frame, VideoInfo
from tracker.util.arrays import BoolArray, Float32Array, Int64Array, UInt8Array
from tracker.util.opencv import cv2
from tracker.util.stopwatch import Stopwatch

_LONG_SIDE_PX = 640
# In pixels of an image with that long side: what is too small to be part of an object, the gaps
# (width, height) that are closed, and how far apart the parts of one object may be. They and the
# defaults of `MotionSettings` were set by hand on PETS09-S2L1 and samples/plaza.mp4.
_SPECK_PX = 3.0
_HOLE_PX = (3.0, 7.0)
_REACH_PX = 8.0
# Rain or a defective camera can make thousands of parts; joining costs the square of their number.
_MOST_PARTS = 256
# MOG2 writes 0 for background, 127 for shadow, 255 for foreground.
_FOREGROUND = 255
# After the warm-up a frame counts at most this many times its final weight. More removes people
# of the first frames sooner; less keeps people walking towards the camera from fading into the
# background. Tuned on PETS09-S2L1 (first 100 frames) and samples/plaza.mp4.
_EARLY_HASTE = 3.0
# Compressed video of a still scene has pixels that do not vary for seconds and then jump by a few
# levels, hence a floor; 8 to 20 serve equally well on the clips that this was tuned on.
_LEAST_VARIANCE = 10.0
# A light that is switched or a camera that is moved changes most of the image at once; the
# busiest traffic that this was tried on (a car that fills the lower half) stays below 0.5.
_UPHEAVAL_SHARE = 0.6


class MotionDetector:
    """Detects what differs from a learned background; for fixed cameras.

    The frames have to come in order, from one source between two calls of `start`. A frame of
    another size than the last one resets the background. Two objects whose images touch
    are one detection. The result depends on the frames alone, so equal runs are equal bytes.

    Args:
        settings: How motion is separated from background.
    """

    class_names: tuple[str, ...] = ("moving",)

    def __init__(self, settings: MotionSettings | None = None) -> None:
        self._settings = MotionSettings() if settings is None else settings
        self._size = (0, 0)
        self._relearn()

    @property
    def digests(self) -> Mapping[str, str]:
        """Empty: there is no model file."""
        return {}

    def start(self, info: VideoInfo) -> None:
        """Forgets the background of the last source."""
        del info  # the frames themselves tell their size
        self._relearn()

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns the moving objects of each frame, and learns the background from it.

        Args:
            frames: Consecutive frames, in order.
            stopwatch: Where given, gets the stages "preprocess" (scaling) and "infer" (all else).

        Raises:
            DataError: A frame has no pixels.
        """
        stopwatch = stopwatch or Stopwatch()
        return [self._detect_one(frame, stopwatch) for frame in frames]

    def _detect_one(self, frame: Frame, stopwatch: Stopwatch) -> Detections:
        with stopwatch.measure("preprocess"):
            image = reduced(frame.image)
        with stopwatch.measure("infer"):
            if image.shape[:2] != self._size:
                self._size = image.shape[:2]
                self._relearn()
            mask = self._foreground(image)
            boxes, scores = find_objects(mask, min_area_fraction=self._settings.min_area_fraction)
            scale = np.array([frame.width / mask.shape[1], frame.height / mask.shape[0]] * 2)
            boxes = clip((boxes * scale).astype(np.float32), width=frame.width, height=frame.height)
            is_sure = scores >= self._settings.confidence
            return Detections.create(boxes[is_sure], scores[is_sure])

    def _foreground(self, image: UInt8Array) -> BoolArray:
        """Returns `(h, w)`: what moves, or nothing while the background is being learned."""
        mask = self._learn(image)
        if self._seen_frames <= self._settings.warmup_frames:
            return np.zeros_like(mask)
        if mask.mean() > _UPHEAVAL_SHARE:
            self._relearn()
            self._learn(image)
            return np.zeros_like(mask)
        return mask

    def _learn(self, image: UInt8Array) -> BoolArray:
        """Returns `(h, w)`: what differs from the background, after adding the image to it."""
        self._seen_frames += 1
        rate = 0.5 / self._seen_frames
        if self._seen_frames > self._settings.warmup_frames:
            steady = 1.0 / self._settings.history_frames
            rate = min(max(rate, steady), _EARLY_HASTE * steady)
        mask: BoolArray = self._background.apply(image, learningRate=rate) == _FOREGROUND
        return mask

    def _relearn(self) -> None:
        self._seen_frames = 0
        self._background = cv2.createBackgroundSubtractorMOG2(
            history=self._settings.history_frames,
            varThreshold=self._settings.variance_threshold,
            detectShadows=True,
        )
        self._background.setVarMin(_LEAST_VARIANCE)


def reduced(image: UInt8Array) -> UInt8Array:
    """Returns the image `(H, W, 3)` uint8 with a long side of at most 640 px, smoothed.

    Raises:
        DataError: The image has no pixels.
    """
    height, width = image.shape[:2]
    if not height or not width:
        raise DataError(f"MotionDetector: expected a frame with pixels, got {width}x{height}")
    scale = min(1.0, _LONG_SIDE_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    # Sensor and codec noise is what a single pixel's variance cannot tell from motion.
    return np.asarray(cv2.GaussianBlur(small, (3, 3), 0), np.uint8)


def find_objects(mask: BoolArray, *, min_area_fraction: float) -> tuple[Float32Array, Float32Array]:
    """Returns boxes `(N, 4)` float32 xyxy and scores `(N,)` float32 of the objects in a mask.

    Args:
        mask: `(h, w)` bool, true where something moves.
        min_area_fraction: Smallest foreground of an object, as a fraction of the mask.

    Returns:
        Boxes in pixels of the mask; the score is the share of the box that is foreground.
    """
    unit = max(mask.shape) / _LONG_SIDE_PX
    cleaned = _cleaned(mask, unit)
    _, _, stats, _ = cv2.connectedComponentsWithStats(cleaned, connectivity=8)
    stats = stats[1:].astype(np.int64)  # row 0 is the background
    largest = np.argsort(-stats[:, cv2.CC_STAT_AREA], kind="stable")[:_MOST_PARTS]
    left, top, width, height, count = stats[largest].T
    parts = np.column_stack([left, top, left + width, top + height])
    joined, counts = join_parts(parts, count, reach_px=_REACH_PX * unit)
    is_large = counts >= max(1.0, min_area_fraction * mask.size)
    boxes, counts = joined[is_large].astype(np.float32), counts[is_large]
    # The boxes of two parts of one object may overlap, never their pixels.
    scores = np.minimum(counts / np.maximum(area(boxes), 1), 1).astype(np.float32)
    return boxes, scores


def _cleaned(mask: BoolArray, unit: float) -> UInt8Array:
    """Returns the mask `(h, w)` as 0 and 1 without specks and with narrow gaps closed."""
    speck = _ellipse(_SPECK_PX * unit, _SPECK_PX * unit)
    # Higher than wide: gaps within a person are mostly belts, collars and crossed shadows, while
    # gaps beside a person are the distance to the next one.
    hole = _ellipse(_HOLE_PX[0] * unit, _HOLE_PX[1] * unit)
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, speck)
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, hole), np.uint8)


def _ellipse(width: float, height: float) -> UInt8Array:
    """Returns an elliptical element whose sides are the nearest odd numbers, so it has a centre."""
    size = max(1, 2 * round((width - 1) / 2) + 1), max(1, 2 * round((height - 1) / 2) + 1)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size), np.uint8)


def join_parts(
    parts: Int64Array, counts: Int64Array, *, reach_px: float
) -> tuple[Int64Array, Int64Array]:
    """Returns the parts with those of one object joined: boxes `(M, 4)` and counts `(M,)`.

    Two parts are of one object where their boxes share at least half of the narrower one's width
    and overlap vertically or are less than `reach_px` apart. Joining is repeated until nothing
    changes, so the result does not depend on the order of the parts, only its own order does.

    Args:
        parts: `(N, 4)` int64 xyxy.
        counts: `(N,)` int64 foreground pixels of each part.
        reach_px: Largest vertical gap within an object.
    """
    while len(parts) > 1:
        group_count, groups = connected_components(_belongs(parts, reach_px), directed=False)
        if group_count == len(parts):
            break
        joined = np.zeros((group_count, 4), np.int64)
        joined[:, :2] = np.iinfo(np.int64).max
        np.minimum.at(joined[:, :2], groups, parts[:, :2])
        np.maximum.at(joined[:, 2:], groups, parts[:, 2:])
        parts, counts = joined, np.bincount(groups, counts).astype(np.int64)
    return parts, counts


def _belongs(parts: Int64Array, reach_px: float) -> BoolArray:
    """Returns `(N, N)`: whether two parts are of one object."""
    top_left = np.maximum(parts[:, None, :2], parts[None, :, :2])
    bottom_right = np.minimum(parts[:, None, 2:], parts[None, :, 2:])
    shared = bottom_right - top_left
    width = parts[:, 2] - parts[:, 0]
    narrower = np.minimum(width[:, None], width[None, :])
    result: BoolArray = (2 * shared[..., 0] >= narrower) & (shared[..., 1] > -reach_px)
    return result
