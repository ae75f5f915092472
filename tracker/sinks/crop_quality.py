"""How well an object is seen in a frame, to choose the best image of each track."""

import numpy as np

from tracker.boxes import clip
from tracker.util.arrays import Float32Array, Float64Array, UInt8Array
from tracker.util.opencv import cv2

LARGE_SIDE_PX = 256.0
"""Side of a square of the object's area from which on a larger one is no better."""

_SAMPLE = (64, 128)
"""Width and height to which a crop is resized before its sharpness is measured, so that a large
object is not sharper than a small one by its size alone."""

_SHARP = 200.0
"""Variance of the Laplacian at which sharpness is one half: blurred crops of the sample videos have
less, crops in focus more."""


def visible_quality(
    boxes: Float32Array, scores: Float32Array, *, width: int, height: int
) -> Float64Array:
    """Returns `(T,)` quality in [0, 1] by size, score, and how much of each box is to be seen.

    It is the product of the size, the score, and the squares of the share within the image and of
    the share that no other box covers.

    Args:
        boxes: `(T, 4)` xyxy in pixels of all tracks of a frame.
        scores: `(T,)` in [0, 1].
        width: Of the image in pixels.
        height: Of the image in pixels.

    Example:
        >>> boxes = np.array([[0, 0, 256, 256], [-64, 0, 64, 128]], np.float32)
        >>> visible_quality(boxes, np.ones(2, np.float32), width=640, height=480).tolist()
        [0.765625, 0.0]
    """
    if not len(boxes):
        return np.zeros(0)
    inside = np.asarray(clip(boxes, width=width, height=height), np.float64)
    whole = boxes.astype(np.float64)
    seen, total = _areas(inside), np.maximum(_areas(whole), 1e-9)
    size = np.minimum(np.sqrt(seen) / LARGE_SIDE_PX, 1)
    quality: Float64Array = size * scores * (seen / total) ** 2 * (1 - _covered(inside, seen)) ** 2
    return quality


def _areas(boxes: Float64Array) -> Float64Array:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    area: Float64Array = sides[:, 0] * sides[:, 1]
    return area


def _covered(boxes: Float64Array, areas: Float64Array) -> Float64Array:
    """Returns `(T,)` the largest share of each box that one other box covers."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    np.fill_diagonal(common, 0)
    shares: Float64Array = common.max(axis=1) / np.maximum(areas, 1e-9)
    return np.minimum(shares, 1)


def sharpness(crop: UInt8Array) -> float:
    """Returns 0 (even) to 1 (sharp) of a crop `(h, w, 3)` uint8 RGB, by the Laplacian.

    Example:
        >>> sharpness(np.full((20, 10, 3), 127, np.uint8))
        0.0
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    shrinks = grey.shape[1] > _SAMPLE[0] or grey.shape[0] > _SAMPLE[1]
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    variance = float(cv2.Laplacian(cv2.resize(grey, _SAMPLE, interpolation=mode), cv2.CV_32F).var())
    return variance / (variance + _SHARP)
