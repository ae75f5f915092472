"""Tracks drawn into an image: tinted masks, boxes, labels and fading trails."""

import colorsys
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError, DataError
from tracker.masks import Mask
from tracker.sinks.draw_masks import tint_mask
from tracker.sinks.draw_text import drawable, fitted, put_text
from tracker.sinks.plain_values import class_name
from tracker.tracks import Tracks, TrackState
from tracker.util.arrays import UInt8Array
from tracker.util.check_types import check_finite, check_types
from tracker.util.opencv import cv2

Color = tuple[int, int, int]
Point = tuple[int, int]


class Labels(Enum):
    """Text beside a box."""

    NONE = "none"
    ID = "id"
    """Id, and global id where there is one: `#3 @12`."""
    FULL = "full"
    """Ids, class and score."""


@dataclass(frozen=True, slots=True)
class DrawStyle:
    """Style of drawn tracks.

    Attributes:
        line_scale: Factor on the width of lines, which follows the size of the image; > 0.
        font_scale: Factor on the size of text, which follows the size of the image; > 0.
        trail_s: Seconds of the past that a trail shows; 0 = no trails.
        labels: Text beside a box.
        mask_opacity: Share of a track's colour within its mask, in [0, 1]; 0 = no masks.
        seed: Seed of the set of colours.

    Raises:
        ConfigError: A number is out of range.
    """

    line_scale: float = 1.0
    font_scale: float = 1.0
    trail_s: float = 1.5
    labels: Labels = Labels.FULL
    mask_opacity: float = 0.4
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        for name, low in (("line_scale", 0.1), ("font_scale", 0.1), ("trail_s", 0.0)):
            value = getattr(self, name)
            if not low <= value < math.inf:
                raise ConfigError(f"DrawStyle.{name}: expected a number >= {low}, got {value}")
        if not 0 <= self.mask_opacity <= 1:
            raise ConfigError(
                f"DrawStyle.mask_opacity: expected a number in [0, 1], got {self.mask_opacity}"
            )
        check_finite(self)


class Trails:
    """Centres of tracks in the last seconds; older points and ids are removed.

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
        """Adds the centres of one frame, and removes points that are too old."""
        oldest = time_s - self._length_s
        for points in self._points.values():
            while points and (points[0][0] < oldest or points[0][0] > time_s):
                points.popleft()
        if self._length_s > 0:
            for track_id, box in zip(tracks.ids.tolist(), tracks.boxes.tolist(), strict=True):
                points = self._points.setdefault(track_id, deque(maxlen=self._MAX_POINTS))
                points.append((time_s, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
        self._points = {key: points for key, points in self._points.items() if points}

    def of(self, track_id: int) -> NDArray[np.float64]:
        """Returns `(n, 3)` float64 time in seconds, x, y of a track's past, oldest first."""
        return np.array(self._points.get(track_id, ()), dtype=np.float64).reshape(-1, 3)


def draw_tracks(
    image: UInt8Array,
    tracks: Tracks,
    *,
    class_names: Sequence[str],
    trails: Trails,
    style: DrawStyle,
    masks: Sequence[Mask] | None = None,
) -> UInt8Array:
    """Returns a copy of the image with the tracks drawn into it.

    Confirmed tracks have full boxes, lost ones dashed boxes, tentative ones thin boxes and no id.
    Masks of tracks matched in this image lie below. A track has the colour of its global id, or of
    its id where it has none: one person has one colour in all sources.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        tracks: Tracks of the image, boxes in its pixels.
        class_names: Names by class index.
        trails: The past of the tracks, up to date.
        style: Style of the drawing.
        masks: Those of the image's detections, which `tracks.detection_index` counts; `None`
            where there are none.

    Raises:
        DataError: A box is not finite, a class has no name, or a mask is not of the image's size.
    """
    if not np.isfinite(tracks.boxes).all():
        raise DataError("Tracks.boxes: expected finite values, got NaN or infinity")
    canvas = np.array(image, dtype=np.uint8, order="C", copy=True)
    if not canvas.size:
        return canvas
    if masks is not None and style.mask_opacity > 0:
        _draw_masks(canvas, tracks, masks, style)
    width_px = line_width(canvas, style)
    colors = _colors(tracks, style)
    for track_id, color in zip(tracks.ids.tolist(), colors, strict=True):
        _draw_trail(canvas, trails.of(track_id), color, width_px)
    corners = _corners(canvas, tracks)
    for row, state in enumerate(tracks.states.tolist()):
        _draw_box(canvas, corners[row], colors[row], width_px, state)
    if style.labels is not Labels.NONE:
        for row, color in enumerate(colors):
            text = _label(tracks, row, class_names, style.labels)
            _draw_label(canvas, text, corners[row], color, style)
    return canvas


def line_width(image: UInt8Array, style: DrawStyle) -> int:
    """Returns the width in pixels of a box's lines: 2 at 320x240, 4 at 1920x1080."""
    return max(1, round(style.line_scale * (1 + math.hypot(*image.shape[:2]) / 800)))


def font_size(image: UInt8Array, style: DrawStyle) -> int:
    """Returns the size in pixels of text: 11 at 320x240, 24 at 1920x1080."""
    # Below 11 pixels letters run together.
    return max(11, round(style.font_scale * max(11, math.hypot(*image.shape[:2]) / 90)))


def color_of(track_id: int, seed: int) -> Color:
    """Returns the RGB colour of an id, always the same.

    Hues follow the golden ratio, so that neighbouring ids are far apart on the circle.
    """
    golden = (math.sqrt(5) - 1) / 2
    hue = (track_id * golden + seed * math.sqrt(2)) % 1.0
    saturation = 0.55 if track_id % 3 == 2 else 0.85
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def _colors(tracks: Tracks, style: DrawStyle) -> list[Color]:
    numbers = np.where(tracks.global_ids >= 0, tracks.global_ids, tracks.ids)
    return [color_of(number, style.seed) for number in numbers.tolist()]


def _corners(canvas: UInt8Array, tracks: Tracks) -> list[list[int]]:
    # Boxes far outside would overflow OpenCV's fixed-point coordinates.
    height, width = canvas.shape[:2]
    low = np.array([-width, -height] * 2)
    high = np.array([2 * width, 2 * height] * 2)
    corners: list[list[int]] = np.rint(np.clip(tracks.boxes, low, high)).astype(int).tolist()
    return corners


def _draw_masks(
    canvas: UInt8Array, tracks: Tracks, masks: Sequence[Mask], style: DrawStyle
) -> None:
    colors = _colors(tracks, style)
    seen = zip(tracks.ids.tolist(), tracks.detection_index.tolist(), colors, strict=True)
    for track_id, index, color in seen:
        if index < 0:
            continue
        mask = masks[index]
        if mask.size != canvas.shape[:2]:
            raise DataError(
                f"mask of track {track_id}: expected the image's height and width "
                f"{canvas.shape[:2]}, got {mask.size}"
            )
        tint_mask(canvas, mask, color, opacity=style.mask_opacity)


def _draw_trail(
    canvas: UInt8Array, points: NDArray[np.float64], color: Color, width_px: int
) -> None:
    height, width = canvas.shape[:2]
    reach = width + height
    # Counted from the newest point; 24 segments look smooth and bound the cost of a long trail.
    kept = points[:: -max(1, math.ceil(len(points) / 24)), 1:][::-1]
    places = np.rint(np.clip(kept, -reach, 2 * reach)).astype(int).tolist()
    for step, (start, end) in enumerate(pairwise(places), start=1):
        if start == end:
            continue
        # The image shows through older parts: cheaper than blending a second canvas.
        share = step / len(places)
        x = min(max((start[0] + end[0]) // 2, 0), width - 1)
        y = min(max((start[1] + end[1]) // 2, 0), height - 1)
        under = canvas[y, x].tolist()
        mixed = [share * ink + (1 - share) * paper for ink, paper in zip(color, under, strict=True)]
        cv2.line(canvas, start, end, mixed, width_px, cv2.LINE_AA)


def _draw_box(
    canvas: UInt8Array, corners: list[int], color: Color, width_px: int, state: int
) -> None:
    x1, y1, x2, y2 = corners
    if state == TrackState.LOST:
        for start, end in (
            ((x1, y1), (x2, y1)),
            ((x2, y1), (x2, y2)),
            ((x2, y2), (x1, y2)),
            ((x1, y2), (x1, y1)),
        ):
            _draw_dashes(canvas, (start, end), color, width_px)
        return
    thin = max(1, width_px // 2)
    line = thin if state == TrackState.TENTATIVE else width_px
    cv2.rectangle(canvas, (x1, y1), (x2, y2), color, line, cv2.LINE_8)


def _draw_dashes(
    canvas: UInt8Array, ends: tuple[Point, Point], color: Color, width_px: int
) -> None:
    (x1, y1), (x2, y2) = ends
    length = math.hypot(x2 - x1, y2 - y1)
    dash = 4 * width_px + 2
    count = max(1, round(length / (2 * dash)))
    for number in range(count):
        begin, end = number / count, (number + 0.55) / count
        cv2.line(
            canvas,
            (round(x1 + (x2 - x1) * begin), round(y1 + (y2 - y1) * begin)),
            (round(x1 + (x2 - x1) * end), round(y1 + (y2 - y1) * end)),
            color,
            width_px,
        )


def _label(tracks: Tracks, row: int, class_names: Sequence[str], labels: Labels) -> str:
    track_id = int(tracks.ids[row])
    number = f"#{track_id}" if track_id >= 0 else "?"
    if tracks.global_ids[row] >= 0:
        number += f" @{tracks.global_ids[row]}"
    if labels is Labels.ID:
        return number
    index = int(tracks.classes[row])
    name = drawable(class_name(class_names, index), index)
    return f"{number} {name} {tracks.scores[row]:.2f}"


def _draw_label(
    canvas: UInt8Array, text: str, corners: list[int], color: Color, style: DrawStyle
) -> None:
    height, width = canvas.shape[:2]
    size = font_size(canvas, style)
    pad = max(1, size // 6)
    text, text_width = fitted(text, width - 2 * pad, size)
    plate_height = round(size * 1.15) + 2 * pad
    x1, y1, x2, y2 = corners
    if x2 < 0 or y2 < 0 or x1 >= width or y1 >= height:
        return  # The box is outside the image.
    left = min(max(x1, 0), max(width - text_width - 2 * pad, 0))
    above = y1 - plate_height
    top = above if above >= 0 else min(max(y1, 0), max(height - plate_height, 0))
    right, bottom = left + text_width + 2 * pad, top + plate_height
    cv2.rectangle(canvas, (left, top), (right, bottom), color, cv2.FILLED)
    # Perceived brightness (BT.601) decides between black and white ink.
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 130
    ink = (0, 0, 0) if bright else (255, 255, 255)
    origin = (left + pad, bottom - pad - round(size * 0.22))
    put_text(canvas, text, origin, ink=ink, size=size)
