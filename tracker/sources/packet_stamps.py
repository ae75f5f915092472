"""The meaning of packet time stamps by container, and how they are made continuous.

Files, pipes and the scan for a start all read packets through `unbroken_packets`, so that they
agree on the time and the number of every frame.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from fractions import Fraction
from typing import cast

from av.container import Container, InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.stream import VideoStream

from tracker.sources.containers import as_fraction
from tracker.sources.unbroken_stamps import StampRules, UnbrokenStamps

_DEFAULT_RATE = Fraction(30)
_MAX_RATE = 1000
_PERIOD = 2**33  # ISO/IEC 13818-1, 2.4.3.7: stamps of transport and program streams have 33 bits
_LONG_GAP_S = 600
_LONG_GAP_FRAMES = 10  # frames of a slow time lapse may be hours apart
_LONG_DELAY_S = 10
_MAX_REORDERED = 16  # H.264, sec. A.3.1
_MAX_LEFT_OUT = 250  # frames: an encoder's usual distance from keyframe to keyframe
_HEADER_BIT = 0x80  # Theora I specification, sec. 6.1


class StampKind(Enum):
    """The meaning of a stream's packet stamps."""

    SHOWN = "shown"
    """When the frame of each packet is shown."""
    SLOTS = "slots"
    """AVI: which slots of its constant rate have a packet. Where frames are reordered, only the
    decoder knows which frame is shown in which slot."""
    NONE = "none"
    """Nothing: raw H.264 or MJPEG, whose frames are counted."""


def stamp_kind(container: InputContainer, stream: VideoStream) -> StampKind:
    """Returns the meaning of the packet stamps."""
    if _has_flag(container, Flags.no_timestamps):
        return StampKind.NONE
    codec = stream.codec_context.codec.canonical_name
    # libavformat gives presentation times of MPEG-4's B-frames, but not of H.264's: measured, those
    # are in decoding order.
    is_guess = container.format.name == "avi" and codec in {"h264", "hevc"}
    return StampKind.SLOTS if is_guess else StampKind.SHOWN


def is_joinable(container: Container) -> bool:
    """Returns whether recordings of this format can be joined byte by byte, clocks and all."""
    return _has_flag(container, Flags.ts_discont)


def stamp_rules(container: InputContainer, stream: VideoStream) -> StampRules:
    """Returns the clock rules of a stream."""
    time_base = as_fraction(stream.time_base or Fraction(1, 90_000))
    interval = interval_ticks(nominal_rate(stream), time_base)
    # In a format that keeps no decoding stamps libavformat computes them, not always in order.
    second = max(round(1 / time_base), 1)
    joinable = is_joinable(container)
    is_mpeg = joinable and time_base == Fraction(1, 90_000)
    return StampRules(
        interval=interval,
        tolerance=interval if joinable else second,
        key_tolerance=0 if joinable else second,
        period=_PERIOD if is_mpeg else None,
        longest_gap=max(round(_LONG_GAP_S / time_base), _LONG_GAP_FRAMES * interval),
        longest_delay=max(_LONG_DELAY_S * second, 2 * _MAX_REORDERED * interval)
        if joinable
        else None,
    )


def unbroken_packets(
    packets: Iterable["Packet[VideoStream]"],
    stamps: UnbrokenStamps["Packet[VideoStream]"],
    kind: StampKind,
) -> Iterator["Packet[VideoStream]"]:
    """Returns the packets of a stream with continuous time stamps.

    With reordered slots, the stamp of a packet is its slot, which also identifies it.
    """
    packets = _from_keyframe(packets)
    if kind is StampKind.SLOTS:
        packets = map(_with_slot, packets)
    return stamps.unbroken(map(_without_header_stamps, packets))


def gap_text(ticks: int, time_base: Fraction) -> str:
    """Returns the message about a clock that jumps forward."""
    minutes = float(ticks * time_base) / 60
    length = f"{minutes / 60:.1f} hours" if minutes >= 60 else f"{minutes:.0f} minutes"
    return f"its clock jumps forward by {length}; the times of the frames keep that gap"


def nominal_rate(stream: VideoStream) -> Fraction:
    """Returns the nominal frame rate.

    The average is right for a variable rate; the guess is the exact fraction (30000/1001) where the
    average was measured on a few frames and is off by less than 1 %.
    """
    # PyAV 19 has rationals of its own.
    average, guess = as_fraction(stream.average_rate or 0), as_fraction(stream.guessed_rate or 0)
    if average and guess and abs(guess / average - 1) < Fraction(1, 100):
        average = guess
    rate = average or guess
    return rate if rate and 0 < rate <= _MAX_RATE else _DEFAULT_RATE


def interval_ticks(rate: Fraction, time_base: Fraction) -> int:
    """Returns the whole ticks nearest to the time from frame to frame, at least one."""
    return max(round(1 / (rate * time_base)), 1)


def exact_seconds(ticks: int, time_base: Fraction) -> float:
    """Returns the float64 nearest to `ticks * time_base`."""
    # Division of integers rounds once; a product of floats would round twice.
    return ticks * time_base.numerator / time_base.denominator


def _with_slot(packet: "Packet[VideoStream]") -> "Packet[VideoStream]":
    packet.pts = packet.dts
    return packet


def _from_keyframe(
    packets: Iterable["Packet[VideoStream]"],
) -> Iterator["Packet[VideoStream]"]:
    """Returns the packets from the first keyframe on, or from a place where there should be one.

    Transport and program streams may begin anywhere; a decoder that starts in the middle of a group
    of pictures (GOP) shows grey smears. In other formats the flags of keyframes may be missing.
    """
    begun, left_out = False, 0
    for packet in packets:
        begun = begun or packet.is_keyframe or left_out == _MAX_LEFT_OUT
        if begun or not is_joinable(packet.stream.container):
            yield packet
        else:
            left_out += 1


def is_header(packet: "Packet[VideoStream]") -> bool:
    """Returns whether a packet holds no frame: Ogg repeats Theora's headers where files join."""
    if packet.stream.codec_context.name != "theora":
        return False
    return bool(memoryview(packet)[0] & _HEADER_BIT)


def _without_header_stamps(packet: "Packet[VideoStream]") -> "Packet[VideoStream]":
    if is_header(packet):
        packet.pts = packet.dts = None
    return packet


def _has_flag(container: Container, flag: Flags) -> bool:
    return bool(container.format.flags & cast(int, flag.value))
