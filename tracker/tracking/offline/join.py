"""Joining broken tracks: which track continues where another one ended.

`F` = fragments (tracks before they are joined), `P` = pairs of them. Pure functions.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tracker.errors import ConfigError
from tracker.tracking.association import Pairs, assign
from tracker.tracking.offline.fragments import Fragments
from tracker.tracking.offline.track_rows import TrackRows
from tracker.util.arrays import Float64Array, IndexArray, Int32Array, Int64Array
from tracker.util.check_types import check_finite, check_types


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """When the end of one track and the start of a later one are taken for one object.

    By motion alone where one of the two has no embeddings; else their appearance must be similar,
    and motion adds to the cost.

    Attributes:
        max_gap_s: Longest time in seconds between the two, by motion alone.
        fit_s: Seconds at each end over which its speed is measured.
        max_offset: Largest admissible distance between the predicted position of one end and the
            position of the other, in object heights, by motion alone; the mean of both directions.
        size_weight: How much a difference in size adds to the offset: object heights for each unit
            of the logarithm of the ratio of heights.
        max_appearance_distance: Largest admissible cosine distance between the mean embeddings.
        appearance_gap_s: As `max_gap_s`, for two of similar appearance. Longer gaps need an
            embedder that tells apart all objects of that time.
        appearance_weight: Share of appearance in the cost of a pair, in [0, 1]; the rest is motion.
        max_speed: Largest speed of an object between two ends of similar appearance, in object
            heights a second; `max_offset` is added to the distance.

    Raises:
        ConfigError: A value is out of range.
    """

    max_gap_s: float = 3.0
    fit_s: float = 1.0
    max_offset: float = 0.4
    size_weight: float = 3.0
    max_appearance_distance: float = 0.25
    appearance_gap_s: float = 5.0
    appearance_weight: float = 0.7
    max_speed: float = 1.5

    def __post_init__(self) -> None:
        check_types(self)
        for name, (low, high, expected) in _RANGES.items():
            value = getattr(self, name)
            if not (low <= value <= high and value < np.inf):
                raise ConfigError(f"{name}: expected a number {expected}, got {value}")
        check_finite(self)


_ABOVE_0 = (np.nextafter(0, 1), np.inf, "> 0")
_RANGES = {
    "max_gap_s": _ABOVE_0,
    "fit_s": _ABOVE_0,
    "max_offset": _ABOVE_0,
    "size_weight": (0, np.inf, "of 0 or more"),
    "max_appearance_distance": (np.nextafter(0, 1), 2, "in (0, 2]"),
    "appearance_gap_s": _ABOVE_0,
    "appearance_weight": (0, 1, "in [0, 1]"),
    "max_speed": (0, np.inf, "of 0 or more"),
}


def rejoin(rows: TrackRows, settings: JoinSettings, *, fps: float) -> TrackRows:
    """Returns the rows with broken tracks joined; a joined track has the id of its first part.

    Of all pairs that pass the gates, those of least total cost are joined, at most one successor
    and one predecessor for each; this is repeated until nothing joins.

    Args:
        rows: Tracks whose classes, by vote, differ are not joined.
        settings: The gates.
        fps: Frames a second.
    """
    while successors := _successors(rows, settings, fps=fps):
        rows = _renamed(rows, successors)
    return rows


def continuations(
    rows: TrackRows, settings: JoinSettings, *, fps: float, seam: int
) -> dict[int, int]:
    """Returns the id of the continuing track by the id of a track that ended before a seam.

    As one round of `rejoin`, of tracks that begin at the seam or after it only.

    Args:
        rows: The tracks on both sides.
        settings: The gates.
        fps: Frames a second.
        seam: Number of the first frame after the seam.
    """
    return _successors(rows, settings, fps=fps, seam=seam)


def fit_frames(settings: JoinSettings, fps: float) -> int:
    """Returns the number of frames over which the speed of an end is measured."""
    return max(round(settings.fit_s * fps), _MIN_FIT_FRAMES)


# A line needs a few points: boxes jitter by some percent of their height from frame to frame.
_MIN_FIT_FRAMES = 5


def join_cost(
    fragments: Fragments,
    before: IndexArray,
    after: IndexArray,
    settings: JoinSettings,
    *,
    fps: float,
) -> Float64Array:
    """Returns `(P,)` cost in [0, 1] of joining two fragments, infinite where the gates exclude it.

    Args:
        fragments: All fragments.
        before: `(P,)` fragments that end.
        after: `(P,)` fragments that start later.
        settings: The gates.
        fps: Frames a second.
    """
    gap_s = fragments.gaps(before, after) / fps
    motion = fragments.motion_misfit(before, after, size_weight=settings.size_weight)
    motion /= settings.max_offset
    by_motion = np.where((motion <= 1) & (gap_s <= settings.max_gap_s), motion, np.inf)
    looks = fragments.appearance_distance(before, after) / settings.max_appearance_distance
    known = np.isfinite(looks)
    if not known.any():
        return by_motion
    reach = settings.max_offset + settings.max_speed * gap_s
    near = fragments.distance(before, after) <= reach
    alike = known & (looks <= 1) & near & (gap_s <= settings.appearance_gap_s)
    share = settings.appearance_weight
    by_both = share * np.maximum(looks, 0) + (1 - share) * np.minimum(motion, 1)
    return np.where(known, np.where(alike, by_both, np.inf), by_motion)


def _successors(
    rows: TrackRows, settings: JoinSettings, *, fps: float, seam: int | None = None
) -> dict[int, int]:
    """Returns the id of the continuing track by the id of the track that ended."""
    spans = rows.spans()
    ids = np.array([rows.ids[span.start] for span in spans], np.int64)
    classes, _ = rows.class_votes()
    fragments = Fragments.of(rows, spans, fit_frames=fit_frames(settings, fps))
    longest_s = settings.max_gap_s
    if fragments.appearances.any():
        longest_s = max(longest_s, settings.appearance_gap_s)
    before, after = _in_time(fragments.last.frames, fragments.first.frames, longest_s * fps)
    fits = classes[before] == classes[after]
    if seam is not None:
        fits &= (fragments.last.frames[before] < seam) & (fragments.first.frames[after] >= seam)
    before, after = before[fits], after[fits]
    cost = join_cost(fragments, before, after, settings, fps=fps)
    fits = np.isfinite(cost)
    before, after = before[fits], after[fits]
    chosen = _assign_sparse(before, after, cost[fits], count=len(ids))
    return {int(ids[ended]): int(ids[went_on]) for ended, went_on in chosen}


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


_LARGEST_COST = 1.0


def _assign_sparse(
    before: IndexArray, after: IndexArray, cost: Float64Array, *, count: int
) -> list[tuple[int, int]]:
    """Returns the pairs `(before, after)` that are chosen.

    Connected components of pairs are solved separately, so that memory follows the number of pairs
    and not the square of the number of tracks.
    """
    if not len(before):
        return []
    graph = coo_array((np.ones(len(before)), (before, after + count)), shape=(2 * count,) * 2)
    labels = connected_components(graph, directed=False)[1][before]
    chosen: list[tuple[int, int]] = []
    for group in np.split(
        order := np.argsort(labels, kind="stable"), np.flatnonzero(np.diff(labels[order])) + 1
    ):
        row_names, rows = np.unique(before[group], return_inverse=True)
        column_names, columns = np.unique(after[group], return_inverse=True)
        matches = assign(Pairs(rows, columns, cost[group]), unmatched_cost=_LARGEST_COST)
        chosen += zip(
            row_names[matches.rows].tolist(), column_names[matches.columns].tolist(), strict=True
        )
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
    return rows.replace(ids=ids)
