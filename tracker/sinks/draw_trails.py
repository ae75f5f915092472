"""Paths of tracks in the last seconds, drawn as fading lines."""

import math
from collections import deque
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tracker.sinks.palette import Color
from tracker.tracks import Tracks
from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2


class Trails:
    """Foot points of tracks in the last seconds; older points and ids are removed.

    The foot point is the middle of a box's lower edge: where a person or a vehicle touches the
    ground.

    Args:
        length_s: Seconds that are kept.
    """

    # 512 points are 17 s at 30 frames a second: a bound for cameras that deliver hundreds.
    _MAX_POINTS = 512

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._points: dict[int, deque[tuple[float, float, float]]] = {}

    def __len__(self) -> int:
        return len(self._points)

    def update(self, tracks: Tracks, time_s: float) -> None:
        """Adds the foot points of one frame, and removes points that are too old."""
        oldest = time_s - self._length_s
        for points in self._points.values():
            while points and (points[0][0] < oldest or points[0][0] > time_s):
                points.popleft()
        if self._length_s > 0:
            for track_id, box in zip(tracks.ids.tolist(), tracks.boxes.tolist(), strict=True):
                points = self._points.setdefault(track_id, deque(maxlen=self._MAX_POINTS))
                points.append((time_s, (box[0] + box[2]) / 2, box[3]))
        self._points = {key: points for key, points in self._points.items() if points}

    def of(self, track_id: int) -> NDArray[np.float64]:
        """Returns `(n, 3)` float64 time in seconds, x, y of a track's past, oldest first."""
        return np.array(self._points.get(track_id, ()), dtype=np.float64).reshape(-1, 3)


def draw_trail(
    canvas: UInt8Array, points: NDArray[np.float64], color: Color, width_px: int
) -> None:
    """Draws a path that fades towards its old end.

    Args:
        canvas: `(H, W, 3)` uint8 RGB, changed in place.
        points: `(n, 3)` time, x, y, oldest first; see `Trails.of`.
        color: RGB.
        width_px: Width of the line in pixels.
    """
    height, width = canvas.shape[:2]
    reach = width + height
    # Counted from the newest point; 24 segments look smooth and bound the cost of a long trail.
    kept = points[:: -max(1, math.ceil(len(points) / 24)), 1:][::-1]
    places = np.rint(np.clip(kept, -reach, 2 * reach)).astype(np.int64)
    if len(places) < 2:
        return
    middles = (places[:-1] + places[1:]) // 2
    under = canvas[middles[:, 1].clip(0, height - 1), middles[:, 0].clip(0, width - 1)]
    # The image shows through older parts: cheaper than blending a second canvas.
    share = np.arange(1, len(places))[:, None] / len(places)
    inks = (share * np.array(color) + (1 - share) * under).tolist()
    for (start, end), ink in zip(pairwise(places.tolist()), inks, strict=True):
        if start != end:
            cv2.line(canvas, start, end, ink, width_px, cv2.LINE_AA)
