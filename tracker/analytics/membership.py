"""Which tracks are inside which zones, and which cross which lines, with hysteresis.

A change counts once the anchor is clear of the border: farther from it than the hysteresis. Its
time is that of the last crossing of the border before.

`T` tracks of a frame, `Z` zones, `L` lines, `C` rows of the state arrays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tracker.analytics.geometry import true_places
from tracker.analytics.shapes import AreaShapes, PointShapes, ShapesFrame
from tracker.analytics.track_table import FIRST_CAPACITY, Seen
from tracker.util.arrays import BoolArray, Float64Array, IndexArray, Int32Array, grown


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Zones and lines that are observed together.

    Attributes:
        shapes: Their geometry.
        zones: `(Zg,)` their indices among all zones.
        lines: `(Lg,)` their indices among all lines.
    """

    shapes: PointShapes | AreaShapes
    zones: IndexArray
    lines: IndexArray


@dataclass(frozen=True, slots=True)
class ZoneChange:
    """A track that came into a zone or left it.

    Attributes:
        row: Row of the track in the frame.
        zone: Index of the zone.
        time_s: When.
        is_inside: Whether it is inside now.
        is_birth: Whether the track began inside.
    """

    row: int
    zone: int
    time_s: float
    is_inside: bool
    is_birth: bool = False


@dataclass(frozen=True, slots=True)
class Crossing:
    """A track that has crossed a line.

    Attributes:
        row: Row of the track in the frame.
        line: Index of the line.
        time_s: When.
        sign: 1 from left to right, -1 from right to left.
    """

    row: int
    line: int
    time_s: float
    sign: int


class Membership:
    """The state of all tracks towards all zones and lines.

    Args:
        groups: The shapes.
        zone_count: Number of zones.
        line_count: Number of lines.
    """

    def __init__(self, groups: Sequence[Group], zone_count: int, line_count: int) -> None:
        self._groups = groups
        self._zone_count = zone_count
        # Group of each column, zones before lines, and its column within that group.
        self._group_of = np.zeros(zone_count + line_count, np.intp)
        self._local = np.zeros(zone_count + line_count, np.intp)
        for number, group in enumerate(groups):
            columns = np.concatenate([group.zones, zone_count + group.lines])
            self._group_of[columns] = number
            self._local[columns] = np.arange(len(columns))
        self.inside: BoolArray = np.zeros((FIRST_CAPACITY, zone_count), np.bool_)
        """`(C, Z)` whether tracks are inside zones."""
        self._pending = np.zeros((FIRST_CAPACITY, line_count), np.int32)
        # Changes that are not yet clear of their border or line, and when they happened.
        self._waiting: BoolArray = np.zeros((FIRST_CAPACITY, len(self._local)), np.bool_)
        self._time_s = np.zeros((FIRST_CAPACITY, len(self._local)))

    def update(self, seen: Seen, capacity: int) -> tuple[list[ZoneChange], list[Crossing]]:
        """Returns the changes that are certain with this frame."""
        self._resize(capacity)
        if seen.new_rows:
            new = seen.slots[seen.new_rows]
            self._pending[new] = 0
            self._waiting[new] = False
        changes: list[ZoneChange] = []
        frames = []
        for group in self._groups:
            frame = group.shapes.observe(seen, capacity)
            frames.append(frame)
            changes += self._births(group, frame, seen)
            changes += self._passages(group, frame, seen)
            self._note_borders(group, frame, seen)
            self._note_lines(group, frame, seen)
        return changes, self._committed(frames, seen, changes)

    def open_crossings(self, slot: int) -> Iterator[tuple[int, float, int]]:
        """Yields line, time and sign of crossings of an ended track that were not yet clear."""
        for line in np.nonzero(self._pending[slot])[0].tolist():
            pending = int(self._pending[slot, line])
            for _ in range(abs(pending)):
                time_s = float(self._time_s[slot, self._zone_count + line])
                yield line, time_s, 1 if pending > 0 else -1

    def leaving(self, slots: IndexArray) -> BoolArray:
        """Returns `(T, Z)` whether tracks inside are beyond the border, and not yet clear of it."""
        waiting: BoolArray = self._waiting[slots, : self._zone_count]
        return waiting & self.inside[slots]

    def waiting(self, slots: IndexArray) -> list[tuple[int, Group, int]]:
        """Returns changes of tracks that are not yet clear of their border or line.

        Each is the place in `slots`, the group, and the column among its zones, then lines.
        """
        rows, columns = true_places(self._waiting[slots])
        return [
            (row, self._groups[self._group_of[column]], int(self._local[column]))
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]

    def move(self, slots: IndexArray, boxes: Float64Array, classes: Int32Array) -> None:
        """Notes where tracks are now, without that anything happened.

        Args:
            slots: `(T,)` their rows in state arrays.
            boxes: `(T, 4)` xyxy in pixels.
            classes: `(T,)` class indices.
        """
        for group in self._groups:
            group.shapes.move(slots, group.shapes.places(boxes, classes))

    @property
    def groups(self) -> Sequence[Group]:
        """The shapes."""
        return self._groups

    def _resize(self, capacity: int) -> None:
        if len(self.inside) >= capacity:
            return
        self.inside = grown(self.inside, capacity)
        self._pending = grown(self._pending, capacity)
        self._waiting = grown(self._waiting, capacity)
        self._time_s = grown(self._time_s, capacity)

    def _births(self, group: Group, frame: ShapesFrame, seen: Seen) -> Iterator[ZoneChange]:
        for row in seen.new_rows:
            slot = seen.slots[row]
            self.inside[slot, group.zones] = frame.inside[row]
            for zone in group.zones[frame.inside[row]].tolist():
                yield ZoneChange(row, zone, seen.time_s, True, is_birth=True)

    def _passages(self, group: Group, frame: ShapesFrame, seen: Seen) -> Iterator[ZoneChange]:
        """Yields both changes of paths that pass a zone between two frames."""
        for passage in group.shapes.passages(frame, seen):
            zone = int(group.zones[passage.zone])
            slot = seen.slots[passage.row]
            if self.inside[slot, zone]:
                continue  # Its exit was not yet clear of the border, and is none.
            for share, is_inside in ((passage.entered, True), (passage.left, False)):
                time_s = seen.time_at(passage.row, share)
                yield ZoneChange(passage.row, zone, time_s, is_inside)

    def _note_borders(self, group: Group, frame: ShapesFrame, seen: Seen) -> None:
        for row, column in frame.flips:
            place = seen.slots[row], group.zones[column]
            self._time_s[place] = seen.time_at(row, group.shapes.border_share(frame, row, column))
            self._waiting[place] = frame.inside[row, column] != self.inside[place]

    def _note_lines(self, group: Group, frame: ShapesFrame, seen: Seen) -> None:
        for crossing in frame.line_crossings:
            slot, line = seen.slots[crossing.row], group.lines[crossing.line]
            column = self._zone_count + line
            if self._pending[slot, line] * crossing.sign >= 0:
                self._time_s[slot, column] = seen.time_at(crossing.row, crossing.share)
            self._pending[slot, line] += crossing.sign
            self._waiting[slot, column] = self._pending[slot, line] != 0

    def _committed(
        self, frames: Sequence[ShapesFrame], seen: Seen, changes: list[ZoneChange]
    ) -> list[Crossing]:
        """Returns crossings that are clear of their lines; adds changes clear of their borders."""
        crossings: list[Crossing] = []
        rows, columns = true_places(self._waiting[seen.slots])
        if not len(rows):
            return crossings
        ready = self._clear(frames, seen, rows, columns)
        for row, column in zip(rows[ready].tolist(), columns[ready].tolist(), strict=True):
            slot = int(seen.slots[row])
            self._waiting[slot, column] = False
            time_s = float(self._time_s[slot, column])
            if column < self._zone_count:
                is_inside = not self.inside[slot, column]
                self.inside[slot, column] = is_inside
                changes.append(ZoneChange(row, column, time_s, is_inside))
                continue
            line = column - self._zone_count
            pending = int(self._pending[slot, line])
            sign = 1 if pending > 0 else -1
            crossings += [Crossing(row, line, time_s, sign)] * abs(pending)
            self._pending[slot, line] = 0
        return crossings

    def _clear(
        self, frames: Sequence[ShapesFrame], seen: Seen, rows: IndexArray, columns: IndexArray
    ) -> BoolArray:
        """Returns `(P,)` whether tracks are clear of zones and lines, which are the columns."""
        if len(frames) == 1:
            return self._groups[0].shapes.clear(frames[0], seen, rows, columns)
        ready = np.zeros(len(rows), np.bool_)
        for number, frame in enumerate(frames):
            mine = np.flatnonzero(self._group_of[columns] == number)
            local = self._local[columns[mine]]
            ready[mine] = self._groups[number].shapes.clear(frame, seen, rows[mine], local)
        return ready
