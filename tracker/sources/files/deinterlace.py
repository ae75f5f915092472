"""Deinterlacing by FFmpeg's filters.

An interlaced frame holds two fields, its even and its odd rows, taken one after the other: moving
objects get comb artefacts, and detectors miss them.
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
"""Best first; an FFmpeg build without GPL parts may lack either."""

_OPTIONS = "mode=send_frame:parity=auto:deint=interlaced"
"""One frame out per frame in; frames not flagged as interlaced stay unchanged."""


_NO_STAMPS = Fraction(1, 90_000)
"""A time base for frames without one."""


class Deinterlacer:
    """Deinterlaces the frames that are flagged as interlaced, from the first of them on.

    Until then frames pass unchanged and without delay. From then on the filter needs the next
    frame, so `push` returns them one frame later. Number, order and time stamps stay.

    Args:
        mode: `OFF` passes all unchanged.
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
        """Returns the frames that are ready once `frame` was decoded."""
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
        """Returns the delayed frames; call it after the last one was pushed."""
        if self._graph is None:
            return []
        graph, self._graph = self._graph, None
        graph.vpush(None)
        return self._pulled(graph)

    def _given_up(self, frame: VideoFrame, error: Exception) -> list[VideoFrame]:
        _log.warning(
            "%s: interlaced, and this FFmpeg build cannot deinterlace it (%s): "
            "moving objects have comb artefacts and may be missed",
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
            # The filters use half the time base; the file's time stamps must not be rounded.
            stored = self._waiting.popleft()
            frame.pts, frame.time_base = stored.pts, stored.time_base or _NO_STAMPS
            frames.append(frame)


def deinterlaced(
    frames: Iterable[VideoFrame], mode: Deinterlace, source: str
) -> Iterator[VideoFrame]:
    """Returns the frames of a file, deinterlaced where they are flagged as interlaced.

    Args:
        frames: Decoded frames.
        mode: `OFF` passes all unchanged.
        source: The source as messages name it.
    """
    deinterlacer = Deinterlacer(mode, source)
    for frame in frames:
        yield from deinterlacer.push(frame)
    yield from deinterlacer.flush()


def _form(frame: VideoFrame) -> tuple[object, ...]:
    """Returns the frame format of a graph; a change needs a new graph."""
    size = frame.width, frame.height
    return *size, frame.format.name, int(frame.colorspace), int(frame.color_range)


def _graph(frame: VideoFrame, filters: Sequence[str]) -> Graph:
    """Returns a graph for frames like this one.

    Raises:
        LookupError: FFmpeg lacks the filters.
        av.FFmpegError: It cannot deinterlace such frames.
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
