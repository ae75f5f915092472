"""The numbers behind the plots: time spent in places, occupancy, time lines and speeds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tracker.track_files.derived import rows_by_id
from tracker.track_files.json_file import Recording
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.util.arrays import BoolArray, Float64Array, IndexArray, Int32Array, Int64Array

LONGEST_FRAME_S = 1.0
"""A box counts for the time until the next frame, and at most for so long: a camera that was away
for an hour did not see an object stand there for an hour."""

CELLS = 96
"""Cells of the heat map along the long side of the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class PlotData:
    """A recording with what all plots need; `R` rows of tracks, `F` frames.

    Attributes:
        tracks: The tracks with times and velocities, sorted by frame, then id.
        times: `(F,)` float64 times of the frames in seconds, rising.
        durations: `(F,)` float64 seconds until the next frame, at most `LONGEST_FRAME_S`.
        row_frames: `(R,)` place of each row's frame in `times`.
        size: Width and height of the frames in pixels; where the file has none, what holds all
            boxes.
        title: The name of the recording.
        events: Its events, as in JSON.
        has_known_size: Whether `size` is that of the frames.
    """

    tracks: RecordedTracks
    times: Float64Array
    durations: Float64Array
    row_frames: IndexArray
    size: tuple[float, float]
    title: str
    events: tuple[Mapping[str, Any], ...] = ()
    has_known_size: bool = True

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that occur, by index in `tracks.classes`; others are empty."""
        names = self.tracks.class_names
        used = set(self.tracks.classes.tolist())
        most = max(used, default=-1) + 1
        return tuple(
            (names[n] if n < len(names) else "object") if n in used else "" for n in range(most)
        )

    def colour_number(self, index: int) -> int:
        """Returns the place of a class among those that occur, so that few have unlike colours."""
        return sum(map(bool, self.class_names[:index]))

    @property
    def feet(self) -> Float64Array:
        """`(R, 2)` bottom centre of each box."""
        boxes = self.tracks.boxes
        return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)

    @property
    def row_seconds(self) -> Float64Array:
        """`(R,)` seconds for which each row counts."""
        seconds: Float64Array = self.durations[self.row_frames]
        return seconds


def plot_data(recording: Recording, *, title: str, fps: float) -> PlotData:
    """Returns the data of all plots.

    Args:
        recording: The recording.
        title: Its name.
        fps: Frames a second, where it has neither times nor a frame rate.
    """
    tracks = recording.tracks
    tracks = replace(tracks, fps=tracks.fps or fps).with_derived_columns()
    numbers, times = _frames(recording, tracks)
    row_frames = np.searchsorted(numbers, tracks.frames)
    header = recording.header
    if header is not None:
        size = (float(header.width), float(header.height))
    else:
        right, bottom = tracks.boxes[:, 2:].max(axis=0, initial=1)
        size = (float(right), float(bottom))
    return PlotData(
        tracks=tracks,
        times=times,
        durations=_durations(times, tracks.fps or fps),
        row_frames=row_frames,
        size=size,
        title=title,
        events=recording.events,
        has_known_size=header is not None,
    )


def _frames(recording: Recording, tracks: RecordedTracks) -> tuple[Int32Array, Float64Array]:
    """Returns numbers and times of all frames; frames of MOT text are those with tracks."""
    if not recording.frames:
        numbers, first = np.unique(tracks.frames, return_index=True)
        return numbers, tracks.times_s[first]
    fps = tracks.fps or 1.0
    numbers = np.array([facts.index for facts in recording.frames], np.int32)
    times = [
        facts.index / fps if facts.time_s is None else facts.time_s for facts in recording.frames
    ]
    return numbers, np.maximum.accumulate(np.array(times, np.float64))


def _durations(times: Float64Array, fps: float) -> Float64Array:
    if len(times) < 2:
        return np.full(len(times), 1 / fps)
    steps = np.diff(times)
    return np.minimum(np.append(steps, np.median(steps)), LONGEST_FRAME_S)


def time_map(data: PlotData) -> tuple[Float64Array, float]:
    """Returns seconds spent in each cell `(rows, columns)` by foot points, and a cell's side in px.

    Between two frames an object is taken to move on the straight line. The sum is the time that
    all objects spent within the frame.
    """
    width, height = data.size
    side = max(width, height) / CELLS
    shape = (max(1, int(np.ceil(height / side))), max(1, int(np.ceil(width / side))))
    cells = np.zeros(shape)
    feet, seconds = data.feet, data.row_seconds
    for rows in rows_by_id(data.tracks.ids):
        ahead = np.append(rows[1:], rows[-1])
        is_next = data.row_frames[ahead] == data.row_frames[rows] + 1
        ends = np.where(is_next[:, None], feet[ahead], feet[rows])
        length = float(np.abs(ends - feet[rows]).max(initial=0))
        parts = 1 + int(min(length / side, CELLS))
        for part in range(parts):
            place = feet[rows] + (ends - feet[rows]) * ((part + 0.5) / parts)
            # A foot on the lower edge of the frame is in the last row.
            column, row = np.ceil(place / side).astype(np.int64).T - 1
            inside = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0])
            np.add.at(cells, (row[inside], column[inside]), seconds[rows][inside] / parts)
    return cells, side


def occupancy(data: PlotData) -> Int64Array:
    """Returns `(C, F)` the number of tracks of each class in each frame."""
    counts = np.zeros((len(data.class_names), len(data.times)), np.int64)
    np.add.at(counts, (data.tracks.classes, data.row_frames), 1)
    return counts


def first_times(data: PlotData) -> list[Float64Array]:
    """Returns for each class the rising times at which its tracks begin; by most frequent class."""
    starts: list[list[float]] = [[] for _ in data.class_names]
    for rows in rows_by_id(data.tracks.ids):
        starts[main_class(data.tracks, rows)].append(float(data.tracks.times_s[rows[0]]))
    return [np.sort(np.array(times, np.float64)) for times in starts]


def main_class(tracks: RecordedTracks, rows: IndexArray) -> int:
    """Returns the class that a track has most often; of equals the lower one."""
    return int(np.bincount(tracks.classes[rows]).argmax())


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
    found, tracks, feet = [], data.tracks, data.feet
    for rows in rows_by_id(tracks.ids):
        speeds = np.hypot(*tracks.velocities[rows].T.astype(np.float64))
        weights = data.row_seconds[rows]
        known = np.isfinite(speeds) & (weights > 0)
        mean = np.average(speeds[known], weights=weights[known]) if known.any() else 0.0
        found.append(
            TrackSummary(
                id=int(tracks.ids[rows[0]]),
                class_index=main_class(tracks, rows),
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


def event_steps(
    data: PlotData, *, up: tuple[str, str], down: tuple[str, str] | None = None, key: str
) -> dict[str, tuple[Float64Array, Float64Array]]:
    """Returns by zone or line the times of its events and the running sum after each.

    Args:
        data: The recording.
        up: Key and value of an event that adds one.
        down: Key and value of one that subtracts one; `None` for none.
        key: The key that names the place, `zone` or `line`.
    """
    changes: dict[str, list[tuple[float, int]]] = {}
    for event in data.events:
        place, time = event.get(key), event.get("time_s")
        if not isinstance(place, str) or not isinstance(time, int | float):
            continue
        step = 1 if event.get(up[0]) == up[1] else 0
        if down is not None and event.get(down[0]) == down[1]:
            step = 0 if event.get("how") == "run_ended" else -1
        if step:
            changes.setdefault(place, []).append((float(time), step))
    steps = {}
    for place, found in sorted(changes.items()):
        times, sums = np.array(sorted(found, key=lambda one: one[0]), np.float64).T
        steps[place] = (times, np.cumsum(sums))
    return steps
