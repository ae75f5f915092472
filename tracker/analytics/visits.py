"""What happens during a visit of a zone: dwelling, loitering, stops, wrong way, speed.

`T` tracks of a frame, `Z` zones, `C` rows of the state arrays.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from tracker.analytics.events import EventKind
from tracker.analytics.geometry import true_places
from tracker.analytics.settings import Point, Zone
from tracker.analytics.track_table import FIRST_CAPACITY, Seen, grown
from tracker.util.arrays import BoolArray, Float64Array

STILL_SHARE = 0.2
"""A track stands still while its foot point stays within this share of the box's height."""

BACK_SHARE = 0.5
"""Motion against the direction of a zone by this share of the box's height is the wrong way."""

_DEFAULT_STOP_S = 2.0
KMH = 3.6
"""Kilometres an hour in a metre a second."""

Alarm = tuple[EventKind, int, int, float, float | None]
"""Kind, row of the track in the frame, zone, time in seconds, dwell in seconds."""


class Visits:
    """The visits of all tracks.

    Args:
        zones: The zones.
        scale: Factors for x and y from coordinates of the zones to pixels.
    """

    def __init__(self, zones: Sequence[Zone], scale: Point) -> None:
        self._limits = {
            EventKind.DWELL_EXCEEDED: _limits(zones, "dwell_s"),
            EventKind.LOITERING: _limits(zones, "loiter_s"),
            EventKind.STOPPED: _limits(zones, "stop_s"),
            EventKind.SPEED_EXCEEDED: _limits(zones, "max_speed_kmh") / KMH,
            EventKind.WRONG_WAY: np.array([np.inf if z.direction is None else 0.0 for z in zones]),
        }
        self._used = {kind for kind, limits in self._limits.items() if np.isfinite(limits).any()}
        self._queue_s = np.where(
            np.isfinite(self._limits[EventKind.STOPPED]),
            self._limits[EventKind.STOPPED],
            _DEFAULT_STOP_S,
        )
        self._ways = _unit_ways(zones, scale)
        shape = (FIRST_CAPACITY, len(zones))
        self._entry_s = np.zeros(shape)
        self._total_s = np.zeros(shape)
        self._progress = np.zeros(shape)
        self._reported = {kind: np.zeros(shape, np.bool_) for kind in self._limits}
        self._still_point = np.zeros((FIRST_CAPACITY, 2))
        self._still_since_s = np.zeros(FIRST_CAPACITY)

    def began(self, slot: int, zone: int, time_s: float) -> None:
        """Notes that a track came in."""
        self._entry_s[slot, zone] = time_s
        self._progress[slot, zone] = -np.inf
        for kind, reported in self._reported.items():
            if kind is not EventKind.LOITERING:
                reported[slot, zone] = False

    def ended(self, slot: int, zone: int, time_s: float) -> float:
        """Notes that a track left; returns the seconds of the visit."""
        dwell_s = self.seconds(slot, zone, time_s)
        self._total_s[slot, zone] += dwell_s
        return dwell_s

    def seconds(self, slot: int, zone: int, time_s: float) -> float:
        """Returns the seconds of a visit until now."""
        return max(time_s - float(self._entry_s[slot, zone]), 0.0)

    def follow(self, seen: Seen, capacity: int) -> None:
        """Notes where tracks are, before the changes of zones of the same frame."""
        self._resize(capacity)
        new = seen.slots[seen.new_rows]
        self._total_s[new] = 0.0
        self._reported[EventKind.LOITERING][new] = False
        points = seen.bottoms
        offset = points - self._still_point[seen.slots]
        limit = STILL_SHARE * seen.heights
        moved = (offset * offset).sum(axis=1) > limit * limit
        moved[seen.new_rows] = True
        slots = seen.slots[moved]
        self._still_point[slots] = points[moved]
        self._still_since_s[slots] = seen.time_s
        self._reported[EventKind.STOPPED][slots] = False

    def alarms(
        self, seen: Seen, member: BoolArray, slowest: Float64Array | None
    ) -> Iterator[Alarm]:
        """Yields what is exceeded for the first time in a visit.

        Args:
            seen: The tracks of a frame.
            member: `(T, Z)` whether they count as inside.
            slowest: `(T,)` lower end of the interval of their speed in metres a second; `None`
                without a calibration.
        """
        yield from self._time_alarms(seen, member)
        if EventKind.STOPPED in self._used:
            limits = self._limits[EventKind.STOPPED]
            since_s = self._still_since_s[seen.slots][:, None]
            since_s = np.maximum(since_s, self._entry_s[seen.slots])
            exceeded = member & (seen.time_s - since_s >= limits)
            for row, zone in self._due(EventKind.STOPPED, seen, exceeded):
                limit = float(limits[zone])
                yield EventKind.STOPPED, row, zone, float(since_s[row, zone]) + limit, limit
        if slowest is not None and EventKind.SPEED_EXCEEDED in self._used:
            exceeded = member & (slowest[:, None] > self._limits[EventKind.SPEED_EXCEEDED])
            for row, zone in self._due(EventKind.SPEED_EXCEEDED, seen, exceeded):
                yield EventKind.SPEED_EXCEEDED, row, zone, seen.time_s, None
        if EventKind.WRONG_WAY in self._used:
            for row, zone in self._due(EventKind.WRONG_WAY, seen, self._backward(seen, member)):
                yield EventKind.WRONG_WAY, row, zone, seen.time_s, None

    def _time_alarms(self, seen: Seen, member: BoolArray) -> Iterator[Alarm]:
        for kind in (EventKind.DWELL_EXCEEDED, EventKind.LOITERING):
            if kind not in self._used:
                continue
            limits = self._limits[kind]
            seconds = seen.time_s - self._entry_s[seen.slots]
            if kind is EventKind.LOITERING:
                seconds += self._total_s[seen.slots]
            for row, zone in self._due(kind, seen, member & (seconds >= limits)):
                limit = float(limits[zone])
                yield kind, row, zone, seen.time_s - (float(seconds[row, zone]) - limit), limit

    def queues(self, seen: Seen, member: BoolArray) -> list[int]:
        """Returns the number of tracks that stand still in each zone."""
        still_s = seen.time_s - self._still_since_s[seen.slots]
        counts: list[int] = (member & (still_s[:, None] >= self._queue_s)).sum(axis=0).tolist()
        return counts

    def _due(self, kind: EventKind, seen: Seen, exceeded: BoolArray) -> Iterator[tuple[int, int]]:
        reported = self._reported[kind]
        rows, zones = true_places(exceeded & ~reported[seen.slots])
        for row, zone in zip(rows.tolist(), zones.tolist(), strict=True):
            reported[seen.slots[row], zone] = True
            yield row, zone

    def _backward(self, seen: Seen, member: BoolArray) -> BoolArray:
        """Returns `(T, Z)` whether tracks have moved back from their farthest place in a visit."""
        along = seen.bottoms @ self._ways
        farthest = np.where(member, np.maximum(self._progress[seen.slots], along), -np.inf)
        self._progress[seen.slots] = farthest
        limit = BACK_SHARE * seen.heights[:, None]
        back: BoolArray = (farthest - along > limit) & np.isfinite(
            self._limits[EventKind.WRONG_WAY]
        )
        return back & member

    def _resize(self, capacity: int) -> None:
        if len(self._entry_s) >= capacity:
            return
        self._entry_s = grown(self._entry_s, capacity)
        self._total_s = grown(self._total_s, capacity)
        self._progress = grown(self._progress, capacity)
        self._reported = {kind: grown(flags, capacity) for kind, flags in self._reported.items()}
        self._still_point = grown(self._still_point, capacity)
        self._still_since_s = grown(self._still_since_s, capacity)


def _limits(zones: Sequence[Zone], name: str) -> Float64Array:
    values = [getattr(zone, name) for zone in zones]
    return np.array([np.inf if value is None else value for value in values], np.float64)


def _unit_ways(zones: Sequence[Zone], scale: Point) -> Float64Array:
    """Returns `(2, Z)` unit vectors of the allowed directions, zeros where all are allowed."""
    ways = np.zeros((2, len(zones)))
    for number, zone in enumerate(zones):
        if zone.direction is not None:
            way = (np.array(zone.direction[1]) - np.array(zone.direction[0])) * scale
            ways[:, number] = way / np.linalg.norm(way)
    return ways
