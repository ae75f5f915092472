"""Times of frames that always rise, across broken stamps and lost connections.

Comes in: a frame's own stamp and when it arrived. Goes out: seconds since the first frame.
"""

from fractions import Fraction

from tracker.util.packet_stamps import exact_seconds, interval_ticks

# HLS leaves out what its server no longer has; a jump that is longer than that, and did not take
# that long, is a clock that was set.
_MAX_JUMP_S = 10.0


class StreamClock:
    """Seconds since the first frame, in whole ticks of one unit.

    The stream's own stamps count where they rise without a leap: they hold no jitter of the
    network. Where they do not, and from one connection to the next, the real time between arrivals
    counts; of what is not live, one nominal interval.

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
        self._arrived_s: float | None = None

    def reconnected(self) -> None:
        """Notes that the next stamp is of another connection and not to be compared."""
        self._stamp = None

    def seconds(self, stamp: Fraction | None, arrived_s: float | None) -> float:
        """Returns the time of the next frame: later than that of the last one.

        Args:
            stamp: Its own stamp in seconds, from any origin; `None` if it has none.
            arrived_s: When it arrived, on a clock that nobody sets; `None` if it is not live.
        """
        ticks = None if stamp is None else round(stamp / self._time_base)
        if self._ticks is None:
            origin = ticks if self._origin is None else self._origin
            self._ticks = 0 if ticks is None or origin is None else max(ticks - origin, 0)
        else:
            self._ticks += self._step(ticks, arrived_s)
        self._stamp, self._arrived_s = ticks, arrived_s
        return exact_seconds(self._ticks, self._time_base)

    def _step(self, ticks: int | None, arrived_s: float | None) -> int:
        step = None if ticks is None or self._stamp is None else ticks - self._stamp
        if arrived_s is None or self._arrived_s is None:
            return step if step is not None and step > 0 else self._interval
        elapsed = (arrived_s - self._arrived_s) / float(self._time_base)
        longest = elapsed + _MAX_JUMP_S / float(self._time_base)
        if step is not None and 0 < step <= longest:
            return step
        return max(round(elapsed), 1)
