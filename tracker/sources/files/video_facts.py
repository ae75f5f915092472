"""Facts of a video file before it is read: clock, size, rate, and where to start.

Only the first frame is decoded.
"""

import dataclasses
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

from av import VideoFrame
from av.codec.context import ThreadType

from tracker.errors import SourceError
from tracker.frames import VideoInfo
from tracker.sources.containers import as_fraction
from tracker.sources.files.frame_numbers import Numbering, RankNumbering, SlotNumbering
from tracker.sources.files.packets import (
    OpenFile,
    OpenVideo,
    VideoPacket,
    declared_frames,
    decoded_frames,
    is_cut_short,
    is_shown,
    open_video,
    read_packets,
)
from tracker.sources.files.stream_choice import choice_note
from tracker.sources.files.to_rgb import DisplayForm, orientation_of
from tracker.sources.packet_stamps import (
    StampKind,
    exact_seconds,
    nominal_rate,
    stamp_kind,
    stamp_rules,
    unbroken_packets,
)
from tracker.sources.unbroken_stamps import UnbrokenStamps

_log = logging.getLogger(__name__)

ANY_STAMP = -(2**63)
"""Smaller than any time stamp."""


@dataclass(frozen=True, slots=True)
class Clip:
    """The facts of the header and the first decoded frame.

    `first_stamp` is when the first frame is shown, in ticks; it is `None` where times are counted
    from the frame rate, in units of one frame. `offset_s` is the time of that frame on the clock of
    the sound.
    """

    kind: StampKind
    first_stamp: int | None
    time_base: Fraction
    rate: Fraction
    form: DisplayForm
    declared: int | None
    sound: bool
    offset_s: float


@dataclass(frozen=True, slots=True)
class Start:
    """Start of reading: number and ticks of the first frame, and how to seek to it.

    Seeking to the stamp `seek_to` has to lead to the keyframe shown at `keyframe_pts`, at byte
    `keyframe_at`, or to one before. Where seeking fails, the keyframe is the packet after the first
    `skip` ones. `index` is 0 where all frames are decoded and counted.
    """

    index: int = 0
    tick: int = 0
    keyframe_pts: int | None = None
    keyframe_at: int | None = None
    seek_to: int | None = None
    skip: int = 0


def probe(source: str, open_file: OpenFile = open_video) -> Clip:
    """Returns the facts of the header and the first decodable frame.

    Args:
        source: The file as messages name it.
        open_file: Opens it.

    Raises:
        SourceError: The file cannot be read or holds no frame.
    """
    with open_file(source) as video:
        # Frame threads would take packets of later frames first, and memory for each.
        video.stream.thread_type = ThreadType.NONE
        kind = stamp_kind(video.container, video.stream)
        packets = read_packets(video, source)
        head = next(packets, None)
        head_pts = None if head is None else head.pts
        numbering = numbering_of(kind, 0, ANY_STAMP)
        whole = unbroken_packets(
            packets if head is None else chain([head], packets), _silent_stamps(video), kind
        )
        frame = next(decoded_frames(video, whole, numbering), None)
        if frame is None:
            raise SourceError(
                f"{source}: no frame could be decoded; check that it plays with ffplay"
            )
        if (note := choice_note(video.container, video.stream)) is not None:
            _log.info("%s: %s", source, note)
        _, stamp = numbering.decoded(frame.pts)
        kind = kind if stamp is not None else StampKind.NONE
        return _clip(video, frame, kind, stamp, head_pts)


def _clip(
    video: OpenVideo, frame: VideoFrame, kind: StampKind, stamp: int | None, head_pts: int | None
) -> Clip:
    stream, rate = video.stream, nominal_rate(video.stream)
    time_base = 1 / rate
    if kind is StampKind.NONE:
        stamp = None
    elif stream.time_base is not None:
        time_base = as_fraction(stream.time_base)
    # A slot is the decoding time of a packet; its frame is shown later by the reordering delay.
    offset = head_pts if kind is StampKind.SLOTS and head_pts is not None else stamp
    return Clip(
        kind=kind,
        first_stamp=stamp,
        time_base=time_base,
        rate=rate,
        form=DisplayForm(
            stored=(frame.width, frame.height),
            pixel_aspect=as_fraction(stream.sample_aspect_ratio or 1),
            orientation=orientation_of(frame),
        ),
        declared=declared_frames(video),
        sound=bool(video.container.streams.audio),
        offset_s=0.0 if stamp is None else exact_seconds(offset or 0, time_base),
    )


def shown_packets(
    video: OpenVideo, source: str, stamps: UnbrokenStamps[VideoPacket], kind: StampKind
) -> Iterator[VideoPacket]:
    """Returns the packets from the current position on, with continuous time stamps."""
    return unbroken_packets(read_packets(video, source), stamps, kind)


def numbering_of(kind: StampKind, index: int, stamp: int | None) -> Numbering:
    """Returns the numbering of the frames from this one on."""
    if kind is StampKind.SLOTS:
        return SlotNumbering()
    first_stamp = None if kind is StampKind.NONE else stamp
    return RankNumbering(first_index=index, first_stamp=first_stamp)


def _silent_stamps(video: OpenVideo) -> UnbrokenStamps[VideoPacket]:
    return UnbrokenStamps(stamp_rules(video.container, video.stream))


def find_start(
    source: str, clip: Clip, start_s: float, *, open_file: OpenFile = open_video
) -> Start:
    """Returns the start, counted exactly from the packets without decoding them.

    Args:
        source: The file as messages name it.
        clip: Its facts.
        start_s: Seconds after its first frame.
        open_file: Opens it.

    Raises:
        SourceError: The file ends before `start_s`.
    """
    tick = _first_tick(start_s, clip.time_base)
    if tick == 0:
        return Start()
    if clip.first_stamp is None:
        if clip.declared is not None and tick >= clip.declared:
            raise _too_late(source, start_s, exact_seconds(clip.declared - 1, clip.time_base))
        return Start(tick=tick)
    scan = _scan(source, clip, clip.first_stamp + tick, open_file)
    if scan.is_partly_stamped:
        return Start(tick=tick)
    if scan.first_stamp is None:
        last_s = exact_seconds(scan.last_stamp - clip.first_stamp, clip.time_base)
        raise _too_late(source, start_s, last_s)
    tick = scan.first_stamp - clip.first_stamp
    if clip.kind is StampKind.SLOTS:
        return Start(tick=tick)
    return dataclasses.replace(scan.start, index=scan.before, tick=tick)


@dataclass(slots=True)
class _Scan:
    """The packets around a start; `before` counts the frames ahead of it."""

    before: int = 0
    first_stamp: int | None = None
    last_stamp: int = ANY_STAMP
    start: Start = Start()
    is_partly_stamped: bool = False


def _scan(source: str, clip: Clip, start_stamp: int, open_file: OpenFile) -> _Scan:
    scan = _Scan()
    with open_file(source) as video:
        stamps, second = _silent_stamps(video), round(1 / clip.time_base)
        for number, packet in enumerate(shown_packets(video, source, stamps, clip.kind)):
            pts, dts = packet.pts, packet.dts
            if is_cut_short(packet) or not is_shown(packet):
                continue
            if pts is None:
                scan.is_partly_stamped = True
                continue
            scan.last_stamp = max(scan.last_stamp, pts)
            if pts >= start_stamp:
                if scan.first_stamp is None or pts < scan.first_stamp:
                    scan.first_stamp = pts
            elif clip.first_stamp is not None and pts >= clip.first_stamp:
                scan.before += 1
            if packet.is_keyframe and pts <= start_stamp:
                # Packets on another clock cannot be found by time.
                seek_to = None if stamps.offset else (pts if dts is None else dts)
                scan.start = Start(
                    keyframe_pts=pts, keyframe_at=packet.pos, seek_to=seek_to, skip=number
                )
            # pts >= dts, and dts rises: no later packet can be shown before the first one.
            margin = second if stamps.offset else 0  # libavformat guesses after a second clock
            if dts is not None and scan.first_stamp is not None:
                if dts - margin >= scan.first_stamp:
                    break
    return scan


def describe(source: str, clip: Clip, start: Start, *, stride: int) -> VideoInfo:
    """Returns the `VideoInfo` of a file that is read from `start`."""
    width, height = clip.form.delivered
    count = None
    if clip.declared is not None:
        first = start.tick if clip.first_stamp is None else start.index
        count = max(math.ceil((clip.declared - first) / stride), 1)
    return VideoInfo(
        source=source,
        width=width,
        height=height,
        fps=clip.rate / stride,
        time_base=clip.time_base,
        frame_count=count,
        stored_size=clip.form.upright_stored,
        audio_path=source if clip.sound else None,
        start_s=clip.offset_s + exact_seconds(start.tick, clip.time_base),
    )


def _first_tick(start_s: float, time_base: Fraction) -> int:
    """Returns the first tick whose time is not before `start_s`, compared as float64."""
    tick = math.floor(Fraction(start_s) / time_base)
    return tick if exact_seconds(tick, time_base) >= start_s else tick + 1


def check_arguments(source: str, *, start_s: float, stride: int) -> None:
    """Checks the start and stride.

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
    """Returns width and height as `640x480`."""
    return f"{size[0]}x{size[1]}"
