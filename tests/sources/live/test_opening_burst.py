"""Arrivals of packets that waited while a stream was opened."""

import errno
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from av.packet import Packet

from tracker.sources.live.opening_burst import timed_packets


class Stream:
    """Packets 0.04 s apart, read at given times of a clock; then an end, or an error."""

    def __init__(self, *read_s: float, error: Exception | None = None, stamped_from: int = 0):
        self.now_s = 0.0
        self._read_s, self._error, self._stamped_from = read_s, error, stamped_from

    def clock(self) -> float:
        return self.now_s

    def packets(self) -> Iterator["Packet[Any]"]:
        for number, read_s in enumerate(self._read_s):
            self.now_s = read_s
            packet: Packet[Any] = Packet(b"x")
            packet.time_base = Fraction(1, 100)
            if number >= self._stamped_from:
                packet.pts = packet.dts = 4 * number
            yield packet
        if self._error is not None:
            raise self._error

    def timed(self, opened_from_s: float = -1.0) -> tuple[list[float], list[int | None]]:
        """The arrivals, and the stamps."""
        found = list(timed_packets(self.packets(), opened_from_s, self.clock))
        return [at for _, at in found], [packet.pts for packet, _ in found]


def test_packets_that_waited_are_counted_back_from_the_first_that_did_not() -> None:
    arrivals, stamps = Stream(0.001, 0.002, 0.003, 0.030, 0.070, 0.120).timed()
    assert arrivals == pytest.approx([-0.09, -0.05, -0.01, 0.03, 0.07, 0.12])
    assert stamps == [0, 4, 8, 12, 16, 20]


def test_a_stream_that_is_faster_than_real_time_is_timed_by_its_reading() -> None:
    arrivals, _ = Stream(0.001, 0.002, 0.003, 0.004).timed(opened_from_s=-0.05)
    assert arrivals == pytest.approx([0.003, 0.003, 0.003, 0.004])


def test_stamps_that_the_first_packets_lack_follow_from_the_next_ones() -> None:
    arrivals, stamps = Stream(0.001, 0.002, 0.003, 0.004, 0.030, stamped_from=2).timed()
    assert stamps == [0, 4, 8, 12, 16]
    assert arrivals == pytest.approx([-0.13, -0.09, -0.05, -0.01, 0.03])


def test_one_stamp_gives_no_other() -> None:
    arrivals, stamps = Stream(0.001, 0.002, 0.03, stamped_from=2).timed()
    assert (arrivals, stamps) == (pytest.approx([0.03] * 3), [None, None, 8])


def test_without_stamps_reading_is_all_that_is_known() -> None:
    arrivals, stamps = Stream(0.001, 0.002, 0.03, stamped_from=9).timed()
    assert (arrivals, stamps) == (pytest.approx([0.03] * 3), [None] * 3)


def test_none_and_one() -> None:
    assert Stream().timed() == ([], [])
    assert Stream(0.001).timed() == ([0.001], [0])


def test_an_error_comes_after_the_packets_before_it() -> None:
    failing = Stream(0.001, 0.002, error=OSError(errno.EIO, "broken")).packets()
    timed = timed_packets(failing, -1.0, lambda: 0.002)
    assert [next(timed)[0].dts, next(timed)[0].dts] == [0, 4]
    with pytest.raises(OSError, match="broken"):
        next(timed)
