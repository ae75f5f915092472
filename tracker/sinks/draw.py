"""Tracks drawn into an image: tinted masks, boxes, labels and fading trails."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tracker.errors import DataError
from tracker.masks import Mask
from tracker.sinks.draw_labels import draw_labels, label_texts
from tracker.sinks.draw_masks import tint_mask
from tracker.sinks.draw_style import Boxes, ColorBy, DrawStyle, Labels
from tracker.sinks.draw_trails import Trails, draw_trail
from tracker.sinks.palette import Color, color_of
from tracker.tracks import Tracks, TrackState
from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2

Point = tuple[int, int]

OUTSIDE: Color = (160, 160, 160)
"""Colour of tracks in no zone, where colours are by zone."""


def draw_tracks(
    image: UInt8Array,
    tracks: Tracks,
    *,
    class_names: Sequence[str],
    trails: Trails,
    style: DrawStyle,
    masks: Sequence[Mask] | None = None,
    zones: Mapping[int, int] | None = None,
) -> UInt8Array:
    """Returns a copy of the image with the tracks drawn into it.

    Confirmed tracks have full boxes, lost ones dashed boxes, tentative ones thin boxes and no id.
    Masks of tracks matched in this image lie below. A track has the colour of its global id, or of
    its id where it has none: one person has one colour in all sources. Labels hide no other label:
    in crowds they are moved, shortened, or left out; those of the first tracks have precedence.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        tracks: Tracks of the image, boxes in its pixels.
        class_names: Names by class index.
        trails: The past of the tracks, up to date.
        style: Style of the drawing.
        masks: Those of the image's detections, which `tracks.detection_index` counts; `None`
            where there are none.
        zones: Index of the zone of each track by id, for colours by zone; those of other tracks are
            grey.

    Raises:
        DataError: A box is not finite, a class has no name, or a mask is not of the image's size.
    """
    canvas = np.array(image, dtype=np.uint8, order="C", copy=True)
    draw_over(
        canvas,
        tracks,
        class_names=class_names,
        trails=trails,
        style=style,
        masks=masks,
        zones=zones,
    )
    return canvas


def draw_over(
    canvas: UInt8Array,
    tracks: Tracks,
    *,
    class_names: Sequence[str],
    trails: Trails,
    style: DrawStyle,
    masks: Sequence[Mask] | None = None,
    zones: Mapping[int, int] | None = None,
) -> None:
    """Draws tracks into an image as `draw_tracks` does.

    Args:
        canvas: `(H, W, 3)` uint8 RGB, contiguous, changed in place.
        tracks: As in `draw_tracks`, like all others.
        class_names: Names by class index.
        trails: The past of the tracks.
        style: Style of the drawing.
        masks: Those of the image's detections.
        zones: Index of the zone of each track by id.

    Raises:
        DataError: As `draw_tracks`.
    """
    if not np.isfinite(tracks.boxes).all():
        raise DataError("Tracks.boxes: expected finite values, got NaN or infinity")
    if not canvas.size:
        return
    colors = _colors(tracks, style, zones or {})
    if masks is not None and style.mask_opacity > 0:
        _draw_masks(canvas, tracks, masks, colors, style.mask_opacity)
    for track_id, color in zip(tracks.ids.tolist(), colors, strict=True):
        draw_trail(canvas, trails.of(track_id), color, line_width(canvas, style))
    corners = _corners(canvas, tracks)
    _draw_boxes(canvas, corners, colors, tracks.states.tolist(), style)
    if style.labels is not Labels.NONE:
        texts = label_texts(tracks, class_names, style.labels)
        draw_labels(canvas, texts, corners, colors, font_size(canvas, style))


def line_width(image: UInt8Array, style: DrawStyle) -> int:
    """Returns the width in pixels of a box's lines: 2 at 320x240, 4 at 1920x1080."""
    return max(1, round(style.line_scale * (1 + math.hypot(*image.shape[:2]) / 800)))


def font_size(image: UInt8Array, style: DrawStyle) -> int:
    """Returns the size in pixels of text: 11 at 320x240, 24 at 1920x1080."""
    # Below 11 pixels letters run together.
    return max(11, round(style.font_scale * max(11, math.hypot(*image.shape[:2]) / 90)))


def zone_color(zone: int, style: DrawStyle) -> Color:
    """Returns the RGB colour of a zone by its index; -1: of what is in no zone."""
    return OUTSIDE if zone < 0 else color_of(zone + 1, style.seed)


def _colors(tracks: Tracks, style: DrawStyle, zones: Mapping[int, int]) -> list[Color]:
    if style.color_by is ColorBy.ZONE:
        return [zone_color(zones.get(track_id, -1), style) for track_id in tracks.ids.tolist()]
    if style.color_by is ColorBy.CLASS:
        numbers = tracks.classes + 1
    else:
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
    canvas: UInt8Array,
    tracks: Tracks,
    masks: Sequence[Mask],
    colors: Sequence[Color],
    opacity: float,
) -> None:
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
        tint_mask(canvas, mask, color, opacity=opacity)


def _draw_boxes(
    canvas: UInt8Array,
    corners: Sequence[list[int]],
    colors: Sequence[Color],
    states: Sequence[int],
    style: DrawStyle,
) -> None:
    if style.boxes is Boxes.NONE:
        return
    width_px = line_width(canvas, style)
    for box, color, state in zip(corners, colors, states, strict=True):
        line = max(1, width_px // 2) if state == TrackState.TENTATIVE else width_px
        if state == TrackState.LOST:
            _draw_dashed_box(canvas, box, color, line)
        elif style.boxes is Boxes.CORNERS:
            _draw_corners(canvas, box, color, line)
        else:
            cv2.rectangle(canvas, (box[0], box[1]), (box[2], box[3]), color, line, cv2.LINE_8)


def _draw_corners(canvas: UInt8Array, box: list[int], color: Color, width_px: int) -> None:
    x1, y1, x2, y2 = box
    # A third of the shorter side, so that corners of a narrow box do not meet.
    arm = min(abs(x2 - x1), abs(y2 - y1)) // 3
    across, down = (arm if x2 >= x1 else -arm), (arm if y2 >= y1 else -arm)
    lines = [
        np.array([(x, y + dy), (x, y), (x + dx, y)], np.int32)
        for x, dx in ((x1, across), (x2, -across))
        for y, dy in ((y1, down), (y2, -down))
    ]
    cv2.polylines(canvas, lines, False, color, width_px, cv2.LINE_8)


def _draw_dashed_box(canvas: UInt8Array, box: list[int], color: Color, width_px: int) -> None:
    x1, y1, x2, y2 = box
    for start, end in (
        ((x1, y1), (x2, y1)),
        ((x2, y1), (x2, y2)),
        ((x2, y2), (x1, y2)),
        ((x1, y2), (x1, y1)),
    ):
        _draw_dashes(canvas, (start, end), color, width_px)


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
