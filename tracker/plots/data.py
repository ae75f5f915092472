"""The numbers behind the plots: time spent in places, occupancy, time lines and speeds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tracker.errors import DataError
from tracker.track_files.derived import rows_by_id
from tracker.track_files.json_file import Recording
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.track_files.values import moment
from tracker.util.arrays import Float64Array, IndexArray, Int32Array, Int64Array

LONGEST_FRAME_S = 1.0
"""A box counts for the time until the next frame, and at most for so long: a camera that was away
for an hour did not see an object stand there for an hour."""

CELLS = 96
"""Cells of the heat map along the long side of the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class PlotData:
    """A recording with what all plots need; `R` rows of tracks, `F` frames.

    Attributes:
        tracks: The tracks with times and velocities, sorted by frame, then id; the class of all
            rows of a track is the one that it has most often, so that a wrong class in one frame
            is no other object.
        times: `(F,)` float64 times of the frames in seconds, rising.
        durations: `(F,)` float64 seconds until the next frame, at most `LONGEST_FRAME_S`.
        row_frames: `(R,)` place of each row's frame in `times`.
        size: Width and height of the frames in pixels; where the file has none, what holds all
            boxes.
        title: The name of the recording.
        class_names: Names of the classes that occur, by index in `tracks.classes`; others are
            empty.
        class_ranks: Place of each class by its number of rows, the most frequent one first.
        events: Its events, as in JSON.
        has_known_size: Whether `size` is that of the frames.
    """

    tracks: RecordedTracks
    times: Float64Array
    durations: Float64Array
    row_frames: IndexArray
    size: tuple[float, float]
    title: str
    class_names: tuple[str, ...]
    class_ranks: tuple[int, ...]
    events: tuple[Mapping[str, Any], ...] = ()
    has_known_size: bool = True

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
    tracks = replace(tracks, fps=tracks.fps or fps, classes=voted_classes(tracks))
    tracks = tracks.with_derived_columns()
    numbers, times = _frames(recording, tracks)
    row_frames = np.searchsorted(numbers, tracks.frames)
    header = recording.header
    if header is not None:
        size = (float(header.width), float(header.height))
    else:
        right, bottom = tracks.boxes[:, 2:].max(axis=0, initial=1)
        size = (float(right), float(bottom))
    rows_of_classes = np.bincount(tracks.classes)
    return PlotData(
        tracks=tracks,
        times=times,
        durations=_durations(times, tracks.fps or fps),
        row_frames=row_frames,
        size=size,
        title=title,
        class_names=_names(tracks, rows_of_classes),
        class_ranks=tuple(np.argsort(np.argsort(-rows_of_classes, kind="stable")).tolist()),
        events=recording.events,
        has_known_size=header is not None,
    )


def voted_classes(tracks: RecordedTracks) -> Int32Array:
    """Returns `(R,)` the class that each row's track has most often; of equals the lower one."""
    if not len(tracks):
        return tracks.classes
    _, places = np.unique(tracks.ids, return_inverse=True)
    width = int(tracks.classes.max()) + 1
    pairs, votes = np.unique(places * width + tracks.classes, return_counts=True)
    # The last assignment to a track wins: that of most votes, of equals the lowest class.
    order = np.lexsort((-pairs, votes))
    winners = np.zeros(places.max() + 1, np.int32)
    winners[pairs[order] // width] = pairs[order] % width
    return winners[places]


def _names(tracks: RecordedTracks, rows_of_classes: Int64Array) -> tuple[str, ...]:
    known = tracks.class_names
    return tuple(
        (known[n] if n < len(known) else "object") if count else ""
        for n, count in enumerate(rows_of_classes.tolist())
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
    shape = (len(data.class_names), len(data.times))
    places = data.tracks.classes * np.int64(shape[1]) + data.row_frames
    return np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape)


def first_times(data: PlotData) -> list[Float64Array]:
    """Returns for each class the rising times at which its tracks begin."""
    _, first = np.unique(data.tracks.ids, return_index=True)
    times, classes = data.tracks.times_s[first], data.tracks.classes[first]
    return [np.sort(times[classes == index]) for index in range(len(data.class_names))]


def event_steps(
    data: PlotData, *, up: tuple[str, str], down: tuple[str, str] | None = None, key: str
) -> dict[str, tuple[Float64Array, Float64Array]]:
    """Returns by zone or line the times of its changes and the running sum after each.

    Events of the same time are one change: an object whose class changes is always inside.

    Args:
        data: The recording.
        up: Key and value of an event that adds one.
        down: Key and value of one that subtracts one; `None` for none.
        key: The key that names the place, `zone` or `line`.
    """
    changes: dict[str, list[tuple[float, int]]] = {}
    for event in data.events:
        place, time_s = event.get(key), seconds_of(event, "time_s")
        if not isinstance(place, str) or time_s is None:
            continue
        step = 1 if event.get(up[0]) == up[1] else 0
        if down is not None and event.get(down[0]) == down[1]:
            step = 0 if event.get("how") == "run_ended" else -1
        if step:
            changes.setdefault(place, []).append((time_s, step))
    steps = {}
    for place, found in sorted(changes.items()):
        when, step = np.array(found, np.float64).T
        times, places = np.unique(when, return_inverse=True)
        sums = np.bincount(places, step)
        steps[place] = (times[sums != 0], np.cumsum(sums)[sums != 0])
    return steps


def seconds_of(event: Mapping[str, object], key: str) -> float | None:
    """Returns a time of an event in seconds; `None` where it has none that is one."""
    try:
        return moment(event.get(key), key)
    except DataError:
        return None
