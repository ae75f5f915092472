"""Zones and lines with their counts, drawn over an image."""

from collections.abc import Sequence

import numpy as np

from tracker.analytics.analyser import Analyser
from tracker.analytics.layout import pixel_points
from tracker.analytics.settings import AnalyticsSettings, Point
from tracker.sinks.draw import font_size, line_width, zone_color
from tracker.sinks.draw_style import ColorBy, DrawStyle
from tracker.sinks.draw_text import drawable, fitted, put_text
from tracker.util.arrays import Float64Array, Int32Array, UInt8Array
from tracker.util.opencv import cv2

_ZONE_INK = (255, 196, 0)
_LINE_INK = (0, 230, 255)
_SHADE = (16, 16, 16)
_PAPER = (24, 24, 24)

Rectangle = tuple[int, int, int, int]


def draw_zones(canvas: UInt8Array, analyser: Analyser, scale: Point, style: DrawStyle) -> None:
    """Draws outlines and counts, as `draw_outlines` and `draw_counts`."""
    draw_outlines(canvas, analyser.settings, scale, style)
    draw_counts(canvas, analyser, scale, style)


def draw_outlines(
    canvas: UInt8Array, settings: AnalyticsSettings, scale: Point, style: DrawStyle
) -> None:
    """Draws outlines of zones, lines, and an arrow in the direction "in" of each line.

    Args:
        canvas: `(H, W, 3)` uint8 RGB, changed in place.
        settings: Zones and lines.
        scale: Factors for x and y from coordinates of the settings to pixels of the image.
        style: Style of the drawing.
    """
    width_px = line_width(canvas, style)
    for number, zone in enumerate(settings.zones):
        polygon = pixel_points(zone.polygon, scale)
        _draw_path(canvas, polygon, _zone_ink(number, style), width_px, closed=True)
    for line in settings.lines:
        points = pixel_points(line.points, scale)
        _draw_path(canvas, points, _LINE_INK, width_px, closed=False)
        _draw_arrow(canvas, points, width_px)


def draw_counts(canvas: UInt8Array, analyser: Analyser, scale: Point, style: DrawStyle) -> None:
    """Draws names and counts so far, each beside its zone or line.

    Args:
        canvas: `(H, W, 3)` uint8 RGB, changed in place.
        analyser: The analyser, which counts.
        scale: Factors for x and y from coordinates of its settings to pixels of the image.
        style: Style of the drawing.
    """
    taken: list[Rectangle] = []
    for number, (zone, text) in enumerate(
        zip(analyser.settings.zones, zone_texts(analyser), strict=True)
    ):
        polygon = pixel_points(zone.polygon, scale)
        top = polygon[int(np.argmin(polygon[:, 1]))]
        _draw_plate(canvas, text, top, (_zone_ink(number, style), style), taken)
    for line, text in zip(analyser.settings.lines, line_texts(analyser), strict=True):
        start = pixel_points(line.points, scale)[0]
        _draw_plate(canvas, text, start, (_LINE_INK, style), taken)


def _zone_ink(number: int, style: DrawStyle) -> tuple[int, int, int]:
    return zone_color(number, style) if style.color_by is ColorBy.ZONE else _ZONE_INK


def zone_texts(analyser: Analyser) -> list[str]:
    """Returns the text beside each zone: tracks inside, entries and exits."""
    texts = []
    for counts in analyser.counts.zones.values():
        entered = sum(sum(how.values()) for how in counts.entered.values())
        queue = f", queue {counts.queue}" if counts.queue else ""
        name = drawable(counts.name, 0)
        texts.append(f"{name}: {counts.occupancy}  (total {entered}{queue})")
    return texts


def line_texts(analyser: Analyser) -> list[str]:
    """Returns the text beside each line: crossings in and out."""
    return [
        f"{drawable(counts.name, 0)}: in {sum(counts.entered.values())}  "
        f"out {sum(counts.left.values())}"
        for counts in analyser.counts.lines.values()
    ]


def _draw_path(
    canvas: UInt8Array,
    points: Float64Array,
    ink: tuple[int, int, int],
    width_px: int,
    *,
    closed: bool,
) -> None:
    """Draws a coloured line with a dark rim, which shows on any background."""
    places = [_clipped(canvas, points)]
    cv2.polylines(canvas, places, closed, _SHADE, width_px + 2, cv2.LINE_AA)
    cv2.polylines(canvas, places, closed, ink, width_px, cv2.LINE_AA)


def _clipped(canvas: UInt8Array, points: Float64Array) -> Int32Array:
    # Points far outside would overflow OpenCV's fixed-point coordinates.
    height, width = canvas.shape[:2]
    kept = np.clip(points, (-width, -height), (2 * width, 2 * height))
    places: Int32Array = np.rint(kept).astype(np.int32)
    return places


def _draw_arrow(canvas: UInt8Array, points: Float64Array, width_px: int) -> None:
    """Draws an arrow across the middle of the longest piece, to its right."""
    pieces = np.diff(points, axis=0)
    longest = int(np.argmax(np.hypot(pieces[:, 0], pieces[:, 1])))
    along = pieces[longest]
    length = float(np.hypot(*along))
    if not length:
        return
    middle = points[longest] + along / 2
    right = np.array([-along[1], along[0]]) / length
    reach = min(max(10.0, 7.0 * width_px), length / 2)
    ends = _clipped(canvas, np.stack([middle - right * reach / 3, middle + right * reach]))
    start, end = (tuple(place) for place in ends.tolist())
    for ink, width in ((_SHADE, width_px + 2), (_LINE_INK, width_px)):
        cv2.arrowedLine(canvas, start, end, ink, width, cv2.LINE_AA, tipLength=0.4)


def _draw_plate(
    canvas: UInt8Array,
    text: str,
    place: Sequence[float] | Float64Array,
    look: tuple[tuple[int, int, int], DrawStyle],
    taken: list[Rectangle],
) -> None:
    """Draws text on a dark plate at a place, moved into the image and off other plates."""
    ink, style = look
    height, width = canvas.shape[:2]
    size = font_size(canvas, style)
    pad = max(2, size // 4)
    text, text_width = fitted(text, width - 2 * pad, size)
    plate_width, plate_height = text_width + 2 * pad, round(size * 1.15) + 2 * pad
    left = int(min(max(place[0], 0), max(width - plate_width, 0)))
    top = int(min(max(place[1] - plate_height / 2, 0), max(height - plate_height, 0)))
    top = _free_top(top, (left, plate_width, plate_height), height, taken)
    taken.append((left, top, plate_width, plate_height))
    corner = left + plate_width, top + plate_height
    cv2.rectangle(canvas, (left, top), corner, _PAPER, cv2.FILLED)
    cv2.rectangle(canvas, (left, top), corner, ink, max(1, size // 12))
    origin = left + pad, top + plate_height - pad - round(size * 0.22)
    put_text(canvas, text, origin, ink=ink, size=size)


def _free_top(
    top: int, plate: tuple[int, int, int], height: int, taken: Sequence[Rectangle]
) -> int:
    """Returns the nearest top at which a plate covers no other one; its own if there is none."""
    left, plate_width, plate_height = plate
    for step in range(1, 2 * len(taken) + 2):
        moved = top + (step // 2) * (plate_height + 1) * (1 if step % 2 else -1)
        covers = any(
            left < x + w and x < left + plate_width and moved < y + h and y < moved + plate_height
            for x, y, w, h in taken
        )
        if 0 <= moved <= height - plate_height and not covers:
            return moved
    return top
