"""Each track over its whole life: when it was there, its gaps, its path and its speed."""

from dataclasses import dataclass

import numpy as np

from tracker.plots.data import PlotData
from tracker.track_files.derived import rows_by_id
from tracker.util.arrays import BoolArray, IndexArray


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """One track over its whole life.

    Attributes:
        id: Its id.
        class_index: The class that it has most often.
        spans: Begin and length in seconds of each uninterrupted stretch.
        predicted_spans: The same of stretches in which it was predicted or interpolated.
        frames: Frames in which it was reported.
        path_px: Length of the path of its foot point in pixels.
        mean_speed: Mean speed of its centre in pixels a second.
    """

    id: int
    class_index: int
    spans: tuple[tuple[float, float], ...]
    predicted_spans: tuple[tuple[float, float], ...]
    frames: int
    path_px: float
    mean_speed: float

    @property
    def first_s(self) -> float:
        """When it was first reported, in seconds."""
        return self.spans[0][0]

    @property
    def last_s(self) -> float:
        """When it was last reported, in seconds, with the length of that frame."""
        return sum(self.spans[-1])

    @property
    def longest_gap_s(self) -> float:
        """Seconds of its longest gap; 0 where it has none."""
        ends = [start + length for start, length in self.spans[:-1]]
        starts = [start for start, _ in self.spans[1:]]
        return max((b - a for a, b in zip(ends, starts, strict=True)), default=0.0)


def summaries(data: PlotData) -> list[TrackSummary]:
    """Returns a summary of each track, by rising id."""
    found, tracks, feet, seconds = [], data.tracks, data.feet, data.row_seconds
    for rows in rows_by_id(tracks.ids):
        speeds = np.hypot(*tracks.velocities[rows].T.astype(np.float64))
        weights = seconds[rows]
        known = np.isfinite(speeds) & (weights > 0)
        mean = np.average(speeds[known], weights=weights[known]) if known.any() else 0.0
        found.append(
            TrackSummary(
                id=int(tracks.ids[rows[0]]),
                class_index=int(tracks.classes[rows[0]]),
                spans=_spans(data, data.row_frames[rows], np.ones(len(rows), np.bool_)),
                predicted_spans=_spans(data, data.row_frames[rows], ~tracks.seen[rows]),
                frames=len(rows),
                path_px=float(np.hypot(*np.diff(feet[rows], axis=0).T).sum()),
                mean_speed=float(mean),
            )
        )
    return found


def _spans(
    data: PlotData, frames: IndexArray, wanted: BoolArray
) -> tuple[tuple[float, float], ...]:
    """Returns begin and length in seconds of runs of consecutive frames."""
    frames = frames[wanted]
    if not len(frames):
        return ()
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    return tuple(
        (
            float(data.times[run[0]]),
            float(data.times[run[-1]] + data.durations[run[-1]] - data.times[run[0]]),
        )
        for run in runs
    )
