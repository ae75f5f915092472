"""A stretch of a video file as a file of its own, without encoding it again where that is possible.

A copy can only begin at a key frame. Where the last one lies too long before the stretch, or the
codec does not belong into MP4, the frames are encoded anew.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from tracker.frames import Source
from tracker.sinks.encoders import Encoder
from tracker.sinks.place import Place
from tracker.sinks.video_encoder import Disk, Recording
from tracker.sources.containers import as_fraction
from tracker.sources.files.packets import open_video

EARLIEST_S = 1.0
"""A copy may begin so many seconds before the stretch."""

COPIED_VIDEO = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
COPIED_SOUND = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
_CRF, _PRESET = 20, "veryfast"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a video.

    Attributes:
        start_s: Begin, in seconds of frame times.
        end_s: End.
    """

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class VideoToCut:
    """A video file.

    Attributes:
        path: The file.
        stream: Number of its video stream, from 0; `None` for the one that is chosen by itself.
        offset_s: Time stamp in seconds, within the file, of the frame time 0.
        opened_at: Returns the source from a frame time on, in seconds.
    """

    path: str
    stream: int | None
    offset_s: float
    opened_at: Callable[[float], Source]


def copied(video: VideoToCut, stretch: Stretch, target: Path) -> Stretch | None:
    """Copies the packets of a stretch; returns what was copied, `None` where that is not possible.

    Args:
        video: The video.
        stretch: The stretch.
        target: The MP4 file to write.

    Raises:
        av.FFmpegError: The file cannot be read or written.
        OSError: The same.
    """
    with open_video(video.path, video.stream) as opened:
        container, stream = opened.container, opened.stream
        if stream.time_base is None or stream.codec_context.name not in COPIED_VIDEO:
            return None
        base = as_fraction(stream.time_base)
        first = _ticks(stretch.start_s + video.offset_s, base)
        container.seek(first, stream=stream, backward=True)
        packets = _packets_from_key(container, stream, first)
        start = next(packets, None)
        if start is None or start.pts is None:
            return None
        start_s = float(start.pts * base) - video.offset_s
        if not stretch.start_s - EARLIEST_S <= start_s <= stretch.start_s + 1e-3:
            return None
        begin, end = start.pts * base, Fraction(stretch.end_s + video.offset_s)
        sound = _sound_stream(container)
        with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as output:
            targets = {stream.index: output.add_stream_from_template(stream)}
            if sound is not None:
                targets[sound.index] = output.add_stream_from_template(sound)
            container.seek(start.pts, stream=stream, backward=True)
            _copy(container.demux([stream, *([sound] if sound else [])]), output, targets,
                  (begin, end))  # fmt: skip
    return Stretch(start_s, stretch.end_s)


def _packets_from_key(container: InputContainer, stream: Any, first: int) -> Iterator[Any]:
    """Yields the packets of key frames up to a time stamp, the last one before it first."""
    found = None
    for packet in container.demux(stream):
        if packet.pts is None:
            continue
        if packet.pts > first and found is not None:
            break
        if packet.is_keyframe and packet.pts <= first:
            found = packet
        if packet.dts is not None and packet.dts > first:
            break
    if found is not None:
        yield found


def _sound_stream(container: InputContainer) -> Any:
    """Returns the first sound stream, if it can be copied."""
    streams = container.streams.audio
    if not streams or streams[0].codec_context.name not in COPIED_SOUND:
        return None
    return streams[0]


def _copy(
    packets: Iterator[Any],
    output: OutputContainer,
    targets: dict[int, Any],
    times: tuple[Fraction, Fraction],
) -> None:
    """Muxes the packets of a time, with time stamps that begin at 0."""
    begin, end = times
    finished: set[int] = set()
    for packet in packets:
        if packet.dts is None or packet.pts is None:
            continue
        source = packet.stream.index
        # Pictures that are shown before the key frame need others that are not there.
        if packet.pts * packet.time_base < begin or source in finished:
            continue
        if packet.dts * packet.time_base >= end:
            finished.add(source)
            if len(finished) == len(targets):
                return
            continue
        shift = int(begin / packet.time_base)
        packet.pts -= shift
        packet.dts -= shift
        packet.stream = targets[source]
        output.mux(packet)


def encoded(video: VideoToCut, stretch: Stretch, target: Path) -> Stretch:
    """Encodes the frames of a stretch anew, with the sound; returns what was encoded.

    Args:
        video: The video.
        stretch: The stretch.
        target: The MP4 file to write.

    Raises:
        SourceError: The video cannot be read.
        av.FFmpegError: The file cannot be written.
        OSError: The same.
    """
    with video.opened_at(stretch.start_s) as source:
        frames = takewhile(lambda frame: frame.time_s < stretch.end_s, source)
        first = next(frames)
        disk = Disk(Place(str(target)))
        encoder = Encoder.x264(_CRF, _PRESET, first.image.shape[:2])
        file = Recording(disk, "mp4", encoder, source.info, first.image, first.time_s)
        last_s = first.time_s
        try:
            for frame in chain([first], frames):
                file.add(frame.image, frame.time_s)
                last_s = frame.time_s
            file.finish()
        except BaseException:
            file.abandon()
            target.unlink(missing_ok=True)
            raise
        return Stretch(first.time_s, last_s + float(1 / source.info.fps))


def _ticks(seconds: float, base: Fraction) -> int:
    return int(Fraction(seconds) / base + Fraction(1, 2))
