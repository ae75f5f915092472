"""Rauch-Tung-Striebel smoothing of whole tracks, by filterpy.

Constant velocity of centre, aspect and height, as on-line. Pure functions.
"""

import numpy as np
from filterpy.kalman import KalmanFilter

from tracker.boxes import cxcyah_to_xyxy, xyxy_to_cxcyah
from tracker.tracking import kalman
from tracker.tracking.kalman import MIN_SIZE, MotionNoise
from tracker.util.arrays import BoolArray, Float64Array


def smooth_track(
    boxes: Float64Array, seen: BoolArray, noise: MotionNoise
) -> tuple[Float64Array, Float64Array]:
    """Returns smoothed boxes `(F, 4)` xyxy and velocities `(F, 2)` of the centre, px a frame.

    Each state is the best estimate from the whole track, later frames included (Rauch, Tung,
    Striebel 1965).

    Args:
        boxes: `(F, 4)` xyxy, one for each of `F` >= 1 frames without a gap.
        seen: `(F,)` whether the box was measured; of other boxes only the height is used, to scale
            the noise.
        noise: The motion model; it scales with the height in each frame.
    """
    measured = xyxy_to_cxcyah(boxes)
    model = KalmanFilter(dim_x=8, dim_z=4)
    model.F = np.eye(8) + np.eye(8, k=4)
    model.H = np.eye(4, 8)
    state = kalman.initiate(measured[:1], noise)
    model.x, model.P = kalman.means(state)[0], kalman.full_covariance(state)[0]
    process, measurement = _noise_by_frame(measured[:, 3], noise)
    still = np.eye(8)
    steps = [still, *[model.F] * (len(boxes) - 1)]
    # The initial state is that of the first frame: no step precedes it, hence no process noise.
    process[0] = 0
    values = [value if is_seen else None for value, is_seen in zip(measured, seen, strict=True)]
    values[0] = None
    means, covariances, _, _ = model.batch_filter(values, Fs=steps, Qs=process, Rs=measurement)
    smoothed, _, _, _ = model.rts_smoother(means, covariances, Fs=steps, Qs=process)
    np.maximum(smoothed[:, 2:4], MIN_SIZE, out=smoothed[:, 2:4])
    return cxcyah_to_xyxy(smoothed[:, :4]), np.asarray(smoothed[:, 4:6])


def _noise_by_frame(heights: Float64Array, noise: MotionNoise) -> tuple[Float64Array, Float64Array]:
    """Returns `(F, 8, 8)` process and `(F, 4, 4)` measurement covariances."""
    count = len(heights)
    deviations = np.empty((count, 8))
    deviations[:, :4] = (noise.position * heights)[:, None]
    deviations[:, 4:] = (noise.velocity * heights)[:, None]
    deviations[:, 2], deviations[:, 6] = noise.aspect, noise.aspect_velocity
    process = np.square(deviations)[:, :, None] * np.eye(8)
    measured = np.empty((count, 4))
    measured[:] = (noise.measurement * heights)[:, None]
    measured[:, 2] = noise.aspect_measurement
    return process, np.square(measured)[:, :, None] * np.eye(4)
