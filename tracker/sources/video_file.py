"""Video files, decoded by PyAV (FFmpeg).

Comes in: a path, where to start, and how many frames to leave out. Goes out: frames with exact
numbers and times; damaged frames are left out and counted.
"""

import dataclasses
import logging
import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import chain, dropwhile
from types import TracebackType
from typing import Self

import av
from av import VideoFrame

from tracker.errors import SourceError
from tracker.frames import Frame, VideoInfo
from tracker.sources.clip import (
    Clip,
    Start,
    check_arguments,
    describe,
    exact_seconds,
    find_start,
    probe,
    size_text,
)
from tracker.sources.container import (
    OpenFile,
    OpenVideo,
    VideoPacket,
    decoded_frames,
    open_video,
    read_packets,
)
from tracker.sources.decoding import Decoding
from tracker.sources.numbering import Numbering
from tracker.sources.rgb import to_rgb

_log = logging.getLogger(__name__)


class VideoFile:
    """A video file as a source of frames.

    It is read once; an iteration that was left goes on where it stopped. No file is held open
    before the first frame is asked for. Times always come from the file. Numbers count the
    packets, so a frame that the container itself lost (a damaged Matroska cluster, the last frames
    of a truncated file) leaves no gap in them, but does in the times.

    Args:
        path: The file.
        start_s: Seconds after the file's first frame at which to start; numbers and times of
            frames stay those in the file.
        stride: Deliver each `stride`-th frame, counted from the first one delivered.
        decoding: Which of its video streams is read.
        open_file: Opens what `path` then merely names, such as a file behind an address. Its
            sound cannot be copied.

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
        first_pts = self._clip.first_pts
        if first_pts is None:  # numbers are counted from the file's beginning
            self._numbering = Numbering(first_index=0, first_pts=None)
        else:
            self._numbering = Numbering(
                first_index=self._start.index, first_pts=first_pts + self._start.tick
            )
        info = describe(self._source, self._clip, self._start, stride=stride)
        self._info = info if has_path else dataclasses.replace(info, audio_path=None)
        self._closed = False
        self._frames = self._read()

    @property
    def info(self) -> VideoInfo:
        """What is known before the first frame."""
        return self._info

    @property
    def skipped(self) -> int:
        """Frames so far that could not be decoded and were left out."""
        return self._numbering.skipped

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Releases the file; an iteration under way in another thread ends at its next frame."""
        self._closed = True
        # ValueError: another thread is inside the generator; it sees the flag and cleans up.
        with suppress(ValueError):
            self._frames.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> Generator[Frame]:
        numbering, clip = self._numbering, self._clip
        times = _Times(clip)
        origin: int | None = None
        try:
            with _open_at(self._source, self._start, self._open_file) as (video, packets):
                for frame in decoded_frames(video, packets, numbering):
                    if self._closed:
                        return
                    if origin is None and times.is_before(frame, self._start):
                        continue
                    index = numbering.decoded(frame.pts)
                    if index < self._start.index:
                        continue
                    origin = index if origin is None else origin
                    time_s = times.seconds(frame, index)
                    if (index - origin) % self._stride == 0:
                        yield self._frame(frame, index, time_s)
                        if self._closed:
                            return
                numbering.finish(clip.declared)
            if origin is None:
                raise SourceError(f"{self._source}: no frame after the start could be decoded")
        finally:
            if numbering.skipped:
                _log.warning(
                    "%s: %d frames could not be decoded and were left out",
                    self._source,
                    numbering.skipped,
                )

    def _frame(self, frame: VideoFrame, index: int, time_s: float) -> Frame:
        size = (frame.width, frame.height)
        if size != self._clip.stored_size:
            expected, got = size_text(self._clip.stored_size), size_text(size)
            raise SourceError(
                f"{self._source}: frame {index} is {got} where the first one is {expected}; "
                f"convert it to one size: ffmpeg -i INPUT -vf scale={expected.replace('x', ':')} "
                "OUTPUT.mp4"
            )
        image = to_rgb(frame, self._clip.orientation)
        return Frame(image, index=index, time_s=time_s, source=self._source)


class _Times:
    """Presentation times that rise, also where the stream's clock jumps back."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._shift = 0
        self._last = -1

    def is_before(self, frame: VideoFrame, start: Start) -> bool:
        """Returns whether a frame lies before the start: decoded only as a reference."""
        first = self._clip.first_pts
        return first is not None and frame.pts is not None and frame.pts < first + start.tick

    def seconds(self, frame: VideoFrame, index: int) -> float:
        """Returns seconds after the file's first frame, the float64 nearest to the exact time."""
        clip = self._clip
        if clip.first_pts is None or frame.pts is None:
            return exact_seconds(index, 1 / clip.rate)
        tick = frame.pts - clip.first_pts + self._shift
        if tick <= self._last:
            # Joined recordings start their clock anew: go on one nominal frame later.
            step = max(round(1 / (clip.rate * clip.time_base)), 1)
            self._shift += self._last + step - tick
            tick = self._last + step
        self._last = tick
        return exact_seconds(tick, clip.time_base)


@contextmanager
def _open_at(
    source: str, start: Start, open_file: OpenFile
) -> Iterator[tuple[OpenVideo, Iterator[VideoPacket]]]:
    """Returns a context with the open file and its packets from the keyframe before the start."""
    with ExitStack() as stack:
        video = stack.enter_context(open_file(source))
        packets = _packets_from(video, source, start)
        if packets is None:
            # Some containers seek to a later keyframe than the one asked for: begin anew.
            stack.close()
            video = stack.enter_context(open_file(source))
            packets = read_packets(video, source)
        yield video, packets


def _packets_from(video: OpenVideo, source: str, start: Start) -> Iterator[VideoPacket] | None:
    """Returns the packets from the keyframe before the start, `None` where seeking missed it."""
    if start.keyframe_pts is None or start.seek_to is None:
        return read_packets(video, source)
    try:
        video.container.seek(start.seek_to, stream=video.stream)
        packets = dropwhile(lambda packet: not packet.is_keyframe, read_packets(video, source))
        first = next(packets, None)
    except av.FFmpegError:
        return None
    if first is None or first.pts is None or first.pts > start.keyframe_pts:
        return None
    return chain([first], packets)
