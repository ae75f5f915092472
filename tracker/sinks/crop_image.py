"""The image of one object, cut out of a frame, and images as JPEG."""

import numpy as np

from tracker.boxes import clip
from tracker.util.arrays import Float32Array, UInt8Array
from tracker.util.opencv import cv2

_MARGIN = 0.05
_LARGEST_SIDE = 1024


def cut_out(image: UInt8Array, box: Float32Array, *, largest: int = _LARGEST_SIDE) -> UInt8Array:
    """Returns the content of a box with a margin of 5 %; empty where it is outside of the image.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        box: `(4,)` xyxy in pixels.
        largest: Long side in pixels to which a larger one is reduced.
    """
    margin = _MARGIN * (box[2:] - box[:2])
    grown = np.concatenate([box[:2] - margin, box[2:] + margin])[None].astype(np.float32)
    height, width = image.shape[:2]
    x1, y1, x2, y2 = np.rint(clip(grown, width=width, height=height)[0]).astype(int).tolist()
    return reduced(image[y1:y2, x1:x2], largest)


def reduced(image: UInt8Array, largest: int) -> UInt8Array:
    """Returns the image with a long side of at most so many pixels.

    Example:
        >>> reduced(np.zeros((50, 200, 3), np.uint8), 100).shape
        (25, 100, 3)
    """
    share = largest / max(*image.shape[:2], 1)
    if not image.size or share >= 1:
        return image
    size = (max(1, round(image.shape[1] * share)), max(1, round(image.shape[0] * share)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg_bytes(image: UInt8Array, quality: int) -> bytes:
    """Returns an RGB image as JPEG.

    Args:
        image: `(H, W, 3)` uint8 RGB, not empty.
        quality: 1 to 100.
    """
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
