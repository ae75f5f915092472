"""All sources of a server, by name."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracker.analytics.settings import AnalyticsSettings
from tracker.frames import VideoInfo
from tracker.pipeline.threads import run_together
from tracker.serve.records import Snapshot
from tracker.serve.worker import SourceWorker, State
from tracker.serve.zone_files import ZoneFile, document, zones_of_document
from tracker.util.text import printable

_CLOSE_S = 1.7


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One source of the server.

    Attributes:
        name: Its name in addresses.
        title: What people see; of an upload, it comes from a request.
        kind: `live`, `file`, `recorded` or `upload`.
        worker: Plays it.
        zones: Where its zones are kept.
        downloads: Files of an upload by their kind, once it is processed.
        detecting: Whether a detector runs.
    """

    name: str
    title: str
    kind: str
    worker: SourceWorker
    zones: ZoneFile
    downloads: Callable[[], Mapping[str, Path]] = dict
    detecting: bool = True

    def to_json(self) -> dict[str, Any]:
        """Returns the entry of `/api/sources`."""
        worker, hub = self.worker, self.worker.hub
        info, snapshot, run = worker.info, hub.snapshot, hub.run
        is_running = worker.state is State.RUNNING
        return {
            "name": self.name,
            "title": printable(self.title),
            "kind": self.kind,
            "state": worker.state.value,
            "message": worker.message,
            "width": None if info is None else info.width,
            "height": None if info is None else info.height,
            "fps": round(hub.meters.rate(), 2) if is_running else 0.0,
            "frames": hub.meters.totals().frames,
            "dropped": hub.meters.totals().dropped,
            "position_s": None if snapshot is None else round(snapshot.result.frame.time_s, 3),
            "duration_s": _duration_s(info),
            "classes": [] if run is None else list(run.class_names),
            "detecting": self.detecting,
            "has_image": hub.has_image,
            "zones_editable": True,
            "viewers": hub.pictures.viewers,
            "latency_ms": hub.meters.latency_ms(),
            "downloads": sorted(self.downloads()),
        }

    def tracks(self) -> dict[str, Any]:
        """Returns the object of `/api/tracks`."""
        snapshot = self.worker.hub.snapshot
        frame = None if snapshot is None else snapshot.result.frame
        return {
            "source": self.name,
            "frame": None if frame is None else frame.index,
            "time_s": None if frame is None else round(frame.time_s, 6),
            "tracks": [] if snapshot is None else snapshot.tracks,
        }

    def track(self, number: int) -> dict[str, Any] | None:
        """Returns the object of `/api/tracks/NAME/ID`; `None` for an unknown track."""
        hub = self.worker.hub
        found = hub.lives.get(number)
        if found is None:
            return None
        now = _now(hub.snapshot, number)
        has_crop = hub.crops.get(number) is not None
        return {
            **found,
            "speed": now.get("speed"),
            "speed_unit": now.get("speed_unit"),
            "crop": f"api/crops/{self.name}/{number}.jpg" if has_crop else None,
        }

    def zone_document(self) -> dict[str, Any]:
        """Returns the object of `/api/zones`."""
        return document(self.worker.hub.zones, self.worker.info)

    def zones_of(self, tree: Mapping[str, Any]) -> AnalyticsSettings:
        """Returns the zones of a document.

        Raises:
            ConfigError: It is wrong.
        """
        return zones_of_document(tree, self.worker.info, self.worker.hub.run)


def _now(snapshot: Snapshot | None, number: int) -> dict[str, Any]:
    tracks = [] if snapshot is None else snapshot.tracks
    return next((track for track in tracks if track["id"] == number), {})


def _duration_s(info: VideoInfo | None) -> float | None:
    if info is None or info.frame_count is None:
        return None
    return round(float(info.frame_count / info.fps), 3)


class Sites:
    """The sources by name; used by several threads."""

    def __init__(self, sites: Iterable[Site]) -> None:
        self._lock = threading.Lock()
        self._sites = {site.name: site for site in sites}

    def all(self) -> list[Site]:
        """Returns all sources, in their order."""
        with self._lock:
            return list(self._sites.values())

    def get(self, name: str) -> Site | None:
        """Returns a source; `None` for an unknown name."""
        with self._lock:
            return self._sites.get(name)

    def add(self, site: Site) -> None:
        """Adds a source and starts it unless it is started elsewhere."""
        with self._lock:
            self._sites[site.name] = site

    def remove(self, name: str) -> Site | None:
        """Removes a source and returns it; the caller closes it."""
        with self._lock:
            return self._sites.pop(name, None)

    def set_zones(self, site: Site, zones: AnalyticsSettings) -> None:
        """Saves the zones of a source; sources with the same file get them too.

        Raises:
            OutputError: The file cannot be written.
        """
        site.zones.save(zones)
        for other in self.all():
            if other is site or other.zones is site.zones:
                other.worker.hub.set_zones(zones)

    def tick(self) -> None:
        """Ends a second of all charts, and tells clients the state."""
        for site in self.all():
            site.worker.hub.tick()
            site.worker.hub.pictures.clients.notify()

    def close(self) -> None:
        """Ends all sources, together."""
        sites = self.all()
        for site in sites:
            site.worker.ask_to_end()
        run_together([site.worker.close for site in sites], _CLOSE_S)
