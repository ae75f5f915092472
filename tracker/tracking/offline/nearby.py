"""Boxes of a few frames: smoothed by those shortly before and after, before a moving camera too.

`R` = rows of the frames that are looked at. Pure functions.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tracker.boxes import cxcyah_to_xyxy, is_proper, xyxy_to_cxcyah
from tracker.tracking.offline.camera_path import CameraPath, camera_path
from tracker.tracking.offline.track_rows import TrackRows
from tracker.tracks import Tracks
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, Int32Array, Int64Array

_AROUND = 15
"""Frames on each side in which the camera's movement is looked for."""
_LEAST_EXPLAINED = 0.25
"""As in `camera_path.py`, of so few frames that chance explains more."""

_REACH_S = 0.2
_LEAST_REACH = 3
"""Boxes are smoothed by others up to so many seconds away, or so many frames."""
_WIDTH = 1.5
"""Standard deviations of the weights, which are a normal density, in the reach."""
SHORTEST_S = 1e-3
"""Time of a frame, or of a gap, where times stand still."""


class LateFrame(NamedTuple):
    """A frame whose tracks have not been returned yet, or shortly before."""

    number: int
    time_s: float
    tracks: Tracks


class _Seen(NamedTuple):
    """`R` boxes that were seen: frame, its time in seconds, id and xyxy."""

    frames: Int32Array
    times_s: Float64Array
    ids: Int64Array
    boxes: Float64Array


def seen_rows(tracks: Tracks) -> dict[int, int]:
    """Returns the rows of confirmed tracks that were seen, by id."""
    seen = _is_seen(tracks).nonzero()[0]
    return {int(tracks.ids[row]): int(row) for row in seen}


def _is_seen(tracks: Tracks) -> BoolArray:
    """Returns `(T,)` whether each is confirmed, and was seen in its frame."""
    return np.asarray((tracks.misses == 0) & (tracks.ids > 0))


def path_of(
    frames: Sequence[LateFrame], frame: LateFrame, *, first: int, last: int
) -> CameraPath | None:
    """Returns the camera's path about a frame, `None` where the camera stands still.

    Args:
        frames: Those that are known, in order.
        frame: One of them.
        first: Number of the first one that is needed.
        last: Number of the last one.
    """
    low, high = min(first, frame.number - _AROUND), max(last, frame.number + _AROUND)
    near = [one for one in frames if low <= one.number <= high]
    seen = _seen(near)
    span_s = near[-1].time_s - near[0].time_s
    fps = (len(near) - 1) / span_s if span_s > 0 else 1.0
    rows = TrackRows.create(seen.frames, seen.ids, seen.boxes)
    times_s = seen.times_s[rows.origins]
    return camera_path(rows, fps=fps, times_s=times_s, least_explained=_LEAST_EXPLAINED)


def smoothed(frames: Sequence[LateFrame], frame: LateFrame, path: CameraPath | None) -> Tracks:
    """Returns the tracks of a frame, the boxes that were seen smoothed.

    Centre, aspect and height become those of a straight line through the boxes of the same track
    around it, weighted by their distance in time; of fewer than three boxes nothing changes.

    Args:
        frames: Those that are known, in order.
        frame: One of them.
        path: The camera's, if it moves.
    """
    tracks = frame.tracks
    each_s = _each_s(frames, frame)
    reach = min(max(round(_REACH_S / each_s), _LEAST_REACH), _AROUND)
    seen = _seen([one for one in frames if abs(one.number - frame.number) <= reach])
    rows = (_is_seen(tracks) & is_proper(tracks.boxes)).nonzero()[0]
    own, place = np.unique(tracks.ids[rows], return_inverse=True)
    mine = np.isin(seen.ids, own)
    if not mine.any():
        return tracks
    boxes = seen.boxes if path is None else path.to_still(seen.frames, seen.boxes)
    away = (seen.times_s[mine] - frame.time_s) / each_s
    weights = np.exp(-0.5 * np.square(away * _WIDTH / reach))
    line = _lines(np.searchsorted(own, seen.ids[mine]), len(own), away, weights,
                  xyxy_to_cxcyah(boxes[mine]))[place]  # fmt: skip
    line[:, 2:] = np.where(line[:, 2:] > 0, line[:, 2:], np.nan)
    found = cxcyah_to_xyxy(line)
    if path is not None:
        found = path.to_image(np.full(len(found), frame.number, np.int32), found)
    new = in_float32(found)
    known = is_proper(new)
    if not known.any():
        return tracks
    result = tracks.boxes.copy()
    result[rows[known]] = new[known]
    return replace(tracks, boxes=result)


def in_float32(values: Float64Array) -> Float32Array:
    """Returns values as float32, infinite where they are too large for it."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _each_s(frames: Sequence[LateFrame], frame: LateFrame) -> float:
    """Returns the mean time between two frames."""
    near = [one for one in frames if abs(one.number - frame.number) <= _AROUND]
    span_s = near[-1].time_s - near[0].time_s
    return max(span_s / max(len(near) - 1, 1), SHORTEST_S)


def _lines(
    groups: Int64Array, count: int, times: Float64Array, weights: Float64Array, values: Float64Array
) -> Float64Array:
    """Returns `(G, 4)` at time 0 of the lines through values `(R, 4)`; NaN of less than three."""

    def summed(amounts: Float64Array) -> Float64Array:
        return np.asarray(np.bincount(groups, amounts, count), np.float64)

    total, first, second = (summed(weights * times**power) for power in (0, 1, 2))
    spread = total * second - first**2
    is_known = (np.bincount(groups, minlength=count) >= 3) & (spread > 1e-9 * total)
    spread[~is_known] = np.nan
    at_0 = [
        (second * summed(weights * column) - first * summed(weights * times * column)) / spread
        for column in values.T
    ]
    return np.stack(at_0, axis=1)


def _seen(frames: Sequence[LateFrame]) -> _Seen:
    """Returns the boxes of confirmed tracks that were seen in frames, of which there is one."""
    parts = []
    for one in frames:
        tracks = one.tracks
        rows = _is_seen(tracks) & is_proper(tracks.boxes)
        count = np.count_nonzero(rows)
        number, time_s = np.full(count, one.number, np.int32), np.full(count, one.time_s)
        parts.append((number, time_s, tracks.ids[rows], tracks.boxes[rows].astype(np.float64)))
    return _Seen(*(np.concatenate(column) for column in zip(*parts, strict=True)))
