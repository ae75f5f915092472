"""Letterboxing: a frame of any size becomes the network's input, and boxes find their way back.

Input: frames `(H, W, 3)` uint8. Output: network inputs `(h, w, 3)` uint8 of the same colours, and
boxes in pixels of the original frame. The input shape is the smallest that holds the frame, so that
no computing time is spent on padding.
"""

import math
from dataclasses import dataclass

import numpy as np

from tracker.boxes import clip
from tracker.errors import ConfigError, DataError
from tracker.util.arrays import Float32Array, UInt8Array
from tracker.util.opencv import cv2

PADDING = 128
"""Grey level of the border: 0.5, as darknet's own letterboxing uses."""

MOST_PIXELS = 8192
"""Long side of the largest input: twice that of video in 4K. Libraries fail on larger ones in ways
of their own, or the memory is not enough."""


@dataclass(frozen=True, slots=True)
class LetterboxGeometry:
    """Where a frame lies inside the network's input. All sizes in pixels.

    Attributes:
        frame_size: Height and width of the frame.
        input_size: Height and width of the network's input.
        content_size: Height and width of the scaled frame inside the input.
        offset: Top and left border of the scaled frame inside the input.
    """

    frame_size: tuple[int, int]
    input_size: tuple[int, int]
    content_size: tuple[int, int]
    offset: tuple[int, int]


def minimal_input_size(
    frame_size: tuple[int, int], long_side: int, *, stride: int, stretch: float = 1.0
) -> tuple[int, int]:
    """Returns height and width of the smallest network input with this long side.

    The short side is the smallest multiple of the stride that holds the scaled frame, and no longer
    than the long side.

    Args:
        frame_size: Height and width of the frame in pixels.
        long_side: Long side of the input in pixels, a multiple of the stride.
        stride: Both sides of an input have to be multiples of this.
        stretch: The short side of the frame is stretched by up to this factor, at least 1.

    Raises:
        ConfigError: The long side is no positive multiple of the stride.
        DataError: The frame is empty.

    Example:
        >>> minimal_input_size((360, 480), 640, stride=32)
        (480, 640)
        >>> minimal_input_size((360, 640), 640, stride=32, stretch=4 / 3)
        (480, 640)
    """
    check_long_side(long_side, stride=stride)
    _check_frame_size(frame_size)
    short = _scaled(min(frame_size), stretch * long_side / max(frame_size))
    short = min(math.ceil(short / stride) * stride, long_side)
    height, width = frame_size
    return (short, long_side) if width >= height else (long_side, short)


def check_long_side(long_side: int, *, stride: int) -> None:
    """Checks that a network with this stride accepts this long side.

    Raises:
        ConfigError: It is no positive multiple of the stride, or above `MOST_PIXELS`; the message
            names the nearest.
    """
    if long_side > MOST_PIXELS:
        raise ConfigError(
            f"input size: expected at most {MOST_PIXELS // stride * stride} pixels, got {long_side}"
        )
    if long_side > 0 and long_side % stride == 0:
        return
    below = long_side // stride * stride
    known = [str(size) for size in (below, below + stride) if size > 0] or [str(stride)]
    raise ConfigError(
        f"input size: expected a multiple of the network's stride {stride}, got {long_side}; "
        f"try {' or '.join(known)}"
    )


def letterbox_geometry(
    frame_size: tuple[int, int], input_size: tuple[int, int], *, stretch: float = 1.0
) -> LetterboxGeometry:
    """Returns where a frame lies inside an input: as large as fits, centred, aspect kept.

    Args:
        frame_size: Height and width of the frame in pixels.
        input_size: Height and width of the network's input in pixels.
        stretch: One side may be up to this factor larger than the aspect says, to fill the input.

    Raises:
        DataError: The frame is empty.
    """
    _check_frame_size(frame_size)
    scale = min(wanted / have for wanted, have in zip(input_size, frame_size, strict=True))
    height, width = (
        min(_scaled(have, stretch * scale), wanted)
        for wanted, have in zip(input_size, frame_size, strict=True)
    )
    return LetterboxGeometry(
        frame_size=frame_size,
        input_size=input_size,
        content_size=(height, width),
        offset=((input_size[0] - height) // 2, (input_size[1] - width) // 2),
    )


def letterbox(
    image: UInt8Array, geometry: LetterboxGeometry, *, padding: int = PADDING
) -> UInt8Array:
    """Returns the network's input `(h, w, 3)` uint8; the image itself where nothing changes.

    Args:
        image: `(H, W, 3)` uint8 of the geometry's frame size.
        geometry: From `letterbox_geometry`.
        padding: Grey level of what the image does not cover.

    Raises:
        DataError: The image is not of the geometry's frame size.
    """
    if image.shape[:2] != geometry.frame_size:
        raise DataError(
            f"image: expected height and width {geometry.frame_size}, got {image.shape[:2]}; "
            "the frames of one source have to be of one size"
        )
    height, width = geometry.content_size
    if geometry.content_size != geometry.frame_size:
        image = _resized(image, width=width, height=height)
    if geometry.content_size == geometry.input_size:
        return image
    top, left = geometry.offset
    canvas = np.full((*geometry.input_size, 3), padding, dtype=np.uint8)
    canvas[top : top + height, left : left + width] = image
    return canvas


def undo_letterbox(boxes: Float32Array, geometry: LetterboxGeometry) -> Float32Array:
    """Returns boxes `(N, 4)` float32 xyxy in pixels of the frame, cut to the frame.

    Args:
        boxes: `(N, 4)` float32 xyxy in pixels of the network's input.
        geometry: How the frame was letterboxed.
    """
    height, width = geometry.frame_size
    return clip(to_frame(boxes, geometry), width=width, height=height)


def to_frame(boxes: Float32Array, geometry: LetterboxGeometry) -> Float32Array:
    """Returns boxes `(N, 4)` float32 xyxy in pixels of the frame, which may reach beyond it.

    Args:
        boxes: `(N, 4)` float32 xyxy in pixels of the network's input.
        geometry: How the frame was letterboxed.
    """
    frame_height, frame_width = geometry.frame_size
    height, width = geometry.content_size
    top, left = geometry.offset
    # The two scales differ slightly, because the content has whole pixels.
    scale = np.array([frame_width / width, frame_height / height] * 2, dtype=np.float32)
    offset = np.array([left, top] * 2, dtype=np.float32)
    return (boxes - offset) * scale


def _resized(image: UInt8Array, *, width: int, height: int) -> UInt8Array:
    # Averaging (INTER_AREA) takes 1.3 ms for 1080p instead of 0.4 ms and gains next to nothing:
    # pooled AP50 37.8 % against 37.6 %, yolo-fastest-1.1-xl, 640 px images shrunk to 320.
    resized: UInt8Array = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return resized


def _scaled(length: int, scale: float) -> int:
    return max(1, round(length * scale))


def _check_frame_size(frame_size: tuple[int, int]) -> None:
    if min(frame_size) < 1:
        raise DataError(f"frame size: expected at least 1x1 pixels, got {frame_size}")
