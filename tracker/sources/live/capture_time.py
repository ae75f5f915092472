"""When the frames of a stream were taken, by their stamps and the least delayed of them.

Comes in: a frame's own stamp and when it arrived. Goes out: when it was taken, on our clock.

A frame that waited in a buffer, of this machine or on the way, arrives late; its stamp does not
tell so, since nobody knows how far the sender's clock is from ours. The frame that took least time
does: what others took longer than it is their delay. This is the minimum filter by which clocks
are compared over a network (RFC 5905, sec. 10, keeps the sample of the lowest delay).
"""

_CREEP = 100e-6
"""How fast the offset may rise, in seconds a second: above what the quartz of a camera is off."""

_MAX_LEAP_S = 10.0
"""A stamp this much further on than real time is of a clock that was set."""


class CaptureTimes:
    """Times of capture over one connection, on the clock of the arrivals.

    The least time that a frame took since it was taken is not known and counts as none: times are
    too late by it, and by what the least delayed frame so far was delayed. A frame of a burst at
    the beginning is told to be as old as the last one until that has come.

    A delay is told in full as it builds up. One that stays is forgotten at 100 ppm, 0.36 s an hour,
    since it cannot be told from a sender's clock that is slow.
    """

    def __init__(self) -> None:
        self._offset_s = 0.0
        self._last: tuple[float, float] | None = None

    def at(self, stamp_s: float, arrived_s: float) -> float:
        """Returns when the next frame was taken: at its arrival or before.

        It is not before the last one where stamps and arrivals rise. After a stamp that does not
        rise, or leaps ahead of real time, delays are learned anew.

        Args:
            stamp_s: The frame's stamp in seconds, from any origin.
            arrived_s: When it arrived, on a clock that nobody sets.
        """
        offset_s = arrived_s - stamp_s
        if self._last is not None and self._is_believed(stamp_s, arrived_s):
            elapsed_s = max(arrived_s - self._last[1], 0.0)
            offset_s = min(offset_s, self._offset_s + _CREEP * elapsed_s)
        self._offset_s, self._last = offset_s, (stamp_s, arrived_s)
        return min(stamp_s + offset_s, arrived_s)

    def _is_believed(self, stamp_s: float, arrived_s: float) -> bool:
        assert self._last is not None
        step_s, elapsed_s = stamp_s - self._last[0], arrived_s - self._last[1]
        return 0 < step_s <= elapsed_s + _MAX_LEAP_S
