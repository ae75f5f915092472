"""Which tracks are inside which zones, and which cross which lines, with hysteresis.

A change counts once the anchor is clear of the border: farther from it than the hysteresis. Its
time is that of the last crossing of the border before.

`T` tracks of a frame, `Z` zones, `L` lines, `C` rows of the state arrays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tracker.analytics.geometry import true_places
from tracker.analytics.shapes import AreaShapes, PointFrame, PointShapes
from tracker.analytics.track_table import FIRST_CAPACITY, Array, Seen, grown
from tracker.util.arrays import BoolArray, IndexArray


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
        shape = (FIRST_CAPACITY, zone_count)
        self.inside: BoolArray = np.zeros(shape, np.bool_)
        """`(C, Z)` whether tracks are inside zones."""
        self._raw: BoolArray = np.zeros(shape, np.bool_)
        self._raw_time_s = np.zeros(shape)
        self._pending = np.zeros((FIRST_CAPACITY, line_count), np.int32)
        self._pending_time_s = np.zeros((FIRST_CAPACITY, line_count))

    def update(self, seen: Seen, capacity: int) -> tuple[list[ZoneChange], list[Crossing]]:
        """Returns the changes that are certain with this frame."""
        self._resize(capacity)
        changes: list[ZoneChange] = []
        crossings: list[Crossing] = []
        self._pending[seen.slots[seen.new_rows]] = 0
        for group in self._groups:
            frame = group.shapes.observe(seen, capacity)
            changes += self._births(group, frame, seen)
            changes += self._passages(group, frame, seen)
            self._note_borders(group, frame, seen)
            self._note_lines(group, frame, seen)
            self._commit(group, frame, seen, changes, crossings)
        return changes, crossings

    def open_crossings(self, slot: int) -> Iterator[tuple[int, float, int]]:
        """Yields line, time and sign of crossings of an ended track that were not yet clear."""
        for line in np.nonzero(self._pending[slot])[0].tolist():
            pending = int(self._pending[slot, line])
            for _ in range(abs(pending)):
                yield line, float(self._pending_time_s[slot, line]), 1 if pending > 0 else -1

    def _resize(self, capacity: int) -> None:
        if len(self.inside) >= capacity:
            return
        self.inside = grown(self.inside, capacity)
        self._raw = grown(self._raw, capacity)
        self._raw_time_s = grown(self._raw_time_s, capacity)
        self._pending = grown(self._pending, capacity)
        self._pending_time_s = grown(self._pending_time_s, capacity)

    def _births(self, group: Group, frame: PointFrame, seen: Seen) -> Iterator[ZoneChange]:
        for row in seen.new_rows:
            slot = seen.slots[row]
            self.inside[slot, group.zones] = frame.inside[row]
            self._raw[slot, group.zones] = frame.inside[row]
            for zone in group.zones[frame.inside[row]].tolist():
                yield ZoneChange(row, zone, seen.time_s, True, is_birth=True)

    def _passages(self, group: Group, frame: PointFrame, seen: Seen) -> Iterator[ZoneChange]:
        """Yields both changes of paths that pass a zone between two frames."""
        for passage in frame.passages:
            zone = int(group.zones[passage.zone])
            slot = seen.slots[passage.row]
            if self._raw[slot, zone] or self.inside[slot, zone]:
                continue  # It was inside before: the border crossing is noted as usual.
            if not group.shapes.is_clear_at_half(passage, frame, seen):
                continue
            for share, is_inside in ((passage.entered, True), (passage.left, False)):
                time_s = seen.time_at(passage.row, share)
                yield ZoneChange(passage.row, zone, time_s, is_inside)

    def _note_borders(self, group: Group, frame: PointFrame, seen: Seen) -> None:
        if not len(group.zones):
            return
        flipped = frame.inside != _of(self._raw, seen.slots, group.zones)
        for row, column in zip(*(found.tolist() for found in true_places(flipped)), strict=True):
            share = frame.border_shares.get((row, column))
            if share is None:
                share = group.shapes.touch_share(frame, row, column)
            slot, zone = seen.slots[row], group.zones[column]
            self._raw_time_s[slot, zone] = seen.time_at(row, share)
            self._raw[slot, zone] = frame.inside[row, column]

    def _note_lines(self, group: Group, frame: PointFrame, seen: Seen) -> None:
        for crossing in frame.line_crossings:
            place = seen.slots[crossing.row], group.lines[crossing.line]
            if self._pending[place] * crossing.sign >= 0:
                self._pending_time_s[place] = seen.time_at(crossing.row, crossing.share)
            self._pending[place] += crossing.sign

    def _commit(
        self,
        group: Group,
        frame: PointFrame,
        seen: Seen,
        changes: list[ZoneChange],
        crossings: list[Crossing],
    ) -> None:
        zone_count = len(group.zones)
        waiting = np.empty((len(seen), zone_count + len(group.lines)), np.bool_)
        waiting[:, :zone_count] = frame.inside != _of(self.inside, seen.slots, group.zones)
        waiting[:, zone_count:] = _of(self._pending, seen.slots, group.lines) != 0
        rows, columns = true_places(waiting)
        if not len(rows):
            return
        ready = group.shapes.clear(frame, seen, rows, columns)
        for row, column in zip(rows[ready].tolist(), columns[ready].tolist(), strict=True):
            slot = seen.slots[row]
            if column < zone_count:
                zone = int(group.zones[column])
                self.inside[slot, zone] = is_inside = bool(frame.inside[row, column])
                time_s = float(self._raw_time_s[slot, zone])
                changes.append(ZoneChange(row, zone, time_s, is_inside))
                continue
            line = int(group.lines[column - zone_count])
            pending = int(self._pending[slot, line])
            time_s = float(self._pending_time_s[slot, line])
            sign = 1 if pending > 0 else -1
            crossings += [Crossing(row, line, time_s, sign)] * abs(pending)
            self._pending[slot, line] = 0


def _of(state: Array, slots: IndexArray, columns: IndexArray) -> Array:
    """Returns rows and columns of a state array; all columns cost less."""
    rows = state[slots]
    selected = rows if len(columns) == rows.shape[1] else rows[:, columns]
    return selected  # type: ignore[return-value]
