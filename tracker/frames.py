"""Frames, and the protocol of the sources that deliver them."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.errors import DataError
from tracker.util.arrays import Float32Array, UInt8Array, array_of, frozen


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image with its timestamp.

    Attributes:
        image: `(H, W, 3)` uint8 RGB, read-only.
        index: Frame number: its place in the source, from 0; gaps show dropped or skipped frames.
        time_s: Presentation time in seconds after the source's first frame.
        source: The source as given by the user.
        wall_time_s: Unix time of capture for live sources, else `None`.
        captured_s: The same instant on `time.monotonic`, which is never set back; latency is
            computed from it.
    """

    image: UInt8Array
    index: int
    time_s: float
    source: str
    wall_time_s: float | None = None
    captured_s: float | None = None

    def __post_init__(self) -> None:
        image = frozen(
            _rgb_pixels(self.image), dtype="uint8", shape=(None, None, 3), name="Frame.image"
        )
        object.__setattr__(self, "image", image)

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.image.shape[0])


def _rgb_pixels(image: ArrayLike) -> NDArray[Any]:
    """Returns an image as an array.

    Raises:
        DataError: It is not `(H, W, 3)` of integers; the message says how to convert it.
    """
    array = array_of(image, name="Frame.image")
    hint = ""
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1):
        hint = "convert grey to RGB with np.stack([grey] * 3, axis=-1)"
    elif array.ndim == 3 and array.shape[2] == 4:
        hint = "drop the alpha channel with [..., :3]"
    elif array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        hint = "move the channels to the last axis with .transpose(1, 2, 0)"
    elif array.ndim != 3:
        hint = "a frame is one image"
    if hint:
        raise DataError(f"Frame.image: expected shape (H, W, 3) RGB, got {array.shape}; {hint}")
    if array.dtype.kind == "f":
        raise DataError(
            f"Frame.image: expected uint8 values of 0 to 255, got {array.dtype}; of 0 to 1: "
            "(image * 255).round().astype(np.uint8)"
        )
    return array


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Properties of a source that are known before its first frame.

    Attributes:
        source: The source as given by the user (a path, a camera index, a pattern).
        width: Width in pixels of the frames, after rotation; their pixels are square.
        height: Height in pixels of the frames, after rotation.
        fps: Nominal frames per second of the delivered frames (after `stride`).
        time_base: Exact unit of presentation times: `round(frame.time_s / time_base)` is the
            frame's time stamp in these units.
        frame_count: Number of frames that will be delivered; `None` if the container does not
            state it.
        is_live: Whether frames that are not read in time are lost.
        stored_size: Width and height in pixels, after rotation, as stored in the source, if its
            pixels are not square; `None` where it equals the size of the frames. Output files
            have boxes in stored pixels: `tracker.sinks.stored_pixels`.
        audio_path: File with the sound of these frames, or `None`.
        start_s: Time in seconds of the first delivered frame within `audio_path`.
    """

    source: str
    width: int
    height: int
    fps: Fraction
    time_base: Fraction
    frame_count: int | None = None
    is_live: bool = False
    stored_size: tuple[int, int] | None = None
    audio_path: str | None = None
    start_s: float = 0.0

    def __post_init__(self) -> None:
        if self.stored_size == (self.width, self.height):
            object.__setattr__(self, "stored_size", None)

    @property
    def stored_scale(self) -> tuple[float, float]:
        """Factors for x and y from pixels of a frame to stored pixels."""
        if self.stored_size is None:
            return 1.0, 1.0
        return self.stored_size[0] / self.width, self.stored_size[1] / self.height

    def in_frame(self, boxes: Float32Array) -> Float32Array:
        """Returns boxes `(N, 4)` xyxy in pixels of the frames, given in stored pixels."""
        if self.stored_size is None:
            return boxes
        scale: Float32Array = np.array(self.stored_scale * 2, np.float32)
        return np.divide(boxes, scale, dtype=np.float32)


@runtime_checkable
class Source(Protocol):
    """An iterable over frames in order; it can be iterated once.

    A source is its own context manager; `close` may be called twice and from another thread.
    Iteration ends normally at the end of the video. A failing source raises `SourceError`.
    """

    @property
    def info(self) -> VideoInfo:
        """Properties that are known before the first frame."""
        ...

    @property
    def skipped(self) -> int:
        """Number of frames so far that could not be decoded."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Releases the file or device; a running iteration ends."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Reconnecting(Protocol):
    """A source that reconnects by itself."""

    @property
    def reconnects(self) -> int:
        """Number of reconnections so far."""
        ...
