"""A detector that fails in the middle of a video."""

from collections.abc import Sequence
from typing import Any

from tracker.detection.motion import MotionDetector
from tracker.frames import Frame


class Breaking(MotionDetector):
    """The motion detector, which raises `RuntimeError` at a frame."""

    def __init__(self, at: int = 40) -> None:
        super().__init__()
        self._at = at

    def detect(self, frames: Sequence[Any], stopwatch: Any = None) -> Any:
        """As that of the motion detector, up to there."""
        if any(isinstance(one, Frame) and one.index == self._at for one in frames):
            raise RuntimeError("broken")
        return super().detect(frames, stopwatch)
