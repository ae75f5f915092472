"""Stamps and arrivals of the packets that waited while a stream was being opened.

FFmpeg reads frames to determine size and rate, and returns them at once when the stream is open.
Measured with RTSP: those of 0.3 to 0.9 s. Their time stamps give their arrival, counted back from
the first packet that had to be waited for. The first frame of RTSP has no stamp (FFmpeg 7, two
servers): those of the next ones give it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

_AT_ONCE_S = 0.005
"""A packet that takes longer to read was not there yet. Reading one that is takes microseconds."""

_FOR_A_STAMP = 3
"""Packets that give the missing stamp of the first; FFmpeg has read as many of RTSP."""


def timed_packets(
    packets: Iterable["Packet[Stream]"],
    opened_from_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple["Packet[Stream]", float]]:
    """Yields each packet and its arrival; sets the stamps that the first packets lack.

    Packets that are returned at once at the beginning are held back until the first one that is
    not. Where they span more time than has passed since the opening began, the stream is not sent
    in real time, and the time of reading counts as their arrival.

    Args:
        packets: Those of a live stream with time stamps, from its first one on.
        opened_from_s: When its opening began.
        clock: Returns the seconds of the clock of the arrivals.
    """
    rest = iter(packets)
    waiting: list[Packet[Stream]] = []
    failure, is_live, read_s = None, True, clock()
    try:
        for packet in rest:
            before_s, read_s = read_s, clock()
            waiting.append(packet)
            is_live = _span_s(waiting) <= read_s - opened_from_s
            is_enough = waiting[0].pts is not None or len(waiting) >= _FOR_A_STAMP
            if not is_live or (is_enough and read_s - before_s >= _AT_ONCE_S):
                break
    except Exception as error:
        failure = error
    _set_first_stamps(waiting)
    yield from zip(waiting, _arrivals(waiting, read_s, is_live=is_live), strict=True)
    if failure is not None:
        raise failure
    for packet in rest:
        yield packet, clock()


def _arrivals(packets: Sequence["Packet[Stream]"], last_s: float, *, is_live: bool) -> list[float]:
    """Returns when packets arrived of which the last one did at a given time."""
    stamps = [_stamp_s(packet) for packet in packets]
    arrivals: list[float] = []
    arrived_s = last_s
    for stamp in reversed(stamps):
        if is_live and stamp is not None and stamps[-1] is not None:
            arrived_s = min(arrived_s, last_s - (stamps[-1] - stamp))
        arrivals.append(arrived_s)
    return arrivals[::-1]


def _set_first_stamps(packets: Sequence["Packet[Stream]"]) -> None:
    """Sets the missing stamps of the first packets, which are shown before all others."""
    missing = next((n for n, packet in enumerate(packets) if packet.pts is not None), 0)
    shown = sorted({packet.pts for packet in packets[missing:] if packet.pts is not None})
    if missing and len(shown) > 1:
        step = min(after - before for before, after in pairwise(shown))
        for number, packet in enumerate(packets[:missing]):
            packet.pts = shown[0] - step * (missing - number)
            packet.time_base = packets[missing].time_base


def _span_s(packets: Sequence["Packet[Stream]"]) -> float:
    """Returns the seconds from the first packet with a stamp to the last one; 0 without."""
    first = next((packet for packet in packets if _stamp_s(packet) is not None), packets[-1])
    start, end = _stamp_s(first), _stamp_s(packets[-1])
    return 0.0 if start is None or end is None else end - start


def _stamp_s(packet: "Packet[Stream]") -> float | None:
    stamp = packet.pts if packet.dts is None else packet.dts
    return None if stamp is None else float(stamp * packet.time_base)
