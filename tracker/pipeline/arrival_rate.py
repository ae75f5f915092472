"""The rate at which items arrive, to predict when the next one is due."""

from collections import deque

_INTERVALS = 9
"""Their median, of an odd number: a pause, or a burst after it, says nothing of the rhythm."""

_SOON = 0.25
"""Share of an interval within which the next item is waited for."""

_LATE = 0.1
"""Share of an interval by which items may be late."""


class Rhythm:
    """The times of items that come regularly, or nearly so.

    A frame that has lain for almost an interval is old, and the next one almost there. Waiting for
    that takes a quarter of an interval at most and makes the result younger by the rest. Measured
    (RTSP at 30 fps, 2 cores, a detector of 50 ms): docs/performance.md.
    """

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=_INTERVALS)
        self._last_s: float | None = None

    def add(self, now_s: float) -> None:
        """Notes an item.

        Args:
            now_s: Seconds of any clock that does not jump.
        """
        if self._last_s is not None:
            self._intervals.append(now_s - self._last_s)
        self._last_s = now_s

    def seconds_until_next(self, now_s: float) -> float:
        """Returns the seconds to wait for the next item; 0 where it is not due soon.

        Args:
            now_s: Seconds of the same clock.
        """
        if self._last_s is None or len(self._intervals) < _INTERVALS:
            return 0.0
        interval_s = sorted(self._intervals)[_INTERVALS // 2]
        left_s = self._last_s + interval_s - now_s
        latest_s = left_s + _LATE * interval_s
        return latest_s if left_s <= _SOON * interval_s and latest_s > 0 else 0.0
