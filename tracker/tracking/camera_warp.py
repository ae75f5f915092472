"""Camera motion applied to tracks: the filter's state in the pixels of the new frame."""

import numpy as np

from tracker.tracks import CameraMotion
from tracker.util.arrays import Float64Array


def warp(
    mean: Float64Array, covariance: Float64Array, motion: CameraMotion
) -> tuple[Float64Array, Float64Array]:
    """Returns means and covariances in the new frame's pixels; call it before `predict`.

    The linear map of the state is `scale * R` on centre and velocity, `scale` on height and its
    rate, 1 on aspect and its rate. The compact covariance stays exact under it, because x and y
    have equal variances (their noise is the same) and a rotation leaves `sigma^2 * I` as it is.
    Boxes stay parallel to the frame's sides: a rotation moves their centres and keeps their
    sizes, which for the few degrees of a hand-held camera is within the detector's own error.

    Args:
        mean: `(T, 8)`.
        covariance: `(T, 3, 4)`, with equal first two columns as the filter keeps them.
        motion: From the frame of `mean` to the frame of the result.

    Example:
        >>> mean = np.array([[10.0, 20.0, 0.5, 8.0, 1.0, 0.0, 0.0, 0.0]])
        >>> warp(mean, np.zeros((1, 3, 4)), CameraMotion(2.0, 0.0, (5.0, 0.0)))[0].tolist()
        [[25.0, 40.0, 0.5, 16.0, 2.0, 0.0, 0.0, 0.0]]
    """
    if motion.is_identity:
        return mean, covariance
    matrix = motion.matrix
    linear, shift = matrix[:, :2], matrix[:, 2]
    moved = mean.copy()
    moved[:, :2] = mean[:, :2] @ linear.T + shift
    moved[:, 4:6] = mean[:, 4:6] @ linear.T
    moved[:, (3, 7)] *= motion.scale
    scaled = covariance * np.square([motion.scale, motion.scale, 1.0, motion.scale])
    return moved, scaled
