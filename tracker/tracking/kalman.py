"""Constant-velocity Kalman filter over the boxes of many tracks at once.

Measurements are `(T, 4)` cxcyah (centre x, centre y, aspect, height), means `(T, 8)` (the
measurement, then its rate per frame interval), covariances `(T, 3, 4)`.

The state is that of DeepSORT, sec. 2.1 (arXiv 1703.07402): `(u, v, a, h)` and their velocities,
with linear observation of `(u, v, a, h)`. Noise is diagonal, so a coordinate and its rate never
correlate with another coordinate: the 8x8 covariance is four 2x2 blocks. Row 0 of the compact form
holds the variances of the four values, row 1 their covariances with their own rates, row 2 the
variances of the rates. `full_covariance` gives the 8x8 form.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np

from tracker.tracking.ranges import ABOVE_0, LARGEST, check_ranges
from tracker.util.arrays import Float64Array

GATE_95 = 9.4877
"""0.95 quantile of the chi-square distribution with 4 degrees of freedom (DeepSORT, eq. 2)."""

MIN_SIZE = 1e-3
"""Aspect and height (pixels) never fall below this, so that an extrapolated box stays a box."""


_REFERENCE_RATE = 30.0
"""Frames a second at which noise that adapts has the values of `MotionNoise`."""


@dataclass(frozen=True, slots=True)
class MotionNoise:
    """Standard deviations of the motion model; those of positions are in object heights.

    The paper gives no numbers. Positions and heights scale with the object's height because the
    same walk covers more pixels when the object is near; an aspect ratio has no scale.

    Attributes:
        position: Of position and height, per frame interval.
        measurement: Of a measured position and height.
        velocity: Of the rates of position and height, per frame interval.
        aspect: Of the aspect ratio, per frame interval.
        aspect_velocity: Of the aspect ratio's rate, per frame interval.
        aspect_measurement: Of a measured aspect ratio.
    """

    position: float = 1 / 20
    measurement: float = 1 / 10
    velocity: float = 1 / 160
    aspect: float = 1e-2
    aspect_velocity: float = 1e-5
    aspect_measurement: float = 1e-1

    def at_interval(self, seconds: float) -> Self:
        """Returns the noise at another frame interval than the one of 1/30 s that it is given for.

        A force that changes at random (white noise in seconds) changes a rate by the root of the
        time, and a rate per frame interval by its power 1.5; a place jitters by the root.

        Args:
            seconds: Nominal seconds between two frames.
        """
        ratio = seconds * _REFERENCE_RATE
        place, rate = ratio**0.5, ratio**1.5
        return replace(
            self,
            position=self.position * place,
            aspect=self.aspect * place,
            velocity=self.velocity * rate,
            aspect_velocity=self.aspect_velocity * rate,
        )

    def __post_init__(self) -> None:
        check_ranges(self, dict.fromkeys(self.__slots__, (ABOVE_0, LARGEST)), prefix="MotionNoise.")


def initiate(measurements: Float64Array, noise: MotionNoise) -> tuple[Float64Array, Float64Array]:
    """Returns means `(T, 8)` and covariances `(T, 3, 4)` of tracks seen once, at rest.

    Args:
        measurements: `(T, 4)` cxcyah in pixels.
        noise: The motion model. A new track's position is twice, and its velocity ten times, as
            uncertain as one step of process noise.
    """
    mean = np.zeros((len(measurements), 8))
    mean[:, :4] = measurements
    square = np.square(measurements[:, 3:4])
    covariance = np.zeros((len(measurements), 3, 4))
    covariance[:, 0] = square * _per_height(2 * noise.position) + _fixed(noise.aspect)
    covariance[:, 2] = square * _per_height(10 * noise.velocity) + _fixed(noise.aspect_velocity)
    return mean, covariance


def predict(
    mean: Float64Array,
    covariance: Float64Array,
    *,
    dt: float,
    noise: MotionNoise,
    noise_factor: Float64Array | None = None,
) -> tuple[Float64Array, Float64Array]:
    """Returns means and covariances `dt` frame intervals later.

    For a whole `dt` the result is that of as many steps of one interval (the process noise of the
    steps adds up through the motion model), so that a dropped frame is no different from a missed
    detection; in between it is interpolated by the same polynomials, below 1 it shrinks linearly.

    Args:
        mean: `(T, 8)`.
        covariance: `(T, 3, 4)`.
        dt: Nominal frame intervals, > 0.
        noise: The motion model.
        noise_factor: `(T,)` factor of each track's process noise (a variance); `None` for 1.
    """
    moved = mean.copy()
    place, size = moved[:, :4], moved[:, 2:4]  # `a[i] += b` would write the sum a second time
    place += dt * mean[:, 4:]
    np.maximum(size, MIN_SIZE, out=size)
    per_height, fixed = _process_noise(noise, dt)
    grown = np.square(mean[:, 3])[:, None, None] * per_height
    grown += fixed
    if noise_factor is not None:
        grown *= noise_factor[:, None, None]
    grown += covariance
    cross, rate = covariance[:, 1], covariance[:, 2]
    step = dt * rate
    grown_place, grown_cross = grown[:, 0], grown[:, 1]
    grown_cross += step
    step += 2 * cross
    step *= dt
    grown_place += step
    return moved, grown


def innovation_variance(
    mean: Float64Array, covariance: Float64Array, noise: MotionNoise
) -> Float64Array:
    """Returns `(T, 4)` variances of `measurement - prediction`: the diagonal of S (eq. 1)."""
    return np.asarray(covariance[:, 0] + measurement_variance(mean, noise))


def measurement_variance(mean: Float64Array, noise: MotionNoise) -> Float64Array:
    """Returns `(T, 4)` variances of measured values of objects as high as the tracks."""
    square = np.square(mean[:, 3:4])
    return square * _per_height(noise.measurement) + _fixed(noise.aspect_measurement)


def update(
    mean: Float64Array,
    covariance: Float64Array,
    measurements: Float64Array,
    *,
    noise: MotionNoise,
    noise_scale: Float64Array | None = None,
) -> tuple[Float64Array, Float64Array]:
    """Returns means and covariances after one measurement for each track.

    Args:
        mean: `(T, 8)` predicted.
        covariance: `(T, 3, 4)` predicted.
        measurements: `(T, 4)` cxcyah.
        noise: The motion model.
        noise_scale: `(T,)` factor of each measurement's variance, > 0; `None` for 1.
    """
    measured = measurement_variance(mean, noise)
    if noise_scale is not None:
        measured *= noise_scale[:, None]
    gain = covariance[:, :2] / (covariance[:, 0] + measured)[:, None]
    innovation = measurements - mean[:, :4]
    corrected = (gain * innovation[:, None]).reshape(-1, 8)
    corrected += mean
    size = corrected[:, 2:4]
    np.maximum(size, MIN_SIZE, out=size)
    reduced = covariance.copy()
    first, last = reduced[:, :2], reduced[:, 2]
    first -= gain[:, :1] * covariance[:, :2]
    last -= gain[:, 1] * covariance[:, 1]
    return corrected, reduced


def full_covariance(covariance: Float64Array) -> Float64Array:
    """Returns `(T, 8, 8)` covariances of the compact form `(T, 3, 4)`."""
    full = np.zeros((len(covariance), 8, 8))
    axis = np.arange(4)
    full[:, axis, axis] = covariance[:, 0]
    full[:, axis, axis + 4] = full[:, axis + 4, axis] = covariance[:, 1]
    full[:, axis + 4, axis + 4] = covariance[:, 2]
    return full


@lru_cache(maxsize=64)
def _process_noise(noise: MotionNoise, dt: float) -> tuple[Float64Array, Float64Array]:
    """Returns the process noise of `dt` intervals, `(3, 4)`: per squared height, and fixed."""
    later = max(dt - 1.0, 0.0)
    squares = dt * later * (2 * dt - 1) / 6  # 1 + 4 + ... + (dt - 1)^2
    pairs = dt * later / 2  # 1 + 2 + ... + (dt - 1)
    position, velocity = np.array([[dt], [0.0], [0.0]]), np.array([[squares], [pairs], [dt]])
    per_height = position * _per_height(noise.position) + velocity * _per_height(noise.velocity)
    fixed = position * _fixed(noise.aspect) + velocity * _fixed(noise.aspect_velocity)
    return per_height, fixed


@lru_cache(maxsize=64)
def _per_height(deviation: float) -> Float64Array:
    """Returns `(4,)` variances, in squared heights, of a deviation in heights."""
    return deviation**2 * np.array([1.0, 1.0, 0.0, 1.0])


@lru_cache(maxsize=64)
def _fixed(deviation: float) -> Float64Array:
    """Returns `(4,)` variances of a deviation of the aspect ratio."""
    return deviation**2 * np.array([0.0, 0.0, 1.0, 0.0])
