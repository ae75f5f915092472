"""Strictly rising frame times, across broken time stamps and lost connections."""

from dataclasses import dataclass
from fractions import Fraction

from tracker.sources.packet_stamps import exact_seconds, interval_ticks

# HLS skips segments that its server no longer has; a longer jump that did not take as long in real
# time is a clock that was set.
_MAX_JUMP_S = 10.0

_MAX_LATE = 4
"""Frames in a row that the decoder may return after one that is shown later."""


@dataclass(slots=True)
class _Latest:
    """The highest stamp so far, the time that belongs to it, and the frames since then."""

    stamp: int
    ticks: int
    late: int = 0


class StreamClock:
    """Seconds since the first frame, in whole ticks of one unit.

    The stream's own time stamps are used where they rise without a jump: they have no network
    jitter. Otherwise, and from one connection to the next, the time between arrivals is used; for
    recordings, one nominal interval.

    Args:
        time_base: The unit of the times.
        rate: Nominal frames a second.
        origin: The stamp, in seconds, of time zero; `None` for that of the first frame.
    """

    def __init__(
        self, time_base: Fraction, rate: Fraction, *, origin: Fraction | None = None
    ) -> None:
        self._time_base = time_base
        self._interval = interval_ticks(rate, time_base)
        self._origin = None if origin is None else round(origin / time_base)
        self._ticks: int | None = None
        self._stamp: int | None = None
        self._latest: _Latest | None = None
        self._arrived_s: float | None = None

    def reconnected(self) -> None:
        """Marks the next time stamp as that of a new connection, not comparable with the last."""
        self._stamp = self._latest = None

    def seconds(self, stamp: Fraction | None, arrived_s: float | None) -> float:
        """Returns the time of the next frame: later than that of the last one.

        Args:
            stamp: Its own stamp in seconds, from any origin; `None` if it has none.
            arrived_s: When it arrived, on a monotonic clock; `None` if it is not live.
        """
        ticks = None if stamp is None else round(stamp / self._time_base)
        if self._ticks is None:
            origin = ticks if self._origin is None else self._origin
            self._ticks = 0 if ticks is None or origin is None else max(ticks - origin, 0)
        elif arrived_s is None or self._arrived_s is None:
            self._ticks += self._recorded_step(self._ticks, ticks)
        else:
            self._ticks += self._live_step(ticks, arrived_s - self._arrived_s)
        if self._latest is None and ticks is not None:
            self._latest = _Latest(ticks, self._ticks)
        self._stamp, self._arrived_s = ticks, arrived_s
        return exact_seconds(self._ticks, self._time_base)

    def _recorded_step(self, last: int, ticks: int | None) -> int:
        """Returns the step of a recording, in which a damaged frame may be decoded too late.

        The frames after it keep their own times: they are compared with the latest stamp, until so
        many were before it that the clock must have been set back.
        """
        latest, step = self._latest, None
        if ticks is not None and latest is not None and ticks > latest.stamp:
            latest.ticks += ticks - latest.stamp
            latest.stamp, latest.late = ticks, 0
            return max(latest.ticks - last, 1)
        if ticks is not None and self._stamp is not None:
            step = ticks - self._stamp
        step = step if step is not None and step > 0 else self._interval
        if latest is not None:
            latest.late += 1
            if latest.late > _MAX_LATE:
                self._latest = None if ticks is None else _Latest(ticks, last + step)
        return step

    def _live_step(self, ticks: int | None, elapsed_s: float) -> int:
        step = None if ticks is None or self._stamp is None else ticks - self._stamp
        elapsed = elapsed_s / float(self._time_base)
        longest = elapsed + _MAX_JUMP_S / float(self._time_base)
        if step is not None and 0 < step <= longest:
            return step
        return max(round(elapsed), 1)
