"""What is known of a video file before it is read: its clock, size, rate, and where to start.

Comes in: a path. Goes out: `Clip`, `Start` and the `VideoInfo` made of them. Only the first frame
is decoded.
"""

import logging
import math
from dataclasses import dataclass
from fractions import Fraction

from av.video.stream import VideoStream

from tracker.errors import SourceError
from tracker.frames import VideoInfo
from tracker.sources.container import (
    OpenFile,
    declared_frames,
    decoded_frames,
    is_shown,
    open_video,
    read_packets,
)
from tracker.sources.numbering import Numbering
from tracker.sources.rgb import Orientation, orientation_of
from tracker.sources.stream_choice import choice_note

_log = logging.getLogger(__name__)

_DEFAULT_RATE = Fraction(30)
_MAX_RATE = 1000
_ANY_PTS = -(2**63)


@dataclass(frozen=True, slots=True)
class Clip:
    """What the first decoded frame and the header tell.

    `first_pts` is `None` where times are counted from the frame rate, in units of one frame.
    """

    first_pts: int | None
    time_base: Fraction
    rate: Fraction
    stored_size: tuple[int, int]
    orientation: Orientation
    pixel_aspect: Fraction
    declared: int | None
    sound: bool
    offset_s: float


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins: number and ticks of the first frame, and where to seek to."""

    index: int = 0
    tick: int = 0
    keyframe_pts: int | None = None
    seek_to: int | None = None


def probe(source: str, open_file: OpenFile = open_video) -> Clip:
    """Returns what the header and the first frame that can be decoded tell.

    Args:
        source: The file as messages name it.
        open_file: Opens it.

    Raises:
        SourceError: The file cannot be read or holds no frame.
    """
    with open_file(source) as video:
        numbering = Numbering(first_index=0, first_pts=_ANY_PTS)
        frame = next(decoded_frames(video, read_packets(video, source), numbering), None)
        if frame is None:
            raise SourceError(
                f"{source}: no frame could be decoded; check that it plays with ffplay"
            )
        stream, rate = video.stream, nominal_rate(video.stream)
        if (note := choice_note(video.container, stream)) is not None:
            _log.info("%s: %s", source, note)
        # AVI stores no presentation times, and its frames have a constant rate.
        timed = frame.pts is not None and video.container.format.name != "avi"
        first_pts = numbering.earliest if timed else None
        time_base = 1 / rate
        if first_pts is not None and stream.time_base is not None:
            time_base = stream.time_base
        return Clip(
            first_pts=first_pts,
            time_base=time_base,
            rate=rate,
            stored_size=(frame.width, frame.height),
            orientation=orientation_of(frame),
            pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
            declared=declared_frames(video),
            sound=bool(video.container.streams.audio),
            offset_s=exact_seconds(first_pts or 0, time_base),
        )


def find_start(
    source: str, clip: Clip, start_s: float, *, open_file: OpenFile = open_video
) -> Start:
    """Returns where to begin, counted exactly from the packets without decoding them.

    Args:
        source: The file as messages name it.
        clip: What is known of it.
        start_s: Seconds after its first frame.
        open_file: Opens it.

    Raises:
        SourceError: The file ends before `start_s`.
    """
    tick = _first_tick(start_s, clip.time_base)
    if tick == 0:
        return Start()
    if clip.first_pts is None:
        if clip.declared is not None and tick >= clip.declared:
            raise _too_late(source, start_s, exact_seconds(clip.declared - 1, clip.time_base))
        return Start(index=tick)
    scan = _scan(source, clip.first_pts + tick, open_file)
    if scan.first_pts is None:
        last_s = exact_seconds(scan.last_pts - clip.first_pts, clip.time_base)
        raise _too_late(source, start_s, last_s)
    return Start(
        index=scan.before,
        tick=scan.first_pts - clip.first_pts,
        keyframe_pts=scan.keyframe_pts,
        seek_to=scan.seek_to,
    )


@dataclass(slots=True)
class _Scan:
    """What the packets around a start tell; `before` counts the frames ahead of it."""

    before: int = 0
    first_pts: int | None = None
    last_pts: int = _ANY_PTS
    keyframe_pts: int | None = None
    seek_to: int | None = None


def _scan(source: str, start_pts: int, open_file: OpenFile) -> _Scan:
    scan = _Scan()
    with open_file(source) as video:
        for packet in read_packets(video, source):
            pts, dts = packet.pts, packet.dts
            if pts is None or not is_shown(packet):
                continue
            scan.last_pts = max(scan.last_pts, pts)
            if pts < start_pts:
                scan.before += 1
            elif scan.first_pts is None or pts < scan.first_pts:
                scan.first_pts = pts
            if packet.is_keyframe and pts <= start_pts:
                scan.keyframe_pts = pts
                scan.seek_to = pts if dts is None else dts
            # pts >= dts, and dts rises: no later packet can be shown before the first one.
            if dts is not None and scan.first_pts is not None and dts >= scan.first_pts:
                break
    return scan


def describe(source: str, clip: Clip, start: Start, *, stride: int) -> VideoInfo:
    """Returns what a user of the source is told before the first frame."""
    width, height = clip.stored_size
    aspect = clip.pixel_aspect
    if clip.orientation.transposed:
        width, height, aspect = height, width, 1 / aspect
    count = None
    if clip.declared is not None:
        count = max(math.ceil((clip.declared - start.index) / stride), 1)
    ticks = start.tick if clip.first_pts is not None else start.index
    return VideoInfo(
        source=source,
        width=width,
        height=height,
        fps=clip.rate / stride,
        time_base=clip.time_base,
        frame_count=count,
        pixel_aspect=aspect,
        audio_path=source if clip.sound else None,
        start_s=clip.offset_s + exact_seconds(ticks, clip.time_base),
    )


def nominal_rate(stream: VideoStream) -> Fraction:
    """Returns the nominal frame rate.

    The average is what a variable rate has; the guess is the exact fraction (30000/1001) where the
    average was measured on a few frames and is off by less than 1 %.
    """
    average, guess = stream.average_rate, stream.guessed_rate
    if average and guess and abs(guess / average - 1) < Fraction(1, 100):
        average = guess
    rate = average or guess
    return rate if rate and 0 < rate <= _MAX_RATE else _DEFAULT_RATE


def _first_tick(start_s: float, time_base: Fraction) -> int:
    """Returns the first tick whose time is not before `start_s`, compared as float64."""
    tick = math.floor(Fraction(start_s) / time_base)
    return tick if exact_seconds(tick, time_base) >= start_s else tick + 1


def exact_seconds(ticks: int, time_base: Fraction) -> float:
    """Returns the float64 nearest to `ticks * time_base`."""
    # Division of integers rounds once; a product of floats would round twice.
    return ticks * time_base.numerator / time_base.denominator


def check_arguments(source: str, *, start_s: float, stride: int) -> None:
    """Does nothing for a usable start and stride.

    Raises:
        SourceError: `start_s` is negative or not finite, or `stride` is less than 1.
    """
    if stride < 1:
        raise SourceError(f"{source}: stride: expected 1 or more, got {stride}")
    if not (math.isfinite(start_s) and start_s >= 0):
        raise SourceError(f"{source}: start_s: expected seconds >= 0, got {start_s}")


def _too_late(source: str, start_s: float, last_s: float) -> SourceError:
    return SourceError(
        f"{source}: cannot start at {start_s:g} s: its last frame is at {last_s:.3f} s; "
        "start earlier"
    )


def size_text(size: tuple[int, int]) -> str:
    """Returns width and height as people write them."""
    return f"{size[0]}x{size[1]}"
