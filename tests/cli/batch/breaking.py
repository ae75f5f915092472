"""A detector that fails in the middle of a video."""

from collections.abc import Sequence
from typing import Any

from tracker.detection.motion import MotionDetector
from tracker.frames import Frame


class Breaking(MotionDetector):
    """The motion detector, which raises `RuntimeError` at frame 40."""

    def detect(self, frames: Sequence[Any], stopwatch: Any = None) -> Any:
        """As that of the motion detector, up to there."""
        if any(isinstance(one, Frame) and one.index == 40 for one in frames):
            raise RuntimeError("broken")
        return super().detect(frames, stopwatch)
