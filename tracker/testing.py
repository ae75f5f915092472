"""Stand-ins for cameras and networks, for tests of your own that need neither.

Input: a number of frames, and what shall be found in each. Output: a `Source` and a detector that
`Pipeline` and `MultiPipeline` run as any other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from types import TracebackType
from typing import Self

import numpy as np

from tracker.detections import Detections
from tracker.frames import Frame, VideoInfo
from tracker.util.stopwatch import Stopwatch


class ScriptedSource:
    """A source of frames of one grey level each; the level is the index modulo 256.

    Args:
        count: Frames, >= 0.
        fps: Nominal frames a second; frame `n` has the time `n / fps`.
        size: Height and width of the frames in pixels.
        live: Whether it claims to be live: frames that are not taken in time are lost.
        before_frame: Is called with the index before each frame; it may wait or raise.
        indices: Indices of the frames, rising, where some are left out; `None` for all from 0.

    Attributes:
        info: What is known before the first frame.
        delivered: Frames that were taken so far.
        skipped: Frames that could not be read; none.
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
        """Yields the frames; ends early where the source is closed."""
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class ScriptedDetector:
    """A detector that finds what it is told to.

    Args:
        script: The detections by frame index, nothing in frames beyond them; or a function from a
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
    """What results record as the digests of its model."""

    def __init__(
        self,
        script: Sequence[Detections] | Callable[[Frame], Detections],
        class_names: Sequence[str] = ("person", "car"),
    ) -> None:
        self._script = script
        self.class_names = tuple(class_names)
        self.started: list[VideoInfo] = []

    def start(self, info: VideoInfo) -> None:
        """Notes the source."""
        self.started.append(info)

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns what the script says of each frame."""
        with (stopwatch or Stopwatch()).measure("infer"):
            return [self._of(frame) for frame in frames]

    def _of(self, frame: Frame) -> Detections:
        if callable(self._script):
            return self._script(frame)
        known = frame.index < len(self._script)
        return self._script[frame.index] if known else Detections.empty()
