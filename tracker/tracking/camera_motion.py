"""Camera motion between two frames, by sparse optical flow of the still background.

Corners outside the detections (Shi and Tomasi 1994) are followed by pyramidal Lucas-Kanade on a
small grey copy; a similarity is fitted by RANSAC to the corners that pass the forward-backward
check.
"""

import logging
from typing import NamedTuple

import numpy as np

from tracker.detections import Detections
from tracker.errors import DataError
from tracker.frames import Frame
from tracker.tracks import CameraMotion
from tracker.util.arrays import BoolArray, Float32Array, UInt8Array
from tracker.util.opencv import cv2

_log = logging.getLogger(__name__)

# Lengths are in pixels of the grey copy, whose long side is at most this. It is smaller by a whole
# number: 0.2 ms instead of 1.3 ms at 640x480, and every pixel is the mean of the same number.
# Copies of 480 px cost twice the time and give the same tracks (benchmarks/camera_motion.py).
_LONG_SIDE_PX = 400
# Tuned on warped frames of PETS09-S2L1, TUD-Stadtmitte and a street scene: 200 corners or windows
# of 15 px are no more accurate and take up to twice the time; corners 10 px apart are a third less
# accurate; a level less loses shifts above an eighth of the frame.
_MOST_CORNERS = 120
_CORNER_QUALITY = 0.01
_CORNER_DISTANCE_PX = 16
_WINDOW_PX = 11
_PYRAMID_LEVELS = 4
# A corner nearer to a box than this may have the moving object in its window.
_BOX_MARGIN_PX = 4.0
# Largest forward-backward error (Kalal, Mikolajczyk, Matas, ICPR 2010).
_MOST_RETURN_ERROR_PX = 1.0
_INLIER_PX = 1.5
_LEAST_INLIERS = 12
# Share of the tracked corners. After a cut a few agree by chance; a fast pan loses a third of them.
_LEAST_INLIER_SHARE = 0.25
# Limits between two frames of a hand-held or vehicle camera; more is a cut or a wrong fit.
_MOST_ZOOM = 1.25
_MOST_TURN_RAD = 0.25
_MOST_SHIFT_SHARE = 0.3
# A corner that the motion moves by more than the first, and that stays within the second, stands
# still. The flow of a fixed camera's background is mostly within a tenth of a pixel.
_LEAST_MOVED_PX = 0.5
_MOST_STILL_PX = 0.25


class MeasuredMotion(NamedTuple):
    """A motion between two frames, and what speaks for it.

    Attributes:
        motion: From the last frame to this one.
        moved_px: Root mean square of how far it moves the corners, in pixels of the grey copy.
        still_share: Share of the corners that stood still, of all that it moves; 0 of none.
        extent: Share of the image within the convex hull of the corners that moved like this.
    """

    motion: CameraMotion
    moved_px: float
    still_share: float
    extent: float


_STANDS = MeasuredMotion(CameraMotion.identity(), 0.0, 0.0, 0.0)


class CameraMotionEstimator:
    """Estimates the camera's motion from frame to frame; frames have to be in order.

    Moving objects should be in the detections, which are masked out; the rest of the frame has to
    be mostly still. Where the estimate is not reliable (a flat frame, covered by objects, after a
    cut) the result is the identity. The result depends on the frames and detections alone;
    instances do not affect each other.

    Example:
        ```python
        estimator, deepsort = CameraMotionEstimator(), DeepSort()
        for frame in video:
            detections = detect(frame)
            camera = estimator.estimate(frame, detections)
            tracks = deepsort.step(detections, camera=camera)
        ```
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Discards the last frame, before a new source."""
        self._size: tuple[int, int] | None = None
        self._grey: UInt8Array = np.zeros((0, 0), np.uint8)
        self._corners: Float32Array = np.zeros((0, 2), np.float32)

    def estimate(self, frame: Frame, detections: Detections) -> CameraMotion:
        """Returns the motion since the last frame; the identity for the first one.

        Args:
            frame: The next frame.
            detections: Those of the frame; corners inside the boxes are not followed to the next
                frame.

        Raises:
            DataError: The frame has another size than the last one.
        """
        return self.measure(frame, detections).motion

    def measure(self, frame: Frame, detections: Detections) -> MeasuredMotion:
        """Returns what `estimate` does, with what speaks for it; see there."""
        size = (frame.width, frame.height)
        if self._size not in (None, size):
            raise DataError(
                f"frame {frame.index}: expected {self._size} pixels as before, got {size}; call "
                "reset() before another source is used"
            )
        factor = min(-(-max(size) // _LONG_SIDE_PX), *size)
        grey = _small_grey(frame.image, factor)
        measured = _STANDS
        if self._size is not None:
            before, after = _follow(self._grey, grey, self._corners)
            motion = _fit(before, after, looked_for=len(self._corners), factor=factor, size=size)
            measured = _measured(motion, before, after, factor, grey.size)
        self._size, self._grey = size, grey
        self._corners = _corners(grey, detections.boxes / np.float32(factor))
        return measured


def _small_grey(image: UInt8Array, factor: int) -> UInt8Array:
    """Returns `(H // factor, W // factor)` uint8 of `(H, W, 3)` RGB."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if factor > 1:
        small = (width // factor, height // factor)
        whole = grey[: small[1] * factor, : small[0] * factor]
        grey = cv2.resize(whole, small, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _corners(grey: UInt8Array, boxes: Float32Array) -> Float32Array:
    """Returns `(P, 2)` x, y of corners outside the boxes `(N, 4)` xyxy."""
    height, width = grey.shape
    mask = np.full(grey.shape, 255, np.uint8)
    grown = boxes + np.array([-1, -1, 1, 1]) * _BOX_MARGIN_PX
    for left, top, right, bottom in np.clip(
        np.rint(grown), 0, [width, height, width, height]
    ).astype(int):
        mask[top:bottom, left:right] = 0
    found = cv2.goodFeaturesToTrack(
        grey, _MOST_CORNERS, _CORNER_QUALITY, _CORNER_DISTANCE_PX, mask=mask
    )
    if found is None:
        return np.zeros((0, 2), np.float32)
    return np.asarray(found, np.float32).reshape(-1, 2)


def _follow(
    before: UInt8Array, after: UInt8Array, corners: Float32Array
) -> tuple[Float32Array, Float32Array]:
    """Returns where corners `(P, 2)` were and are, `(M, 2)` each, without those that were lost."""
    if not len(corners):
        return corners, corners
    there, found = _flow(before, after, corners)
    back, refound = _flow(after, before, there)
    error = np.linalg.norm(back - corners, axis=1)
    kept = found & refound & (error <= _MOST_RETURN_ERROR_PX)
    return corners[kept], there[kept]


def _flow(
    before: UInt8Array, after: UInt8Array, points: Float32Array
) -> tuple[Float32Array, BoolArray]:
    """Returns where points `(P, 2)` are now, `(P, 2)`, and whether they were found, `(P,)`."""
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points,
        np.empty_like(points),
        winSize=(_WINDOW_PX, _WINDOW_PX),
        maxLevel=_PYRAMID_LEVELS,
    )
    return np.asarray(there, np.float32), np.asarray(found).ravel() == 1


def _fit(
    before: Float32Array,
    after: Float32Array,
    *,
    looked_for: int,
    factor: int,
    size: tuple[int, int],
) -> CameraMotion:
    """Returns the motion fitted to points `(M, 2)` of the grey copies; identity if unreliable."""
    least = max(_LEAST_INLIERS, _LEAST_INLIER_SHARE * looked_for)
    if len(before) < least:
        _log.debug("camera motion unknown: %d of %d corners found again", len(before), looked_for)
        return CameraMotion.identity()
    # OpenCV's integer coordinates are the centres of pixels, those of this package their corners.
    matrix, inliers = cv2.estimateAffinePartial2D(
        (before + 0.5) * factor,
        (after + 0.5) * factor,
        method=cv2.RANSAC,
        ransacReprojThreshold=_INLIER_PX * factor,
    )
    count = 0 if matrix is None else int(inliers.sum())
    if count < least:
        _log.debug("camera motion unknown: %d of %d corners agree", count, looked_for)
        return CameraMotion.identity()
    motion = CameraMotion(
        scale=float(np.hypot(matrix[0, 0], matrix[1, 0])),
        rotation_rad=float(np.arctan2(matrix[1, 0], matrix[0, 0])),
        shift=(float(matrix[0, 2]), float(matrix[1, 2])),
    )
    if not _is_plausible(motion, size):
        _log.debug("camera motion unknown: implausible fit %s", motion)
        return CameraMotion.identity()
    return motion


def _measured(
    motion: CameraMotion, before: Float32Array, after: Float32Array, factor: int, area: int
) -> MeasuredMotion:
    """Returns a motion with what points `(M, 2)` of grey copies of `area` pixels say of it."""
    if motion.is_identity:
        return _STANDS
    matrix = motion.matrix
    there = (before + 0.5) * factor
    expected = (there @ matrix[:, :2].T + matrix[:, 2] - there) / factor
    distance, seen = np.hypot(*expected.T), after - before
    moves = distance > _LEAST_MOVED_PX
    still = np.count_nonzero(np.hypot(*seen[moves].T) < _MOST_STILL_PX)
    agrees = np.hypot(*(seen - expected).T) < _INLIER_PX
    hull = cv2.convexHull(before[agrees]) if np.count_nonzero(agrees) else before[:0]
    return MeasuredMotion(
        motion,
        moved_px=float(np.sqrt(np.mean(np.square(distance)))),
        still_share=float(still / max(int(np.count_nonzero(moves)), 1)),
        extent=cv2.contourArea(hull) / area if len(hull) else 0.0,
    )


def _is_plausible(motion: CameraMotion, size: tuple[int, int]) -> bool:
    """Returns whether a camera moves like this between two frames of `size` (width, height)."""
    centre = np.array([*size, 2.0]) / 2
    moved = np.abs(motion.matrix @ centre - centre[:2]) / size
    return bool(
        1 / _MOST_ZOOM <= motion.scale <= _MOST_ZOOM
        and abs(motion.rotation_rad) <= _MOST_TURN_RAD
        and moved.max() <= _MOST_SHIFT_SHARE
    )
