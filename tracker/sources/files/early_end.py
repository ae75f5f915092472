"""Detection of truncated files: what the container declares, compared with what was read.

Only missing data counts. A declared duration alone proves nothing: the sound may be longer than the
frames, and some writers round up. Transport and program streams declare nothing. For Matroska,
whose frames have a duration of their own, it proves damage if unread bytes remain as well.
"""

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, TypeAlias

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

HEAD_BYTES = 4096
"""Bytes of its beginning that a file without random access has to keep for `declared_bytes`."""

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""Returns so many bytes of a file from an offset on, or as many as there are."""

_EBML_SEGMENT = b"\x18\x53\x80\x67"  # RFC 8794, and RFC 9559, sec. 5.1
_MISSING_S = 0.5  # less may be rounding, or a last frame of another length
_UNREAD = 0.02  # of a file: an index and tags may follow the last frame
_FLV_SIZE = b"\x00\x08filesize\x00"  # AMF 0: a name of 8 bytes, then a number


@dataclass(frozen=True, slots=True)
class Bytes:
    """The bytes of a file: their number, and access to those that can still be read."""

    size: int
    read_at: ReadAt


def bytes_of(file: BinaryIO) -> Bytes:
    """Returns the bytes of an open file with random access."""

    def read_at(offset: int, count: int) -> bytes:
        file.seek(offset)
        return file.read(count)

    return Bytes(file.seek(0, os.SEEK_END), read_at)


class PacketTail:
    """Observes the packets as they are read, to find the last complete one."""

    def __init__(self) -> None:
        self.last_dts: int | None = None
        self.last_pts: int | None = None
        self.end: int | None = None
        """End of the frame shown last, according to the packets."""
        self.last_byte = 0

    def watch(self, packets: Iterable["Packet[VideoStream]"]) -> Iterator["Packet[VideoStream]"]:
        """Returns the packets."""
        for packet in packets:
            if packet.dts is not None and not packet.is_corrupt:
                self.last_dts = packet.dts
                shown = packet.dts if packet.pts is None else packet.pts
                self.last_pts = shown if self.last_pts is None else max(self.last_pts, shown)
                end = shown + (packet.duration or 0)
                self.end = end if self.end is None else max(self.end, end)
                self.last_byte = (packet.pos or 0) + packet.size
            yield packet


def early_end(
    container: InputContainer,
    stream: VideoStream,
    tail: PacketTail,
    data: Bytes | None,
    end_s: float,
) -> str | None:
    """Returns a message about a truncated video, `None` for a complete one.

    Args:
        container: The open container.
        stream: Its video stream.
        tail: The packets read last.
        data: The file's bytes; `None` where they are not known.
        end_s: When the last frame ends, after the first one.
    """
    name = container.format.name
    if "mp4" in name:
        is_in_fragment = data is not None and _is_in_fragment(data)
        is_early = is_in_fragment or _lacks_samples(stream, tail)
        total = None if is_in_fragment else stream.duration
    elif name == "avi":
        total = stream.frames  # the slots of its constant rate
        is_early = bool(total) and _lacks_bytes(data) and _slots(tail) < total
    else:
        total = _declared_ticks(container, stream)
        is_early = _lacks_bytes(data) and (total is None or _lasts_longer(stream, total, tail))
        is_early = is_early or _is_unreadable(container, stream, tail, data)
    if not is_early:
        return None
    of = f" of {float(total * stream.time_base):.1f}" if total and stream.time_base else ""
    return f"ends early, at {end_s:.1f}{of} s"


HINT = "its end is missing or damaged: copy or record it again"
"""What to try with a video that was cut off."""


def declared_bytes(data: Bytes) -> int | None:
    """Returns the declared length of the file in bytes; `None` where there is none.

    Example:
        >>> riff = b"RIFF" + (92).to_bytes(4, "little") + b"AVI "
        >>> declared_bytes(Bytes(50, lambda offset, count: riff[offset:][:count]))
        100
    """
    head = data.read_at(0, HEAD_BYTES)
    if head[:4] == b"RIFF":
        return _riff_end(data)
    if head[:4] == b"\x1a\x45\xdf\xa3" and _EBML_SEGMENT in head:
        at = head.index(_EBML_SEGMENT) + 4
        return _ebml_end(head, at)
    if head[:3] == b"FLV" and _FLV_SIZE in head:
        at = head.index(_FLV_SIZE) + len(_FLV_SIZE)
        number: float = struct.unpack(">d", head[at : at + 8])[0]
        return int(number) if 0 < number < 2**53 else None
    return None


def _lacks_bytes(data: Bytes | None) -> bool:
    declared = None if data is None else declared_bytes(data)
    return data is not None and declared is not None and data.size < declared


def _is_unreadable(
    container: InputContainer, stream: VideoStream, tail: PacketTail, data: Bytes | None
) -> bool:
    """Returns whether a damaged Matroska file continues after the last frame found.

    libavformat may find no cluster after a damaged one, and reports an ordinary end.
    """
    total = _own_ticks(container, stream)
    if "matroska" not in container.format.name or total is None or tail.end is None:
        return False
    if not data or not stream.time_base:
        return False
    missing_s = float((total - tail.end) * stream.time_base)
    return missing_s > _MISSING_S and data.size - tail.last_byte > _UNREAD * data.size


def _riff_end(data: Bytes) -> int:
    """Returns where the last RIFF chunk ends; OpenDML files have one for each gigabyte."""
    end = 0
    while (header := data.read_at(end, 8))[:4] == b"RIFF" and len(header) == 8:
        size = int.from_bytes(header[4:], "little")
        if size == 0:  # a recording that was never finished declares nothing
            break
        end += 8 + size
    return end


def _ebml_end(head: bytes, at: int) -> int | None:
    """Returns where an element ends whose size begins at `at` (RFC 8794, sec. 4)."""
    if at >= len(head) or head[at] == 0:
        return None
    length = 9 - head[at].bit_length()
    value = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    is_unknown = value == (1 << 7 * length) - 1
    return None if is_unknown or at + length > len(head) else at + length + value


def _lacks_samples(stream: VideoStream, tail: PacketTail) -> bool:
    """Returns whether an MP4's index names samples after the last whole one that was read."""
    last = max((e.timestamp for e in stream.index_entries if not e.is_discard), default=None)
    return last is not None and (tail.last_dts is None or tail.last_dts < last)


def _is_in_fragment(data: Bytes) -> bool:
    """Returns whether a fragmented MP4 ends within a fragment (ISO/IEC 14496-12, sec. 8.8.4)."""
    at, has_fragments, name = 0, False, b""
    while len(header := data.read_at(at, 16)) >= 8:
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        name = header[4:8]
        has_fragments = has_fragments or name == b"moof"
        if size < 8:
            return False
        at += size
    return has_fragments and name in {b"moof", b"mdat"} and at > data.size


def _slots(tail: PacketTail) -> int:
    return 0 if tail.last_dts is None else tail.last_dts + 1


def _declared_ticks(container: InputContainer, stream: VideoStream) -> int | None:
    """Returns the declared duration of the frames, by their statistics or the container."""
    seconds = _tagged_seconds(stream)
    if seconds is None and container.duration:
        seconds = Fraction(container.duration, 1_000_000)
    return None if seconds is None or not stream.time_base else round(seconds / stream.time_base)


def _own_ticks(container: InputContainer, stream: VideoStream) -> int | None:
    """Returns the declared duration, where it cannot be that of the sound."""
    if _tagged_seconds(stream) is None and len(container.streams) > 1:
        return None
    return _declared_ticks(container, stream)


def _tagged_seconds(stream: VideoStream) -> Fraction | None:
    """Returns Matroska's DURATION tag, which common writers set."""
    parts = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = map(Fraction, parts)
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds


def _lasts_longer(stream: VideoStream, total: int, tail: PacketTail) -> bool:
    """Returns whether more than the duration of the last frame is missing."""
    rate, base = stream.average_rate, stream.time_base
    if tail.last_pts is None or not rate or not base:
        return True
    return total > tail.last_pts + Fraction(3, 2) / (rate * base)
