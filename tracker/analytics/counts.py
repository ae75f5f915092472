"""Counts of zones and lines, from events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracker.analytics.events import Event, EventKind, How
from tracker.analytics.settings import Line, Zone

ByClass = dict[str, int]


@dataclass(slots=True)
class LineCounts:
    """Crossings of one line.

    Attributes:
        name: Name of the line.
        entered: Crossings from left to right by class.
        left: Crossings from right to left by class.
        first_time_s: Time of the first one; `None` before.
        last_time_s: Time of the last one.
    """

    name: str
    entered: ByClass = field(default_factory=dict)
    left: ByClass = field(default_factory=dict)
    first_time_s: float | None = None
    last_time_s: float | None = None

    def add(self, event: Event) -> None:
        """Counts one crossing."""
        _count(self.entered if event.direction == "in" else self.left, event.class_name)
        self.first_time_s, self.last_time_s = _span(self, event.time_s)

    def to_json(self) -> dict[str, Any]:
        """Returns the object of `docs/json-format.md`."""
        return {
            "line": self.name,
            "in": dict(sorted(self.entered.items())),
            "out": dict(sorted(self.left.items())),
            "first_time_s": _rounded(self.first_time_s),
            "last_time_s": _rounded(self.last_time_s),
        }


@dataclass(slots=True)
class ZoneCounts:
    """Visits of one zone.

    Attributes:
        name: Name of the zone.
        entered: Number of entries by class and kind.
        left: Number of exits by class and kind; visits that the end of the run cut are not among
            them.
        inside: Tracks inside now by class: entries minus exits.
        peak: Most tracks inside at once, in any frame.
        queue: Tracks that stand still inside now.
        peak_queue: Most tracks that stood still inside at once.
        visits: Number of visits that have ended.
        dwell_s: Sum of their seconds.
        longest_s: The longest of them.
        first_time_s: Time of the first event; `None` before.
        last_time_s: Time of the last one.
    """

    name: str
    entered: dict[str, ByClass] = field(default_factory=dict)
    left: dict[str, ByClass] = field(default_factory=dict)
    inside: ByClass = field(default_factory=dict)
    peak: int = 0
    queue: int = 0
    peak_queue: int = 0
    visits: int = 0
    dwell_s: float = 0.0
    longest_s: float = 0.0
    first_time_s: float | None = None
    last_time_s: float | None = None

    @property
    def occupancy(self) -> int:
        """Number of tracks inside now."""
        return sum(self.inside.values())

    def add(self, event: Event) -> None:
        """Counts one `zone_entered` or `zone_left`."""
        how = event.how or How.CROSSED
        self.first_time_s, self.last_time_s = _span(self, event.time_s)
        if event.kind is EventKind.ZONE_ENTERED:
            _count(self.entered.setdefault(event.class_name, {}), how.value)
            _count(self.inside, event.class_name)
            return
        if how is not How.RECLASSIFIED:
            self.visits += 1
            self.dwell_s += event.dwell_s or 0.0
            self.longest_s = max(self.longest_s, event.dwell_s or 0.0)
        if how is How.RUN_ENDED:
            return
        _count(self.left.setdefault(event.class_name, {}), how.value)
        self.inside[event.class_name] -= 1
        if not self.inside[event.class_name]:
            del self.inside[event.class_name]

    def to_json(self, duration_s: float) -> dict[str, Any]:
        """Returns the object of `docs/json-format.md`.

        Args:
            duration_s: Seconds of the run, for the mean occupancy.
        """
        return {
            "zone": self.name,
            "in": {name: dict(sorted(how.items())) for name, how in sorted(self.entered.items())},
            "out": {name: dict(sorted(how.items())) for name, how in sorted(self.left.items())},
            "inside": dict(sorted(self.inside.items())),
            "peak": self.peak,
            "mean_occupancy": round(self.dwell_s / duration_s, 4) if duration_s > 0 else None,
            "peak_queue": self.peak_queue,
            "visits": self.visits,
            "mean_dwell_s": round(self.dwell_s / self.visits, 3) if self.visits else None,
            "longest_dwell_s": round(self.longest_s, 3) if self.visits else None,
            "first_time_s": _rounded(self.first_time_s),
            "last_time_s": _rounded(self.last_time_s),
        }


class Counts:
    """The counts of all zones and lines.

    Args:
        zones: The zones.
        lines: The lines.
    """

    def __init__(self, zones: Sequence[Zone], lines: Sequence[Line]) -> None:
        self.zones = {zone.name: ZoneCounts(zone.name) for zone in zones}
        self.lines = {line.name: LineCounts(line.name) for line in lines}

    def add(self, events: Iterable[Event]) -> None:
        """Counts events; those that are not about counts change nothing."""
        for event in events:
            if event.kind is EventKind.LINE_CROSSED:
                self.lines[event.place].add(event)
            elif event.kind in (EventKind.ZONE_ENTERED, EventKind.ZONE_LEFT):
                self.zones[event.place].add(event)

    def note_queues(self, queues: Sequence[int]) -> None:
        """Notes how many tracks stand still in each zone."""
        for zone, count in zip(self.zones.values(), queues, strict=True):
            zone.queue = count
            zone.peak_queue = max(zone.peak_queue, count)

    def note_peaks(self, events: Iterable[Event]) -> None:
        """Notes how many tracks are inside after all events of a frame."""
        for event in events:
            if event.kind is EventKind.ZONE_ENTERED:
                zone = self.zones[event.place]
                zone.peak = max(zone.peak, zone.occupancy)

    def to_json(self, duration_s: float) -> dict[str, Any]:
        """Returns `zones` and `lines` of the footer."""
        return {
            "zones": [zone.to_json(duration_s) for zone in self.zones.values()],
            "lines": [line.to_json() for line in self.lines.values()],
        }


def _count(counts: ByClass, key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _span(counts: LineCounts | ZoneCounts, time_s: float) -> tuple[float, float]:
    first, last = counts.first_time_s, counts.last_time_s
    return (
        time_s if first is None else min(first, time_s),
        time_s if last is None else max(last, time_s),
    )


def _rounded(time_s: float | None) -> float | None:
    return None if time_s is None else round(time_s, 6)
