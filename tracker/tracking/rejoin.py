"""Broken tracks made whole: which track goes on where another one ended.

Comes in: `TrackRows`. Goes out: the same rows, where tracks that belong together share an id. Pure
functions; `F` = fragments, that is tracks before they are joined.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tracker.arrays import Float64Array, IndexArray, Int32Array, Int64Array
from tracker.boxes import xyxy_to_cxcyah
from tracker.errors import ConfigError
from tracker.tracking.association import Pairs, assign
from tracker.tracking.rows import TrackRows


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """When the end of one track and the start of a later one are taken for one object.

    Attributes:
        max_gap_s: Longest time in seconds between the two.
        fit_s: Seconds at each end over which its speed is measured.
        max_offset: Largest admissible distance between where one end is expected and where the
            other is, in object heights; the mean of looking forward and looking back.
        min_size_ratio: Smallest admissible ratio of the lower height to the higher, in (0, 1].

    Raises:
        ConfigError: A value is out of range.
    """

    max_gap_s: float = 2.0
    fit_s: float = 1.0
    max_offset: float = 0.4
    min_size_ratio: float = 0.7

    def __post_init__(self) -> None:
        allowed = {
            "max_gap_s": (0 < self.max_gap_s < np.inf, "> 0"),
            "fit_s": (0 < self.fit_s < np.inf, "> 0"),
            "max_offset": (0 < self.max_offset < np.inf, "> 0"),
            "min_size_ratio": (0 < self.min_size_ratio <= 1, "in (0, 1]"),
        }
        for name, (is_allowed, expected) in allowed.items():
            if not is_allowed:
                raise ConfigError(
                    f"{name}: expected a number {expected}, got {getattr(self, name)}"
                )


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """One end of each fragment; position and velocity are those of a straight line fitted to it.

    Attributes:
        frames: `(F,)`.
        positions: `(F, 2)` centre in pixels.
        velocities: `(F, 2)` pixels a frame.
        heights: `(F,)` median height in pixels.
    """

    frames: Int32Array
    positions: Float64Array
    velocities: Float64Array
    heights: Float64Array


def rejoin(rows: TrackRows, settings: JoinSettings, *, fps: float) -> TrackRows:
    """Returns the rows with broken tracks joined; a joined track has the id of its first part.

    Of all pairs that pass the gates, those of least total distance are joined, at most one
    successor and one predecessor for each; this is repeated until nothing joins.

    Args:
        rows: Tracks whose classes, by vote, differ are not joined.
        settings: The gates.
        fps: Frames a second.
    """
    max_gap = settings.max_gap_s * fps
    # A line needs a few points: boxes jitter by some percent of their height from frame to frame.
    fit_frames = max(round(settings.fit_s * fps), _MIN_FIT_FRAMES)
    while True:
        successors = _successors(rows, settings, max_gap=max_gap, fit_frames=fit_frames)
        if not successors:
            return rows
        rows = _renamed(rows, successors)


_MIN_FIT_FRAMES = 5


def _successors(
    rows: TrackRows, settings: JoinSettings, *, max_gap: float, fit_frames: int
) -> dict[int, int]:
    """Returns id to id: the track that goes on where another one ended."""
    spans = rows.spans()
    ids = np.array([rows.ids[span.start] for span in spans], np.int64)
    classes, _ = rows.class_votes()
    measured = xyxy_to_cxcyah(rows.boxes)
    last = _ends(rows.frames, measured, [_tail(rows, s, fit_frames) for s in spans], anchor=-1)
    first = _ends(rows.frames, measured, [_head(rows, s, fit_frames) for s in spans], anchor=0)
    before, after = _in_time(last.frames, first.frames, max_gap)
    same = classes[before] == classes[after]
    before, after = before[same], after[same]
    offset = _offset(last, first, before, after)
    heights = np.sort(np.stack([last.heights[before], first.heights[after]]), axis=0)
    fits = (offset <= settings.max_offset) & (heights[0] >= settings.min_size_ratio * heights[1])
    before, after, offset = before[fits], after[fits], offset[fits]
    chosen = _assign_sparse(before, after, offset, limit=settings.max_offset, count=len(ids))
    return {int(ids[before[pair]]): int(ids[after[pair]]) for pair in chosen}


def _tail(rows: TrackRows, span: slice, frames: int) -> slice:
    """Returns the rows of a track's last frames."""
    inside = rows.frames[span]
    return slice(span.start + int(np.searchsorted(inside, inside[-1] - frames + 1)), span.stop)


def _head(rows: TrackRows, span: slice, frames: int) -> slice:
    """Returns the rows of a track's first frames."""
    inside = rows.frames[span]
    return slice(span.start, span.start + int(np.searchsorted(inside, inside[0] + frames)))


def _ends(
    frames: Int32Array, measured: Float64Array, windows: list[slice], *, anchor: int
) -> _Ends:
    """Returns the ends at row `anchor` of each window (0 = its first row, -1 = its last)."""
    positions, velocities = np.zeros((len(windows), 2)), np.zeros((len(windows), 2))
    for place, window in enumerate(windows):
        time = frames[window].astype(np.float64)
        values = measured[window, :2]
        middle, mean = time.mean(), values.mean(axis=0)
        # The prior of rest keeps two or three jittery boxes from claiming a speed.
        spread = np.square(time - middle).sum() + _REST_PRIOR
        velocities[place] = (time - middle) @ (values - mean) / spread
        positions[place] = mean + (time[anchor] - middle) * velocities[place]
    return _Ends(
        frames=np.array([frames[window][anchor] for window in windows], np.int32),
        positions=positions,
        velocities=velocities,
        heights=np.array([np.median(measured[window, 3]) for window in windows]),
    )


_REST_PRIOR = 2.0
"""Weight of "it stands still" in the fit, in squared frames: the spread of three rows."""


def _in_time(ends: Int32Array, starts: Int32Array, max_gap: float) -> tuple[IndexArray, IndexArray]:
    """Returns all pairs where the second starts after the first has ended, within `max_gap`."""
    order = np.argsort(starts, kind="stable")
    ordered = starts[order]
    low = np.searchsorted(ordered, ends, side="right")
    high = np.searchsorted(ordered, ends + max_gap, side="right")
    counts = np.maximum(high - low, 0)
    before = np.repeat(np.arange(len(ends)), counts)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return before, order[np.repeat(low, counts) + offsets]


def _offset(last: _Ends, first: _Ends, before: IndexArray, after: IndexArray) -> Float64Array:
    """Returns for each pair how far apart they are when moved to one time, in mean heights."""
    gap = (first.frames[after] - last.frames[before])[:, None]
    distance = first.positions[after] - last.positions[before]
    forward = np.linalg.norm(distance - gap * last.velocities[before], axis=1)
    backward = np.linalg.norm(distance - gap * first.velocities[after], axis=1)
    height = (last.heights[before] + first.heights[after]) / 2
    return np.asarray((forward + backward) / 2 / height)


def _assign_sparse(
    before: IndexArray, after: IndexArray, cost: Float64Array, *, limit: float, count: int
) -> list[int]:
    """Returns the pairs that are chosen, as places in the lists of pairs.

    Pairs that share no fragment with each other are settled apart, so that memory follows the
    number of pairs and not the square of the number of tracks.
    """
    if not len(before):
        return []
    graph = coo_array((np.ones(len(before)), (before, after + count)), shape=(2 * count,) * 2)
    labels = connected_components(graph, directed=False)[1][before]
    chosen: list[int] = []
    for group in np.split(
        order := np.argsort(labels, kind="stable"), np.flatnonzero(np.diff(labels[order])) + 1
    ):
        row_names, rows = np.unique(before[group], return_inverse=True)
        column_names, columns = np.unique(after[group], return_inverse=True)
        place = np.full((len(row_names), len(column_names)), -1, np.intp)
        place[rows, columns] = group
        table = np.where(place >= 0, cost[place], limit)
        matches = assign(Pairs.of(table, place >= 0), unmatched_cost=limit)
        chosen += place[matches.rows, matches.columns].tolist()
    return chosen


def _renamed(rows: TrackRows, successors: dict[int, int]) -> TrackRows:
    first_of = {}
    predecessors = {after: before for before, after in successors.items()}
    for name in predecessors:
        first = name
        while first in predecessors:
            first = predecessors[first]
        first_of[name] = first
    ids: Int64Array = np.array([first_of.get(i, i) for i in rows.ids.tolist()], np.int64)
    return rows.with_ids(ids)
