"""Packets of the source's sound, on the clock of its frames.

Where recordings were joined, the clock of frames and sound restarts. `UnbrokenStamps` makes that
of the frames continuous, and the sound follows: a packet of sound belongs to the recording within
whose bytes it lies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import dropwhile
from typing import TypeAlias, cast

import av
from av.container import InputContainer

from tracker.sources.containers import as_fraction
from tracker.sources.packet_stamps import is_joinable, stamp_rules
from tracker.sources.unbroken_stamps import UnbrokenStamps

AudioPacket: TypeAlias = "av.Packet[av.AudioStream]"
"""A string, because `Packet` is generic only in newer releases of PyAV."""
_VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"

_LEAD_S = 1.0
"""Seeking lands between packets, and late for some containers."""
_MAX_HELD = 2000
"""Packets of sound that wait for a frame: 40 s of AAC. A stream of frames may end early."""


def sound_packets(
    source: InputContainer, stream: av.AudioStream, start_s: float
) -> Iterator[AudioPacket]:
    """Returns the packets of sound from shortly before a time on.

    Args:
        source: The open file.
        stream: Its sound.
        start_s: The time, on the clock of the file's first recording.
    """
    videos = source.streams.video
    if is_joinable(source) and videos:
        # Not by seeking: times may repeat.
        packets: Iterator[AudioPacket] = _JoinedSound(source, stream, videos[0]).packets()
    else:
        if start_s > 0 and stream.time_base is not None:
            source.seek(max(0, round((start_s - _LEAD_S) / stream.time_base)), stream=stream)
        packets = source.demux(stream)
    return dropwhile(lambda packet: _begins_before(packet, start_s - _LEAD_S), packets)


def _begins_before(packet: AudioPacket, time_s: float) -> bool:
    return packet.pts is None or float(packet.pts * packet.time_base) < time_s


@dataclass(frozen=True, slots=True)
class _Join:
    """The start of a recording: its first frame, the last one before it, and its offset."""

    first_at: int
    last_at: int
    offset: int


class _JoinedSound:
    """Reads frames and sound of joined recordings together."""

    def __init__(
        self, source: InputContainer, sound: av.AudioStream, video: av.VideoStream
    ) -> None:
        assert sound.time_base is not None
        assert video.time_base is not None
        self._source, self._sound, self._video = source, sound, video
        self._rules = stamp_rules(source, video)
        self._stamps: UnbrokenStamps[_VideoPacket] = UnbrokenStamps(self._rules)
        self._ticks: Fraction = as_fraction(video.time_base) / as_fraction(sound.time_base)
        self._joins: deque[_Join] = deque()
        self._held: deque[tuple[AudioPacket, int]] = deque()
        self._seen_at = self._sound_at = 0  # bytes before which all frames, all sound is read
        self._shown_dts: int | None = None
        self._joined_offset = self._offset = 0
        self._last_dts: int | None = None

    def packets(self) -> Iterator[AudioPacket]:
        """Returns the packets of sound."""
        for packet in self._source.demux(self._video, self._sound):
            if not packet.size:
                continue
            if packet.stream.index == self._sound.index:
                self._sound_at = self._sound_at if packet.pos is None else packet.pos
                self._held.append((cast(AudioPacket, packet), self._sound_at))
            else:
                self._note(self._stamps.push(cast(_VideoPacket, packet)))
            while self._held and (self._held[0][1] <= self._seen_at or len(self._held) > _MAX_HELD):
                yield self._placed(*self._held.popleft())
        self._note(self._stamps.flush())
        while self._held:
            yield self._placed(*self._held.popleft())

    def _note(self, frames: list[_VideoPacket]) -> None:
        """Records frames with known time stamps."""
        for packet in frames:
            at = self._seen_at if packet.pos is None else packet.pos
            if self._stamps.offset != self._joined_offset:
                self._joined_offset = self._stamps.offset
                self._joins.append(_Join(at, self._seen_at, self._joined_offset))
            self._seen_at = at
            self._shown_dts = packet.dts if packet.dts is not None else self._shown_dts

    def _placed(self, packet: AudioPacket, at: int) -> AudioPacket:
        """Returns a packet of sound with stamps of the continuous clock."""
        while self._joins and self._is_after(self._joins[0], packet, at):
            self._offset = self._joins.popleft().offset
        self._last_dts = packet.dts if packet.dts is not None else self._last_dts
        shift = round(self._offset * self._ticks)
        if packet.dts is not None:
            shift += self._turns(packet.dts + shift)
            packet.dts += shift
        if packet.pts is not None:
            packet.pts += shift
        return packet

    def _is_after(self, join: _Join, packet: AudioPacket, at: int) -> bool:
        if at >= join.first_at:
            return True
        # Between the last frame and the first one, the sound's own clock decides.
        is_back = None not in (packet.dts, self._last_dts) and packet.dts < self._last_dts  # type: ignore[operator]
        return at > join.last_at and is_back

    def _turns(self, dts: int) -> int:
        """Returns the ticks of whole turns of the clock between a stamp and the frames."""
        period = self._rules.period
        if period is None or self._shown_dts is None:
            return 0
        return period * round((self._shown_dts - dts) / period)
