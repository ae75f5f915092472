"""Frames of a recording as equal steps in time, whatever was left out between them.

Off-line tracking counts time in steps. Frame numbers are no measure of it where only each third
frame was read, a camera's frames were dropped, or the recording paused; the times of frames are.
Pure functions. `F` = frames of a recording.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker.track_files.frame_facts import FrameFacts
from tracker.util.arrays import BoolArray, Float64Array, Int32Array

_NEAR = 0.5
"""Steps differ from the typical one by at most this share of it; others are gaps."""
_SAME_RATE = 5e-4
"""Where the measured rate is so near to the nominal one, it is that: times are rounded."""
_LOWEST_RATE, _HIGHEST_RATE = 1e-6, 1e4
"""Steps a second; other times are none of frames."""
_LARGEST = 2**31 - 2**20


@dataclass(frozen=True, slots=True, eq=False)
class TimeGrid:
    """Where the frames of a recording are on a grid of equal steps.

    Attributes:
        numbers: `(F,)` frame numbers, rising.
        places: `(F,)` number of the step of each, rising.
        rate: Steps a second.
    """

    numbers: Int32Array
    places: Int32Array
    rate: float

    def places_of(self, frames: Int32Array) -> Int32Array:
        """Returns `(N,)` the steps of frames `(N,)` of the recording."""
        return self.places[np.searchsorted(self.numbers, frames)]

    def frames_at(self, places: Int32Array) -> tuple[Int32Array, BoolArray]:
        """Returns `(N,)` the frames at steps, and `(N,)` whether there is one."""
        found = np.minimum(np.searchsorted(self.places, places), len(self.places) - 1)
        return self.numbers[found], self.places[found] == places


def time_grid(frames: Sequence[FrameFacts], fps: float) -> TimeGrid | None:
    """Returns the grid of a recording, `None` where its frames have no times that rise.

    A step is the typical time between two frames. Frames that are nearer to each other get
    successive steps.

    Args:
        frames: Of the recording, by rising number.
        fps: Nominal frames a second.

    Example:
        >>> facts = [FrameFacts(3 * n, 0.12 * n, None, None, 0, False) for n in (0, 1, 2, 5)]
        >>> grid = time_grid(facts, 25 / 3)
        >>> grid.places.tolist(), round(grid.rate, 3)
        ([0, 1, 2, 5], 8.333)
        >>> grid.frames_at(np.array([2, 3], np.int32))[1].tolist()
        [True, False]
    """
    known = [facts.time_s for facts in frames if facts.time_s is not None]
    if len(known) != len(frames) or len(known) < 2:
        return None
    times = np.array(known, np.float64)
    steps = np.diff(times)
    if not (steps > 0).any() or not np.isfinite(steps).all():
        return None
    rate = _rate(steps[steps > 0], fps)
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        return None
    exact = (times - times[0]) * rate
    if not np.abs(exact).max() < _LARGEST:
        return None
    order = np.arange(len(times))
    places = np.maximum.accumulate(np.rint(exact).astype(np.int64) - order) + order
    if places[-1] >= _LARGEST:
        return None
    numbers = np.array([facts.index for facts in frames], np.int32)
    return TimeGrid(numbers, places.astype(np.int32), rate)


def _rate(steps: Float64Array, fps: float) -> float:
    """Returns steps a second; the mean of the usual ones, as stamps may be rounded to 1 ms."""
    middle = (len(steps) - 1) // 2
    typical = float(np.partition(steps, middle)[middle])
    usual = steps[np.abs(steps - typical) <= _NEAR * typical]
    rate = 1 / float(usual.mean())
    return fps if abs(rate / fps - 1) < _SAME_RATE else rate
