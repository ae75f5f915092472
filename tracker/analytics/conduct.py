"""How tracks move in zones: stops and queues, wrong way, speed.

`T` tracks of a frame, `Z` zones, `C` rows of the state arrays.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from tracker.analytics.events import EventKind
from tracker.analytics.geometry import true_places
from tracker.analytics.settings import Point, Zone
from tracker.analytics.track_table import FIRST_CAPACITY, Seen
from tracker.analytics.visits import Alarm, limits_of
from tracker.util.arrays import BoolArray, Float64Array, grown

STILL_SHARE = 0.2
"""A track stands still while its foot point stays within this share of the box's height."""

BACK_SHARE = 0.5
"""Motion against the direction of a zone by this share of the box's height is the wrong way."""

KMH = 3.6
"""Kilometres an hour in a metre a second."""


class Conduct:
    """The motion of tracks, where zones have limits for it.

    Args:
        zones: The zones.
        scale: Factors for x and y from coordinates of the zones to pixels.
    """

    def __init__(self, zones: Sequence[Zone], scale: Point) -> None:
        self._stop_s = limits_of(zones, "stop_s")
        self._fastest = limits_of(zones, "max_speed_kmh") / KMH
        self._has_way = np.array([zone.direction is not None for zone in zones], np.bool_)
        self._has_stops = bool(np.isfinite(self._stop_s).any())
        self._has_speeds = bool(np.isfinite(self._fastest).any())
        self._ways = _unit_ways(zones, scale)
        shape = (FIRST_CAPACITY, len(zones))
        self._entry_s = np.zeros(shape)
        self._progress = np.zeros(shape)
        kinds = (EventKind.STOPPED, EventKind.WRONG_WAY, EventKind.SPEED_EXCEEDED)
        self._reported = {kind: np.zeros(shape, np.bool_) for kind in kinds}
        self._still_point = np.zeros((FIRST_CAPACITY, 2))
        self._still_since_s = np.zeros(FIRST_CAPACITY)
        self.queues: list[int] = [0] * len(zones)
        """Tracks that stand still now in each zone with `stop_s`."""

    @property
    def is_used(self) -> bool:
        """Whether any zone has a limit of motion."""
        return self._has_stops or self._has_speeds or bool(self._has_way.any())

    def began(self, slot: int, zone: int, time_s: float) -> None:
        """Notes that a track came in."""
        self._entry_s[slot, zone] = time_s
        self._progress[slot, zone] = -np.inf
        for reported in self._reported.values():
            reported[slot, zone] = False

    def follow(self, seen: Seen, capacity: int) -> None:
        """Notes where tracks are, before the changes of zones of the same frame."""
        self._resize(capacity)
        if not self._has_stops:
            return
        offset = seen.bottoms - self._still_point[seen.slots]
        limit = STILL_SHARE * seen.heights
        moved = np.einsum("td,td->t", offset, offset) > limit * limit
        moved[seen.new_rows] = True
        slots = seen.slots[moved]
        self._still_point[slots] = seen.bottoms[moved]
        self._still_since_s[slots] = seen.time_s
        self._reported[EventKind.STOPPED][slots] = False

    def alarms(self, seen: Seen, member: BoolArray, slowest: Float64Array | None) -> list[Alarm]:
        """Returns what is exceeded for the first time in a visit; a stop, once until it ends.

        Args:
            seen: The tracks of a frame.
            member: `(T, Z)` whether they count as inside.
            slowest: `(T,)` lower end of the interval of their speed in metres a second; `None`
                without a calibration.
        """
        found: list[Alarm] = []
        if self._has_stops:
            found += self._stops(seen, member)
        if self._has_speeds and slowest is not None:
            exceeded = member & (slowest[:, None] > self._fastest)
            found += self._first(EventKind.SPEED_EXCEEDED, seen, exceeded)
        if self._has_way.any():
            found += self._first(EventKind.WRONG_WAY, seen, self._backward(seen, member))
        return found

    def _stops(self, seen: Seen, member: BoolArray) -> Iterator[Alarm]:
        since_s = self._still_since_s[seen.slots][:, None]
        self.queues = (member & (seen.time_s - since_s >= self._stop_s)).sum(axis=0).tolist()
        inside_since_s = np.maximum(since_s, self._entry_s[seen.slots])
        stopped = member & (seen.time_s - inside_since_s >= self._stop_s)
        for alarm in self._first(EventKind.STOPPED, seen, stopped):
            limit_s = float(self._stop_s[alarm.zone])
            time_s = float(inside_since_s[alarm.row, alarm.zone]) + limit_s
            yield Alarm(alarm.kind, alarm.row, alarm.zone, time_s, limit_s)

    def _first(self, kind: EventKind, seen: Seen, exceeded: BoolArray) -> Iterator[Alarm]:
        """Yields what was not reported before, at the time of the frame."""
        reported = self._reported[kind]
        rows, zones = true_places(exceeded & ~reported[seen.slots])
        for row, zone in zip(rows.tolist(), zones.tolist(), strict=True):
            reported[seen.slots[row], zone] = True
            yield Alarm(kind, row, zone, seen.time_s)

    def _backward(self, seen: Seen, member: BoolArray) -> BoolArray:
        """Returns `(T, Z)` whether tracks have moved back from their farthest place in a visit."""
        along = seen.bottoms @ self._ways
        farthest = np.where(member, np.maximum(self._progress[seen.slots], along), -np.inf)
        self._progress[seen.slots] = farthest
        limit = BACK_SHARE * seen.heights[:, None]
        back: BoolArray = member & self._has_way & (farthest - along > limit)
        return back

    def _resize(self, capacity: int) -> None:
        if len(self._entry_s) >= capacity:
            return
        self._entry_s = grown(self._entry_s, capacity)
        self._progress = grown(self._progress, capacity)
        self._reported = {kind: grown(flags, capacity) for kind, flags in self._reported.items()}
        self._still_point = grown(self._still_point, capacity)
        self._still_since_s = grown(self._still_since_s, capacity)


def _unit_ways(zones: Sequence[Zone], scale: Point) -> Float64Array:
    """Returns `(2, Z)` unit vectors of the allowed directions, zeros where all are allowed."""
    ways = np.zeros((2, len(zones)))
    for number, zone in enumerate(zones):
        if zone.direction is not None:
            way = (np.array(zone.direction[1]) - np.array(zone.direction[0])) * scale
            ways[:, number] = way / np.linalg.norm(way)
    return ways
