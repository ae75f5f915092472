"""Frames of several sizes in one batch: those that share a network input go together."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from tracker.detections import Detections
from tracker.errors import DataError
from tracker.frames import Frame

SizeT = TypeVar("SizeT", bound=Hashable)
PreparedT = TypeVar("PreparedT")

MOST_SIZES = 16
"""Input sizes that stay prepared: more than one process has kinds of camera, and few enough that
a process that runs one file after the other does not grow without bound."""


class PreparedSizes(Generic[PreparedT]):
    """What was prepared for input sizes; the one started longest ago makes room for a new one."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], PreparedT] = {}
        self._last = (0, 0)

    @property
    def last(self) -> tuple[int, int]:
        """Height and width of the input that `start` was called for last; before it zeros."""
        return self._last

    def start(self, size: tuple[int, int], prepare: Callable[[tuple[int, int]], PreparedT]) -> None:
        """Prepares a size, unless it is prepared already.

        Args:
            size: Height and width of the input in pixels.
            prepare: Makes what a size needs.
        """
        # The order of a dict is that of insertion: the first key was started longest ago.
        prepared = self._kept.pop(size) if size in self._kept else prepare(size)
        while len(self._kept) >= MOST_SIZES:
            del self._kept[next(iter(self._kept))]
        self._kept[size] = prepared
        self._last = size

    def of(self, size: tuple[int, int]) -> PreparedT:
        """Returns what was prepared for a size."""
        return self._kept[size]

    def detect(
        self,
        frames: Sequence[Frame],
        size_for: Callable[[tuple[int, int]], tuple[int, int]],
        detect: Callable[[Sequence[Frame], tuple[int, int]], Sequence[Detections]],
    ) -> list[Detections]:
        """Returns the detections of each frame, found by one call for each input size.

        Args:
            frames: The frames; one whose input size is not prepared gets the one started last.
            size_for: Returns the input's height and width for those of a frame.
            detect: Returns the detections of frames of one input size.

        Raises:
            DataError: Nothing was started.
        """
        if not self._kept:
            raise DataError("detector: expected start(info) before detect, got no such call")
        sizes = [self.nearest(size_for((frame.height, frame.width))) for frame in frames]
        return detect_by_size(frames, sizes, detect)

    def nearest(self, size: tuple[int, int]) -> tuple[int, int]:
        """Returns the size itself where it is prepared, else the one that was started last."""
        return size if size in self._kept else self._last


def detect_by_size(
    frames: Sequence[Frame],
    sizes: Iterable[SizeT],
    detect: Callable[[Sequence[Frame], SizeT], Sequence[Detections]],
) -> list[Detections]:
    """Returns the detections of each frame, found by one call for each size.

    Args:
        frames: The frames.
        sizes: The size of each.
        detect: Returns the detections of frames of one size.
    """
    groups: dict[SizeT, list[int]] = {}
    for row, size in enumerate(sizes):
        groups.setdefault(size, []).append(row)
    found: list[Detections | None] = [None] * len(frames)
    for size, rows in groups.items():
        for row, detections in zip(rows, detect([frames[r] for r in rows], size), strict=True):
            found[row] = detections
    return [detections for detections in found if detections is not None]
