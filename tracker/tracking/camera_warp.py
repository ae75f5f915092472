"""Camera motion applied to tracks: the filter's state in the pixels of the new frame."""

import numpy as np

from tracker.tracking.kalman import VALUE, VARIANCE
from tracker.tracks import CameraMotion
from tracker.util.arrays import Float64Array


def warp(state: Float64Array, motion: CameraMotion) -> Float64Array:
    """Returns states in the new frame's pixels.

    The linear map of the state is `scale * R` on centre and velocity, `scale` on height and its
    rate, 1 on aspect and its rate. The compact covariance stays exact under it, because x and y
    have equal variances (their noise is the same) and a rotation leaves `sigma^2 * I` as it is.
    Boxes stay parallel to the frame's sides: a rotation moves their centres and keeps their
    sizes, which for the few degrees of a hand-held camera is within the detector's own error.

    Args:
        state: `(5, 4, ..., T)` of `kalman.py`, x and y of equal variances as the filter keeps them.
        motion: From the frame of `state` to the frame of the result.

    Example:
        >>> state = np.zeros((5, 4, 1))
        >>> state[:2, :, 0] = [[10.0, 20.0, 0.5, 8.0], [1.0, 0.0, 0.0, 0.0]]
        >>> warp(state, CameraMotion(2.0, 0.0, (5.0, 0.0)))[:2, :, 0].tolist()
        [[25.0, 40.0, 0.5, 16.0], [2.0, 0.0, 0.0, 0.0]]
    """
    if motion.is_identity:
        return state
    matrix = motion.matrix
    moved = state.copy()
    moved[:VARIANCE, :2] = np.einsum("ij,bj...->bi...", matrix[:, :2], state[:VARIANCE, :2])
    for coordinate, shift in enumerate(matrix[:, 2]):
        moved[VALUE, coordinate] += shift
    moved[:VARIANCE, 3] *= motion.scale
    for coordinate in (0, 1, 3):
        moved[VARIANCE:, coordinate] *= motion.scale**2
    return moved
