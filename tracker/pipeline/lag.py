"""Results some frames late, see `tracking/offline/fixed_lag.py`."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from tracker.tracking.offline.fixed_lag import FixedLag
from tracker.tracks import TrackedFrame, Tracks


class LaggedResults:
    """The results of one source, delayed; the frames are kept in memory meanwhile.

    Args:
        frames: Frames of delay; 0 = none.
    """

    def __init__(self, frames: int) -> None:
        self._lag = FixedLag(frames) if frames else None
        self._waiting: deque[TrackedFrame] = deque()

    def push(self, result: TrackedFrame) -> Iterator[TrackedFrame]:
        """Yields the result of the earlier frame, where there is one."""
        if self._lag is None:
            yield result
            return
        self._waiting.append(result)
        tracks = self._lag.push(result.tracks, result.frame.time_s)
        if tracks is not None:
            yield self._with(tracks)

    def flush(self) -> Iterator[TrackedFrame]:
        """Yields the results that are still waiting, at the end of the source."""
        if self._lag is not None:
            for tracks in self._lag.flush():
                yield self._with(tracks)

    def _with(self, tracks: Tracks) -> TrackedFrame:
        result = self._waiting.popleft()
        return result if tracks is result.tracks else replace(result, tracks=tracks)
