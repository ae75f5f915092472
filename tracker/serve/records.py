"""The JSON objects of a frame, as the page gets them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracker.analytics.analyser import Analyser
from tracker.analytics.speed import Motion
from tracker.sinks.plain_values import TIME_DECIMALS, track_rows
from tracker.sinks.run_analysis import RunAnalysis
from tracker.tracks import TrackedFrame


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One result, with what is measured of it.

    Attributes:
        number: Number of the result, rising from 1 over all runs of the source.
        result: The result.
        tracks: Its tracks as JSON objects.
        occupancy: Tracks inside now by zone.
        counts: Crossings by line, direction and class.
    """

    number: int
    result: TrackedFrame
    tracks: list[dict[str, Any]]
    occupancy: Mapping[str, int]
    counts: Mapping[str, Any]

    def to_json(self, *, has_image: bool) -> dict[str, Any]:
        """Returns the object of kind `frame`."""
        frame = self.result.frame
        return {
            "kind": "frame",
            "frame": frame.index,
            "time_s": round(frame.time_s, TIME_DECIMALS),
            "wall_time": None if frame.wall_time_s is None else round(frame.wall_time_s, 3),
            "image": has_image,
            "tracks": self.tracks,
            "occupancy": self.occupancy,
            "counts": self.counts,
        }


def occupancy_of(analysis: RunAnalysis | None) -> dict[str, int]:
    """Returns the number of tracks inside each zone."""
    analyser = _analyser(analysis)
    if analyser is None:
        return {}
    return {zone.name: zone.occupancy for zone in analyser.counts.zones.values()}


def counts_of(analysis: RunAnalysis | None) -> dict[str, Any]:
    """Returns the crossings of each line by direction and class."""
    analyser = _analyser(analysis)
    if analyser is None:
        return {}
    return {
        line.name: {"in": dict(line.entered), "out": dict(line.left)}
        for line in analyser.counts.lines.values()
    }


def track_objects(
    result: TrackedFrame, analysis: RunAnalysis | None, firsts: Mapping[int, float]
) -> list[dict[str, Any]]:
    """Returns the tracks of a result as JSON objects; boxes in pixels of the frame.

    Args:
        result: The result.
        analysis: Zones and calibration, up to date.
        firsts: Time of the first frame of each track by id.

    Raises:
        DataError: A value is not finite, or a class has no name.
    """
    analyser = _analyser(analysis)
    motions = {} if analyser is None else analyser.motions()
    objects = []
    for row in track_rows(result.tracks, result.run.class_names):
        speed, unit = _speed(motions.get(row.id), row.velocity)
        objects.append(
            {
                "id": row.id,
                "class": row.class_name,
                "score": row.score,
                "box": row.box,
                "state": row.state,
                "speed": speed,
                "speed_unit": unit,
                "first_s": firsts.get(row.id, round(result.frame.time_s, 3)),
            }
        )
    return objects


def _speed(motion: Motion | None, velocity: list[float]) -> tuple[float, str]:
    if motion is not None and motion.speed_m_s is not None:
        return round(motion.speed_m_s, 2), "m/s"
    return round(math.hypot(*velocity), 1), "px/s"


def _analyser(analysis: RunAnalysis | None) -> Analyser | None:
    return None if analysis is None else analysis.analyser
