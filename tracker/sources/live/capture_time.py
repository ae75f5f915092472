"""Capture times of stream frames, from their time stamps and the least delayed frame.

A frame that waited in a buffer, here or on the network, arrives late. Its time stamp does not show
it, since the offset between the sender's clock and that of this machine is
unknown. The least delayed frame gives
that offset; the excess of the others is their delay. This is the minimum filter by which clocks are
compared over a network (RFC 5905, sec. 10, keeps the sample of the lowest delay).
"""

_CREEP = 100e-6
"""Rate at which the offset may rise, in seconds a second: above the drift of a camera's quartz."""

_MAX_LEAP_S = 10.0
"""A time stamp this far ahead of real time means that the clock was set."""


class CaptureTimes:
    """Times of capture over one connection, on the clock of the arrivals.

    The smallest transport time is unknown and counts as zero: capture times are too late by it, and
    by the delay of the least delayed frame so far. In a burst at the beginning, latency is too low
    until its last frame has arrived.

    A growing delay is measured in full. A constant one decays at 100 ppm, 0.36 s an hour, since it
    cannot be distinguished from a slow sender's clock.
    """

    def __init__(self) -> None:
        self._offset_s = 0.0
        self._last: tuple[float, float] | None = None

    def at(self, stamp_s: float, arrived_s: float) -> float:
        """Returns when the next frame was captured: at its arrival or before.

        It is not before the last one where stamps and arrivals rise. After a stamp that does not
        rise, or leaps ahead of real time, delays are estimated again.

        Args:
            stamp_s: The frame's stamp in seconds, from any origin.
            arrived_s: When it arrived, on a monotonic clock.
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
