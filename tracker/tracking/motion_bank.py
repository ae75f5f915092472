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
from tracker.util.arrays import BoolArray, Float64Array

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
    """Measurements of `n` matched tracks beside the predictions of the `G` models.

    Attributes:
        mean: `(G, n, 8)` predicted.
        covariance: `(G, n, 3, 4)` predicted.
        offset: `(G, n, 4)` measurement less prediction.
        expected: `(G, n, 4)` its variance.
    """

    mean: Float64Array
    covariance: Float64Array
    offset: Float64Array
    expected: Float64Array


class MotionBank:
    """The weights of the models, learnt from the scene, and their predictions.

    The filters' states are in the track table: means `(G, T, 8)`, covariances `(G, T, 3, 4)`.

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
        self._log_weights: Float64Array = np.tile(
            -_PRIOR * np.log(np.array(self._factors))[:, None] ** 2, (1, 4)
        )
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
        """`(G, 4)` weight of each model by coordinate; columns add up to 1."""
        return self._weights.copy()

    @property
    def noise_scale(self) -> Float64Array:
        """`(4,)` mean squared innovation over the one expected: 1 where the noise is right."""
        return self._scale

    def initiate(self, measurements: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Returns means `(G, n, 8)` and covariances `(G, n, 3, 4)` of tracks seen once.

        Args:
            measurements: `(n, 4)` cxcyah.
        """
        mean, covariance = kalman.initiate(measurements, self._start_noise)
        if self.model_count > 1:
            # A first detection is as uncertain as any other, and the rate not known at all.
            covariance[:, 0] = kalman.measurement_variance(mean, self._noise)
            covariance[:, 2] *= _UNKNOWN_RATE
        count = self.model_count
        return mean[None].repeat(count, axis=0), covariance[None].repeat(count, axis=0)

    def predict(
        self, mean: Float64Array, covariance: Float64Array, dt: float
    ) -> tuple[Float64Array, Float64Array]:
        """Returns the states `dt` nominal frame intervals later; see `kalman.predict`."""
        return kalman.move(mean, covariance, kalman.transition(self._noise, dt, self._factors))

    def combine(self, mean: Float64Array) -> Float64Array:
        """Returns `(T, 8)`: the weighted mean of the models' means `(G, T, 8)`."""
        if len(mean) == 1:
            return np.asarray(mean[0])
        both = np.concatenate([self._weights, self._weights], axis=1)
        return np.asarray(np.einsum("gk,gtk->tk", both, mean))

    def innovation_variance(
        self, mean: Float64Array, covariance: Float64Array, together: Float64Array
    ) -> Float64Array:
        """Returns `(T, 4)` variances of what is measured next, as far off as they were found to be.

        Args:
            mean: `(G, T, 8)` of the models, whose spread counts.
            covariance: `(G, T, 3, 4)` of the models.
            together: `(T, 8)` their weighted mean.
        """
        if len(mean) == 1:
            return kalman.innovation_variance(mean[0], covariance[0], self._noise)
        spread = mean[:, :, :4] - together[:, :4]
        np.square(spread, out=spread)
        spread += covariance[:, :, 0]
        variance = np.einsum("gk,gtk->tk", self._weights, spread)
        variance += kalman.measurement_variance(together, self._noise)
        variance *= self._scale
        return np.asarray(variance)

    def innovations(
        self,
        mean: Float64Array,
        covariance: Float64Array,
        measurements: Float64Array,
        noise_scale: Float64Array | None = None,
    ) -> Innovations:
        """Returns how far off the predictions of matched tracks were, and should be.

        Args:
            mean: `(G, n, 8)` predicted.
            covariance: `(G, n, 3, 4)` predicted.
            measurements: `(n, 4)` cxcyah.
            noise_scale: `(n,)` factor of each measurement's variance; `None` for 1.
        """
        measured = kalman.measurement_variance(mean.reshape(-1, 8), self._noise)
        expected = measured.reshape(*mean.shape[:2], 4)
        if noise_scale is not None:
            expected *= noise_scale[:, None]
        expected += covariance[:, :, 0]
        return Innovations(mean, covariance, measurements - mean[:, :, :4], expected)

    def update(self, found: Innovations) -> tuple[Float64Array, Float64Array]:
        """Returns the states `(G, n, 8)` and `(G, n, 3, 4)` after the measurements."""
        moved, reduced = kalman.correct(
            found.mean.reshape(-1, 8),
            found.covariance.reshape(-1, 3, 4),
            found.offset.reshape(-1, 4),
            found.expected.reshape(-1, 4),
        )
        return moved.reshape(found.mean.shape), reduced.reshape(found.covariance.shape)

    def learn(self, found: Innovations, steady: BoolArray, dt: float) -> None:
        """Updates the weights and the scale by the innovations of one frame.

        Args:
            found: Those of the matched tracks.
            steady: `(n,)` which of them say something about noise: the tracks that were matched in
                the frame before, and whose velocity is known.
            dt: Nominal frame intervals of the step.
        """
        count = int(np.count_nonzero(steady))
        if self.model_count == 1 or not count:
            return
        offset, expected = found.offset, found.expected
        if count < len(steady):
            some = steady.nonzero()[0]
            offset, expected = offset.take(some, axis=1), expected.take(some, axis=1)
        squared = np.square(offset)
        squared /= expected
        np.minimum(squared, _MOST_SQUARED, out=squared)
        likelihood = np.log(expected)
        likelihood += squared / self._scale
        self._log_weights *= math.exp(-dt * self._frame_interval_s / _MEMORY_S)
        self._log_weights -= (0.5 * _EVIDENCE) * np.add.reduce(likelihood, axis=1)
        self._log_weights -= np.maximum.reduce(self._log_weights)
        self._weights = _normalised(self._log_weights)
        seen = np.einsum("gk,gnk->k", self._weights, squared) / count
        share = 1 - math.exp(-count / _SCALE_MEMORY)
        self._scale += share * (np.minimum(seen, _MOST_MEAN) - self._scale)


def _normalised(log_weights: Float64Array) -> Float64Array:
    """Returns weights `(G, 4)` whose columns add up to 1, of logarithms of at most 0."""
    weights = np.exp(log_weights)
    weights /= np.add.reduce(weights)
    return weights
