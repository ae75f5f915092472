"""A fixed lag: results some frames late, smoothed, with gaps filled that have ended since.

On line, a lost track is either predicted or left out. A few frames later it is known whether and
where it came back: its boxes in between are interpolated. Longer gaps than the lag, and those that
did not end, stay as the tracker reported them. Boxes that were seen are smoothed by those shortly
before and after them (`nearby.py`). Where the camera moves, both are done in coordinates that stand
still (`camera_path.py`), by the frames around.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tracker.boxes import is_proper
from tracker.errors import ConfigError
from tracker.tracking.offline.camera_path import CameraPath
from tracker.tracking.offline.interpolation import boxes_between
from tracker.tracking.offline.nearby import (
    SHORTEST_S,
    LateFrame,
    in_float32,
    path_of,
    seen_rows,
    smoothed,
)
from tracker.tracks import Tracks, TrackState
from tracker.util.arrays import Float64Array


class Sight(NamedTuple):
    """A track in a frame in which it was seen."""

    number: int
    time_s: float
    tracks: Tracks
    row: int


class FixedLag:
    """Delays the tracks of one source by some frames and fills the gaps that end within them.

    Args:
        frames: Frames of delay, at least 1.

    Raises:
        ConfigError: It is less.

    Example:
        ```python
        lag = FixedLag(15)
        for frame, tracks in run:
            late = lag.push(tracks, frame.time_s)  # those of 15 frames ago
        rest = list(lag.flush())
        ```
    """

    def __init__(self, frames: int) -> None:
        if frames < 1:
            raise ConfigError(f"FixedLag: expected 1 frame or more, got {frames}")
        self._frames = frames
        self._past: deque[LateFrame] = deque()
        self._waiting: deque[LateFrame] = deque()
        self._count = 0
        self._seen: dict[int, Sight] = {}

    def push(self, tracks: Tracks, time_s: float) -> Tracks | None:
        """Takes the tracks of the next frame; returns those of the frame `frames` before it.

        Args:
            tracks: As the tracker reported them.
            time_s: Time of the frame.

        Returns:
            The tracks of the earlier frame; `None` while there is none.
        """
        self._waiting.append(LateFrame(self._count, time_s, tracks))
        self._count += 1
        return self._next() if len(self._waiting) > self._frames else None

    def flush(self) -> Iterator[Tracks]:
        """Yields the tracks of the frames that are still waiting, at the end of the source."""
        while self._waiting:
            yield self._next()

    def _next(self) -> Tracks:
        frame = self._waiting.popleft()
        rows = seen_rows(frame.tracks)
        for track_id, row in rows.items():
            self._seen[track_id] = Sight(frame.number, frame.time_s, frame.tracks, row)
        oldest = frame.number - self._frames
        self._seen = {key: one for key, one in self._seen.items() if one.number >= oldest}
        filled = []
        for track_id, before in self._seen.items():
            if track_id not in rows:
                after = self._next_sight(track_id, before.number + self._frames + 1)
                if after is not None:
                    filled.append((track_id, before, after))
        tracks = self._improved(frame, filled)
        self._past.append(frame)
        if len(self._past) > self._frames:
            self._past.popleft()
        return tracks

    def _improved(self, frame: LateFrame, filled: list[tuple[int, Sight, Sight]]) -> Tracks:
        if not filled and not len(frame.tracks):
            return frame.tracks
        ends = [sight.number for _, *both in filled for sight in both]
        around = [*self._past, frame, *self._waiting]
        path = path_of(around, frame, first=min(ends, default=frame.number),
                       last=max(ends, default=frame.number))  # fmt: skip
        tracks = smoothed(around, frame, path)
        return _with_filled(frame, tracks, filled, path) if filled else tracks

    def _next_sight(self, track_id: int, last: int) -> Sight | None:
        """Returns where a track is seen next, up to a frame number; `None` if it is not."""
        for frame in self._waiting:
            if frame.number > last:
                return None
            rows = np.flatnonzero((frame.tracks.ids == track_id) & (frame.tracks.misses == 0))
            if len(rows):
                return Sight(frame.number, frame.time_s, frame.tracks, int(rows[0]))
        return None


def _with_filled(
    frame: LateFrame,
    tracks: Tracks,
    filled: list[tuple[int, Sight, Sight]],
    path: CameraPath | None,
) -> Tracks:
    """Returns the tracks of a frame, with interpolated ones in place of predictions."""
    new = [_filled(frame, before, after, path) for _, before, after in filled]
    new = [one for one in new if is_proper(one.boxes).all()]  # not of sizes beyond all images
    names = [int(one.ids[0]) for one in new]
    parts = [tracks.select(~np.isin(tracks.ids, names)), *new]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Tracks.__dataclass_fields__
    }
    order = columns["ids"].argsort(kind="stable")
    return Tracks(**{name: column[order] for name, column in columns.items()})


def _filled(frame: LateFrame, before: Sight, after: Sight, path: CameraPath | None) -> Tracks:
    """Returns one track, interpolated in time between two frames in which it was seen."""
    start = before.tracks.select(np.array([before.row]))
    end: Float64Array = after.tracks.boxes[after.row].astype(np.float64)
    span = max(after.time_s - before.time_s, SHORTEST_S)
    share = min(max((frame.time_s - before.time_s) / span, 0.0), 1.0)
    ends = np.stack([start.boxes[0].astype(np.float64), end])
    if path is not None:
        ends = path.to_still(np.array([before.number, after.number], np.int32), ends)
    boxes = boxes_between(ends[0], ends[1], np.array([share]))
    if path is not None:
        boxes = path.to_image(np.array([frame.number], np.int32), boxes)
    moved = (end - start.boxes[0])[:2] + (end - start.boxes[0])[2:]
    frames = frame.number - before.number
    return Tracks(
        ids=start.ids,
        boxes=in_float32(boxes),
        velocities=in_float32(moved / (2 * span))[None],
        scores=start.scores,
        classes=start.classes,
        class_scores=start.class_scores,
        states=np.array([TrackState.LOST], np.uint8),
        ages=start.ages + np.int32(frames),
        misses=np.array([frames], np.int32),
        detection_index=np.array([-1], np.int32),
        global_ids=start.global_ids,
    )
