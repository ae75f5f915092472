"""Video files, decoded by PyAV (FFmpeg), with exact frame numbers and times.

Damaged frames are skipped and counted.
"""

import dataclasses
import logging
import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import chain, dropwhile, islice

import av
from av import VideoFrame

from tracker.errors import SourceError
from tracker.frames import Frame, VideoInfo
from tracker.sources.files.decoding import Decoding
from tracker.sources.files.deinterlace import deinterlaced
from tracker.sources.files.early_end import HINT, PacketTail, bytes_of, early_end
from tracker.sources.files.packets import (
    OpenFile,
    OpenVideo,
    VideoPacket,
    decoded_frames,
    open_video,
    read_packets,
)
from tracker.sources.files.to_rgb import to_rgb
from tracker.sources.files.video_facts import (
    Start,
    check_arguments,
    describe,
    find_start,
    numbering_of,
    probe,
    size_text,
)
from tracker.sources.live.stream_clock import StreamClock
from tracker.sources.packet_stamps import (
    exact_seconds,
    gap_text,
    is_joinable,
    stamp_rules,
    unbroken_packets,
)
from tracker.sources.unbroken_stamps import UnbrokenStamps
from tracker.util.closing import Closing

_log = logging.getLogger(__name__)


class VideoFile(Closing):
    """A video file as a source of frames.

    It is read once; an interrupted iteration continues where it stopped. The file is opened when
    the first frame is requested. Times always come from the file. Numbers count the packets, so a
    frame that the container itself lost (a damaged Matroska cluster, the last frames of a truncated
    file) leaves no gap in them, but does in the times.

    Args:
        path: The file.
        start_s: Seconds after the file's first frame at which to start; numbers and times of
            frames stay those in the file.
        stride: Deliver each `stride`-th frame, counted from the first one delivered.
        decoding: Which of its video streams is read, and which frames are deinterlaced.
        open_file: Opens the file where `path` is not on disk, such as a network address. Its sound
            cannot be copied.

    Raises:
        SourceError: The file cannot be read, holds no frame, or ends before `start_s`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        start_s: float = 0.0,
        stride: int = 1,
        decoding: Decoding | None = None,
        open_file: OpenFile | None = None,
    ) -> None:
        self._source = os.fspath(path)
        self._decoding = decoding or Decoding()
        has_path = open_file is None
        open_file = open_file or partial(open_video, wanted=self._decoding.video_stream)
        check_arguments(self._source, start_s=start_s, stride=stride)
        self._stride = stride
        self._open_file = open_file
        self._clip = probe(self._source, open_file)
        self._start = find_start(self._source, self._clip, start_s, open_file=open_file)
        first = self._clip.first_stamp
        # Without a number of its own the start is found by decoding from the beginning.
        from_stamp = first + self._start.tick if first is not None and self._start.index else first
        self._numbering = numbering_of(self._clip.kind, self._start.index, from_stamp)
        info = describe(self._source, self._clip, self._start, stride=stride)
        self._info = info if has_path else dataclasses.replace(info, audio_path=None)
        self._closed = False
        self._frames = self._read()

    @property
    def info(self) -> VideoInfo:
        """The facts known before the first frame."""
        return self._info

    @property
    def skipped(self) -> int:
        """Frames so far that could not be decoded."""
        return self._numbering.skipped

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Releases the file; an iteration under way in another thread ends at its next frame."""
        self._closed = True
        # ValueError: another thread is inside the generator; it sees the flag and cleans up.
        with suppress(ValueError):
            self._frames.close()

    def _read(self) -> Generator[Frame]:
        clip, tail = self._clip, PacketTail()
        end_s = 0.0
        try:
            with _open_at(self._source, self._start, self._open_file) as (video, packets, skip):
                unbroken = self._unbroken(video, tail.watch(packets))
                shown = islice(unbroken, skip, None)
                origin: int | None = None
                for frame, index, time_s in self._numbered(video, shown):
                    origin = index if origin is None else origin
                    end_s = time_s + float(1 / clip.rate)
                    if (index - origin) % self._stride == 0:
                        yield self._frame(frame, index, time_s)
                    if self._closed:
                        break
                if self._closed:
                    return
                if origin is None:
                    raise SourceError(f"{self._source}: no frame after the start could be decoded")
                self._numbering.finish()
                early = self._early_end(video, tail, end_s)
        finally:
            if self._numbering.skipped:
                _log.warning(
                    "%s: %d frames could not be decoded and were left out",
                    self._source,
                    self._numbering.skipped,
                )
        if early is not None:
            raise SourceError(f"{self._source}: {early}; {HINT}")

    def _unbroken(self, video: OpenVideo, packets: Iterator[VideoPacket]) -> Iterator[VideoPacket]:
        """Returns the packets with continuous time stamps."""

        def report_gap(ticks: int) -> None:
            _log.warning("%s: %s", self._source, gap_text(ticks, self._clip.time_base))

        rules = stamp_rules(video.container, video.stream)
        stamps: UnbrokenStamps[VideoPacket] = UnbrokenStamps(rules, report_gap)
        return unbroken_packets(packets, stamps, self._clip.kind)

    def _numbered(
        self, video: OpenVideo, packets: Iterator[VideoPacket]
    ) -> Iterator[tuple[VideoFrame, int, float]]:
        """Returns the frames from the start on, with their numbers and times."""
        clip, start, base = self._clip, self._start, self._clip.time_base
        first = clip.first_stamp
        clock = StreamClock(base, clip.rate, origin=None if first is None else first * base)
        has_begun = False
        decoded = decoded_frames(video, packets, self._numbering)
        for frame in deinterlaced(decoded, self._decoding.deinterlace, self._source):
            if self._closed:
                return
            if not has_begun and self._is_reference(frame):
                continue
            index, stamp = self._numbering.decoded(frame.pts)
            if first is None:
                time_s = exact_seconds(index, base)
            else:
                time_s = clock.seconds(None if stamp is None else stamp * base, None)
            has_begun = has_begun or time_s >= exact_seconds(start.tick, base)
            if has_begun:
                yield frame, index, time_s

    def _is_reference(self, frame: VideoFrame) -> bool:
        """Returns whether a frame before the start is decoded only as a reference, not counted."""
        first, start = self._clip.first_stamp, self._start
        if not start.index or first is None or frame.pts is None:
            return False
        return frame.pts < first + start.tick

    def _early_end(self, video: OpenVideo, tail: PacketTail, end_s: float) -> str | None:
        if video.path is None:
            return early_end(video.container, video.stream, tail, None, end_s)
        with video.path.open("rb") as file:
            return early_end(video.container, video.stream, tail, bytes_of(file), end_s)

    def _frame(self, frame: VideoFrame, index: int, time_s: float) -> Frame:
        size = (frame.width, frame.height)
        if size != self._clip.form.stored:
            expected, got = size_text(self._clip.form.stored), size_text(size)
            raise SourceError(
                f"{self._source}: frame {index} is {got} where the first one is {expected}; "
                f"convert it to one size: ffmpeg -i INPUT -vf scale={expected.replace('x', ':')} "
                "OUTPUT.mp4"
            )
        image = to_rgb(frame, self._clip.form)
        return Frame(image, index=index, time_s=time_s, source=self._source)


@contextmanager
def _open_at(
    source: str, start: Start, open_file: OpenFile
) -> Iterator[tuple[OpenVideo, Iterator[VideoPacket], int]]:
    """Returns a context with the open file, its packets, and how many to leave out of them."""
    with ExitStack() as stack:
        video = stack.enter_context(open_file(source))
        if start.seek_to is None:
            yield video, read_packets(video, source), start.skip
            return
        packets = _packets_from(video, source, start, start.seek_to)
        if packets is not None:
            yield video, packets, 0
            return
        # Some containers seek past the requested keyframe: start over from the beginning.
        stack.close()
        video = stack.enter_context(open_file(source))
        yield video, read_packets(video, source), start.skip


def _packets_from(
    video: OpenVideo, source: str, start: Start, seek_to: int
) -> Iterator[VideoPacket] | None:
    """Returns the packets from the keyframe before the start, `None` where seeking missed it."""
    try:
        video.container.seek(seek_to, stream=video.stream)
        packets = dropwhile(lambda packet: not packet.is_keyframe, read_packets(video, source))
        first = next(packets, None)
    except av.FFmpegError:
        return None
    if first is None or first.pts is None or start.keyframe_pts is None:
        return None
    # Times may repeat where recordings were joined, and in a damaged AVI the times of the index
    # differ from those counted from packets.
    is_found = first.pts <= start.keyframe_pts
    if is_joinable(video.container) or video.container.format.name in {"avi", "mxf"}:
        is_found = first.pos is not None and first.pos == start.keyframe_at
    return chain([first], packets) if is_found else None
