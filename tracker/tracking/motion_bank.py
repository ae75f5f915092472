"""Motion models of several noise levels side by side, weighted by how well they predict.

No one process noise suits a slow crowd before a fixed camera and people seen from a car. Each
track is therefore followed by `len(FACTORS)` Kalman filters, whose process noise differs by a
factor, and the tracker's estimate is their weighted mean. The weights belong to the scene, not to
the track, and to one coordinate each (x, y, aspect and height are independent filters, see
`kalman.py`): a model's weight is its likelihood given the innovations of all tracks in the last two
seconds (multiple-model adaptive estimation, Magill 1965, IEEE Trans. Automatic Control 10 (4), with
fading memory in place of the full past, because a camera starts and stops moving).

Scaling process and measurement noise alike leaves a filter's estimates as they are, so the filters
differ in the ratio of the two alone, and the scale follows from the mean normalised innovation
squared, which is 1 where it is right.
"""

import math
from typing import NamedTuple

import numpy as np

from tracker.tracking import kalman
from tracker.tracking.kalman import RATE_VARIANCE, VALUE, VARIANCE
from tracker.util.arrays import Float64Array, IndexArray

FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Factors of the process noise's standard deviations: from people who stroll to cameras that turn.
Measured on simulated sequences (docs/tracking.md), the lowest and the highest ones are used."""

_MEMORY_S = 2.0
"""Seconds after which a past innovation counts 1 / e in the weights."""

_EVIDENCE = 0.5
"""Share of a log likelihood that counts: innovations of neighbours in one frame, which share the
camera, are not independent."""

_PRIOR = 0.15
"""Log weights at the start are minus this times the squared logarithm of the factor."""

_UNKNOWN_RATE = 4.0
"""Factor of a new track's variance of rates: a deviation of an eighth of its height per frame."""

_SCALE_MEMORY = 200.0
"""Innovations that the scale averages."""

_MOST_SQUARED = 16.0
"""Largest normalised innovation squared that counts: a wrong match says nothing about noise."""

_MOST_MEAN = 9.0

MIN_HITS = 3
"""Detections before a track's innovations count; until then its velocity is not known."""


class Innovations(NamedTuple):
    """Measurements of the matched ones of `T` tracks beside the predictions of the `G` models.

    Attributes:
        offset: `(4, G, T)` measurement less prediction, 0 of tracks that were not matched.
        expected: `(4, G, T)` its variance, infinite of tracks that were not matched.
    """

    offset: Float64Array
    expected: Float64Array


class MotionBank:
    """The weights of the models, learnt from the scene, and their predictions.

    The filters' states `(5, 4, G, T)` are in the track table.

    Args:
        noise: The motion model. Where it adapts, it is taken for frames of 1/30 s, and the factors
            scale its process noise.
        adapts: Whether there are several models; otherwise one, as configured, and nothing is
            learnt.
        frame_interval_s: Nominal seconds between two frames.
    """

    def __init__(self, noise: kalman.MotionNoise, *, adapts: bool, frame_interval_s: float) -> None:
        self._start_noise = noise
        self._noise = noise.at_interval(frame_interval_s) if adapts else noise
        self._factors = FACTORS if adapts else (1.0,)
        self._frame_interval_s = frame_interval_s
        prior = -_PRIOR * np.square(np.log(np.array(self._factors)))
        self._log_weights: Float64Array = np.tile(prior, (4, 1))
        self._scale: Float64Array = np.ones(4)
        self._weights: Float64Array = _normalised(self._log_weights)

    @property
    def model_count(self) -> int:
        """Number of models, `G`."""
        return len(self._factors)

    @property
    def noise(self) -> kalman.MotionNoise:
        """The motion model at this frame interval, of the model with factor 1."""
        return self._noise

    @property
    def weights(self) -> Float64Array:
        """`(4, G)` weight of each model by coordinate; rows add up to 1."""
        return self._weights.copy()

    @property
    def noise_scale(self) -> Float64Array:
        """`(4,)` mean squared innovation over the one expected: 1 where the noise is right."""
        return self._scale

    def initiate(self, measurements: Float64Array) -> Float64Array:
        """Returns the states `(5, 4, G, n)` of tracks seen once.

        Args:
            measurements: `(n, 4)` cxcyah.
        """
        state = kalman.initiate(measurements, self._start_noise)
        if self.model_count > 1:
            # A first detection is as uncertain as any other, and the rate not known at all.
            state[VARIANCE] = kalman.measurement_variance(measurements[:, 3], self._noise)
            state[RATE_VARIANCE] *= _UNKNOWN_RATE
        return state[:, :, None].repeat(self.model_count, axis=2)

    def predict(self, state: Float64Array, dt: float) -> Float64Array:
        """Returns the states `dt` nominal frame intervals later; see `kalman.predict`."""
        return kalman.move(state, kalman.transition(self._noise, dt, self._factors))

    def combine(self, state: Float64Array) -> Float64Array:
        """Returns `(T, 8)`: the weighted means of the models' coordinates and rates."""
        if self.model_count == 1:
            return kalman.means(state[:, :, 0])
        return kalman.means(np.matmul(self._weights[:, None], state[:VARIANCE]))

    def innovation_variance(self, state: Float64Array, together: Float64Array) -> Float64Array:
        """Returns `(T, 4)` variances of what is measured next, as far off as they were found to be.

        Args:
            state: `(5, 4, G, T)` of the models, whose spread counts.
            together: `(T, 8)` their weighted mean.
        """
        if self.model_count == 1:
            return kalman.innovation_variance(state[:, :, 0], self._noise)
        spread = state[VALUE] - together.T[:4, None]
        np.square(spread, out=spread)
        spread += state[VARIANCE]
        variance = np.matmul(self._weights[:, None], spread)[:, 0]
        variance += kalman.measurement_variance(together[:, 3], self._noise)
        variance *= self._scale[:, None]
        return np.asarray(variance.T)

    def innovations(
        self,
        state: Float64Array,
        rows: IndexArray,
        measurements: Float64Array,
        noise_scale: Float64Array | None = None,
    ) -> Innovations:
        """Returns how far off the predictions of matched tracks were, and should be.

        Args:
            state: `(5, 4, G, T)` predicted.
            rows: `(n,)` the matched tracks.
            measurements: `(n, 4)` cxcyah, of these.
            noise_scale: `(n,)` factor of each measurement's variance; `None` for 1.
        """
        expected = kalman.measurement_variance(state[VALUE, 3], self._noise)
        if noise_scale is not None:
            expected[:, :, rows] *= noise_scale
        expected += state[VARIANCE]
        seen = np.full((4, 1, state.shape[-1]), np.nan)
        seen[:, 0, rows] = measurements.T
        offset = seen - state[VALUE]
        # Computing all tracks costs less than taking the matched ones out and putting them back.
        missed = np.ones(state.shape[-1], np.bool_)
        missed[rows] = False
        offset[:, :, missed] = 0.0
        expected[:, :, missed] = np.inf
        return Innovations(offset, expected)

    def update(self, state: Float64Array, found: Innovations) -> Float64Array:
        """Returns the states `(5, 4, G, T)` after the measurements."""
        return kalman.correct(state, found.offset, found.expected)

    def learn(self, found: Innovations, steady: IndexArray, dt: float) -> None:
        """Updates the weights and the scale by the innovations of one frame.

        Args:
            found: Those of the matched tracks.
            steady: `(n,)` tracks of which they say something about noise: those that were matched
                now and in the frame before, and whose velocity is known.
            dt: Nominal frame intervals of the step.
        """
        count = len(steady)
        if self.model_count == 1 or not count:
            return
        expected = found.expected.take(steady, axis=2)
        squared = found.offset.take(steady, axis=2)
        np.square(squared, out=squared)
        squared /= expected
        np.minimum(squared, _MOST_SQUARED, out=squared)
        likelihood = np.log(expected)
        likelihood += squared / self._scale[:, None, None]
        self._log_weights *= math.exp(-dt * self._frame_interval_s / _MEMORY_S)
        self._log_weights -= (0.5 * _EVIDENCE) * np.add.reduce(likelihood, axis=2)
        self._log_weights -= np.maximum.reduce(self._log_weights, axis=1)[:, None]
        self._weights = _normalised(self._log_weights)
        seen = np.add.reduce(self._weights * np.add.reduce(squared, axis=2), axis=1) / count
        share = 1 - math.exp(-count / _SCALE_MEMORY)
        self._scale += share * (np.minimum(seen, _MOST_MEAN) - self._scale)


def _normalised(log_weights: Float64Array) -> Float64Array:
    """Returns weights `(4, G)` whose rows add up to 1, of logarithms of at most 0."""
    weights = np.exp(log_weights)
    weights /= np.add.reduce(weights, axis=1)[:, None]
    return weights
