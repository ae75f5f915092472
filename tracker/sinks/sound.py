"""The sound of the source, carried over into the video that is being written.

Comes in: a file with sound, packet by packet. Goes out: packets of the new file's sound stream,
as they are where the container takes their codec, else as AAC.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol, TypeAlias

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from numpy.typing import NDArray

AudioPacket: TypeAlias = "av.Packet[av.AudioStream]"
"""Text, because `Packet` takes a parameter only in newer releases of PyAV."""

_COPIED = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac"},
    "matroska": {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"},
}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


class _Writer(Protocol):
    """Turns packets of the source into packets of the new file."""

    def packets(self, packet: AudioPacket, end_s: float) -> Iterator[AudioPacket]:
        """Returns what a packet becomes; `end_s` is where the new file ends, if it is known."""
        ...

    def rest(self) -> Iterator[AudioPacket]:
        """Returns what is still held back."""
        ...


class Sound:
    """Reads sound in step with the pictures and adds it to the new file.

    Use `open_sound` to make one.
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
        """Why the sound ends early, or nothing."""
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
        """Adds the rest of the sound, up to the end of the last picture, and closes the source."""
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
        start_s: Time stamp in seconds, within `path`, of the new file's first picture.

    Raises:
        av.FFmpegError: The file cannot be read.
    """
    source = av.open(path)
    try:
        if not source.streams.audio:
            source.close()
            return None
        stream = source.streams.audio[0]
        if start_s > 0:
            # A second early: seeking lands between packets, and late for some containers.
            source.seek(max(0, round((start_s - 1) / _time_base(stream))), stream=stream)
        packets = source.demux(stream)
        first = next(packets, None)
        writer: _Writer
        if _can_copy(stream, output, first):
            writer = _Copy(stream, output, first, start_s)
        else:
            writer = _Encode(stream, output, start_s)
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
    """Returns the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) that an ADTS header amounts to.

    Transport streams repeat the header in each packet; MP4 wants it once, up front. Returns
    nothing where the packet has no such header, or a channel layout that needs more words.
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
    return stream.time_base


def _length_s(packet: AudioPacket) -> float:
    return float((packet.duration or 0) * packet.time_base)


class _Copy:
    """Packets as they are, with times of the new file."""

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
        self._offset = round(start_s / _time_base(stream))
        # MP4 and MOV say with an edit list that playing starts within the sound: packets that the
        # decoder needs to get going can come along. Matroska would shift the pictures instead.
        self._lead_packets = 0 if output.format.name == "matroska" else 2
        self._last: int | None = None

    def packets(self, packet: AudioPacket, end_s: float) -> Iterator[AudioPacket]:
        """Returns the packet, or nothing where it lies before the first picture."""
        assert packet.pts is not None
        pts = packet.pts - self._offset
        if pts < -self._lead_packets * (packet.duration or 0):
            return
        if self._last is not None and pts <= self._last:
            return  # Muxers refuse packets that go back in time.
        self._last = pts
        for bare in (packet,) if self._strip is None else self._strip.filter(packet):
            bare.pts = bare.dts = pts
            bare.stream = self._stream
            yield bare

    def rest(self) -> Iterator[AudioPacket]:
        """Returns nothing: nothing is held back."""
        return iter(())


class _Encode:
    """Sound decoded and encoded again as AAC, cut to the sample."""

    def __init__(self, stream: av.AudioStream, output: OutputContainer, start_s: float) -> None:
        self._rate = stream.rate if stream.rate in _AAC_RATES else 48000
        layout = "mono" if stream.channels == 1 else "stereo"
        self._stream = output.add_stream("aac", rate=self._rate, layout=layout)
        self._stream.bit_rate = 128_000
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=self._rate)
        self._start_s = start_s
        self._begin: int | None = None
        self._samples = 0

    def packets(self, packet: AudioPacket, end_s: float) -> Iterator[AudioPacket]:
        """Returns the packets that became ready."""
        for decoded in packet.decode():
            assert isinstance(decoded, av.AudioFrame)
            if self._begin is None and decoded.time is not None:
                self._begin = round((decoded.time - self._start_s) * self._rate)
            for frame in self._resampler.resample(decoded):
                yield from self._encode(frame, end_s)

    def rest(self) -> Iterator[AudioPacket]:
        """Returns what the encoder still holds."""
        yield from self._stream.encode(None)

    def _encode(self, frame: av.AudioFrame, end_s: float) -> Iterator[AudioPacket]:
        begin = (self._begin or 0) + self._samples
        self._samples += frame.samples
        first = max(0, -begin)
        last = int(min(frame.samples, end_s * self._rate - begin))
        if last <= first:
            return
        samples: NDArray[np.float32] = frame.to_ndarray()[:, first:last].astype(np.float32)
        cut = av.AudioFrame.from_ndarray(samples, format="fltp", layout=frame.layout.name)
        cut.sample_rate = self._rate
        cut.pts = begin + first
        cut.time_base = Fraction(1, self._rate)
        yield from self._stream.encode(cut)
