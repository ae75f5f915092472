"""A mask drawn into an image as a transparent tint."""

import numpy as np

from tracker.masks import Mask, crop_mask
from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2


def tint_mask(
    canvas: UInt8Array, mask: Mask, color: tuple[int, int, int], *, opacity: float
) -> None:
    """Mixes a colour into the pixels of a mask; all others stay unchanged.

    Time follows the size of the object, not that of the image.

    Args:
        canvas: `(H, W, 3)` uint8 RGB, changed in place.
        mask: Of the same height and width.
        color: RGB.
        opacity: Share of the colour, in `[0, 1]`.
    """
    left, top, pixels = crop_mask(mask)
    if not pixels.size:
        return
    region = canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]]
    # A table of all 256 levels: no floating point for each pixel.
    levels = np.arange(256)[:, None] * (1 - opacity) + np.array(color) * opacity
    tinted = cv2.LUT(region, np.rint(levels).astype(np.uint8)[None])
    # Fifteen times as fast as NumPy's `copyto` with a mask.
    cv2.copyTo(tinted, pixels.astype(np.uint8), region)
