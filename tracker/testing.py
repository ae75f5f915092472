"""Scripted sources and detectors, for tests without cameras and networks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np

from tracker.detections import Detections
from tracker.frames import Frame, VideoInfo
from tracker.util.closing import Closing
from tracker.util.stopwatch import Stopwatch

__all__ = ["ScriptedDetector", "ScriptedSource"]


class ScriptedSource(Closing):
    """A source of uniformly grey frames; the grey level is the index modulo 256.

    Args:
        count: Number of frames, >= 0.
        fps: Nominal frames per second; frame `n` has the time `n / fps`.
        size: Height and width of the frames in pixels.
        live: The `is_live` of its `VideoInfo`.
        before_frame: Called with the index before each frame; it may block or raise.
        indices: Ascending indices of the frames, for gaps; `None` for all from 0.

    Attributes:
        info: Properties of the source.
        delivered: Number of frames read so far.
        skipped: Number of frames that could not be decoded; 0.
        closed: Whether it was closed.

    Example:
        >>> [frame.index for frame in ScriptedSource(3)]
        [0, 1, 2]
    """

    def __init__(
        self,
        count: int,
        *,
        fps: Fraction = Fraction(25),
        size: tuple[int, int] = (48, 64),
        live: bool = False,
        before_frame: Callable[[int], None] = lambda index: None,
        indices: Sequence[int] | None = None,
    ) -> None:
        self._indices = range(count) if indices is None else indices
        self._before_frame = before_frame
        self.closed = False
        self.delivered = 0
        self.skipped = 0
        self.info = VideoInfo(
            source="scripted",
            width=size[1],
            height=size[0],
            fps=fps,
            time_base=1 / fps,
            frame_count=count,
            is_live=live,
        )

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames; ends early if the source is closed."""
        shape = (self.info.height, self.info.width, 3)
        for index in self._indices:
            self._before_frame(index)
            if self.closed:
                return
            self.delivered += 1
            yield Frame(
                np.full(shape, index % 256, np.uint8),
                index,
                float(index / self.info.fps),
                "scripted",
            )

    def close(self) -> None:
        """Ends the frames."""
        self.closed = True


class ScriptedDetector:
    """A detector that returns given detections.

    Args:
        script: The detections by frame number, none in frames beyond them; or a function from a
            frame to its detections.
        class_names: Names of the classes, by class index.

    Attributes:
        started: The sources that it was prepared for.

    Example:
        >>> detector = ScriptedDetector([Detections.create([[0, 0, 8, 8]], [0.9])])
        >>> [len(detector.detect([frame])[0]) for frame in ScriptedSource(2)]
        [1, 0]
    """

    digests: Mapping[str, str] = {"scripted.weights": "0" * 64}
    """The model digests that results record."""

    def __init__(
        self,
        script: Sequence[Detections] | Callable[[Frame], Detections],
        class_names: Sequence[str] = ("person", "car"),
    ) -> None:
        self._script = script
        self.class_names = tuple(class_names)
        self.started: list[VideoInfo] = []

    def start(self, info: VideoInfo) -> None:
        """Appends to `started`."""
        self.started.append(info)

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns the scripted detections of each frame."""
        with (stopwatch or Stopwatch()).measure("infer"):
            return [self._detections_of(frame) for frame in frames]

    def _detections_of(self, frame: Frame) -> Detections:
        if callable(self._script):
            return self._script(frame)
        known = frame.index < len(self._script)
        return self._script[frame.index] if known else Detections.empty()
