"""Results some frames late, see `tracking/offline/fixed_lag.py`."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tracker.detections import Detections
from tracker.errors import DataError
from tracker.frames import Frame
from tracker.tracking.offline.fixed_lag import FixedLag
from tracker.tracks import RunInfo, TrackedFrame, Tracks


@dataclass(frozen=True, slots=True, eq=False)
class LateResult:
    """A result that waits, without its image: see `TrackedFrame`."""

    index: int
    time_s: float
    detections: Detections
    tracks: Tracks
    dropped: int
    track_count: int
    is_coasted: bool
    unreported: Tracks


class LaggedResults:
    """The results of one source, delayed; the frames are kept in memory meanwhile.

    Args:
        frames: Frames of delay; 0 = none.
    """

    def __init__(self, frames: int) -> None:
        self.fixed_lag = FixedLag(frames) if frames else None
        self._waiting: deque[TrackedFrame] = deque()

    def push(self, result: TrackedFrame) -> Iterator[TrackedFrame]:
        """Yields the result of the earlier frame, where there is one."""
        if self.fixed_lag is None:
            yield result
            return
        self._waiting.append(result)
        tracks = self.fixed_lag.push(result.tracks, result.frame.time_s)
        if tracks is not None:
            yield self._with(tracks)

    def flush(self) -> Iterator[TrackedFrame]:
        """Yields the results that are still waiting, at the end of the source."""
        if self.fixed_lag is not None:
            for tracks in self.fixed_lag.flush():
                yield self._with(tracks)

    def waiting(self) -> list[LateResult]:
        """Returns the results that wait, oldest first."""
        return [
            LateResult(
                index=result.frame.index,
                time_s=result.frame.time_s,
                detections=result.detections,
                tracks=result.tracks,
                dropped=result.dropped,
                track_count=result.track_count,
                is_coasted=result.is_coasted,
                unreported=result.unreported,
            )
            for result in self._waiting
        ]

    def set_waiting(
        self, late: Sequence[LateResult], frames: Mapping[int, Frame], run: RunInfo
    ) -> None:
        """Makes these results wait.

        Args:
            late: The results, oldest first.
            frames: Their frames, by number.
            run: The run that they belong to.

        Raises:
            DataError: A frame is missing.
        """
        missing = [one.index for one in late if one.index not in frames]
        if missing:
            raise DataError(f"expected frame {missing[0]} of the source, got none")
        self._waiting = deque(
            TrackedFrame(
                frames[one.index],
                one.detections,
                one.tracks,
                {},
                run,
                one.dropped,
                one.track_count,
                is_coasted=one.is_coasted,
                unreported=one.unreported,
            )
            for one in late
        )

    def _with(self, tracks: Tracks) -> TrackedFrame:
        result = self._waiting.popleft()
        return result if tracks is result.tracks else replace(result, tracks=tracks)
