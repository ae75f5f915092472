"""Continuous time stamps of packets where the clock of a recording restarts.

Two recordings that were joined byte by byte, as transport and program streams can be, have two
clocks. Packets arrive in decoding order; their stamps are changed in place so that the first
frame of the second recording follows the last one of the first after one nominal interval. Frames
decoded afterwards, with any number of threads, have rising stamps.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

_MAX_REORDERED = 32
"""Packets after which the first frame of a new clock has surely been read: H.264 reorders 16."""


class StampedPacket(Protocol):
    """A packet with stamps in ticks of its stream, such as PyAV's."""

    pts: int | None
    dts: int | None

    @property
    def is_keyframe(self) -> bool:
        """Whether decoding can begin here."""
        ...


P = TypeVar("P", bound=StampedPacket)


@dataclass(frozen=True, slots=True)
class StampRules:
    """Rules of a clock, in ticks.

    Attributes:
        interval: Nominal ticks from frame to frame, >= 1.
        tolerance: Largest backward step of decoding stamps that is not a new clock, >= 0.
        key_tolerance: The same at a keyframe, with which recordings begin.
        period: Ticks after which the clock wraps around; `None` where it does not.
        longest_gap: A longer step forward is reported.
        longest_delay: Longest time from decoding to display: a larger stamp is damaged, and
            removed; `None` where the stamps cannot be damaged alone.
    """

    interval: int
    tolerance: int
    key_tolerance: int
    period: int | None
    longest_gap: int
    longest_delay: int | None = None


class UnbrokenStamps(Generic[P]):
    """Makes the stamps of one stream's packets continuous.

    A clock that wraps around continues. libavformat takes a clock that restarts at a lower value
    for one that wrapped, and adds one period to it: steps are therefore taken modulo the period,
    and a step of more than half of it is a step back.

    Args:
        rules: Rules of the clock.
        report_gap: Called with the ticks of each step that is longer than `rules.longest_gap`.
    """

    def __init__(
        self, rules: StampRules, report_gap: Callable[[int], None] = lambda ticks: None
    ) -> None:
        self.offset = 0
        """Ticks currently added to the stamps."""
        self._rules = rules
        self._report_gap = report_gap
        self._last_dts: int | None = None
        self._last_pts: int | None = None
        self._held: list[P] = []

    def unbroken(self, packets: Iterable[P]) -> Iterator[P]:
        """Returns all packets, in the same order, with changed stamps."""
        for packet in packets:
            yield from self.push(self._without_damage(packet))
        yield from self.flush()

    def push(self, packet: P) -> list[P]:
        """Returns the packets that are ready: none while the beginning of a new clock is read."""
        if self._held:
            self._held.append(packet)
            return self._release() if self._is_beginning_known() else []
        dts = packet.dts
        if dts is None or self._last_dts is None:
            return [self._changed(packet)]
        raw_step = dts + self.offset - self._last_dts
        step = self._modulo(raw_step)
        rules = self._rules
        if step < -(rules.key_tolerance if packet.is_keyframe else rules.tolerance):
            self._held.append(packet)
            return []
        if step > rules.longest_gap:
            self._report_gap(step)
        self.offset += step - raw_step
        return [self._changed(packet)]

    def _without_damage(self, packet: P) -> P:
        pts, dts, longest = self._pts(packet), packet.dts, self._rules.longest_delay
        if pts is not None and dts is not None and longest is not None:
            if abs(pts - dts) > longest:
                packet.pts = None
        return packet

    def flush(self) -> list[P]:
        """Returns the delayed packets at the end."""
        ready = []
        while self._held:
            ready += self._release()
        return ready

    def _is_beginning_known(self) -> bool:
        """Returns whether no packet to come can be shown before those held: pts >= dts rises."""
        first, dts = self._first_held(), self._held[-1].dts
        return len(self._held) > _MAX_REORDERED or (dts is not None and dts >= first)

    def _first_held(self) -> int:
        stamps = [self._pts(packet) for packet in self._held]
        return min(stamp for stamp in stamps if stamp is not None)

    def _release(self) -> list[P]:
        held, self._held = self._held, []
        end = self._last_pts if self._last_pts is not None else self._last_dts
        assert end is not None, "a clock that starts again had a beginning"
        stamps = [stamp for packet in held if (stamp := self._pts(packet)) is not None]
        self.offset = end + self._rules.interval - min(stamps)
        self._last_dts = None
        ready = []
        for packet in held:  # A third clock may begin within what was held.
            ready += self.push(packet)
        return ready

    def _changed(self, packet: P) -> P:
        pts, dts = self._pts(packet), packet.dts
        if dts is not None:
            self._last_dts = dts + self.offset
            if self.offset:
                packet.dts = self._last_dts
        if pts is not None:
            pts += self.offset
            self._last_pts = pts if self._last_pts is None else max(self._last_pts, pts)
            if pts != packet.pts and packet.pts is not None:
                packet.pts = pts
        return packet

    def _pts(self, packet: P) -> int | None:
        """Returns when a packet is shown, on the same turn of the clock as it is decoded."""
        pts, dts = packet.pts, packet.dts
        if pts is None or dts is None:
            return dts if pts is None else pts
        return dts + self._modulo(pts - dts)

    def _modulo(self, ticks: int) -> int:
        """Returns the smallest step, forward or back, with the same reading of the clock."""
        period = self._rules.period
        if period is None:
            return ticks
        return (ticks + period // 2) % period - period // 2
