"""Zones and lines being drawn: the state that mouse and keys change, and its picture."""

from dataclasses import dataclass, replace

import numpy as np

from tracker.analytics.settings import Point
from tracker.cli.zones.annotations import Shape
from tracker.sinks.draw_text import put_text, text_width
from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2

HELP = "click: point  Enter: zone  l: line  u: undo  s: save  q: quit"

_DONE_INK = (255, 196, 0)
_LINE_INK = (0, 230, 255)
_OPEN_INK = (255, 255, 255)
_SHADE = (16, 16, 16)


@dataclass(frozen=True, slots=True)
class Drawing:
    """What was drawn so far.

    Attributes:
        shapes: Finished zones and lines.
        points: Points of the one that is being drawn.
        message: What the last key did, or why it did nothing.
    """

    shapes: tuple[Shape, ...] = ()
    points: tuple[Point, ...] = ()
    message: str = ""

    def clicked(self, x: float, y: float) -> "Drawing":
        """Returns the drawing with one more point; unchanged if it is the last one again."""
        point = (float(x), float(y))
        if self.points[-1:] == (point,):  # A double click.
            return replace(self, message="")
        return replace(self, points=(*self.points, point), message="")

    def without_last(self) -> "Drawing":
        """Returns the drawing without its last point, or else without its last shape."""
        if self.points:
            return replace(self, points=self.points[:-1])
        return replace(self, shapes=self.shapes[:-1])

    def with_zone(self) -> "Drawing":
        """Returns the drawing with its points as a zone."""
        return self._finished(is_closed=True, least=3)

    def with_line(self) -> "Drawing":
        """Returns the drawing with its points as a line."""
        return self._finished(is_closed=False, least=2)

    def unsaved(self) -> "Drawing":
        """Returns the drawing with a message that says what has to be done before it is saved."""
        if self.points:
            return replace(self, message="Enter or l finishes this shape, u takes it back; then s")
        return replace(self, message="nothing to save: draw a zone or a line")

    def _finished(self, *, is_closed: bool, least: int) -> "Drawing":
        kind = "zone" if is_closed else "line"
        if len(self.points) < least:
            needed = f"a {kind} needs {least} points, this one has {len(self.points)}"
            return replace(self, message=needed)
        number = 1 + sum(shape.is_closed is is_closed for shape in self.shapes)
        name = f"{kind}-{number}"
        shape = Shape(name, self.points, is_closed)
        return Drawing((*self.shapes, shape), (), f"{name} is done")

    def pressed(self, key: str) -> "Drawing":
        """Returns the drawing after a key: Enter, l or u; other keys change nothing."""
        actions = {"\r": self.with_zone, "\n": self.with_zone, "z": self.with_zone}
        actions |= {"l": self.with_line, "u": self.without_last, "\b": self.without_last}
        action = actions.get(key.lower())
        return self if action is None else action()


def picture(image: UInt8Array, drawing: Drawing) -> UInt8Array:
    """Returns a copy of the image with the drawing, and two lines of text below it.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        drawing: What was drawn.
    """
    height, width = image.shape[:2]
    size = _font_size(width, height)
    canvas = np.full((height + round(3.4 * size), width, 3), _SHADE, np.uint8)
    canvas[:height] = image
    inner = canvas[:height]
    width_px = max(1, round(np.hypot(width, height) / 600))
    for shape in drawing.shapes:
        ink = _DONE_INK if shape.is_closed else _LINE_INK
        _draw(inner, shape.points, ink, width_px, closed=shape.is_closed)
        left, bottom = (round(value) for value in shape.points[0])
        left = min(left + size // 3, max(width - text_width(shape.name, size), 0))
        bottom = min(max(bottom - size // 3, size), height - size // 3)
        put_text(inner, shape.name, (left, bottom), ink=ink, size=size)
    if drawing.points:
        _draw(inner, drawing.points, _OPEN_INK, width_px, closed=False)
        for x, y in drawing.points:
            cv2.circle(inner, (round(x), round(y)), 2 * width_px + 1, _OPEN_INK, cv2.FILLED)
    for row, text in enumerate((drawing.message, HELP)):
        origin = size // 2, height + round((1.2 + 1.5 * row) * size)
        put_text(canvas, text, origin, ink=_OPEN_INK, size=size)
    return canvas


def _font_size(width: int, height: int) -> int:
    """Returns the size of text in pixels, small enough for the line of keys."""
    size: int = max(11, round(float(np.hypot(width, height)) / 60))
    while size > 7 and text_width(HELP, size) > width - size:
        size -= 1
    return size


def _draw(
    canvas: UInt8Array,
    points: tuple[Point, ...],
    ink: tuple[int, int, int],
    width_px: int,
    *,
    closed: bool,
) -> None:
    places = [np.rint(np.array(points)).astype(np.int32)]
    cv2.polylines(canvas, places, closed, _SHADE, width_px + 2, cv2.LINE_AA)
    cv2.polylines(canvas, places, closed, ink, width_px, cv2.LINE_AA)
