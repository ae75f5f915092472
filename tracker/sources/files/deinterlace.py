"""Whole pictures from interlaced ones, by FFmpeg's filters.

A picture of an interlaced video holds two fields, its even and its odd rows, which were taken one
after the other: what moves has a comb for an edge, and detectors miss it.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import av
from av import VideoFrame
from av.filter import Graph

from tracker.sources.files.decoding import Deinterlace

_log = logging.getLogger(__name__)

FILTERS = ("bwdif", "yadif")
"""The better one first; an FFmpeg build without GPL parts may lack either."""

_OPTIONS = "mode=send_frame:parity=auto:deint=interlaced"
"""One picture for one picture, and those that are not flagged as interlaced stay as they are."""


_NO_STAMPS = Fraction(1, 90_000)
"""A time base for pictures without one."""


class Deinterlacer:
    """Deinterlaces the pictures that are flagged as interlaced, from the first of them on.

    Until then pictures pass untouched and at once. From then on each waits for its successor, which
    the filter looks at, so `push` returns them one picture later. Number, order and stamps stay.

    Args:
        mode: `OFF` lets all pass.
        source: The source as messages name it.
        filters: FFmpeg's filters to choose from, the best one first.
    """

    def __init__(self, mode: Deinterlace, source: str, *, filters: Sequence[str] = FILTERS) -> None:
        self._filters = filters
        self._is_off = mode is Deinterlace.OFF
        self._source = source
        self._graph: Graph | None = None
        self._form: tuple[object, ...] = ()
        self._waiting: deque[VideoFrame] = deque()

    def push(self, frame: VideoFrame) -> list[VideoFrame]:
        """Returns the pictures that are ready once `frame` was decoded."""
        if self._is_off or (self._graph is None and not frame.interlaced_frame):
            return [frame]
        ready = []
        try:
            form = _form(frame)
            if self._graph is None or form != self._form:
                ready = self.flush()
                self._graph, self._form = _graph(frame, self._filters), form
            self._waiting.append(frame)
            self._graph.vpush(frame)
            return ready + self._pulled(self._graph)
        except (av.FFmpegError, LookupError) as error:
            return ready + self._given_up(frame, error)

    def flush(self) -> list[VideoFrame]:
        """Returns the pictures that still wait; none come after the last one was pushed."""
        if self._graph is None:
            return []
        graph, self._graph = self._graph, None
        graph.vpush(None)
        return self._pulled(graph)

    def _given_up(self, frame: VideoFrame, error: Exception) -> list[VideoFrame]:
        _log.warning(
            "%s: its pictures are interlaced, and this FFmpeg build cannot make them whole (%s): "
            "moving objects have combs and may be missed",
            self._source,
            error,
        )
        self._is_off, self._graph = True, None
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting if frame in waiting else [*waiting, frame]

    def _pulled(self, graph: Graph) -> list[VideoFrame]:
        frames: list[VideoFrame] = []
        while True:
            try:
                frame = graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return frames
            # The filters count in halves of the time base; stamps of files must not be rounded.
            stored = self._waiting.popleft()
            frame.pts, frame.time_base = stored.pts, stored.time_base or _NO_STAMPS
            frames.append(frame)


def deinterlaced(
    frames: Iterable[VideoFrame], mode: Deinterlace, source: str
) -> Iterator[VideoFrame]:
    """Returns the pictures of a file, whole where they are flagged as interlaced.

    Args:
        frames: Decoded pictures.
        mode: `OFF` lets all pass.
        source: The source as messages name it.
    """
    deinterlacer = Deinterlacer(mode, source)
    for frame in frames:
        yield from deinterlacer.push(frame)
    yield from deinterlacer.flush()


def _form(frame: VideoFrame) -> tuple[object, ...]:
    """Returns what a graph is made for: a change needs another one."""
    size = frame.width, frame.height
    return *size, frame.format.name, int(frame.colorspace), int(frame.color_range)


def _graph(frame: VideoFrame, filters: Sequence[str]) -> Graph:
    """Returns a graph for pictures like this one.

    Raises:
        LookupError: FFmpeg lacks the filters.
        av.FFmpegError: It cannot deinterlace such pictures.
    """
    name = next((name for name in filters if name in av.filter.filters_available), None)
    if name is None:
        raise LookupError(f"it has no filter {' or '.join(filters)}")
    graph = Graph()
    options = {
        "video_size": f"{frame.width}x{frame.height}",
        "pix_fmt": frame.format.name,
        "time_base": frame.time_base or _NO_STAMPS,
        "colorspace": int(frame.colorspace),
        "range": int(frame.color_range),
    }
    source = graph.add("buffer", ":".join(f"{key}={value}" for key, value in options.items()))
    graph.link_nodes(source, graph.add(name, _OPTIONS), graph.add("buffersink")).configure()
    return graph
