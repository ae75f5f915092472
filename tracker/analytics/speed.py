"""Speed, direction and distance on the ground, with an error estimate.

A straight line is fitted by least squares to the places of the last second. The interval is
Student's, with the residuals' scatter and, as boxes of a tracker are filtered, their correlation
from frame to frame.

`T` tracks of a frame, `C` rows of the state arrays, `W` places kept of each.
"""

from dataclasses import dataclass

import numpy as np

from tracker.analytics.ground import to_ground
from tracker.analytics.track_table import FIRST_CAPACITY, Seen
from tracker.util.arrays import Float64Array, IndexArray, grown

PLACES = 32
"""Places kept of each track; at higher frame rates some frames are left out."""

_COVERAGE = 0.95
_LARGEST_CORRELATION = 0.97
_HIGH_CORRELATION = 0.25
_HIDDEN_CORRELATION = 0.45
_LEAST_PLACES = 4


@dataclass(frozen=True, slots=True)
class Motion:
    """Motion of one track on the ground.

    Attributes:
        speed_m_s: Mean speed over the window in metres a second; `None` where it is not known yet.
        error_m_s: Half the width of its 95 % interval; without the error of the calibration.
        heading_deg: Direction on the ground in degrees, from the x axis towards the y axis.
        distance_m: Distance since the track began.
    """

    speed_m_s: float | None
    error_m_s: float | None
    heading_deg: float | None
    distance_m: float


class Speedometer:
    """The motion of all tracks.

    Args:
        homography: `(3, 3)` from pixels to metres.
        window_s: Seconds over which speed is measured.
    """

    def __init__(self, homography: Float64Array, window_s: float) -> None:
        from scipy.special import stdtrit

        self._homography = homography
        self._window_s = window_s
        degrees = np.maximum(np.arange(PLACES + 1) - 2, 1)
        self._quantiles: Float64Array = stdtrit(degrees, 0.5 + _COVERAGE / 2)
        self._places = np.zeros((FIRST_CAPACITY, PLACES, 2))
        self._times = np.full((FIRST_CAPACITY, PLACES), -np.inf)
        self.velocity: Float64Array = np.full((FIRST_CAPACITY, 2), np.nan)
        """`(C, 2)` metres a second; NaN where it is not known."""
        self.error: Float64Array = np.full(FIRST_CAPACITY, np.nan)
        """`(C,)` half the width of the 95 % interval of the speed in metres a second."""
        self._distance = np.zeros(FIRST_CAPACITY)

    @property
    def speed(self) -> Float64Array:
        """`(C,)` metres a second; NaN where it is not known."""
        result: Float64Array = np.hypot(self.velocity[:, 0], self.velocity[:, 1])
        return result

    def motion_of(self, slot: int) -> Motion:
        """Returns the motion of the track in a row."""
        vx, vy = self.velocity[slot].tolist()
        distance = float(self._distance[slot])
        if not np.isfinite(vx):
            return Motion(None, None, None, distance)
        heading = float(np.degrees(np.arctan2(vy, vx)))
        return Motion(float(np.hypot(vx, vy)), float(self.error[slot]), heading, distance)

    def update(self, seen: Seen, capacity: int) -> None:
        """Adds the places of one frame."""
        self._resize(capacity)
        self._forget(seen.slots[seen.new_rows])
        places = to_ground(seen.bottoms, self._homography)
        due = seen.time_s - self._times[seen.slots, -1] >= self._window_s / PLACES
        due &= np.isfinite(places[:, 0])
        slots = seen.slots[due]
        if not len(slots):
            return
        self._places[slots, :-1] = self._places[slots, 1:]
        self._times[slots, :-1] = self._times[slots, 1:]
        self._places[slots, -1] = places[due]
        self._times[slots, -1] = seen.time_s
        self._fit(slots, seen.time_s)
        passed_s = seen.time_s - seen.old_times[due]
        self._distance[slots] += np.nan_to_num(self.speed[slots]) * passed_s

    def _fit(self, slots: IndexArray, time_s: float) -> None:
        times = self._times[slots] - time_s
        weight = (times >= -self._window_s - 1e-9).astype(np.float64)
        count = np.maximum(weight.sum(axis=1), 1.0)
        times = np.where(weight > 0, times, 0.0)
        places = self._places[slots]
        time_offset = (times - ((times * weight).sum(axis=1) / count)[:, None]) * weight
        mean = (places * weight[:, :, None]).sum(axis=1) / count[:, None]
        spread = (time_offset * time_offset).sum(axis=1)
        known = (count >= _LEAST_PLACES) & (spread > 0)
        spread = np.where(known, spread, 1.0)
        velocity = np.einsum("tw,twd->td", time_offset, places) / spread[:, None]
        speed = np.hypot(velocity[:, 0], velocity[:, 1])
        along = velocity / np.maximum(speed, 1e-12)[:, None]
        offset = places - mean[:, None] - time_offset[:, :, None] * velocity[:, None]
        residuals = np.einsum("twd,td->tw", offset, along) * weight
        variance = (residuals * residuals).sum(axis=1) / np.maximum(count - 2, 1)
        error = self._quantiles[count.astype(np.intp)] * np.sqrt(variance / spread)
        error *= np.sqrt(_correlation_factor(residuals, count))
        self.velocity[slots] = np.where(known[:, None], velocity, np.nan)
        self.error[slots] = np.where(known, error, np.nan)

    def _resize(self, capacity: int) -> None:
        self._places = grown(self._places, capacity)
        self._times = grown(self._times, capacity)
        self.velocity = grown(self.velocity, capacity)
        self.error = grown(self.error, capacity)
        self._distance = grown(self._distance, capacity)

    def _forget(self, slots: IndexArray) -> None:
        self._times[slots] = -np.inf
        self.velocity[slots] = np.nan
        self.error[slots] = np.nan
        self._distance[slots] = 0.0


def _correlation_factor(residuals: Float64Array, count: Float64Array) -> Float64Array:
    """Returns `(T,)` the factor on the variance of a slope, (1 + r) / (1 - r).

    r is the correlation of residuals from one place to the next, corrected for the bias that a
    fitted line gives it, about -(2 + 4 r) / n, and where it is high for what a short window hides
    of it. Both were chosen on first-order noise of 12 to 30 places: independent noise keeps 96 %
    coverage, and noise with r = 0.8 has 92 % at 30 places.
    """
    square = np.maximum((residuals * residuals).sum(axis=1), 1e-300)
    r = (residuals[:, 1:] * residuals[:, :-1]).sum(axis=1) / square
    r = r + (2 + 4 * r) / count
    r = np.where(r > _HIGH_CORRELATION, r + _HIDDEN_CORRELATION * r * r, r)
    r = np.clip(r, 0.0, _LARGEST_CORRELATION)
    factor: Float64Array = (1 + r) / (1 - r)
    return factor
