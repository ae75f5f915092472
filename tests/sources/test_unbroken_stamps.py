"""Clocks that start again, wrap around and jump, on stamps derived by hand."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tracker.sources.unbroken_stamps import StampRules, UnbrokenStamps

RULES = StampRules(interval=10, tolerance=10, key_tolerance=0, period=1000, longest_gap=300)


@dataclass
class Packet:
    """Stamps of a packet, and whether decoding can begin there."""

    pts: int | None
    dts: int | None
    is_keyframe: bool = False


def unbroken(
    stamps: Sequence[tuple[int | None, int | None]], *, rules: StampRules = RULES
) -> list[tuple[int | None, int | None]]:
    """Returns (pts, dts) after the clock was made to go on; the first packet is a keyframe."""
    packets = [Packet(pts, dts, is_keyframe=n == 0) for n, (pts, dts) in enumerate(stamps)]
    return [(p.pts, p.dts) for p in UnbrokenStamps[Packet](rules).unbroken(packets)]


def reordered(begin: int) -> list[tuple[int, int]]:
    """I P B B: shown at begin + 20, 50, 30, 40; decoded from begin on."""
    steps = [(20, 0), (50, 10), (30, 20), (40, 30)]
    return [(begin + pts, begin + dts) for pts, dts in steps]


def test_nothing() -> None:
    assert unbroken([]) == []


def test_a_clock_that_rises_is_left_alone() -> None:
    assert unbroken(reordered(7)) == reordered(7)


@pytest.mark.parametrize("begin", [0, 7, 15])
def test_a_clock_that_starts_again_goes_on_one_interval_later(begin: int) -> None:
    # The first part is shown until 57; wherever the second begins, its first frame is at 67.
    assert unbroken(reordered(7) + reordered(begin)) == reordered(7) + reordered(47)


def test_three_parts_follow_each_other() -> None:
    parts = unbroken(reordered(7) + reordered(0) + reordered(3))
    assert parts == reordered(7) + reordered(47) + reordered(87)


def test_frames_before_the_first_keyframe_of_a_part_do_not_overlap() -> None:
    # An open GOP: the keyframe is shown at 30, after the two that follow it.
    group = [(30, 0), (10, 10), (20, 20)]
    assert unbroken(reordered(7) + group)[4:] == [(87, 57), (67, 67), (77, 77)]


def test_a_part_of_one_packet_at_the_end() -> None:
    assert unbroken([*reordered(7), (5, 0)]) == [*reordered(7), (67, 62)]


def test_a_clock_that_wraps_around_goes_on() -> None:
    stamps = [(970, 960), (990, 970), (980, 980), (0, 990), (10, 0), (20, 10)]
    expected = [(970, 960), (990, 970), (980, 980), (1000, 990), (1010, 1000), (1020, 1010)]
    assert unbroken(stamps) == expected


def test_a_new_clock_that_was_taken_for_one_that_wrapped() -> None:
    # libavformat adds a period to 0, since it lies before the first stamp.
    first = reordered(300)
    assert unbroken(first + reordered(1000)) == first + reordered(340)


def test_a_step_forward_is_kept_and_reported_if_it_is_long() -> None:
    gaps: list[int] = []
    stamps = UnbrokenStamps[Packet](RULES, gaps.append)
    packets = [Packet(dts, dts) for dts in (0, 10, 310, 320, 721)]
    assert [p.pts for p in stamps.unbroken(packets)] == [0, 10, 310, 320, 721]
    assert gaps == [401]


def test_a_small_step_back_is_no_new_clock() -> None:
    assert unbroken([(0, 0), (10, 10), (20, 20), (18, 18), (30, 30)])[3] == (18, 18)


def test_packets_without_stamps_pass() -> None:
    stamps = [(0, 0), (None, None), (20, 20), (None, 30)]
    assert unbroken(stamps) == stamps
    rules = StampRules(interval=10, tolerance=0, key_tolerance=0, period=None, longest_gap=300)
    again = unbroken([(0, 0), (10, 10), (0, 0), (None, None), (20, 20)], rules=rules)
    assert again[2:] == [(20, 20), (None, None), (40, 40)]


def test_a_frame_is_not_shown_hours_after_it_is_decoded() -> None:
    # One damaged bit in a presentation stamp; the clock itself goes on.
    rules = dataclasses.replace(RULES, period=None, longest_delay=100)
    stamps = [(0, 0), (10, 10), (8212, 20), (30, 30), (40, 40)]
    expected = [(0, 0), (10, 10), (None, 20), (30, 30), (40, 40)]
    assert unbroken(stamps, rules=rules) == expected
