"""Camera motion by optical flow only while the camera moves: one look a second finds that out.

Following corners in every frame costs as much as several steps of the tracker, and before a fixed
camera it gains nothing. So two frames in a row are compared once a second. If the image moves as
a whole, every frame is, until it has stood still for a while. A large object that moves before
a fixed camera is told from a moving camera by the corners beside it, which stand still, and where
there are none by how little of the image moves.
"""

import math

from tracker.detections import Detections
from tracker.frames import Frame
from tracker.tracking.camera_motion import CameraMotionEstimator, MeasuredMotion
from tracker.tracks import CameraMotion

_INTERVAL_S = 1.0
"""Seconds from one look at a fixed camera to the next."""

_CALM_S = 2.0
"""Seconds without a motion after which a camera is taken for fixed again: a pan that turns stands
still for less."""

_LEAST_MOVED_PX = 0.5
"""Mean displacement in a frame, in pixels of the estimator's grey copy (at most 400 pixels wide),
that is a motion: less is within the estimate's error, and the tracks' velocities follow a slow
pan."""

_MOST_STILL_SHARE = 0.15
"""Share of the corners that may stand still though the motion would move them: a time stamp, a
bonnet. More are the background, and what moves is an object."""

_LEAST_EXTENT = 0.3
"""Share of the image over which corners have to move alike. Objects before a road without corners
filled a tenth of it, the background of a shaken camera half or more."""


class CameraWatch:
    """Estimates the camera's motion where it moves; frames have to be in order.

    The motion is the identity while the camera is taken for fixed. The results depend on the frames
    and detections alone; instances do not affect each other.

    Example:
        ```python
        watch, deepsort = CameraWatch(), DeepSort()
        for frame in video:
            detections = detect(frame)
            tracks = deepsort.step(detections, camera=watch.estimate(frame, detections))
        ```
    """

    def __init__(self) -> None:
        self._estimator = CameraMotionEstimator()
        self.reset()

    def reset(self) -> None:
        """Forgets the source, before a new one."""
        self._estimator.reset()
        self._knows_last = False
        self._next_s = -math.inf
        self._moved_s = -math.inf

    def estimate(self, frame: Frame, detections: Detections) -> CameraMotion:
        """Returns the motion since the last frame; the identity for a fixed camera.

        Args:
            frame: The next frame.
            detections: Those of the frame; see `CameraMotionEstimator.estimate`.

        Raises:
            DataError: The frame has another size than the last one.
        """
        now_s = frame.time_s
        if (
            self._next_s - _INTERVAL_S <= now_s < self._next_s
        ):  # Times that fall are not waited for.
            return CameraMotion.identity()
        measured = self._estimator.measure(frame, detections)
        if not self._knows_last:
            self._knows_last = True
            return CameraMotion.identity()
        is_camera = _is_of_camera(measured)
        if is_camera and measured.moved_px >= _LEAST_MOVED_PX:
            self._moved_s = now_s
        if not 0 <= now_s - self._moved_s <= _CALM_S:
            self._estimator.reset()
            self._knows_last = False
            self._next_s = now_s + _INTERVAL_S
            return CameraMotion.identity()
        return measured.motion if is_camera else CameraMotion.identity()


def _is_of_camera(measured: MeasuredMotion) -> bool:
    """Returns whether the background moved, and not a large object before it."""
    return measured.still_share <= _MOST_STILL_SHARE and measured.extent >= _LEAST_EXTENT
