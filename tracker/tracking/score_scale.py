"""What a detector's scores mean, learnt on line: which score starts a track, and which is too low.

Detectors differ: one says 0.97 of most people, another 0.6. Scores are compared as log odds,
`log(p / (1 - p))`, per class, with two running figures of the video so far: the median of the
detections that confirmed tracks were matched with, and the median of the best detection of a frame
(of the class, and of all classes).
A detection far below the first one starts no track, and a track whose mean lies far below it is not
reported. No future frame is used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tracker.util.arrays import Float64Array, Int32Array

_BIRTH_BELOW, _MEAN_BELOW = 2.0, 1.5
"""Log odds by which the limits of a birth, and of a track's mean, lie below the median of confirmed
tracks: a seventh and a quarter of its odds."""

_MOST_BIRTH, _MOST_MEAN = 1.4, 1.8
"""Log odds of the highest limits, scores of 0.8 and 0.86: no detector's 0.9 is noise."""

_BIRTH_PRIOR = 0.405
"""Log odds of 0.6: the least score that starts a track of a detector whose good scores are high."""

_MEAN_BELOW_BIRTH = 1.25
"""Log odds by which the limit of a track's mean lies below that of a birth, as weak detections
continue a track: 0.3 with a birth limit of 0.6."""

_BELOW_BEST = 0.6
"""The birth limit falls below its prior where even a frame's best detection of a class is weak: it
is at most this much below their median."""

_BELOW_BEST_OF_ALL = 2.0
"""And at most this much below the median of the best of all classes: what never scores high where
other classes do is noise."""

_STARTS = 1.1, 1.7
"""Log odds of the two medians at first, scores of 0.75 and 0.85."""

_MEMORY = 2000.0
"""Detections after which a median follows a change; at first it follows faster."""

_LEAST_FRAMES = 20.0
"""Frames after which it does so at the earliest, lest a frame of a crowd moves it too far."""

_FIRST = 20.0
_STEP = 4.0
_LEAST, _LARGEST = 0.02, 0.9995
"""Scores are clipped to this range, so that 0 and 1 have log odds."""


def log_odds(scores: Float64Array) -> Float64Array:
    """Returns `(N,)` log odds of scores in `[0, 1]`, from -3.9 to 7.6."""
    clipped = np.minimum(np.maximum(scores, _LEAST), _LARGEST)
    return np.asarray(np.log(clipped / (1 - clipped)))


@dataclass(slots=True)
class RunningMedian:
    """A running median by stochastic approximation (Robbins and Monro 1951)."""

    value: float
    count: int = 0

    def add(self, values: Float64Array) -> None:
        """Moves the median towards new values `(n,)`."""
        self._move(len(values), float(np.add.reduce(np.sign(values - self.value))))

    def add_one(self, value: float) -> None:
        """Moves the median towards one new value."""
        self._move(1, (value > self.value) - (value < self.value))

    def _move(self, count: int, more_above: float) -> None:
        self.count += count
        memory = max(_MEMORY, _LEAST_FRAMES * count)
        self.value += _STEP / min(self.count + _FIRST, memory) * more_above


class ScoreScale:
    """The limits of each class, from the scores so far."""

    def __init__(self) -> None:
        self._matched: dict[int, RunningMedian] = {}
        self._best: dict[int, RunningMedian] = {}
        self._best_of_all = RunningMedian(_STARTS[1])

    def birth_limits(self, classes: Int32Array) -> Float64Array:
        """Returns `(N,)` log odds that detections of these classes need to start a track."""
        return _limits(classes, self._birth_limit)

    def mean_limits(self, classes: Int32Array) -> Float64Array:
        """Returns `(T,)` mean log odds that tracks of these classes need to be reported."""
        return _limits(classes, self._mean_limit)

    def learn(
        self,
        matched_classes: Int32Array,
        matched: Float64Array,
        classes: Int32Array,
        found: Float64Array,
    ) -> None:
        """Takes in the log odds of one frame.

        Args:
            matched_classes: `(n,)` of the detections that confirmed tracks were matched with.
            matched: `(n,)` their log odds.
            classes: `(N,)` of all detections.
            found: `(N,)` their log odds.
        """
        if len(found):
            self._best_of_all.add_one(float(np.maximum.reduce(found)))
        for number, own in _by_class(classes, found):
            best = self._best.setdefault(number, RunningMedian(_STARTS[1]))
            best.add_one(float(np.maximum.reduce(own)))
        for number, own in _by_class(matched_classes, matched):
            self._matched.setdefault(number, RunningMedian(_STARTS[0])).add(own)

    def _birth_limit(self, number: int) -> float:
        learnt = min(self._usual(number) - _BIRTH_BELOW, _MOST_BIRTH)
        return max(learnt, self._prior(number))

    def _mean_limit(self, number: int) -> float:
        learnt = min(self._usual(number) - _MEAN_BELOW, _MOST_MEAN)
        return max(learnt, self._prior(number) - _MEAN_BELOW_BIRTH)

    def _usual(self, number: int) -> float:
        median = self._matched.get(number)
        return _STARTS[0] if median is None else median.value

    def _prior(self, number: int) -> float:
        median = self._best.get(number)
        best = _STARTS[1] if median is None else median.value
        lowest = self._best_of_all.value - _BELOW_BEST_OF_ALL
        return min(_BIRTH_PRIOR, max(best - _BELOW_BEST, lowest))


def _limits(classes: Int32Array, limit: Callable[[int], float]) -> Float64Array:
    """Returns the limit `(N,)` of each class."""
    numbers = _distinct(classes)
    limits = [limit(number) for number in numbers]
    if len(numbers) == 1:
        return np.full(len(classes), limits[0])
    return np.array(limits)[np.searchsorted(numbers, classes)]


def _by_class(classes: Int32Array, values: Float64Array) -> Iterator[tuple[int, Float64Array]]:
    """Yields each different class, rising, with its values."""
    numbers = _distinct(classes)
    for number in numbers:
        yield number, values if len(numbers) == 1 else values[classes == number]


def _distinct(classes: Int32Array) -> list[int]:
    """Returns the different classes, rising."""
    if not len(classes):
        return []
    first = int(classes[0])
    if np.count_nonzero(classes == first) == len(classes):  # the usual case
        return [first]
    return sorted(set(classes.tolist()))  # np.unique loads numpy.ma, 10 ms of a start
