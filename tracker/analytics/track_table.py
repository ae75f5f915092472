"""The tracks seen so far: a row in all state arrays for each, kept until it has ended.

`T` tracks of one frame, `C` rows of the state arrays.
"""

from dataclasses import dataclass

import numpy as np

from tracker.tracks import Tracks, TrackState
from tracker.util.arrays import (
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    Int64Array,
    grown,
)

FIRST_CAPACITY = 128
_BOX_SCALE = 100.0
"""Boxes are rounded as in all result files, so that a recording gives the events of its run."""


_MEASURES = np.array([[0.5, 0.0, 0.0], [0.0, 0.0, -1.0], [0.5, 0.0, 0.0], [0.0, 1.0, 1.0]])
"""From boxes to the middle of the lower edge and the height."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The `T` tracks that were detected in one frame.

    Attributes:
        time_s: Time of the frame.
        ids: Their ids.
        slots: `(T,)` their rows in state arrays.
        boxes: `(T, 4)` float64 xyxy in pixels.
        classes: `(T,)` class indices.
        bottoms: `(T, 2)` the middles of the lower edges.
        heights: `(T,)` heights of the boxes.
        new_rows: Rows of tracks that were not known.
        old_times: `(T,)` time in seconds when each was seen before; `time_s` for new ones.
        old_classes: `(T,)` class at that time.
    """

    time_s: float
    ids: tuple[int, ...]
    slots: IndexArray
    boxes: Float64Array
    classes: Int32Array
    bottoms: Float64Array
    heights: Float64Array
    new_rows: list[int]
    old_times: Float64Array
    old_classes: Int32Array

    def __len__(self) -> int:
        return len(self.ids)

    def time_at(self, row: int, share: float) -> float:
        """Returns the time at a share of the path of one track since it was seen before."""
        old = float(self.old_times[row])
        # Rounding must not lead beyond the frame: a visit would begin after the end of the run.
        return min(old + (self.time_s - old) * share, self.time_s)


@dataclass(frozen=True, slots=True)
class Ended:
    """A track that has ended.

    Attributes:
        track_id: Its id.
        slot: Its row, which is free afterwards.
        time_s: When it was seen last.
        class_index: Its last class.
    """

    track_id: int
    slot: int
    time_s: float
    class_index: int


class TrackTable:
    """Assigns a row of the state arrays to each track.

    Args:
        lost_after_s: Seconds without a detection after which a track has ended.
    """

    def __init__(self, lost_after_s: float) -> None:
        self._lost_after_s = lost_after_s
        self._slots: dict[int, int] = {}
        self._free = list(range(FIRST_CAPACITY))[::-1]
        self._ids = np.full(FIRST_CAPACITY, -1, np.int64)
        self._times = np.full(FIRST_CAPACITY, np.inf)
        self._classes = np.zeros(FIRST_CAPACITY, np.int32)
        self._earliest_end_s = -np.inf
        # Ids of the last frame, as bytes, as numbers, and their rows.
        self._seen_key = b""
        self._seen_ids: tuple[int, ...] = ()
        self._seen_slots: IndexArray = np.zeros(0, np.intp)

    @property
    def capacity(self) -> int:
        """Number of rows that state arrays need."""
        return len(self._ids)

    def __len__(self) -> int:
        return len(self._slots)

    def slots(self) -> list[tuple[int, int]]:
        """Returns ids and rows of all tracks, by rising id."""
        return sorted(self._slots.items())

    def rows(self) -> tuple[Int64Array, IndexArray, Int32Array]:
        """Returns ids, rows and classes `(T,)` of all tracks, in any order."""
        slots = np.fromiter(self._slots.values(), np.intp, len(self._slots))
        return self._ids[slots], slots, self._classes[slots]

    def ended(self, time_s: float) -> list[Ended]:
        """Removes and returns the tracks that have not been seen for too long, by rising id."""
        if time_s < self._earliest_end_s:
            return []
        rows = np.flatnonzero(time_s - self._times > self._lost_after_s)
        gone = self._removed(rows.tolist()) if len(rows) else []
        # Tracks that are seen again meanwhile end later, new ones too.
        oldest_s = min(float(self._times.min()), time_s)
        self._earliest_end_s = oldest_s + self._lost_after_s
        return gone

    def all_ended(self) -> list[Ended]:
        """Removes and returns all tracks, by rising id."""
        return self._removed(list(self._slots.values()))

    def _removed(self, slots: list[int]) -> list[Ended]:
        gone = []
        for slot in slots:
            track_id = int(self._ids[slot])
            gone.append(Ended(track_id, slot, float(self._times[slot]), int(self._classes[slot])))
            del self._slots[track_id]
            self._ids[slot], self._times[slot] = -1, np.inf
            self._free.append(slot)
        self._seen_key = b"stale"
        return sorted(gone, key=lambda one: one.track_id)

    def seen(self, tracks: Tracks, time_s: float) -> Seen:
        """Returns the tracks that were detected in a frame, after giving rows to new ones.

        Tentative tracks, and boxes that are predictions, are left out.
        """
        ids, given, classes = tracks.ids, tracks.boxes, tracks.classes
        is_seen = tracks.states == TrackState.CONFIRMED
        # Ids rise, so that the first one is negative if any is.
        if not is_seen.all() or tracks.misses.any() or (len(ids) and ids[0] < 0):
            keep = is_seen & (tracks.misses == 0) & (ids >= 0)
            ids, given, classes = ids[keep], given[keep], classes[keep]
        slots, new_rows = self._rows_of(ids)
        boxes = rounded_boxes(given)
        measures = boxes @ _MEASURES
        old_times, old_classes = self._times[slots], self._classes[slots]
        if new_rows:
            old_times[new_rows], old_classes[new_rows] = time_s, classes[new_rows]
        self._times[slots] = time_s
        if old_classes.tobytes() != classes.tobytes() or new_rows:
            self._classes[slots] = classes
        return Seen(
            time_s,
            self._seen_ids,
            slots,
            boxes,
            classes,
            measures[:, :2],
            measures[:, 2],
            new_rows,
            old_times,
            old_classes,
        )

    def move(self, ids: Int64Array, times_s: Float64Array) -> IndexArray:
        """Notes when known tracks were seen last; returns their rows `(T,)`."""
        slots = np.array([self._slots[track_id] for track_id in ids.tolist()], np.intp)
        self._times[slots] = times_s
        return slots

    def _rows_of(self, ids: Int64Array) -> tuple[IndexArray, list[int]]:
        """Returns the rows `(T,)` of tracks, and the places of those that are new."""
        if ids.tobytes() == self._seen_key:  # Most often the tracks are those of the last frame.
            return self._seen_slots, []
        listed = ids.tolist()
        new_rows = [row for row, track_id in enumerate(listed) if track_id not in self._slots]
        self._seen_slots = np.array([self._slot_of(track_id) for track_id in listed], np.intp)
        self._seen_key, self._seen_ids = ids.tobytes(), tuple(listed)
        return self._seen_slots, new_rows

    def _slot_of(self, track_id: int) -> int:
        slot = self._slots.get(track_id)
        if slot is None:
            if not self._free:
                self._grow()
            slot = self._slots[track_id] = self._free.pop()
            self._ids[slot] = track_id
        return slot

    def _grow(self) -> None:
        old = self.capacity
        self._ids = grown(self._ids, 2 * old)
        self._times = grown(self._times, 2 * old)
        self._classes = grown(self._classes, 2 * old)
        self._ids[old:], self._times[old:] = -1, np.inf
        self._free = list(range(old, 2 * old))[::-1]


def rounded_boxes(boxes: Float32Array) -> Float64Array:
    """Returns boxes `(T, 4)` with the decimals of result files."""
    result = boxes.astype(np.float64)
    result *= _BOX_SCALE
    np.rint(result, out=result)
    result /= _BOX_SCALE
    return result
