"""Boxes of a track in a gap, on the straight line between its two ends."""

import numpy as np

from tracker.boxes import cxcyah_to_xyxy, xyxy_to_cxcyah
from tracker.util.arrays import Float32Array, Float64Array


def boxes_between(
    first: Float32Array | Float64Array, last: Float32Array | Float64Array, shares: Float64Array
) -> Float64Array:
    """Returns `(n, 4)` xyxy: centre, aspect and height run evenly from one box to the other.

    Args:
        first: `(4,)` xyxy before the gap.
        last: `(4,)` xyxy after it.
        shares: `(n,)` of the way from the first to the last, 0 to 1.

    Example:
        >>> boxes_between(np.array([0.0, 0, 10, 20]), np.array([8.0, 0, 18, 20]), np.array([0.25]))
        array([[ 2.,  0., 12., 20.]])
    """
    start, end = xyxy_to_cxcyah(np.stack([first, last]).astype(np.float64))
    return cxcyah_to_xyxy(start + shares[:, None] * (end - start))
