"""Small real classes that stand in for cameras, beside those of `tracker.testing`."""

import threading

from tracker.detections import Detections
from tracker.frames import Frame
from tracker.testing import ScriptedSource


class HangingSource(ScriptedSource):
    """Delivers two frames, and then nothing until it is closed, as a camera does that hangs."""

    def __init__(self) -> None:
        self._closing = threading.Event()
        super().__init__(3, live=True, before_frame=self._hang)

    def _hang(self, index: int) -> None:
        if index == 2:
            assert self._closing.wait(20), "nobody closed the source"

    def close(self) -> None:
        self._closing.set()
        super().close()


def one_walker(frame: Frame) -> Detections:
    """One object that moves 2 px to the right in each source frame."""
    x = 5.0 + 2 * (frame.index % 20)
    return Detections.create([[x, 10, x + 12, 40]], [0.8])
