"""Camera motion from boxes alone: the shift and zoom by which all tracks miss their predictions.

A camera that moves displaces every detection from its prediction in the same way. The hypotheses
are the displacements of single pairs of a track and a detection of similar size; each is judged by
how many tracks it explains (a track counts by the normal density of its best detection, so that a
certain track says more than one whose prediction is vague), and compared with standing still. The
best one is refined by weighted least squares over the pairs that agree.
"""

from typing import NamedTuple

import numpy as np

from tracker.tracks import CameraMotion
from tracker.util.arrays import Float64Array, IndexArray

_LEAST_TRACKS = 4
"""Fewer tracks may all turn by themselves."""

_LEAST_SHARE = 0.18
"""Share of the tracks that a motion has to explain, of what it would explain without any noise."""

_LEAST_GAIN = 0.33
"""Tracks that a motion explains more than standing still: this times the root of their number, and
at least one. By chance the number of tracks that agree varies by its root."""

_REACH = 2.0
"""Farthest displacement in object heights."""

_MOST_RATIO = 1.5
"""Largest ratio of the heights of a pair."""

_SIZE_VARIANCE = 0.02
"""Variance of the logarithm of a pair's ratio of heights."""

_ZOOM_DEVIATION = 0.005
"""Standard deviation of the zoom in one step before anything is seen; it keeps the fit of few
tracks from making a zoom out of noise."""

_STANDING_SHARE = 0.3
_CHANCE = 4.0
"""Where standing still explains this share of the tracks, and the mean displacement is within two
standard deviations of 0, no motion is looked for."""

_STILL = np.zeros((1, 2))
_ROUNDS = 3
_LEAST_WEIGHT = 0.05
_MOST_TRACKS = 40
_MOST_HYPOTHESES = 80
"""Of more tracks or displacements some, at equal intervals, are taken: the cost is the product."""


class _Pairs(NamedTuple):
    """Candidate pairs, `P` each: track, displacement, its variance, and the cost of the sizes."""

    tracks: IndexArray
    displaced: Float64Array
    variance: Float64Array
    unlike: Float64Array


def estimate(
    mean: Float64Array, variance: Float64Array, measurements: Float64Array
) -> CameraMotion | None:
    """Returns the motion since the prediction; `None` where standing still explains as much.

    Args:
        mean: `(T, 8)` predicted tracks, recently matched ones.
        variance: `(T, 4)` of their innovations.
        measurements: `(N, 4)` cxcyah.

    Example:
        >>> tracks = np.zeros((5, 8)); tracks[:, 0] = range(0, 500, 100); tracks[:, 3] = 50
        >>> seen = tracks[:, :4] + [10.0, 0.0, 0.0, 0.0]
        >>> motion = estimate(tracks, np.full((5, 4), 9.0), seen)
        >>> [round(value, 1) for value in motion.shift]
        [10.0, 0.0]
    """
    if min(len(mean), len(measurements)) < _LEAST_TRACKS:
        return None
    step = -(-len(mean) // _MOST_TRACKS)
    mean, variance = mean[::step], variance[::step]
    count = len(mean)
    pairs = _candidates(mean, variance, measurements)
    if not len(pairs.tracks):
        return None
    starts = _starts(pairs.tracks)
    least_gain = max(1.0, _LEAST_GAIN * np.sqrt(count))
    still = _densities(pairs, _STILL)
    standing = _explained(still, starts)[0]
    if standing >= _STANDING_SHARE * count and _is_noise(pairs, still[0], starts):
        return None  # The usual case, a fixed camera.
    hypotheses = pairs.displaced[:: -(-len(pairs.tracks) // _MOST_HYPOTHESES)]
    density = _densities(pairs, hypotheses)
    explained = _explained(density, starts)
    best = int(explained.argmax())
    if explained[best] < max(standing + least_gain, _LEAST_SHARE * count):
        return None
    return _refined(pairs, mean[pairs.tracks, :2], density[best], starts)


def _is_noise(pairs: _Pairs, density: Float64Array, starts: IndexArray) -> bool:
    """Returns whether the displacements of the best pairs are as likely in any direction."""
    weight = _best_of_each(density, starts)[:, None]
    drift = np.add.reduce(weight * pairs.displaced / np.sqrt(pairs.variance))
    chance = np.add.reduce(np.square(weight))
    return bool(np.count_nonzero(np.square(drift) <= _CHANCE * chance) == 2)


def _densities(pairs: _Pairs, hypotheses: Float64Array) -> Float64Array:
    """Returns `(H, P)`: the density of each pair, 1 at most, under each displacement `(H, 2)`."""
    away = np.square(pairs.displaced - hypotheses[:, None])
    away /= pairs.variance
    return np.asarray(np.exp(-0.5 * np.add.reduce(away, axis=2) - pairs.unlike))


def _explained(density: Float64Array, starts: IndexArray) -> Float64Array:
    """Returns `(H,)`: the sum over tracks of the density of each one's best pair."""
    return np.asarray(np.add.reduce(np.maximum.reduceat(density, starts, axis=1), axis=1))


def _candidates(mean: Float64Array, variance: Float64Array, measurements: Float64Array) -> _Pairs:
    """Returns the pairs of tracks and detections of similar size that are not far apart."""
    height, seen = mean[:, 3], measurements[:, 3]
    reach = _REACH * height
    rows, columns = (np.abs(measurements[:, 0] - mean[:, :1]) < reach[:, None]).nonzero()
    near = np.abs(measurements[:, 1][columns] - mean[:, 1][rows]) < reach[rows]
    rows, columns = rows[near], columns[near]
    ratio = np.log(seen[columns] / height[rows])
    alike = np.abs(ratio) < np.log(_MOST_RATIO)
    rows, columns = rows[alike], columns[alike]
    displaced = measurements[columns, :2] - mean[rows, :2]
    unlike = np.square(ratio[alike]) / (2 * _SIZE_VARIANCE)
    return _Pairs(rows, displaced, variance[rows, :2], unlike)


def _refined(
    pairs: _Pairs, places: Float64Array, density: Float64Array, starts: IndexArray
) -> CameraMotion | None:
    """Returns the shift and zoom that the pairs agree on, from the density `(P,)` of each pair."""
    weight = _best_of_each(density, starts)
    for _ in range(_ROUNDS):
        if np.count_nonzero(weight) < 2:
            return None
        by_axis = weight[:, None] / pairs.variance
        total = np.add.reduce(by_axis)
        centre = np.add.reduce(by_axis * places) / total
        shift = np.add.reduce(by_axis * pairs.displaced) / total
        apart = places - centre
        zoom = float(
            np.sum(by_axis * apart * pairs.displaced)
            / (np.sum(by_axis * np.square(apart)) + 1 / _ZOOM_DEVIATION**2)
        )
        left = pairs.displaced - (shift + zoom * apart)
        away = np.add.reduce(np.square(left) / pairs.variance, axis=1)
        weight = _best_of_each(np.exp(-0.5 * away - pairs.unlike), starts)
    moved = shift - zoom * centre
    return CameraMotion(1 + zoom, 0.0, (float(moved[0]), float(moved[1])))


def _best_of_each(density: Float64Array, starts: IndexArray) -> Float64Array:
    """Returns the density `(P,)` of each track's best pair, and 0 for the others and weak ones."""
    most = np.maximum.reduceat(density, starts)
    counts = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=counts[:-1])
    counts[-1] = len(density) - starts[-1]
    kept = density == most.repeat(counts)
    kept &= density > _LEAST_WEIGHT
    return np.asarray(density * kept)


def _starts(tracks: IndexArray) -> IndexArray:
    """Returns the first place of each run of equal tracks, at least one."""
    first = np.empty(len(tracks), np.bool_)
    first[0] = True
    np.not_equal(tracks[1:], tracks[:-1], out=first[1:])
    return first.nonzero()[0]
