"""Labels of boxes that hide no other label: moved, shortened, or left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tracker.sinks.draw_style import Labels
from tracker.sinks.draw_text import drawable, fitted, put_text, text_width
from tracker.sinks.palette import Color, ink_on
from tracker.sinks.plain_values import class_name
from tracker.tracks import Tracks
from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2

Corners = Sequence[int]
"""Pixels x1, y1, x2, y2 of a box."""


@dataclass(frozen=True, slots=True)
class Label:
    """A text on a plate, in pixels of the image.

    Attributes:
        text: One line.
        left: Left edge of the plate.
        top: Upper edge.
        right: Right edge.
        bottom: Lower edge.
    """

    text: str
    left: int
    top: int
    right: int
    bottom: int


class LabelPlacer:
    """Chooses places for labels, one after another, that hide no label placed before.

    A label lies above its box if there is room, otherwise below it. Where both are taken, the text
    is shortened; where that does not help, it lies beside the box or in its upper corner, and where
    these are taken too, it is left out.

    Args:
        size: Height and width of the image in pixels.
        font_px: Size of the text in pixels.
    """

    def __init__(self, size: tuple[int, int], font_px: int) -> None:
        self._height, self._width = size
        self._font_px = font_px
        self.pad_px = max(1, font_px // 6)
        self._plate_px = round(font_px * 1.15) + 2 * self.pad_px
        self._taken: list[tuple[int, int, int, int]] = []

    def place(self, texts: Sequence[str], corners: Corners) -> Label | None:
        """Returns the label of a box; `None` if no place is free, or the box is outside the image.

        Args:
            texts: The text, then shorter forms of it.
            corners: The box.
        """
        x1, y1, x2, y2 = corners
        if x2 < 0 or y2 < 0 or x1 >= self._width or y1 >= self._height:
            return None
        forms = [self._fitted(text) for text in texts]
        for places in (self._outside, self._beside):
            for text, plate in forms:
                for left, top in places(corners, plate):
                    right, bottom = left + plate, top + self._plate_px
                    if self._take(left, top, right, bottom):
                        return Label(text, left, top, right, bottom)
        return None

    def _fitted(self, text: str) -> tuple[str, int]:
        """Returns the text, shortened to the image, and the width of its plate."""
        room, width = self._width - 2 * self.pad_px, text_width(text, self._font_px)
        if width > room:
            text, width = fitted(text, room, self._font_px)
        return text, width + 2 * self.pad_px

    def _outside(self, corners: Corners, plate: int) -> Iterator[tuple[int, int]]:
        """Yields upper left corners of a plate above or below a box, all in the image.

        Where the image ends above the box, the plate is in the upper corners of the box.
        """
        x1, y1, x2, y2 = corners
        rightmost, lowest = self._limits(plate)
        start, end = min(max(x1, 0), rightmost), min(max(x2 - plate, 0), rightmost)
        above = y1 - self._plate_px
        top = above if above >= 0 else min(max(y1, 0), lowest)
        yield start, top
        yield end, top
        if y2 <= lowest:
            yield start, y2
            yield end, y2

    def _beside(self, corners: Corners, plate: int) -> Iterator[tuple[int, int]]:
        """Yields upper left corners of a plate beside a box, then in its upper left corner."""
        x1, y1, x2, y2 = corners
        rightmost, lowest = self._limits(plate)
        within = min(max(y1, 0), lowest)
        for top in (within, min(max(y2 - self._plate_px, 0), lowest)):
            yield min(max(x2, 0), rightmost), top
            yield min(max(x1 - plate, 0), rightmost), top
        yield min(max(x1, 0), rightmost), within

    def _limits(self, plate: int) -> tuple[int, int]:
        """Returns the largest x and y of a plate's upper left corner."""
        return max(self._width - plate, 0), max(self._height - self._plate_px, 0)

    def _take(self, left: int, top: int, right: int, bottom: int) -> bool:
        """Returns whether a rectangle is free, and marks it as taken if so."""
        for x1, y1, x2, y2 in self._taken:
            if left < x2 and x1 < right and top < y2 and y1 < bottom:
                return False
        self._taken.append((left, top, right, bottom))
        return True


def draw_labels(
    canvas: UInt8Array,
    texts: Sequence[Sequence[str]],
    corners: Sequence[Corners],
    colors: Sequence[Color],
    font_px: int,
) -> None:
    """Draws the labels of boxes, as far as there is room for them.

    Args:
        canvas: `(H, W, 3)` uint8 RGB, changed in place.
        texts: Of each box: the text, then shorter forms of it. The first boxes choose first.
        corners: The boxes.
        colors: RGB of each plate.
        font_px: Size of the text in pixels.
    """
    placer = LabelPlacer((canvas.shape[0], canvas.shape[1]), font_px)
    for forms, box, color in zip(texts, corners, colors, strict=True):
        label = placer.place(forms, box)
        if label is None:
            continue
        low, high = (label.left, label.top), (label.right, label.bottom)
        cv2.rectangle(canvas, low, high, color, cv2.FILLED)
        origin = (label.left + placer.pad_px, label.bottom - placer.pad_px - round(font_px * 0.22))
        put_text(canvas, label.text, origin, ink=ink_on(color), size=font_px)


def label_texts(
    tracks: Tracks, class_names: Sequence[str], labels: Labels
) -> list[tuple[str, ...]]:
    """Returns the text of each track, followed by its shorter forms.

    Args:
        tracks: The tracks.
        class_names: Names by class index.
        labels: What the text says; `NONE` gives no text.

    Raises:
        DataError: A class has no name.
    """
    if labels is Labels.NONE:
        return [()] * len(tracks)
    rows = zip(
        tracks.ids.tolist(),
        tracks.global_ids.tolist(),
        tracks.classes.tolist(),
        tracks.scores.tolist(),
        strict=True,
    )
    texts: list[tuple[str, ...]] = []
    for track_id, global_id, index, score in rows:
        number = f"#{track_id}" if track_id >= 0 else "?"
        if global_id >= 0:
            number += f" @{global_id}"
        if labels is Labels.ID:
            texts.append((number,))
            continue
        name = drawable(class_name(class_names, index), index)
        full = f"{number} {name}"
        if labels is Labels.FULL:
            texts.append((f"{full} {score:.2f}", full, number))
        else:
            texts.append((full, number))
    return texts
