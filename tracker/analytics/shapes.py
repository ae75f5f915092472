"""Zones and lines as geometry of one frame size, and what one frame says about them.

Shapes with the same anchor are one `PointShapes`; zones by shared area are one `AreaShapes`. Both
compare each track with the place where it was seen before.

`T` tracks, `Z` zones and `L` lines of the group, `P` selected tracks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tracker.analytics import geometry
from tracker.analytics.settings import ANCHOR_SHARES, Anchor
from tracker.analytics.track_table import FIRST_CAPACITY, Seen, grown
from tracker.util.arrays import BoolArray, Float64Array, IndexArray

_THIN = 0.5
"""Largest hysteresis of a zone as a share of its inner radius: objects can be inside thin zones."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A path that comes into a zone and leaves it between two frames.

    Attributes:
        row: Row of the track in the frame.
        zone: Index of the zone in its group.
        entered: Share of the path at the first crossing.
        left: Share of the path at the last one.
    """

    row: int
    zone: int
    entered: float
    left: float


@dataclass(frozen=True, slots=True)
class LineCrossing:
    """A path that crosses a line, with or without return.

    Attributes:
        row: Row of the track in the frame.
        line: Index of the line in its group.
        share: Share of the path at the crossing.
        sign: 1 from left to right, -1 from right to left.
    """

    row: int
    line: int
    share: float
    sign: int


@dataclass(frozen=True, slots=True, eq=False)
class PointFrame:
    """What one frame says about the shapes of one anchor.

    Attributes:
        inside: `(T, Z)` whether the anchor is inside.
        border_shares: Share of the path at the last crossing of the border, by (row, zone).
        passages: Paths in and out of zones.
        line_crossings: In the order of the paths.
        points: `(T, 2)` anchors.
        old_points: `(T, 2)` anchors when the tracks were seen before.
    """

    inside: BoolArray
    border_shares: dict[tuple[int, int], float]
    passages: tuple[Passage, ...]
    line_crossings: tuple[LineCrossing, ...]
    points: Float64Array = field(default_factory=lambda: np.zeros((0, 2)))
    old_points: Float64Array = field(default_factory=lambda: np.zeros((0, 2)))


class PointShapes:
    """Zones and lines that take the same point of each box.

    Args:
        polygons: Corners `(n, 2)` of each zone in pixels.
        lines: Points `(n, 2)` of each line.
        anchor: The point of the box.
        by_class: Anchors of class indices, where they differ from `anchor`.
        hysteresis: Share of the height of the box.
    """

    def __init__(
        self,
        polygons: Sequence[Float64Array],
        lines: Sequence[Float64Array],
        anchor: Anchor,
        *,
        by_class: dict[int, Anchor],
        hysteresis: float,
    ) -> None:
        self._edges = geometry.edges_of(polygons)
        self._pieces = geometry.segments_of(lines)
        self._prepared = geometry.membership_of(self._edges)
        self._edge_zone = _owners(self._edges)
        self._piece_line = _owners(self._pieces)
        self._all = geometry.joined(self._edges, self._pieces)
        self._outlines = geometry.outlines_of(self._all)
        self._limits = np.concatenate(
            [_THIN * geometry.inner_radii(polygons), np.full(len(lines), np.inf)]
        )
        self._anchor = np.array(ANCHOR_SHARES[anchor])
        self._by_class = {index: ANCHOR_SHARES[own] for index, own in by_class.items()}
        self._hysteresis = hysteresis
        self._points = np.zeros((FIRST_CAPACITY, 2))
        self._right = np.zeros((FIRST_CAPACITY, len(self._all)), np.bool_)

    def observe(self, seen: Seen, capacity: int) -> PointFrame:
        """Returns what a frame says about the shapes, and keeps the points for the next one."""
        self._points = grown(self._points, capacity)
        self._right = grown(self._right, capacity)
        points = self._anchors(seen)
        right = geometry.sides(points, self._all)
        edge_count = len(self._edges)
        inside = geometry.insides(points, right[:, :edge_count], self._prepared)
        changed = right != self._right[seen.slots]
        changed[seen.new_rows] = False
        before = self._points[seen.slots]
        self._points[seen.slots], self._right[seen.slots] = points, right
        rows, columns = geometry.true_places(changed)
        if not len(rows):
            return PointFrame(inside, {}, (), (), points, before)
        crossed, shares = geometry.crossings(before, points, self._all, (rows, columns))
        places = np.flatnonzero(crossed).tolist()
        found = [(int(rows[n]), int(columns[n]), float(shares[n])) for n in places]
        borders: dict[tuple[int, int], list[float]] = {}
        lines = []
        for row, column, share in found:
            if column < edge_count:
                pair = row, int(self._edge_zone[column])
                borders.setdefault(pair, []).append(share)
            else:
                sign = 1 if right[row, column] else -1
                line = int(self._piece_line[column - edge_count])
                lines.append(LineCrossing(row, line, share, sign))
        lines.sort(key=lambda crossing: (crossing.row, crossing.share))
        passages = tuple(
            Passage(*pair, min(at), max(at))
            for pair, at in sorted(borders.items())
            if len(at) % 2 == 0 and not inside[pair]
        )
        last = {pair: max(at) for pair, at in borders.items()}
        return PointFrame(inside, last, passages, tuple(lines), points, before)

    def clear(
        self, frame: PointFrame, seen: Seen, rows: IndexArray, columns: IndexArray
    ) -> BoolArray:
        """Returns `(P,)` whether tracks are farther from borders and lines than hysteresis.

        Args:
            frame: The frame.
            seen: Its tracks.
            rows: `(P,)` rows of the tracks.
            columns: `(P,)` zones, then lines, of the group.
        """
        far = geometry.distances(frame.points[rows], self._outlines, columns)
        margins = np.minimum(self._hysteresis * seen.heights[rows], self._limits[columns])
        result: BoolArray = far >= margins
        return result

    def is_clear_at_half(self, passage: Passage, frame: PointFrame, seen: Seen) -> bool:
        """Returns whether the middle of a path through a zone is farther inside than hysteresis."""
        p, q = frame.old_points[passage.row], frame.points[passage.row]
        middle = p + (q - p) * (passage.entered + passage.left) / 2
        margin = self._hysteresis * seen.heights[passage.row]
        far = geometry.distances(middle[None], self._outlines, np.array([passage.zone]))[0]
        return bool(far >= min(margin, self._limits[passage.zone]))

    def touch_share(self, frame: PointFrame, row: int, zone: int) -> float:
        """Returns 0 or 1: the end of a path that touches the border without crossing an edge."""
        ends = np.stack([frame.old_points[row], frame.points[row]])
        far = geometry.distances(ends, self._outlines, np.array([zone, zone]))
        return float(far[1] < far[0])

    def _anchors(self, seen: Seen) -> Float64Array:
        low, high = seen.boxes[:, :2], seen.boxes[:, 2:]
        points: Float64Array = low + (high - low) * self._anchor
        for index, share in self._by_class.items():
            mine = seen.classes == index
            points[mine] = low[mine] + (high[mine] - low[mine]) * share
        return points


class AreaShapes:
    """Zones that take the share of each box's area that is inside.

    Args:
        polygons: Corners `(n, 2)` of each zone in pixels.
        thresholds: `(Z,)` share from which on a box is inside.
        hysteresis: Difference from the threshold that counts.
    """

    def __init__(
        self, polygons: Sequence[Float64Array], thresholds: Float64Array, hysteresis: float
    ) -> None:
        self._edges = geometry.directed_edges_of(polygons)
        self._thresholds = thresholds
        # A box that is inside as a whole can be no further above a threshold near 1.
        room = np.minimum(thresholds, 1 - thresholds)
        self._margins = np.minimum(hysteresis, room / 2)
        self._shares = np.zeros((FIRST_CAPACITY, len(polygons)))

    def observe(self, seen: Seen, capacity: int) -> PointFrame:
        """Returns what a frame says; shares of a path are by linear interpolation of the area."""
        self._shares = grown(self._shares, capacity)
        shares = geometry.shares_inside(seen.boxes, self._edges) - self._thresholds
        before = self._shares[seen.slots]
        self._shares[seen.slots] = shares
        inside = shares >= -1e-9
        flipped = inside != (before >= -1e-9)
        flipped[seen.new_rows] = False
        borders = {}
        for row, zone in np.argwhere(flipped).tolist():
            old, new = float(before[row, zone]), float(shares[row, zone])
            borders[row, zone] = min(max(old / (old - new), 0.0), 1.0)
        return PointFrame(inside, borders, (), ())

    def is_clear_at_half(self, passage: Passage, frame: PointFrame, seen: Seen) -> bool:
        """Returns false: passages between frames are not measured by area."""
        return False

    def touch_share(self, frame: PointFrame, row: int, zone: int) -> float:
        """Returns 1: shares of the area that change do so before the end of the path."""
        return 1.0

    def clear(
        self, frame: PointFrame, seen: Seen, rows: IndexArray, columns: IndexArray
    ) -> BoolArray:
        """Returns `(P,)` whether shares differ by more than hysteresis from the thresholds."""
        shares = np.abs(self._shares[seen.slots[rows], columns])
        result: BoolArray = shares >= self._margins[columns] - 1e-9
        return result


def _owners(segments: geometry.Segments) -> IndexArray:
    """Returns `(E,)` the index of the shape of each segment."""
    counts = np.diff([*segments.first.tolist(), len(segments)])
    return np.repeat(np.arange(len(segments.first)), counts)
