"""The frames of a recording in which something may happen, found for many frames at once.

In most frames tracks move on without a crossing, and the analyser finds nothing. Here such frames
are found with arrays over the whole recording: an event needs a track that is new, has ended,
changes its class or its side of a border, moves farther than the hysteresis, gets clear of a border
that it has crossed, or reaches a limit of time. A frame that is named without need costs time only.

`F` frames on which the detector ran, `R` detected boxes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tracker.analytics.analyser import Analyser
from tracker.analytics.events import TIME_DECIMALS
from tracker.analytics.outlook import LastSeen
from tracker.analytics.track_table import rounded_boxes
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.util.arrays import BoolArray, Float64Array, IndexArray, Int32Array, Int64Array

_TOGETHER = 2**21
"""Numbers that are computed at once: 16 MB."""

_MOST_WAITING = 4
"""Open changes up to which the frame that decides on one is searched: each costs as much as half a
frame."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectorFrames:
    """The frames of a recording on which the detector ran.

    Attributes:
        starts: `(F,)` the first row of each frame.
        stops: `(F,)` the row after its last one.
        times_s: `F` times in seconds.
    """

    starts: IndexArray
    stops: IndexArray
    times_s: tuple[float, ...]

    def rows(self, number: int) -> slice:
        """Returns the rows of a frame."""
        return slice(int(self.starts[number]), int(self.stops[number]))


def eventful_frames(
    tracks: RecordedTracks, frames: DetectorFrames, analyser: Analyser
) -> Iterator[int]:
    """Yields the numbers of the frames that the analyser has to see, and lets it skip the others.

    The analyser has to be updated with each frame before the next one is asked for.

    Args:
        tracks: The rows.
        frames: The frames.
        analyser: The analyser, before its first frame.
    """
    count = len(frames.times_s)
    times_s = np.array([round(time_s, TIME_DECIMALS) for time_s in frames.times_s], np.float64)
    if analyser.outlook is None or (np.diff(times_s) < 0).any():
        yield from range(count)
        return
    paths = _paths(tracks, frames, times_s)
    busy = np.flatnonzero(_busy_frames(paths, times_s, analyser))
    number = 0
    while number < count:
        yield number
        following = int(busy.searchsorted(number, side="right"))
        stop = int(busy[following]) if following < len(busy) else count
        stop = _first_change(paths, times_s, analyser, number, stop)
        if stop > number + 1:
            last = paths.last_seen(number + 1, stop)
            analyser.skip(last, float(times_s[stop - 1]))
        number = stop


@dataclass(frozen=True, slots=True, eq=False)
class _Paths:
    """The detected boxes, one track after another.

    Attributes:
        ids: `(R,)` ids, rising.
        frames: `(R,)` places of their frames, rising within a track.
        times_s: `(R,)` their times.
        boxes: `(R, 4)` rounded as in result files.
        classes: `(R,)` class indices.
        least_heights: `(R,)` the least height of a box in the frame of each.
        by_frame: `(R,)` order of the rows by frame.
        first_by_frame: `(F + 1,)` places in `by_frame` where frames begin.
    """

    ids: Int64Array
    frames: IndexArray
    times_s: Float64Array
    boxes: Float64Array
    classes: Int32Array
    least_heights: Float64Array
    by_frame: IndexArray
    first_by_frame: IndexArray

    @property
    def heights(self) -> Float64Array:
        """`(R,)` heights of the boxes."""
        result: Float64Array = self.boxes[:, 3] - self.boxes[:, 1]
        return result

    def rows_of(self, track_id: int, start: int, stop: int) -> slice:
        """Returns the rows of a track in the frames from `start` to before `stop`."""
        first = int(self.ids.searchsorted(track_id, side="left"))
        end = int(self.ids.searchsorted(track_id, side="right"))
        low, high = self.frames[first:end].searchsorted([start, stop]).tolist()
        return slice(first + low, first + high)

    def last_seen(self, start: int, stop: int) -> LastSeen:
        """Returns where tracks were seen last in the frames from `start` to before `stop`."""
        rows = self.by_frame[self.first_by_frame[start] : self.first_by_frame[stop]][::-1]
        _, places = np.unique(self.ids[rows], return_index=True)
        chosen = rows[places]
        return LastSeen(
            self.ids[chosen], self.boxes[chosen], self.classes[chosen], self.times_s[chosen]
        )


def _paths(tracks: RecordedTracks, frames: DetectorFrames, times_s: Float64Array) -> _Paths:
    counts = frames.stops - frames.starts
    of_frame = np.repeat(np.arange(len(counts)), counts)
    rows = np.repeat(frames.starts - np.cumsum(counts) + counts, counts) + np.arange(len(of_frame))
    seen = tracks.seen[rows]
    rows, of_frame = rows[seen], of_frame[seen]
    boxes = rounded_boxes(tracks.boxes[rows].astype(np.float32))
    least = np.full(len(counts), np.inf)
    np.minimum.at(least, of_frame, boxes[:, 3] - boxes[:, 1])
    order = np.lexsort((of_frame, tracks.ids[rows]))
    ordered = of_frame[order]
    return _Paths(
        ids=tracks.ids[rows][order],
        frames=ordered,
        times_s=times_s[ordered],
        boxes=boxes[order],
        classes=tracks.classes[rows][order],
        least_heights=least[ordered],
        by_frame=np.argsort(ordered, kind="stable"),
        first_by_frame=np.searchsorted(of_frame, np.arange(len(counts) + 1)),
    )


def _busy_frames(paths: _Paths, times_s: Float64Array, analyser: Analyser) -> BoolArray:
    """Returns `(F,)` whether a track is new, ends, changes class or side, or moves far."""
    busy = np.zeros(len(times_s), np.bool_)
    busy[:1] = True
    if not len(paths.ids):
        return busy
    # A hair less, as rounding may decide.
    lost_s = analyser.settings.lost_after_s * (1 - 1e-9) - 1e-9
    is_other = np.diff(paths.ids) != 0
    is_apart = is_other | (np.diff(paths.times_s) > lost_s)
    begins = np.append(True, is_apart | (np.diff(paths.classes) != 0) | _changes(paths, analyser))
    busy[paths.frames[begins]] = True
    ends_s = paths.times_s[np.append(is_apart, True)] + lost_s
    at = times_s.searchsorted(ends_s)
    for near in (-1, 0, 1):
        busy[np.clip(at + near, 0, len(busy) - 1)] = True
    return busy


def _changes(paths: _Paths, analyser: Analyser) -> BoolArray:
    """Returns `(R - 1,)` whether anything can happen between each box and the next of its track."""
    found = np.zeros(len(paths.ids) - 1, np.bool_)
    for group in analyser.groups:
        shapes = group.shapes
        size = max(2, _TOGETHER // max(shapes.width, 1))
        for start in range(0, len(found), size):
            part = slice(start, start + size + 1)
            places = shapes.places(paths.boxes[part], paths.classes[part])
            found[start : start + size] |= shapes.busy(places, paths.least_heights[part])
    return found


def _first_change(
    paths: _Paths, times_s: Float64Array, analyser: Analyser, number: int, stop: int
) -> int:
    """Returns the first frame after `number` in which an open change may be decided.

    At the latest `stop`.
    """
    outlook = analyser.outlook
    if outlook is None or len(outlook.waiting) > _MOST_WAITING:
        return number + 1
    if np.isfinite(outlook.due_s):
        stop = min(stop, max(int(times_s.searchsorted(outlook.due_s)), number + 1))
    elif outlook.due_s < 0:
        return number + 1
    for track_id, group, column in outlook.waiting:
        rows = paths.rows_of(track_id, number + 1, stop)
        places = group.shapes.places(paths.boxes[rows], paths.classes[rows])
        clear = np.flatnonzero(group.shapes.nearly_clear(places, paths.heights[rows], column))
        if len(clear):
            stop = min(stop, int(paths.frames[rows][clear[0]]))
    return stop
