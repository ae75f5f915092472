"""Constant-velocity Kalman filter over the boxes of many tracks at once.

Measurements are `(T, 4)` cxcyah (centre x, centre y, aspect, height). A state is one array
`(5, 4, T)`, or `(5, 4, G, T)` of `G` models side by side: five values (`VALUE` to `RATE_VARIANCE`)
of each coordinate. Tracks are the last axis, along which NumPy's calls are fastest.

The state is that of DeepSORT, sec. 2.1 (arXiv 1703.07402): `(u, v, a, h)` and their velocities per
frame interval, with linear observation of `(u, v, a, h)`. Noise is diagonal, so a coordinate and
its rate never correlate with another coordinate: the 8x8 covariance is four 2x2 blocks, of three
different values each. `full_covariance` gives the 8x8 form.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np

from tracker.tracking.ranges import ABOVE_0, LARGEST, check_ranges
from tracker.util.arrays import Float64Array

GATE_95 = 9.4877
"""0.95 quantile of the chi-square distribution with 4 degrees of freedom (DeepSORT, eq. 2)."""

VALUE, RATE, VARIANCE, COVARIANCE, RATE_VARIANCE = range(5)
"""First axis of a state: a coordinate, its rate, the variance of the coordinate, its covariance
with the rate, and the variance of the rate."""

_SIZE = slice(2, 4)
"""Coordinates aspect and height."""

MIN_SIZE = 1e-3
"""Aspect and height (pixels) never fall below this, so that an extrapolated box stays a box."""

_LEAST_RATIO = 1 + 1e-12
"""A measurement's noise is at least this much of the predicted variance, less 1. With a smaller
share, of a box predicted a million times too high or low, rounding makes variances 0 or less."""

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
    """A prediction: the time, and the process noise that it adds to the last three of a state.

    Attributes:
        dt: Nominal frame intervals.
        per_height: `(3, 4, G, 1)` noise for each squared height.
        fixed: `(3, 4, G, 1)` noise beside that.
    """

    dt: float
    per_height: Float64Array
    fixed: Float64Array


def initiate(measurements: Float64Array, noise: MotionNoise) -> Float64Array:
    """Returns the states `(5, 4, T)` of tracks seen once, at rest.

    Args:
        measurements: `(T, 4)` cxcyah in pixels.
        noise: The motion model. A new track's position is twice, and its velocity ten times, as
            uncertain as one step of process noise.
    """
    state = np.zeros((5, 4, len(measurements)))
    state[VALUE] = measurements.T
    square = np.square(measurements[:, 3])
    state[VARIANCE] = _scaled(square, 2 * noise.position, noise.aspect)
    state[RATE_VARIANCE] = _scaled(square, 10 * noise.velocity, noise.aspect_velocity)
    return state


def means(state: Float64Array) -> Float64Array:
    """Returns the means `(T, 8)` of states `(5, 4, T)`, of which only the first two are read."""
    return state[:VARIANCE].reshape(8, -1).T


def predict(state: Float64Array, *, dt: float, noise: MotionNoise) -> Float64Array:
    """Returns the states `dt` frame intervals later.

    For a whole `dt` the result is that of as many steps of one interval (the process noise of the
    steps adds up through the motion model), so that a dropped frame is no different from a missed
    detection; in between it is interpolated by the same polynomials, below 1 it shrinks linearly.

    Args:
        state: `(5, 4, T)`.
        dt: Nominal frame intervals, > 0.
        noise: The motion model.
    """
    return move(state[:, :, None], transition(noise, dt, (1.0,)))[:, :, 0]


def move(state: Float64Array, by: Transition) -> Float64Array:
    """Returns the predicted states of `G` models.

    Args:
        state: `(5, 4, G, T)`.
        by: See `transition`.
    """
    moved = state.copy()
    moved[VALUE] += by.dt * state[RATE]
    size = moved[VALUE, _SIZE]
    np.maximum(size, MIN_SIZE, out=size)
    # F P F^T: the covariance grows by dt times the rate's variance, the variance by twice its mean.
    moved[COVARIANCE] += by.dt * state[RATE_VARIANCE]
    moved[VARIANCE] += by.dt * (state[COVARIANCE] + moved[COVARIANCE])
    noise = by.per_height * np.square(state[VALUE, 3])
    noise += by.fixed
    moved[VARIANCE:] += noise
    return moved


def innovation_variance(state: Float64Array, noise: MotionNoise) -> Float64Array:
    """Returns `(T, 4)` variances of `measurement - prediction`: the diagonal of S (eq. 1)."""
    return np.asarray(state[VARIANCE] + measurement_variance(state[VALUE, 3], noise)).T


def measurement_variance(heights: Float64Array, noise: MotionNoise) -> Float64Array:
    """Returns `(4, ...)` variances of measured values of objects of these heights `(...)`."""
    return _scaled(np.square(heights), noise.measurement, noise.aspect_measurement)


def update(
    state: Float64Array,
    measurements: Float64Array,
    *,
    noise: MotionNoise,
    noise_scale: Float64Array | None = None,
) -> Float64Array:
    """Returns the states after one measurement for each track.

    Args:
        state: `(5, 4, T)` predicted.
        measurements: `(T, 4)` cxcyah.
        noise: The motion model.
        noise_scale: `(T,)` factor of each measurement's variance, > 0; `None` for 1.
    """
    expected = measurement_variance(state[VALUE, 3], noise)
    if noise_scale is not None:
        expected *= noise_scale
    expected += state[VARIANCE]
    return correct(state, measurements.T - state[VALUE], expected)


def correct(state: Float64Array, innovation: Float64Array, expected: Float64Array) -> Float64Array:
    """Returns the states after the innovations of one measurement for each track.

    Args:
        state: `(5, 4, ..., T)` predicted.
        innovation: `(4, ..., T)` the measurement less the prediction.
        expected: `(4, ..., T)` its variance; infinite where nothing was measured.
    """
    spread = state[VARIANCE:RATE_VARIANCE]
    gains = spread / np.maximum(expected, _LEAST_RATIO * spread[0])
    corrected = np.empty_like(state)
    np.add(state[:VARIANCE], gains * innovation, out=corrected[:VARIANCE])
    size = corrected[VALUE, _SIZE]
    np.maximum(size, MIN_SIZE, out=size)
    np.subtract(spread, gains[0] * spread, out=corrected[VARIANCE:RATE_VARIANCE])
    less = gains[1] * state[COVARIANCE]
    np.subtract(state[RATE_VARIANCE], less, out=corrected[RATE_VARIANCE])
    return corrected


def full_covariance(state: Float64Array) -> Float64Array:
    """Returns the `(T, 8, 8)` covariances of states `(5, 4, T)`."""
    full = np.zeros((state.shape[-1], 8, 8))
    axis = np.arange(4)
    full[:, axis, axis] = state[VARIANCE].T
    full[:, axis, axis + 4] = full[:, axis + 4, axis] = state[COVARIANCE].T
    full[:, axis + 4, axis + 4] = state[RATE_VARIANCE].T
    return full


@lru_cache(maxsize=64)
def transition(noise: MotionNoise, dt: float, factors: tuple[float, ...]) -> Transition:
    """Returns the prediction over `dt` frame intervals by several models.

    Args:
        noise: The motion model.
        dt: Nominal frame intervals, > 0.
        factors: Factor of the process noise (standard deviations) of each model.
    """
    later = max(dt - 1.0, 0.0)
    squares = dt * later * (2 * dt - 1) / 6  # 1 + 4 + ... + (dt - 1)^2
    pairs = dt * later / 2  # 1 + 2 + ... + (dt - 1)
    place, rate = np.array([[dt], [0.0], [0.0]]), np.array([[squares], [pairs], [dt]])
    square = np.square(factors)[:, None]

    def of_models(position: float, velocity: float, where: Float64Array) -> Float64Array:
        variances = (place * position**2 + rate * velocity**2) * where
        return np.asarray(variances[:, :, None, None] * square)

    per_height = of_models(noise.position, noise.velocity, _LENGTHS)
    return Transition(dt, per_height, of_models(noise.aspect, noise.aspect_velocity, _ASPECT))


_LENGTHS, _ASPECT = np.array([1.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 0.0])
"""Coordinates whose noise is in object heights, and those of fixed noise."""


def _scaled(squares: Float64Array, per_height: float, aspect: float) -> Float64Array:
    """Returns `(4, ...)` variances of coordinates of objects of these squared heights `(...)`.

    Args:
        squares: Squared heights.
        per_height: Standard deviation of lengths, in heights.
        aspect: Standard deviation of the aspect ratio.
    """
    variances = np.empty((4, *squares.shape))
    variances[:] = per_height**2 * squares
    variances[2] = aspect**2
    return variances
