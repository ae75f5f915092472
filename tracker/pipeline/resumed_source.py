"""A recorded source that is read again from a frame in its middle."""

import logging
from collections.abc import Callable, Generator, Iterator
from itertools import chain

from tracker.errors import NotResumableError, SourceError
from tracker.frames import Frame, Source, VideoInfo
from tracker.pipeline.snapshots import FrameMark, Snapshot
from tracker.util.closing import Closing

_log = logging.getLogger(__name__)

OpenFrom = Callable[[float], Source]
"""Returns the source, open, from a time in seconds on; numbers and times stay those of the file."""


class ResumedSource(Closing):
    """The rest of a source.

    Args:
        info: Of the whole source.
        opened: The source, of which the frame `first` was read last.
        first: The frame to begin with.
    """

    def __init__(self, info: VideoInfo, opened: Source, first: Frame) -> None:
        self._info = info
        self._opened = opened
        self._frames = chain([first], iter(opened))

    @property
    def info(self) -> VideoInfo:
        """The facts of the whole source."""
        return self._info

    @property
    def skipped(self) -> int:
        """Frames that could not be decoded since the source was opened again."""
        return self._opened.skipped

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Closes the source."""
        self._opened.close()


def resumed_source(
    info: VideoInfo, open_from: OpenFrom, snapshot: Snapshot, begin_s: float
) -> tuple[ResumedSource, dict[int, Frame]]:
    """Returns the source from the frame after a snapshot on, and the frames of results that wait.

    The frame is recognised by its number, time and pixels. The source is read from a little before
    it; where that gives another frame, from the beginning.

    Args:
        info: Of the whole source.
        open_from: Opens it.
        snapshot: Where to continue.
        begin_s: Where the interrupted run began.

    Raises:
        NotResumableError: The frame is not there, or another one.
    """
    needed = {late.index for late in snapshot.late_results()}
    wrong = "expected it to be read again, got the end"
    for start_s in dict.fromkeys((max(snapshot.read_from_s, begin_s), begin_s)):
        source: Source | None = None
        try:
            source = open_from(start_s)
            frame, kept = _read_to(source, snapshot.next_frame, needed)
            wrong = _difference(frame, snapshot.next_frame)
            if not wrong and frame is not None:
                return ResumedSource(info, source, frame), kept
        except SourceError as error:
            wrong = str(error)
        _log.debug("%s: from %g s: %s", info.source, start_s, wrong)
        if source is not None:
            source.close()
    raise NotResumableError(
        f"{info.source}: frame {snapshot.next_frame.index}: {wrong}; the run cannot continue: "
        "start over without --resume"
    )


def earlier_frames(open_from: OpenFrom, begin_s: float, before: FrameMark) -> Generator[Frame]:
    """Yields all frames before one."""
    with open_from(begin_s) as source:
        for frame in source:
            if frame.index >= before.index:
                return
            yield frame


def _read_to(
    source: Source, mark: FrameMark, needed: set[int]
) -> tuple[Frame | None, dict[int, Frame]]:
    kept: dict[int, Frame] = {}
    for frame in source:
        if frame.index >= mark.index:
            return frame, kept
        if frame.index in needed:
            kept[frame.index] = frame
    return None, kept


def _difference(frame: Frame | None, mark: FrameMark) -> str:
    """Returns how a frame differs from the one that was processed; empty if it does not."""
    if frame is None:
        return "expected it as before, got the end of the source"
    got = FrameMark.of(frame)
    if got.index != mark.index:
        return f"expected it as before, got frame {got.index}"
    if got.time_s != mark.time_s:
        return f"expected it at {mark.time_s:.6f} s as before, got {got.time_s:.6f} s"
    return "" if got.digest == mark.digest else "expected the pixels as before, got others"
