"""Small real classes that stand in for cameras, networks and files."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from types import TracebackType
from typing import Self

import numpy as np

from tracker.detections import Detections
from tracker.frames import Frame, VideoInfo
from tracker.timing import Stopwatch


class ScriptedSource:
    """Delivers frames of one grey level each; the level is the index modulo 256."""

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


class HangingSource(ScriptedSource):
    """Delivers two frames, and then nothing until it is closed, as a camera does that hangs."""

    def __init__(self) -> None:
        self._closing = threading.Event()
        super().__init__(3, live=True, before_frame=self._hang)

    def _hang(self, index: int) -> None:
        if index == 2:
            assert self._closing.wait(20), "nobody closed the source"

    def close(self) -> None:
        self._closing.set()
        super().close()


class ScriptedDetector:
    """Answers with what a function says for each frame."""

    class_names = ("person", "car")
    digests: Mapping[str, str] = {"scripted.weights": "0" * 64}

    def __init__(self, answer: Callable[[Frame], Detections]) -> None:
        self._answer = answer
        self.started: list[VideoInfo] = []

    def start(self, info: VideoInfo) -> None:
        self.started.append(info)

    def detect(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[Detections]:
        with stopwatch.measure("infer"):
            return [self._answer(frame) for frame in frames]


def one_walker(frame: Frame) -> Detections:
    """One object that moves 2 px to the right in each source frame."""
    x = 5.0 + 2 * (frame.index % 20)
    return Detections.create([[x, 10, x + 12, 40]], [0.8])
