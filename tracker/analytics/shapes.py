"""Zones and lines as geometry of one frame size, and what one frame says about them.

Shapes with the same anchor are one `PointShapes`; zones by shared area are one `AreaShapes`. Both
compare each track with the place where it was seen before.

`T` tracks, `Z` zones and `L` lines of the group, `P` selected tracks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker.analytics import geometry
from tracker.analytics.settings import ANCHOR_SHARES, Anchor
from tracker.analytics.track_table import FIRST_CAPACITY, Seen
from tracker.util.arrays import BoolArray, Float64Array, IndexArray, Int32Array, grown

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
class ShapesFrame:
    """What one frame says about the shapes of a group.

    Attributes:
        inside: `(T, Z)` whether tracks are inside zones.
        flips: Rows and zones of tracks that are inside and were not, or the other way.
        line_crossings: In the order of the paths.
        before: `(T, 2)` anchors, or `(T, Z)` shares, when the tracks were seen before.
        after: The same now.
    """

    inside: BoolArray
    flips: tuple[tuple[int, int], ...]
    line_crossings: tuple[LineCrossing, ...]
    before: Float64Array
    after: Float64Array


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
        self._prepared = geometry.membership_of(self._edges)
        self._edge_zone = _owners(self._edges)
        pieces = geometry.segments_of(lines)
        self._piece_line = _owners(pieces)
        self._all = geometry.joined(self._edges, pieces)
        self._outlines = geometry.outlines_of(self._all)
        self._limits = np.concatenate(
            [_THIN * geometry.inner_radii(polygons), np.full(len(lines), np.inf)]
        )
        ends = zip(self._all.starts.tolist(), self._all.ends.tolist(), strict=True)
        self._ends = list(ends)
        self._edges_of = [
            np.flatnonzero(self._edge_zone == zone).tolist() for zone in range(len(polygons))
        ]
        self._thinnest = float(self._limits[: len(polygons)].min(initial=np.inf))
        self._anchor = np.array(ANCHOR_SHARES[anchor])
        self._by_class = {index: ANCHOR_SHARES[own] for index, own in by_class.items()}
        self._is_bottom = anchor is Anchor.BOTTOM and not by_class
        self._hysteresis = hysteresis
        self._points = np.zeros((FIRST_CAPACITY, 2))
        # Inside which zones, and on the right of which pieces of lines, tracks were.
        self._state = np.zeros((FIRST_CAPACITY, len(polygons) + len(pieces)), np.bool_)

    def observe(self, seen: Seen, capacity: int) -> ShapesFrame:
        """Returns what a frame says about the shapes, and keeps the points for the next one."""
        self._points = grown(self._points, capacity)
        self._state = grown(self._state, capacity)
        points = seen.bottoms if self._is_bottom else self.places(seen.boxes, seen.classes)
        inside, state = self._states(points)
        changed = state != self._state[seen.slots]
        before = self._points[seen.slots]
        if seen.new_rows:
            before[seen.new_rows] = points[seen.new_rows]
            changed[seen.new_rows] = False
        self._points[seen.slots], self._state[seen.slots] = points, state
        rows, columns = (found.tolist() for found in geometry.true_places(changed))
        pairs = list(zip(rows, columns, strict=True))
        zones = inside.shape[1]
        crossings = self._line_crossings(before, points, state, pairs)
        flips = tuple(pair for pair in pairs if pair[1] < zones)
        return ShapesFrame(inside, flips, crossings, before, points)

    def places(self, boxes: Float64Array, classes: Int32Array) -> Float64Array:
        """Returns `(T, 2)` the points of boxes `(T, 4)` that count, by class."""
        low, high = boxes[:, :2], boxes[:, 2:]
        points: Float64Array = low + (high - low) * self._anchor
        for index, share in self._by_class.items():
            mine = classes == index
            points[mine] = low[mine] + (high[mine] - low[mine]) * share
        return points

    def _states(self, points: Float64Array) -> tuple[BoolArray, BoolArray]:
        """Returns insides `(T, Z)`, and these with sides of pieces of lines `(T, Z + pieces)`."""
        right = geometry.sides(points, self._all)
        edge_count = len(self._edge_zone)
        inside = geometry.insides(points, right[:, :edge_count], self._prepared)
        return inside, np.concatenate([inside, right[:, edge_count:]], axis=1)

    @property
    def width(self) -> int:
        """Numbers that each track needs in `busy`."""
        return len(self._all)

    def busy(self, places: Float64Array, least_heights: Float64Array) -> BoolArray:
        """Returns `(T - 1,)` whether anything can happen on the way from each place to the next.

        Args:
            places: `(T, 2)` places of one track after another.
            least_heights: `(T,)` the least height of a box in the frame of each.
        """
        _, state = self._states(places)
        found: BoolArray = np.any(state[1:] != state[:-1], axis=1)
        unsure = geometry.unsure_sides(places, self._all)
        found |= unsure[1:] | unsure[:-1]
        if len(self._edge_zone):
            step = np.diff(places, axis=0)
            least = 2 * np.minimum(self._hysteresis * least_heights[1:], self._thinnest)
            found |= 2.001 * (step * step).max(axis=1) >= least * least
        return found

    def nearly_clear(self, places: Float64Array, heights: Float64Array, column: int) -> BoolArray:
        """Returns `(T,)` whether places of a track may be clear of a zone or line.

        Args:
            places: `(T, 2)`.
            heights: `(T,)` heights of the boxes.
            column: The zone, or the line after all zones, of the group.
        """
        far = geometry.distances(places, self._outlines, np.full(len(places), column))
        margins = np.minimum(self._hysteresis * heights, self._limits[column])
        result: BoolArray = far >= margins - 1e-6
        return result

    def move(self, slots: IndexArray, places: Float64Array) -> None:
        """Notes the places to which tracks have moved, without that anything happened."""
        self._points[slots] = places

    def passages(self, frame: ShapesFrame, seen: Seen) -> list[Passage]:
        """Returns the paths that come into a zone and leave it between two frames.

        The middle of each is farther inside than hysteresis, so that only paths of twice that
        length can be among them: in most frames there is none.
        """
        if not len(self._edge_zone) or not len(seen):
            return []
        step = frame.after - frame.before
        step *= step
        least = 2 * min(self._hysteresis * float(seen.heights.min()), self._thinnest)
        if 2 * step.max() < least * least:
            return []
        lengths = step.sum(axis=1)
        rows = np.flatnonzero((lengths >= least * least) & (lengths > 0))
        before, after = frame.before[rows], frame.after[rows]
        changed = geometry.sides(before, self._edges) != geometry.sides(after, self._edges)
        pairs = geometry.true_places(changed)
        crossed, shares = geometry.crossings(before, after, self._edges, pairs)
        found: dict[tuple[int, int], list[float]] = {}
        for n in np.flatnonzero(crossed).tolist():
            pair = int(rows[pairs[0][n]]), int(self._edge_zone[pairs[1][n]])
            found.setdefault(pair, []).append(float(shares[n]))
        passages = [
            Passage(*pair, min(at), max(at))
            for pair, at in sorted(found.items())
            if len(at) % 2 == 0 and not frame.inside[pair]
        ]
        return [one for one in passages if self._is_clear_at_half(one, frame, seen)]

    def border_share(self, frame: ShapesFrame, row: int, zone: int) -> float:
        """Returns the share of a path at its last crossing of a border.

        Where it crosses no edge, but begins or ends on one, that is 0 or 1.
        """
        path = frame.before[row].tolist(), frame.after[row].tolist()
        shares = []
        for edge in self._edges_of[zone]:
            share = geometry.crossing_share(path, self._ends[edge])
            shares += [] if share is None else [share]
        if shares:
            return max(shares)
        places = np.stack([frame.before[row], frame.after[row]])
        far = geometry.distances(places, self._outlines, np.array([zone, zone]))
        return float(far[1] < far[0])

    def _line_crossings(
        self,
        before: Float64Array,
        points: Float64Array,
        state: BoolArray,
        pairs: Sequence[tuple[int, int]],
    ) -> tuple[LineCrossing, ...]:
        """Returns the crossings among rows and columns of the state that have changed."""
        found = []
        zones = len(self._edges_of)
        for row, column in pairs:
            if column < zones:
                continue
            path = before[row].tolist(), points[row].tolist()
            ends = self._ends[len(self._edge_zone) + column - zones]
            share = geometry.crossing_share(path, ends, changes_side=True)
            if share is not None:
                sign = 1 if state[row, column] else -1
                line = int(self._piece_line[column - zones])
                found.append(LineCrossing(row, line, share, sign))
        found.sort(key=lambda crossing: (crossing.row, crossing.share))
        return tuple(found)

    def clear(
        self, frame: ShapesFrame, seen: Seen, rows: IndexArray, columns: IndexArray
    ) -> BoolArray:
        """Returns `(P,)` whether tracks are farther from borders and lines than hysteresis.

        Args:
            frame: The frame.
            seen: Its tracks.
            rows: `(P,)` rows of the tracks.
            columns: `(P,)` zones, then lines, of the group.
        """
        far = geometry.distances(frame.after[rows], self._outlines, columns)
        margins = np.minimum(self._hysteresis * seen.heights[rows], self._limits[columns])
        result: BoolArray = far >= margins
        return result

    def _is_clear_at_half(self, passage: Passage, frame: ShapesFrame, seen: Seen) -> bool:
        """Returns whether the middle of a path through a zone is farther inside than hysteresis."""
        p, q = frame.before[passage.row], frame.after[passage.row]
        middle = p + (q - p) * (passage.entered + passage.left) / 2
        margin = self._hysteresis * seen.heights[passage.row]
        far = geometry.distances(middle[None], self._outlines, np.array([passage.zone]))[0]
        return bool(far >= min(margin, self._limits[passage.zone]))


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

    def observe(self, seen: Seen, capacity: int) -> ShapesFrame:
        """Returns what a frame says; shares of a path are by linear interpolation of the area."""
        self._shares = grown(self._shares, capacity)
        shares = self.places(seen.boxes, seen.classes)
        before = self._shares[seen.slots]
        before[seen.new_rows] = shares[seen.new_rows]
        self._shares[seen.slots] = shares
        inside = shares >= -1e-9
        rows, zones = geometry.true_places(inside != (before >= -1e-9))
        flips = tuple(zip(rows.tolist(), zones.tolist(), strict=True))
        return ShapesFrame(inside, flips, (), before, shares)

    def places(self, boxes: Float64Array, classes: Int32Array) -> Float64Array:
        """Returns `(T, Z)` shares of boxes `(T, 4)` inside, less the thresholds."""
        result: Float64Array = geometry.shares_inside(boxes, self._edges) - self._thresholds
        return result

    @property
    def width(self) -> int:
        """Numbers that each track needs in `busy`."""
        return 8 * len(self._edges)

    def busy(self, places: Float64Array, least_heights: Float64Array) -> BoolArray:
        """Returns `(T - 1,)` whether anything can happen from each place to the next."""
        inside = places >= -1e-9
        found = (inside[1:] != inside[:-1]) | (np.abs(places + 1e-9) < 1e-12)[1:]
        result: BoolArray = found.any(axis=1)
        return result

    def nearly_clear(self, places: Float64Array, heights: Float64Array, column: int) -> BoolArray:
        """Returns `(T,)` whether shares may differ enough from the threshold of a zone."""
        result: BoolArray = np.abs(places[:, column]) >= self._margins[column] - 1e-6
        return result

    def move(self, slots: IndexArray, places: Float64Array) -> None:
        """Notes the shares of tracks, without that anything happened."""
        self._shares[slots] = places

    def passages(self, frame: ShapesFrame, seen: Seen) -> list[Passage]:
        """Returns nothing: between two frames areas are not measured."""
        return []

    def border_share(self, frame: ShapesFrame, row: int, zone: int) -> float:
        """Returns the share of a path at which the area reached the threshold."""
        old, new = float(frame.before[row, zone]), float(frame.after[row, zone])
        return min(max(old / (old - new), 0.0), 1.0) if old != new else 1.0

    def clear(
        self, frame: ShapesFrame, seen: Seen, rows: IndexArray, columns: IndexArray
    ) -> BoolArray:
        """Returns `(P,)` whether shares differ by more than hysteresis from the thresholds."""
        shares = np.abs(self._shares[seen.slots[rows], columns])
        result: BoolArray = shares >= self._margins[columns] - 1e-9
        return result


def _owners(segments: geometry.Segments) -> IndexArray:
    """Returns `(E,)` the index of the shape of each segment."""
    counts = np.diff([*segments.first.tolist(), len(segments)])
    return np.repeat(np.arange(len(segments.first)), counts)
