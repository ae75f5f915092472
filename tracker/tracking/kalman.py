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
from typing import NamedTuple, Self

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


class Transition(NamedTuple):
    """A prediction as products of matrices: two calls for all tracks, in place of one a term.

    Attributes:
        state: `(8, 8)`, by which a row of means is multiplied.
        spread: `(G, 14, 12)`, by which a row is multiplied that has the 12 values of a compact
            covariance, the squared height, and 1.
    """

    state: Float64Array
    spread: Float64Array


_SHARES = {(0, 0): 1.0, (1, 0): 2.0, (2, 0): 1.0, (1, 1): 1.0, (2, 1): 1.0, (2, 2): 1.0}
"""Coefficients of `F P F^T`, from a row of the compact covariance to another; times `dt` to the
power of the difference."""


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
    mean: Float64Array, covariance: Float64Array, *, dt: float, noise: MotionNoise
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
    """
    return move(mean, covariance, transition(noise, dt, (1.0,)))


def move(
    mean: Float64Array, covariance: Float64Array, by: Transition
) -> tuple[Float64Array, Float64Array]:
    """Returns the predicted means and covariances of `G` models, or of one without the first axis.

    Args:
        mean: `(G, T, 8)`.
        covariance: `(G, T, 3, 4)`.
        by: See `transition`.
    """
    moved = mean @ by.state
    size = moved[..., 2:4]
    np.maximum(size, MIN_SIZE, out=size)
    terms = np.empty((*mean.shape[:-1], 14))
    terms[..., :12] = covariance.reshape(*mean.shape[:-1], 12)
    np.square(mean[..., 3], out=terms[..., 12])
    terms[..., 13] = 1.0
    spread = by.spread if mean.ndim == 3 else by.spread[0]
    return moved, (terms @ spread).reshape(covariance.shape)


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
    return correct(mean, covariance, measurements - mean[:, :4], covariance[:, 0] + measured)


def correct(
    mean: Float64Array, covariance: Float64Array, innovation: Float64Array, expected: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Returns means and covariances after the innovations of one measurement for each track.

    Args:
        mean: `(T, 8)` predicted.
        covariance: `(T, 3, 4)` predicted.
        innovation: `(T, 4)` the measurement less the prediction.
        expected: `(T, 4)` its variance.
    """
    place, cross = covariance[:, 0], covariance[:, 1]
    gain, rate_gain = place / expected, cross / expected
    corrected, reduced = mean.copy(), covariance.copy()
    values, rates, size = corrected[:, :4], corrected[:, 4:], corrected[:, 2:4]
    values += gain * innovation
    rates += rate_gain * innovation
    np.maximum(size, MIN_SIZE, out=size)
    first, second, last = reduced[:, 0], reduced[:, 1], reduced[:, 2]
    first -= gain * place
    second -= gain * cross
    last -= rate_gain * cross
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
def transition(noise: MotionNoise, dt: float, factors: tuple[float, ...]) -> Transition:
    """Returns the prediction over `dt` frame intervals by several models.

    Args:
        noise: The motion model.
        dt: Nominal frame intervals, > 0.
        factors: Factor of the process noise (standard deviations) of each model.
    """
    state = np.eye(8) + dt * np.eye(8, k=-4)
    spread = np.zeros((len(factors), 14, 12))
    axis = np.arange(4)
    for (old, new), share in _SHARES.items():
        spread[:, 4 * old + axis, 4 * new + axis] = share * dt ** (old - new)
    both = np.stack([part.ravel() for part in _process_noise(noise, dt)])
    spread[:, 12:] = np.square(factors)[:, None, None] * both
    return Transition(state, spread)


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
