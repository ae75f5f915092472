"""The visits of zones, and the limits of their time: dwelling and loitering.

`T` tracks of a frame, `Z` zones, `C` rows of the state arrays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tracker.analytics.events import EventKind
from tracker.analytics.geometry import true_places
from tracker.analytics.settings import Zone
from tracker.analytics.track_table import FIRST_CAPACITY, Seen
from tracker.util.arrays import Float64Array, grown


@dataclass(frozen=True, slots=True)
class Alarm:
    """A limit of a zone that a track has reached.

    Attributes:
        kind: Which one.
        row: Row of the track in the frame.
        zone: Index of the zone.
        time_s: When.
        dwell_s: The limit, where it is one of time.
    """

    kind: EventKind
    row: int
    zone: int
    time_s: float
    dwell_s: float | None = None


class Visits:
    """When tracks came into zones, and how long they have been there.

    Args:
        zones: The zones.
    """

    def __init__(self, zones: Sequence[Zone]) -> None:
        limits = {
            EventKind.DWELL_EXCEEDED: limits_of(zones, "dwell_s"),
            EventKind.LOITERING: limits_of(zones, "loiter_s"),
        }
        self._limits = {kind: s for kind, s in limits.items() if np.isfinite(s).any()}
        shape = (FIRST_CAPACITY, len(zones))
        self._entry_s = np.zeros(shape)
        self._total_s = np.zeros(shape)
        self._has_loitered = np.zeros(shape, np.bool_)
        self._next_due_s = np.inf
        # When limits will be reached; infinite outside, and once they were reported.
        self._due_s = {kind: np.full(shape, np.inf) for kind in self._limits}

    def resize(self, seen: Seen, capacity: int) -> None:
        """Makes room for all tracks, and forgets earlier ones in the rows of new ones."""
        if not seen.new_rows:
            return
        self._entry_s = grown(self._entry_s, capacity)
        self._total_s = grown(self._total_s, capacity)
        self._has_loitered = grown(self._has_loitered, capacity)
        new = seen.slots[seen.new_rows]
        self._total_s[new] = 0.0
        self._has_loitered[new] = False
        for kind, due_s in self._due_s.items():
            larger = self._due_s[kind] = grown(due_s, capacity)
            larger[new] = np.inf

    def began(self, slot: int, zone: int, time_s: float) -> None:
        """Notes that a track came in."""
        self._entry_s[slot, zone] = time_s
        for kind, due_s in self._due_s.items():
            due_s[slot, zone] = time_s + self._limits[kind][zone]
        if EventKind.LOITERING in self._due_s:
            is_done = bool(self._has_loitered[slot, zone])
            left_s = np.inf if is_done else -self._total_s[slot, zone]
            self._due_s[EventKind.LOITERING][slot, zone] += left_s
        for due_s in self._due_s.values():
            self._next_due_s = min(self._next_due_s, float(due_s[slot, zone]))

    def ended(self, slot: int, zone: int, time_s: float) -> float:
        """Notes that a track left; returns the seconds of the visit."""
        dwell_s = self.seconds(slot, zone, time_s)
        self._total_s[slot, zone] += dwell_s
        for due_s in self._due_s.values():
            due_s[slot, zone] = np.inf
        return dwell_s

    def forget(self, slot: int) -> None:
        """Notes that a track has ended: none of its limits is due any more."""
        for due_s in self._due_s.values():
            due_s[slot] = np.inf

    @property
    def next_due_s(self) -> float:
        """When the next limit may be due, in seconds; infinite where none is."""
        return self._next_due_s

    def seconds(self, slot: int, zone: int, time_s: float) -> float:
        """Returns the seconds of a visit until now."""
        return max(time_s - float(self._entry_s[slot, zone]), 0.0)

    def due(self, seen: Seen) -> Iterator[Alarm]:
        """Yields the limits that have been reached and not been reported."""
        if not self._due_s or seen.time_s < self._next_due_s:
            return
        for kind, due_s in self._due_s.items():
            times_s = due_s[seen.slots]
            rows, zones = true_places(times_s <= seen.time_s)
            for row, zone in zip(rows.tolist(), zones.tolist(), strict=True):
                limit_s = float(self._limits[kind][zone])
                due_at_s = float(times_s[row, zone])
                # Before, the class of the track did not count.
                is_late = due_at_s < seen.old_times[row]
                yield Alarm(kind, row, zone, seen.time_s if is_late else due_at_s, limit_s)
        # A track that is seen and due has been returned; one that is not seen now is still due.
        is_absent = np.ones(len(self._entry_s), np.bool_)
        is_absent[seen.slots] = False
        later = [
            due_s[is_absent[:, None] | (due_s > seen.time_s)] for due_s in self._due_s.values()
        ]
        self._next_due_s = min(float(due_s.min(initial=np.inf)) for due_s in later)

    def check_again(self) -> None:
        """Makes `due` return what it has returned and was not reported: a class has changed."""
        self._next_due_s = -np.inf

    def reported(self, alarm: Alarm, slot: int) -> None:
        """Notes that a limit was reported; each is once."""
        if alarm.kind in self._due_s:
            self._due_s[alarm.kind][slot, alarm.zone] = np.inf
            self._has_loitered[slot, alarm.zone] |= alarm.kind is EventKind.LOITERING


def limits_of(zones: Sequence[Zone], name: str) -> Float64Array:
    """Returns `(Z,)` the limits of zones, infinite where there is none."""
    values = [getattr(zone, name) for zone in zones]
    return np.array([np.inf if value is None else value for value in values], np.float64)
