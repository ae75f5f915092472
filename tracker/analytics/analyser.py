"""The analyser: events and counts of a stream of tracks.

It knows nothing of sources and sinks: each frame's tracks and time go in, events come back. It
works on the values of the result files, so that a recording gives the events of its run.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tracker.analytics.conduct import KMH, Conduct
from tracker.analytics.counts import Counts
from tracker.analytics.events import TIME_DECIMALS, Direction, Event, EventKind, How, in_order
from tracker.analytics.ground import homography_of
from tracker.analytics.layout import allowed_classes, groups_of
from tracker.analytics.membership import Crossing, Group, Membership, ZoneChange
from tracker.analytics.outlook import LastSeen, Outlook
from tracker.analytics.settings import AnalyticsSettings, pixel_scale
from tracker.analytics.speed import Motion, Speedometer
from tracker.analytics.track_table import Ended, Seen, TrackTable
from tracker.analytics.visits import Visits
from tracker.tracks import Tracks
from tracker.util.arrays import BoolArray, Float64Array, Int32Array, grown


class Analyser:
    """Counts, measures and reports what tracks do in zones and at lines.

    Only detected boxes count: a track that is lost keeps its last place until it is seen again, and
    then has moved straight; after `lost_after_s` it has ended.

    Args:
        settings: Zones, lines and calibration.
        size: Width and height of the frames that boxes refer to, in pixels.
        class_names: Names by class index.
        pixel_aspect: Width of a pixel by its height, for a calibration by tilt.

    Raises:
        ConfigError: A class of the settings is unknown, or the calibration fits no plane.

    Example:
        >>> from tracker.analytics.settings import AnalyticsSettings, Line
        >>> door = Line("door", ((50.0, 0.0), (50.0, 100.0)))
        >>> analyser = Analyser(AnalyticsSettings(lines=(door,)), (100, 100), ["person"])
        >>> analyser.update(Tracks.empty(), 0.0)
        ()
        >>> analyser.counts.lines["door"].entered
        {}
    """

    def __init__(
        self,
        settings: AnalyticsSettings,
        size: tuple[int, int],
        class_names: Sequence[str],
        *,
        pixel_aspect: float = 1.0,
    ) -> None:
        scale = pixel_scale(settings, size)
        self.settings = settings
        self.counts = Counts(settings.zones, settings.lines)
        self._names = tuple(class_names)
        self._zone_allowed = allowed_classes(settings.zones, self._names, "zone")
        self._line_allowed = allowed_classes(settings.lines, self._names, "line")
        self._table = TrackTable(settings.lost_after_s)
        groups = groups_of(settings, scale, self._names)
        self._membership = Membership(groups, len(settings.zones), len(settings.lines))
        self._visits = Visits(settings.zones)
        # `(C, Z)` the class under which each visit was counted, and whether any may be another one
        # than its track's: a change of class waits for an exit that is not yet clear of the border.
        self._counted: Int32Array = np.zeros((0, len(settings.zones)), np.int32)
        self._has_late_classes = False
        self._conduct = Conduct(settings.zones, scale)
        self._speed: Speedometer | None = None
        if settings.calibration is not None:
            homography = homography_of(settings.calibration, scale, size, pixel_aspect)
            self._speed = Speedometer(homography, settings.speed_window_s)
        self._first_s: float | None = None
        self._last_s = 0.0

    def update(self, tracks: Tracks, time_s: float) -> tuple[Event, ...]:
        """Returns the events that are certain with one more frame, by time.

        Args:
            tracks: The tracks of the frame. Frames on which the detector did not run are left out.
            time_s: Its time in seconds, not before that of the frame before.
        """
        time_s = round(time_s, TIME_DECIMALS)
        self._first_s = time_s if self._first_s is None else self._first_s
        self._last_s = time_s
        events = [event for one in self._table.ended(time_s) for event in self._ends(one)]
        seen = self._table.seen(tracks, time_s)
        if len(seen):
            events += self._frame_events(seen)
        if not events:
            return ()
        self.counts.add(events)
        self.counts.note_peaks(events)
        return in_order(events)

    @property
    def outlook(self) -> Outlook | None:
        """What can bring events; `None` where each frame has to be measured, for speed or stops."""
        if self._speed is not None or self._conduct.is_used:
            return None
        ids, slots, _ = self._table.rows()
        waiting = [
            (int(ids[row]), group, column) for row, group, column in self._membership.waiting(slots)
        ]
        return Outlook(waiting, self._visits.next_due_s)

    @property
    def groups(self) -> Sequence[Group]:
        """Zones and lines as geometry."""
        return self._membership.groups

    def skip(self, last: LastSeen, time_s: float) -> None:
        """Takes frames without events: frames that are not part of `outlook`.

        Args:
            last: Where the tracks of these frames were seen last.
            time_s: Time of the last frame.
        """
        slots = self._table.move(last.ids, last.times_s)
        self._membership.move(slots, last.boxes, last.classes)
        self._last_s = round(time_s, TIME_DECIMALS)

    def finish(self) -> tuple[Event, ...]:
        """Returns the events of the end of the run: every track and visit ends."""
        ended = self._table.all_ended()
        events = [event for one in ended for event in self._ends(one, How.RUN_ENDED)]
        self.counts.add(events)
        return in_order(events)

    def summary(self) -> dict[str, Any]:
        """Returns the counts as plain JSON types, for the footer of a recording."""
        first = self._last_s if self._first_s is None else self._first_s
        return self.counts.to_json(self._last_s - first)

    def motions(self) -> dict[int, Motion]:
        """Returns the motion of each track on the ground by id; empty without a calibration."""
        if self._speed is None:
            return {}
        return {track_id: self._speed.motion_of(slot) for track_id, slot in self._table.slots()}

    def zones_of_tracks(self) -> dict[int, int]:
        """Returns the index of the first zone that counts each track as inside, by id.

        Tracks in no zone are left out.
        """
        ids, slots, classes = self._table.rows()
        inside = self._membership.inside[slots] & self._zone_allowed[classes]
        places = inside.argmax(axis=1) if inside.shape[1] else inside.sum(axis=1)
        rows = np.flatnonzero(inside.any(axis=1))
        return dict(zip(ids[rows].tolist(), places[rows].tolist(), strict=True))

    def _frame_events(self, seen: Seen) -> list[Event]:
        capacity = self._table.capacity
        self._visits.resize(seen, capacity)
        self._conduct.follow(seen, capacity)
        if self._speed is not None:
            self._speed.update(seen, capacity)
        events = [
            self._event(EventKind.TRACK_STARTED, seen, row, seen.time_s) for row in seen.new_rows
        ]
        self._counted = grown(self._counted, capacity)
        changes, crossings = self._membership.update(seen, capacity)
        for change in changes:
            events += self._zone_events(seen, change)
        events += self._class_changes(seen)
        for crossing in crossings:
            events += self._line_events(seen, crossing)
        events += self._visit_events(seen)
        return events

    def _is_member(self, seen: Seen) -> BoolArray:
        """Returns `(T, Z)` whether tracks are inside zones that count their class."""
        return self._membership.inside[seen.slots] & self._zone_allowed[seen.classes]

    def _visit_events(self, seen: Seen) -> Iterator[Event]:
        if not self.settings.zones:
            return
        alarms = [
            alarm
            for alarm in self._visits.due(seen)
            if self._zone_allowed[seen.classes[alarm.row], alarm.zone]
        ]
        if self._conduct.is_used:
            alarms += self._conduct.alarms(seen, self._is_member(seen), self._slowest(seen))
            self.counts.note_queues(self._conduct.queues)
        for alarm in alarms:
            self._visits.reported(alarm, int(seen.slots[alarm.row]))
            yield self._event(
                alarm.kind,
                seen,
                alarm.row,
                alarm.time_s,
                place=self.settings.zones[alarm.zone].name,
                dwell_s=alarm.dwell_s,
            )

    def _slowest(self, seen: Seen) -> Float64Array | None:
        """Returns `(T,)` lower ends of the intervals of speeds in metres a second."""
        if self._speed is None:
            return None
        slowest = self._speed.speed[seen.slots] - self._speed.error[seen.slots]
        return np.nan_to_num(slowest, nan=0.0)

    def _class_changes(self, seen: Seen) -> Iterator[Event]:
        is_new = seen.classes.tobytes() != seen.old_classes.tobytes()
        if is_new:
            self._visits.check_again()
        if not is_new and not self._has_late_classes:
            return
        inside = self._membership.inside[seen.slots]
        other = inside & (self._counted[seen.slots] != seen.classes[:, None])
        late = other & self._membership.leaving(seen.slots)
        absent = np.ones(len(self._counted), np.bool_)
        absent[seen.slots] = False
        self._has_late_classes = bool(late.any() or (self._has_late_classes and absent.any()))
        rows, zones = np.nonzero(other & ~late)
        for row, zone in zip(rows.tolist(), zones.tolist(), strict=True):
            yield from self._class_change(seen, row, zone)

    def _class_change(self, seen: Seen, row: int, zone: int) -> Iterator[Event]:
        slot, new = int(seen.slots[row]), int(seen.classes[row])
        old = int(self._counted[slot, zone])
        self._counted[slot, zone] = new
        if self._zone_allowed[old, zone]:
            yield self._left(slot, (seen.ids[row], old), zone, seen.time_s, How.RECLASSIFIED)
        if self._zone_allowed[new, zone]:
            yield Event(
                EventKind.ZONE_ENTERED,
                seen.time_s,
                seen.ids[row],
                self._names[new],
                place=self.settings.zones[zone].name,
                how=How.RECLASSIFIED,
            )

    def _zone_events(self, seen: Seen, change: ZoneChange) -> Iterator[Event]:
        slot, zone = int(seen.slots[change.row]), change.zone
        if change.is_inside:
            self._counted[slot, zone] = seen.classes[change.row]
            self._visits.began(slot, zone, change.time_s)
            self._conduct.began(slot, zone, change.time_s)
        class_index = int(self._counted[slot, zone])
        if not self._zone_allowed[class_index, zone]:
            return
        if not change.is_inside:
            who = seen.ids[change.row], class_index
            yield self._left(slot, who, zone, change.time_s, How.CROSSED)
            return
        how = How.APPEARED if change.is_birth else How.CROSSED
        place = self.settings.zones[zone].name
        yield self._event(
            EventKind.ZONE_ENTERED, seen, change.row, change.time_s, place=place, how=how
        )

    def _left(self, slot: int, who: tuple[int, int], zone: int, time_s: float, how: How) -> Event:
        """Returns the event that a track left a zone; `who` is its id and class."""
        if how is How.RECLASSIFIED:
            dwell_s = self._visits.seconds(slot, zone, time_s)
        else:
            dwell_s = self._visits.ended(slot, zone, time_s)
        track_id, class_index = who
        return Event(
            EventKind.ZONE_LEFT,
            time_s,
            track_id,
            self._names[class_index],
            place=self.settings.zones[zone].name,
            how=how,
            dwell_s=dwell_s,
            **self._measures(slot),
            distance_m=self._distance(slot),
        )

    def _line_events(self, seen: Seen, crossing: Crossing) -> Iterator[Event]:
        if not self._line_allowed[seen.classes[crossing.row], crossing.line]:
            return
        yield self._event(
            EventKind.LINE_CROSSED,
            seen,
            crossing.row,
            crossing.time_s,
            place=self.settings.lines[crossing.line].name,
            direction=Direction.IN if crossing.sign > 0 else Direction.OUT,
        )

    def _ends(self, one: Ended, how: How = How.VANISHED) -> Iterator[Event]:
        """Yields the events of a track that has ended."""
        name = self._names[one.class_index]
        for line, time_s, sign in self._membership.open_crossings(one.slot):
            if self._line_allowed[one.class_index, line]:
                yield Event(
                    EventKind.LINE_CROSSED,
                    time_s,
                    one.track_id,
                    name,
                    place=self.settings.lines[line].name,
                    direction=Direction.IN if sign > 0 else Direction.OUT,
                    **self._measures(one.slot),
                )
        for zone in np.nonzero(self._membership.inside[one.slot])[0].tolist():
            counted = int(self._counted[one.slot, zone])
            if self._zone_allowed[counted, zone]:
                who = one.track_id, counted
                yield self._left(one.slot, who, zone, one.time_s, how)
        yield Event(
            EventKind.TRACK_ENDED,
            one.time_s,
            one.track_id,
            name,
            **self._measures(one.slot),
            distance_m=self._distance(one.slot),
        )
        self._visits.forget(one.slot)

    def _event(self, kind: EventKind, seen: Seen, row: int, time_s: float, **more: Any) -> Event:
        slot = int(seen.slots[row])
        name = self._names[int(seen.classes[row])]
        return Event(kind, time_s, seen.ids[row], name, **more, **self._measures(slot))

    def _measures(self, slot: int) -> dict[str, Any]:
        """Returns the fields of an event that the calibration gives."""
        if self._speed is None:
            return {}
        motion = self._speed.motion_of(slot)
        if motion.speed_m_s is None or motion.error_m_s is None:
            return {}
        return {
            "speed_kmh": motion.speed_m_s * KMH,
            "error_kmh": motion.error_m_s * KMH,
            "heading_deg": motion.heading_deg,
        }

    def _distance(self, slot: int) -> float | None:
        return None if self._speed is None else self._speed.motion_of(slot).distance_m
