"""The way of the camera through a whole recording, from the boxes of its tracks alone.

A camera that shakes, pans or drives moves all boxes alike. Between two frames each track gives a
displacement; shift and zoom are fitted to all of them by robust least squares, less each track's
own velocity, which is measured on both sides in time, in the coordinates that the last round made
still (three rounds). What the tracks share for long, as when all people walk one way, counts as the
camera's: at a constant velocity it changes nothing for those who ask whether movement is straight.

A camera counts as moving where the tracks bend alike: where the bend of a track (the difference of
its displacements before and after a time) is predicted by those of the others better than by 0.
Pure functions. `R` = rows, `T` = frames that have rows, `P` = pairs of successive rows of a track.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tracker.boxes import xyxy_to_cxcyah
from tracker.tracking.offline.track_rows import TrackRows
from tracker.util.arrays import Float64Array, IndexArray, Int32Array

_LEAST_TRACKS = 4
"""Fewer tracks may all turn by themselves."""

_BEND_S = (0.0, 0.5)
"""Seconds on each side of a bend; 0 for one frame. A camera that shakes bends tracks from frame to
frame, one that pans does so slowly."""

LEAST_EXPLAINED = 0.1
"""Share of the squared bends that the other tracks must explain. Independent movement explains
nothing, or less: the mean of others that is unrelated only adds to the error."""

_OWN_S = 0.5
"""Seconds on each side over which a track's own velocity is measured."""

_ROUNDS = 3
_DEVIATION = 0.05
"""Standard deviation of a displacement in object heights, before its own spread is known."""
_LEAST_SPREAD = 0.001
_ZOOM_DEVIATION = 0.005
"""Standard deviation of the zoom between two frames before anything is seen."""
_LEAST_STEP_S = 1e-4
_LONG_STEP = 4.0
"""Typical steps between two frames; what lasts longer is a pause."""
_TREND_S = 30.0
"""What lasts so long counts as the objects' own: so coordinates and sizes stay within bounds."""


@dataclass(frozen=True, slots=True, eq=False)
class CameraPath:
    """How the pixels of each frame lie in coordinates that stand still: `scale * x + shift`.

    Attributes:
        frames: `(T,)` frames, rising; between two the path is straight.
        log_scales: `(T,)`.
        shifts: `(T, 2)` pixels.
    """

    frames: Int32Array
    log_scales: Float64Array
    shifts: Float64Array

    def to_still(self, frames: Int32Array, boxes: Float64Array) -> Float64Array:
        """Returns boxes `(N, 4)` xyxy of frames `(N,)` in coordinates that stand still."""
        scale, shift = self._at(frames)
        return boxes * scale + shift

    def to_image(self, frames: Int32Array, boxes: Float64Array) -> Float64Array:
        """Returns boxes `(N, 4)` xyxy in the pixels of their frames `(N,)`."""
        scale, shift = self._at(frames)
        return (boxes - shift) / scale

    def _at(self, frames: Int32Array) -> tuple[Float64Array, Float64Array]:
        scale = np.exp(np.interp(frames, self.frames, self.log_scales))[:, None]
        x, y = (np.interp(frames, self.frames, shift) for shift in self.shifts.T)
        return scale, np.stack([x, y, x, y], axis=1)


class _Moves(NamedTuple):
    """Displacements: `P` of them, in `G` groups, each group at one time.

    Attributes:
        groups: `(P,)` group of each.
        group_count: `G`.
        places: `(P, 2)` where from, relative to the middle of the picture.
        moved: `(P, 2)`.
        heights: `(P,)` of the objects.
    """

    groups: IndexArray
    group_count: int
    places: Float64Array
    moved: Float64Array
    heights: Float64Array


class _Fit(NamedTuple):
    """What displacements have in common, by group.

    Attributes:
        shift: `(G, 2)` of the middle of the picture.
        zoom: `(G,)`, 0 = none.
        left: `(P, 2)` what is left of each displacement.
        leverage: `(P, 2)` share that each has in what is expected of it.
    """

    shift: Float64Array
    zoom: Float64Array
    left: Float64Array
    leverage: Float64Array


def camera_path(
    rows: TrackRows,
    *,
    fps: float,
    times_s: Float64Array | None = None,
    least_explained: float = LEAST_EXPLAINED,
) -> CameraPath | None:
    """Returns the camera's path, `None` where it does not move as far as the tracks tell.

    Args:
        rows: The tracks of a recording.
        fps: Frame numbers a second.
        times_s: `(R,)` time of each row's frame; `None` where frames follow evenly.
        least_explained: Share of the squared bends that the other tracks must explain.

    Example:
        >>> frames = np.arange(20).repeat(5)
        >>> corners = np.stack([100.0 * np.tile(range(5), 20) + 30 * (frames % 2), 0 * frames])
        >>> boxes = np.concatenate([corners, corners + 50]).T
        >>> path = camera_path(TrackRows.create(frames, np.tile(range(5), 20), boxes), fps=30)
        >>> still = path.to_still(frames, boxes)
        >>> bool(np.ptp(still[::5, 0]) < 1e-6)
        True
    """
    frames, times = np.unique(rows.frames, return_inverse=True)
    if len(frames) < 3:
        return None
    boxes = xyxy_to_cxcyah(rows.boxes)
    middle = np.median(boxes[:, :2], axis=0)
    places, heights = boxes[:, :2] - middle, boxes[:, 3]
    clock = _clock(rows, times, len(frames), fps, times_s)
    rate = _rate(clock)
    lags = {max(1, round(seconds * rate)) for seconds in _BEND_S}
    explained = [_explained(rows, times, clock, places, heights, lag) for lag in sorted(lags)]
    if max(explained) < least_explained:
        return None
    steps = np.diff(clock) * rate
    first = np.flatnonzero((np.diff(rows.ids) == 0) & (np.diff(times) == 1))
    moves = _Moves(
        times[first], len(frames) - 1, places[first], places[first + 1] - places[first],
        heights[first],
    )  # fmt: skip
    runs = np.cumsum(np.concatenate([[0], (np.diff(first) != 1) | (np.diff(rows.ids[first]) != 0)]))
    own = np.zeros_like(moves.moved)
    long = steps[moves.groups][:, None]
    window = max(2, round(_OWN_S * rate))
    for _ in range(_ROUNDS):
        fit = _robust_fit(moves._replace(moved=moves.moved - own))
        scales, shifts = _composed(fit, steps, rate)
        still = scales[times][:, None] * places + shifts[times]
        velocity = _running_mean((still[first + 1] - still[first]) / long, runs, window)
        own = velocity * long / scales[moves.groups][:, None]
    return CameraPath(frames.astype(np.int32), np.log(scales), shifts - scales[:, None] * middle)


def _clock(
    rows: TrackRows, times: IndexArray, count: int, fps: float, times_s: Float64Array | None
) -> Float64Array:
    """Returns `(T,)` the seconds of the frames, rising."""
    clock = np.zeros(count)
    clock[times] = rows.frames / fps if times_s is None else times_s
    least = np.arange(count) * _LEAST_STEP_S  # Stamps that stand still go on by so much.
    rising: Float64Array = np.maximum.accumulate(clock - least) + least
    return rising


def _rate(clock: Float64Array) -> float:
    """Returns how many frames follow each other in a second, long gaps left out."""
    steps = np.diff(clock)
    return float(1 / np.minimum(steps, _LONG_STEP * np.median(steps)).mean())


def _explained(
    rows: TrackRows,
    times: IndexArray,
    clock: Float64Array,
    places: Float64Array,
    heights: Float64Array,
    lag: int,
) -> float:
    """Returns the share of the squared bends of tracks that the other tracks explain."""
    count = len(rows)
    middle = np.arange(lag, count - lag)
    middle = middle[
        (rows.ids[middle - lag] == rows.ids[middle + lag])
        & (times[middle + lag] - times[middle] == lag)
        & (times[middle] - times[middle - lag] == lag)
    ]
    enough = np.bincount(times[middle], minlength=1) >= _LEAST_TRACKS
    middle = middle[enough[times[middle]]] if len(middle) else middle
    if not len(middle):
        return 0.0
    # Where frames are missing, the two sides last differently long: 0 at a constant velocity too.
    until = clock[times[middle] + lag] - clock[times[middle]]
    since = clock[times[middle]] - clock[times[middle] - lag]
    share = (until / (since + until))[:, None]
    on, off = places[middle + lag] - places[middle], places[middle] - places[middle - lag]
    bend = 2 * ((1 - share) * on - share * off)
    moves = _Moves(times[middle], len(enough), places[middle], bend, heights[middle])
    fit = _fit(moves, np.full(len(bend), 1 / _DEVIATION**2) / np.square(moves.heights))
    others = fit.left / (1 - np.minimum(fit.leverage, 0.9)) / moves.heights[:, None]
    alone = bend / moves.heights[:, None]
    # Of squares, a few wrong boxes would make up most.
    limit = 3 * np.median(np.abs(alone))
    total = np.square(np.clip(alone, -limit, limit)).sum()
    return float(1 - np.square(np.clip(others, -limit, limit)).sum() / total) if total else 0.0


def _robust_fit(moves: _Moves) -> _Fit:
    """Returns the fit with Cauchy's weights: displacements that disagree count less."""
    precision = 1 / np.square(moves.heights)
    fit = _fit(moves, precision / _DEVIATION**2)
    for _ in range(3):
        away = np.linalg.norm(fit.left, axis=1) / moves.heights
        spread = max(float(np.median(away)), _LEAST_SPREAD)
        fit = _fit(moves, precision / (np.square(spread) + np.square(away / 2)))
    return fit


def _fit(moves: _Moves, weights: Float64Array) -> _Fit:
    """Returns the least squares of each group, by weights `(P,)`."""
    groups = moves.groups

    def summed(values: Float64Array) -> Float64Array:
        return np.asarray(np.bincount(groups, values, moves.group_count), np.float64)

    total = np.maximum(summed(weights), np.finfo(float).tiny)
    share = weights / total[groups]
    centre = np.stack([summed(share * moves.places[:, axis]) for axis in (0, 1)], axis=1)
    shift = np.stack([summed(share * moves.moved[:, axis]) for axis in (0, 1)], axis=1)
    apart = moves.places - centre[groups]
    spread = summed(weights * np.square(apart).sum(axis=1)) + 1 / _ZOOM_DEVIATION**2
    zoom = summed(weights * (apart * moves.moved).sum(axis=1)) / spread
    left = moves.moved - shift[groups] - zoom[groups, None] * apart
    leverage = share[:, None] + weights[:, None] * np.square(apart) / spread[groups, None]
    return _Fit(shift - zoom[:, None] * centre, zoom, left, leverage)


def _composed(fit: _Fit, lengths: Float64Array, rate: float) -> tuple[Float64Array, Float64Array]:
    """Returns scales `(T,)` and shifts `(T, 2)` of all frames, from the steps between them.

    Args:
        fit: The steps.
        lengths: `(G,)` how long each lasts, 1 = as usual.
        rate: Steps a second.
    """
    logs = np.log1p(np.clip(fit.zoom, -0.5, 0.5))
    steps = np.column_stack([logs, fit.shift])
    window = 2 * round(_TREND_S * rate / 2) + 1
    if len(steps) > window:
        from scipy.signal import savgol_filter  # takes longer to load than a short run

        long = lengths[:, None]
        steps = steps - long * savgol_filter(steps / long, window, polyorder=1, axis=0)
    log_scales = np.concatenate([[0.0], -np.cumsum(steps[:, 0])])
    scales = np.exp(log_scales)
    shifts = np.concatenate([np.zeros((1, 2)), -np.cumsum(scales[1:, None] * steps[:, 1:], axis=0)])
    return scales, shifts


def _running_mean(values: Float64Array, runs: IndexArray, window: int) -> Float64Array:
    """Returns the mean of values `(P, 2)` up to `window` before and after each, within its run."""
    places = np.arange(len(values))
    starts = np.searchsorted(runs, runs, side="left")
    ends = np.searchsorted(runs, runs, side="right")
    low, high = np.maximum(places - window, starts), np.minimum(places + window + 1, ends)
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(values, axis=0)])
    mean: Float64Array = (sums[high] - sums[low]) / (high - low)[:, None]
    return mean
