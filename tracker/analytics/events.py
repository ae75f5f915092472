"""What analytics report: events of single tracks."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """What happened."""

    TRACK_STARTED = "track_started"
    ZONE_ENTERED = "zone_entered"
    LINE_CROSSED = "line_crossed"
    DWELL_EXCEEDED = "dwell_exceeded"
    LOITERING = "loitering"
    STOPPED = "stopped"
    WRONG_WAY = "wrong_way"
    SPEED_EXCEEDED = "speed_exceeded"
    ZONE_LEFT = "zone_left"
    TRACK_ENDED = "track_ended"


class Direction(StrEnum):
    """How a line was crossed."""

    IN = "in"
    """From the left to the right, looking from its first point to its last."""
    OUT = "out"


class How(StrEnum):
    """How a track came into a zone, or out of it."""

    CROSSED = "crossed"
    """Over the border."""
    APPEARED = "appeared"
    """The track began inside."""
    VANISHED = "vanished"
    """The track ended inside."""
    RECLASSIFIED = "reclassified"
    """The class of the track changed inside."""
    RUN_ENDED = "run_ended"
    """The track was inside when the run ended; it is not counted as out."""


_ORDER = {kind: number for number, kind in enumerate(EventKind)}

TIME_DECIMALS = 6
_MEASURE_DECIMALS = 3


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one track.

    Attributes:
        kind: What happened.
        time_s: When, in seconds after the source's first frame: interpolated between frames. An
            event is reported when it is certain, which may be some frames later.
        track_id: Id of the track.
        class_name: Name of its class.
        place: Name of the zone or line; empty for events of the whole track.
        direction: Of `line_crossed`.
        how: Of `zone_entered` and `zone_left`.
        dwell_s: Seconds in the zone: of one visit, for `loitering` of all visits, for `stopped`
            without motion.
        speed_kmh: Speed on the ground, with a calibration, where it is known.
        error_kmh: Half the width of its 95 % interval.
        distance_m: Of `zone_left` and `track_ended`, with a calibration: distance on the ground
            since the track began.
        heading_deg: With a calibration: direction of motion on the ground in degrees from the x
            axis towards the y axis.
    """

    kind: EventKind
    time_s: float
    track_id: int
    class_name: str
    place: str = ""
    direction: Direction | None = None
    how: How | None = None
    dwell_s: float | None = None
    speed_kmh: float | None = None
    error_kmh: float | None = None
    distance_m: float | None = None
    heading_deg: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the object of `docs/json-format.md`, of plain JSON types.

        Example:
            >>> Event(EventKind.TRACK_STARTED, 0.04, 1, "car").to_json()
            {'kind': 'event', 'event': 'track_started', 'id': 1, 'class': 'car', 'time_s': 0.04}
        """
        record: dict[str, Any] = {"kind": "event", "event": self.kind.value}
        if self.place:
            key = "line" if self.kind is EventKind.LINE_CROSSED else "zone"
            record[key] = self.place
        if self.direction is not None:
            record["direction"] = self.direction.value
        if self.how is not None:
            record["how"] = self.how.value
        record |= {"id": self.track_id, "class": self.class_name}
        record["time_s"] = round(self.time_s, TIME_DECIMALS)
        for name in ("dwell_s", "speed_kmh", "error_kmh", "distance_m", "heading_deg"):
            value = getattr(self, name)
            if value is not None:
                record[name] = round(value, _MEASURE_DECIMALS)
        return record


def in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """Returns events by time; of one time by id, then in the order of a life."""
    return tuple(sorted(events, key=_key))


def _key(event: Event) -> tuple[float, int, int, str]:
    # A new class inside a zone is an exit and an entry, in this order, which sorting keeps.
    kind = EventKind.ZONE_ENTERED if event.how is How.RECLASSIFIED else event.kind
    return event.time_s, event.track_id, _ORDER[kind], event.place
