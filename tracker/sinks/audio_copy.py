"""The sound of the source, copied into the written video.

Packets are copied where the container supports their codec, else encoded as AAC.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from numpy.typing import NDArray

from tracker.sinks.sound_packets import AudioPacket, sound_packets
from tracker.sources.containers import as_fraction, open_container
from tracker.sources.packet_stamps import is_joinable

_COPIED = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac"},
    "matroska": {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"},
}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


class _Writer(Protocol):
    """Turns packets of the source into packets of the new file."""

    def packets(self, packet: AudioPacket, end_s: float) -> Iterator[AudioPacket]:
        """Returns the packets for one of the source; `end_s` ends the new file, if known."""
        ...

    def rest(self) -> Iterator[AudioPacket]:
        """Returns the delayed packets."""
        ...


class Sound:
    """Reads sound in step with the frames and adds it to the new file.

    Made by `open_sound`.
    """

    def __init__(
        self,
        source: InputContainer,
        output: OutputContainer,
        writer: _Writer,
        packets: Iterator[AudioPacket],
        start_s: float,
    ) -> None:
        self.problem = ""
        """Why the sound ends early, or an empty text."""
        self._source = source
        self._output = output
        self._writer = writer
        self._start_s = start_s
        self._packets = packets
        self._next: AudioPacket | None = None

    def pump(self, until_s: float) -> None:
        """Adds the sound that ends before this time of the new file."""
        while (packet := self._peek()) is not None:
            if self._begin_s(packet) + _length_s(packet) > until_s:
                return
            self._add(packet, float("inf"))

    def finish(self, end_s: float) -> None:
        """Adds the rest of the sound, up to the end of the last frame, and closes the source."""
        while (packet := self._peek()) is not None and self._begin_s(packet) < end_s:
            self._add(packet, end_s)
        try:
            for packet in self._writer.rest():
                self._output.mux(packet)
        except av.FFmpegError as error:
            self.problem = str(error)
        self.close()

    def close(self) -> None:
        """Closes the source of the sound."""
        self._source.close()

    def _peek(self) -> AudioPacket | None:
        while self._next is None and not self.problem:
            try:
                self._next = next(self._packets, None)
            except av.FFmpegError as error:
                self.problem = str(error)
            if self._next is None:
                return None
            if self._next.pts is None:  # The mark that ends the stream.
                self._next = None
        return self._next

    def _begin_s(self, packet: AudioPacket) -> float:
        assert packet.pts is not None
        return float(packet.pts * packet.time_base) - self._start_s

    def _add(self, packet: AudioPacket, end_s: float) -> None:
        self._next = None
        try:
            for out in self._writer.packets(packet, end_s):
                self._output.mux(out)
        except av.FFmpegError as error:
            self.problem = str(error)


def open_sound(path: str, output: OutputContainer, *, start_s: float) -> Sound | None:
    """Returns the sound of a file, ready to be added to `output`; `None` where there is none.

    Args:
        path: File with sound.
        output: The new file, before its first packet.
        start_s: Time stamp in seconds, within `path`, of the new file's first frame.

    Raises:
        av.FFmpegError: The file cannot be read.
    """
    source = open_container(path)
    try:
        if not source.streams.audio:
            source.close()
            return None
        stream = source.streams.audio[0]
        packets = sound_packets(source, stream, start_s)
        first = next(packets, None)
        writer: _Writer
        if _can_copy(stream, output, first):
            writer = _Copy(stream, output, first, start_s)
        else:
            # Elsewhere time stamps may be rounded and jitter.
            tolerance_s = 0.003 if is_joinable(source) else 0.05
            writer = _Encode(stream, output, start_s, tolerance_s)
    except BaseException:
        source.close()
        raise
    return Sound(source, output, writer, _from(first, packets), start_s)


def _from(first: AudioPacket | None, packets: Iterator[AudioPacket]) -> Iterator[AudioPacket]:
    if first is not None:
        yield first
    yield from packets


def _can_copy(stream: av.AudioStream, output: OutputContainer, first: AudioPacket | None) -> bool:
    name = stream.codec_context.codec.canonical_name
    if name not in _COPIED[output.format.name]:
        return False
    return not _is_bare_aac(stream) or bool(first and adts_config(bytes(first)))


def _is_bare_aac(stream: av.AudioStream) -> bool:
    """Returns whether each packet has an ADTS header instead of one description up front."""
    context = stream.codec_context
    return context.codec.canonical_name == "aac" and not context.extradata


def adts_config(packet: bytes) -> bytes:
    """Returns the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) of an ADTS header.

    Transport streams repeat the header in each packet; MP4 wants it once, up front. Returns
    nothing where the packet has no such header, or a channel layout that needs a longer
    description.
    """
    if len(packet) < 7 or packet[0] != 0xFF or packet[1] & 0xF6 != 0xF0:
        return b""
    object_type = (packet[2] >> 6) + 1
    rate_index = (packet[2] >> 2) & 0xF
    channels = (packet[2] & 1) << 2 | packet[3] >> 6
    if not channels:
        return b""
    return (object_type << 11 | rate_index << 7 | channels << 3).to_bytes(2, "big")


def _time_base(stream: av.AudioStream) -> Fraction:
    assert stream.time_base is not None, "a stream that was opened for reading has one"
    return as_fraction(stream.time_base)


def _length_s(packet: AudioPacket) -> float:
    return float((packet.duration or 0) * packet.time_base)


class _Copy:
    """Copies packets, with times of the new file."""

    def __init__(
        self,
        stream: av.AudioStream,
        output: OutputContainer,
        first: AudioPacket | None,
        start_s: float,
    ) -> None:
        self._stream = output.add_stream_from_template(stream)
        self._strip: BitStreamFilterContext | None = None
        if first is not None and _is_bare_aac(stream):
            self._strip = BitStreamFilterContext("aac_adtstoasc", in_stream=stream)
            self._stream.codec_context.extradata = adts_config(bytes(first))
        # AVI counts whole packets of MP3: 24 ms, too coarse for the start of the frames.
        self._base = min(_time_base(stream), Fraction(1, stream.rate or 48000))
        self._offset = round(start_s / self._base)
        # MP4 and MOV say with an edit list that playing starts within the sound: so packets that
        # the decoder needs to start can be included. Matroska would shift the frames instead.
        self._lead_packets = 0 if output.format.name == "matroska" else 2
        self._next = -(2**63)

    def packets(self, packet: AudioPacket, end_s: float) -> Iterator[AudioPacket]:
        """Returns the packet, or nothing where it lies before the first frame."""
        assert packet.pts is not None
        pts = round(packet.pts * packet.time_base / self._base) - self._offset
        duration = round((packet.duration or 0) * packet.time_base / self._base)
        if pts < -self._lead_packets * duration:
            return
        if pts < self._next:
            return  # Joined recordings may overlap; muxers refuse falling times.
        self._next = pts + max(duration // 2, 1)
        for bare in (packet,) if self._strip is None else self._strip.filter(packet):
            bare.time_base = self._base
            bare.pts = bare.dts = pts
            bare.duration = duration
            bare.stream = self._stream
            yield bare

    def rest(self) -> Iterator[AudioPacket]:
        """Returns nothing: no packet is delayed."""
        return iter(())


class _Encode:
    """Sound decoded and encoded again as AAC, cut to the sample."""

    def __init__(
        self,
        stream: av.AudioStream,
        output: OutputContainer,
        start_s: float,
        tolerance_s: float,
    ) -> None:
        self._rate = stream.rate if stream.rate in _AAC_RATES else 48000
        layout = "mono" if stream.channels == 1 else "stereo"
        self._stream = output.add_stream("aac", rate=self._rate, layout=layout)
        self._stream.bit_rate = 128_000
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=self._rate)
        self._start_s = start_s
        self._tolerance = round(tolerance_s * self._rate)
        self._place: int | None = None  # of the next sample, counted from the first frame

    def packets(self, packet: AudioPacket, end_s: float) -> Iterator[AudioPacket]:
        """Returns the finished packets."""
        for decoded in packet.decode():
            assert isinstance(decoded, av.AudioFrame)
            place = None
            if decoded.time is not None:
                place = round((decoded.time - self._start_s) * self._rate)
            self._place = place if self._place is None else self._place
            for frame in self._resampler.resample(decoded):
                samples: NDArray[np.float32] = frame.to_ndarray().astype(np.float32)
                yield from self._in_place(samples, frame.layout.name, place, end_s)
                place = None

    def rest(self) -> Iterator[AudioPacket]:
        """Returns the packets delayed in the encoder."""
        yield from self._stream.encode(None)

    def _in_place(
        self, samples: NDArray[np.float32], layout: str, place: int | None, end_s: float
    ) -> Iterator[AudioPacket]:
        """Encodes samples at their time: after silence for a gap, without those of an overlap."""
        gap = 0 if place is None or self._place is None else place - self._place
        if gap > self._tolerance:
            for begin in range(0, gap, self._rate):
                silence = np.zeros((len(samples), min(self._rate, gap - begin)), np.float32)
                yield from self._encode(silence, layout, end_s)
        elif gap < -self._tolerance:
            samples = samples[:, -gap:]
        yield from self._encode(samples, layout, end_s)

    def _encode(
        self, samples: NDArray[np.float32], layout: str, end_s: float
    ) -> Iterator[AudioPacket]:
        begin = self._place or 0
        count = samples.shape[1]
        self._place = begin + count
        first = max(0, -begin)
        last = int(min(count, end_s * self._rate - begin))
        if last <= first:
            return
        part = np.ascontiguousarray(samples[:, first:last])
        cut = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
        cut.sample_rate = self._rate
        cut.pts = begin + first
        cut.time_base = Fraction(1, self._rate)
        yield from self._stream.encode(cut)
