"""Sliding windows: how a frame is laid under a grid of windows, and boxes out of its cells."""

import math
from collections.abc import Mapping

import numpy as np

from tracker.detection.letterbox import LetterboxGeometry
from tracker.models.fcn.shape import BOX, CLASS, OBJECTNESS
from tracker.util.arrays import Float32Array, Int32Array


def window_geometry(
    frame_size: tuple[int, int],
    scale: float,
    *,
    window: tuple[int, int],
    stride: tuple[int, int],
) -> LetterboxGeometry:
    """Returns where a scaled frame lies in the smallest input that whole windows cover.

    The input is a window and a whole number of strides high and wide; the frame is in its middle.

    Args:
        frame_size: Height and width of the frame in pixels, at least 1x1.
        scale: Size of the frame in the input, divided by its own.
        window: Height and width of a window in pixels of the input.
        stride: Pixels from a window to the next, downwards and to the right.

    Example:
        >>> geometry = window_geometry((480, 640), 0.5, window=(224, 224), stride=(32, 32))
        >>> geometry.content_size, geometry.input_size, geometry.offset
        ((240, 320), (256, 320), (8, 0))
    """
    content = [max(1, round(side * scale)) for side in frame_size]
    whole = [
        size + math.ceil(max(0, side - size) / step) * step
        for side, size, step in zip(content, window, stride, strict=True)
    ]
    return LetterboxGeometry(
        frame_size=frame_size,
        input_size=(whole[0], whole[1]),
        content_size=(content[0], content[1]),
        offset=((whole[0] - content[0]) // 2, (whole[1] - content[1]) // 2),
    )


def decode_windows(
    maps: Mapping[str, Float32Array], *, window: tuple[int, int], stride: tuple[int, int]
) -> tuple[Float32Array, Float32Array, Int32Array]:
    """Returns boxes `(N, 4)` xyxy in pixels of the input, scores `(N,)` and classes `(N,)` int32.

    `N` counts the windows row by row. The score is the objectness times the probability of the most
    probable class; on a tie that is the lowest.

    Args:
        maps: "class" `(rows, columns, C)`, "objectness" `(rows, columns, 1)`, "box" `(rows,
            columns, 4)`: centre x, centre y, width, height in fractions of the window.
        window: Height and width of a window in pixels.
        stride: Pixels from a window to the next, downwards and to the right.
    """
    rows, columns = maps[OBJECTNESS].shape[:2]
    left, top = np.meshgrid(np.arange(columns) * stride[1], np.arange(rows) * stride[0])
    corner = np.stack([left, top], axis=-1).astype(np.float32)
    size = np.array([window[1], window[0]], dtype=np.float32)
    # A box that nothing bounds may overflow; what is not finite is dropped later.
    with np.errstate(over="ignore", invalid="ignore"):
        centre = corner + maps[BOX][..., :2] * size
        half = maps[BOX][..., 2:] * size / 2
        boxes = np.concatenate([centre - half, centre + half], axis=-1).reshape(-1, 4)
    scores = (maps[OBJECTNESS][..., 0] * maps[CLASS].max(axis=-1)).reshape(-1)
    classes = maps[CLASS].argmax(axis=-1).reshape(-1).astype(np.int32)
    return boxes.astype(np.float32), scores.astype(np.float32), classes
