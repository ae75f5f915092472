"""Spreads frames that come in pieces of some seconds, as those of HLS do, over these seconds.

Comes in: the times of frames in their stream. Goes out: waits until they are due.
"""

import threading
import time
from collections.abc import Callable

_JUMP_S = 1.0
"""A step of the stream's time that is longer than this was left out by the server."""

_CATCH_UP = 0.05
"""Share by which frames come faster after a delay, until it is made good."""


class Pacer:
    """Waits until a frame is due.

    Without it, a piece would come as fast as it can be decoded, and where only the newest frame is
    worked on, most of it would be dropped while the pipeline idles until the next piece.

    A frame that is late delays those after it by as much: they are due at their distance from it.
    They then come 5 % faster until they are as young as the first ones were. What the server left
    out is not waited for, since what follows is there already.

    Args:
        closed: Ends a wait.
        clock: Seconds of a clock that nobody sets.
    """

    def __init__(
        self, closed: threading.Event, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._closed = closed
        self._clock = clock
        self._origin_s: float | None = None
        self._least_s = 0.0
        self._last_s = 0.0

    def wait(self, time_s: float) -> tuple[float, float]:
        """Returns when the frame was due, which is now, on the clock and in Unix time.

        Args:
            time_s: The frame's time in the stream, which rises.
        """
        step_s, self._last_s = time_s - self._last_s, time_s
        if self._origin_s is None or step_s > _JUMP_S:
            now_s = self._clock()
            self._origin_s = self._least_s = now_s - time_s
        else:
            origin_s = max(self._origin_s - _CATCH_UP * step_s, self._least_s)
            self._closed.wait(max(origin_s + time_s - self._clock(), 0.0))
            now_s = self._clock()
            self._origin_s = max(origin_s, now_s - time_s)
        return now_s, time.time()
