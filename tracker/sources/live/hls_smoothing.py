"""Smooth delivery of frames that arrive in segments of some seconds, as in HLS."""

import threading
import time
from collections.abc import Callable

_JUMP_S = 1.0
"""A longer step of the stream's time is a gap left by the server."""

_CATCH_UP = 0.05
"""Share by which frames are delivered faster after a delay, until it is recovered."""


class Pacer:
    """Waits until a frame is due.

    Without it, a segment would be delivered as fast as it is decoded, and where only the newest
    frame is processed, most of it would be dropped while the pipeline idles until the next segment.

    A frame that is late delays those after it by as much: they are due at their distance from it.
    They are then delivered 5 % faster until the delay is that of the first ones. Gaps left by the
    server are not waited for, since the frames after them have arrived already.

    Args:
        closed: Ends a wait.
        clock: Seconds of a monotonic clock.
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
