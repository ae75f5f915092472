"""What a source has delivered: its newest frame, tracks, events, charts, and images for viewers."""

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from tracker.analytics.events import Event
from tracker.analytics.settings import AnalyticsSettings
from tracker.serve.lives import Crops, Lives
from tracker.serve.meters import Meters
from tracker.serve.pictures import Encoding, Kind, Picture, Pictures
from tracker.serve.records import Snapshot, counts_of, occupancy_of, track_objects
from tracker.serve.ring import EventRing
from tracker.sinks.annotated import annotated_image
from tracker.sinks.draw_style import DrawStyle
from tracker.sinks.draw_trails import Trails
from tracker.sinks.run_analysis import RunAnalysis
from tracker.tracks import RunInfo, TrackedFrame
from tracker.util.arrays import UInt8Array


class Hub:
    """Takes the results of one source from its thread; clients read it from the server's.

    Args:
        zones: Zones and lines.
        style: Style of drawn tracks.
        encoding: How images are encoded.
        has_image: Whether frames have images.
    """

    def __init__(
        self,
        zones: AnalyticsSettings,
        *,
        style: DrawStyle,
        encoding: Encoding,
        has_image: bool = True,
    ) -> None:
        self.has_image = has_image
        self.events = EventRing()
        self.meters = Meters()
        self.lives = Lives()
        self.crops = Crops()
        self._style, self._encoding = style, encoding
        self._lock = threading.Lock()
        self._zones = zones
        self._analysis = _analysis(zones)
        self._snapshot: Snapshot | None = None
        self._number = 0
        self._trails = Trails(style.trail_s)
        self.pictures = Pictures(self._picture, always=self._keep_crops)

    @property
    def zones(self) -> AnalyticsSettings:
        """Zones and lines."""
        return self._zones

    @property
    def run(self) -> RunInfo | None:
        """The run of the newest result; `None` before the first."""
        return None if self._snapshot is None else self._snapshot.result.run

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest result; `None` before the first."""
        return self._snapshot

    def begin(self) -> None:
        """Begins a new run: ids and counts start again; the last frame stays."""
        with self._lock:
            self._analysis = _analysis(self._zones)
        self.lives.clear()
        self.crops.clear()
        self.meters.begin()
        self._trails = Trails(self._style.trail_s)

    def set_zones(self, zones: AnalyticsSettings) -> None:
        """Replaces zones and lines from the next frame on; counts start again."""
        with self._lock:
            self._zones, self._analysis = zones, _analysis(zones)

    def publish(self, result: TrackedFrame) -> tuple[Event, ...]:
        """Takes one result, and returns the events that are certain with it.

        Raises:
            ConfigError: A class of the zones is none of the detector's.
        """
        firsts = self.lives.update(result)
        with self._lock:
            analysis = self._analysis
            events = () if analysis is None else analysis.update(result)
            self._number += 1
            self._snapshot = Snapshot(
                self._number,
                result,
                track_objects(result, analysis, firsts),
                occupancy_of(analysis),
                counts_of(analysis),
            )
        self.meters.add(result)
        self._report(events)
        self.pictures.refresh()
        return events

    def zones_of_tracks(self) -> Mapping[int, int]:
        """Returns the index of the first zone of each track that is in one, by id."""
        with self._lock:
            return {} if self._analysis is None else self._analysis.zones_of_tracks()

    def draw_outlines(self, canvas: UInt8Array, style: DrawStyle) -> None:
        """Draws zones and lines; with `draw_counts` and `zones_of_tracks` the hub is an overlay."""
        with self._lock:
            if self._analysis is not None:
                self._analysis.draw_outlines(canvas, style)

    def draw_counts(self, canvas: UInt8Array, style: DrawStyle) -> None:
        """Draws the counts of zones and lines."""
        with self._lock:
            if self._analysis is not None:
                self._analysis.draw_counts(canvas, style)

    def counts(self) -> Mapping[str, Any]:
        """Returns the counts of the run as plain JSON types, for footers."""
        with self._lock:
            return {} if self._analysis is None else self._analysis.counts()

    def finish(self) -> tuple[Event, ...]:
        """Returns the events of the end of a run."""
        with self._lock:
            events = () if self._analysis is None else self._analysis.finish()
        self._report(events)
        return events

    def tick(self) -> None:
        """Ends a second of the charts."""
        snapshot = self._snapshot
        if snapshot is not None:
            self.meters.tick(len(snapshot.tracks), dict(snapshot.occupancy))

    def charts(self) -> dict[str, Any]:
        """Returns the last five minutes, and the counts now."""
        counts = {} if self._snapshot is None else self._snapshot.counts
        return {**self.meters.charts([zone.name for zone in self._zones.zones]), "counts": counts}

    def jpeg(self, kind: Kind) -> bytes | None:
        """Returns the newest frame as JPEG; `None` where there is none."""
        picture = self.pictures.newest(kind)
        snapshot = self._snapshot
        if picture is not None and snapshot is not None and picture.number == snapshot.number:
            return picture.jpeg
        if snapshot is None or not self.has_image:
            return None
        trails = Trails(0.0)
        return self._encoding.encoded(self._image(snapshot, kind, trails))

    def close(self) -> None:
        """Ends the thread that encodes."""
        self.pictures.close()

    def _report(self, events: Sequence[Event]) -> None:
        if events:
            self.events.add(events)
            self.pictures.clients.notify()

    def _picture(self, kind: Kind) -> Picture | None:
        snapshot, last = self._snapshot, self.pictures.newest(kind)
        if snapshot is None or (last is not None and last.number == snapshot.number):
            return last
        if kind is Kind.ANNOTATED:
            self._trails.update(snapshot.result.tracks, snapshot.result.frame.time_s)
        jpeg = None
        if self.has_image:
            jpeg = self._encoding.encoded(self._image(snapshot, kind, self._trails))
        text = ""
        if kind is Kind.CLEAN:
            record = snapshot.to_json(has_image=jpeg is not None)
            text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        return Picture(snapshot.number, snapshot.result.frame.index, text, jpeg)

    def _image(self, snapshot: Snapshot, kind: Kind, trails: Trails) -> UInt8Array:
        result = snapshot.result
        if kind is Kind.CLEAN:
            return result.frame.image
        return annotated_image(result, trails, self._style, self)

    def _keep_crops(self) -> None:
        snapshot = self._snapshot
        if snapshot is not None and self.has_image:
            self.crops.update(snapshot.result)


def _analysis(zones: AnalyticsSettings) -> RunAnalysis | None:
    return None if zones.is_empty else RunAnalysis(zones)
