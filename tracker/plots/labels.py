"""Labels beside points of a plot, placed apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tracker.plots.style import Theme, figure_of
from tracker.util.arrays import Float64Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = 8.0
_DIGIT = 0.64
"""Width of a digit of the font as a share of its size."""

_LINE = 1.2
"""Height of a line of text as a share of its size."""

_NEAR, _FAR = 3.0, 14.0
"""Points between a label and its place; from the far distance on, a line leads to it."""

_DIRECTIONS = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """Text for a point.

    Attributes:
        text: Its digits.
        point: `(2,)` where it belongs, in data coordinates.
    """

    text: str
    point: Float64Array


def add_labels(axes: "Axes", labels: Sequence[Label], theme: Theme) -> int:
    """Adds labels where they cover no other label; returns how many found no place.

    Points outside the axes get theirs at the border. The limits of the axes have to be set before.
    """
    from matplotlib.patheffects import withStroke

    figure_of(axes).draw_without_rendering()  # Only now the layout is known.
    points_per_pixel = 72 / figure_of(axes).dpi
    frame = np.array(axes.get_window_extent().extents) * points_per_pixel
    outline = [withStroke(linewidth=3, foreground=theme.ground, alpha=0.8)]
    taken: list[Rectangle] = []
    for label in labels:
        at = axes.transData.transform(label.point) * points_per_pixel
        at = np.clip(at, frame[:2], frame[2:])
        place = free_place(label.text, (float(at[0]), float(at[1])), tuple(frame.tolist()), taken)
        if place is None:
            continue
        taken.append(place)
        offset = place[0] - at[0], place[1] - at[1]
        inner = axes.transData.inverted().transform(at / points_per_pixel)
        is_far = max(abs(place[0] + place[2] - 2 * at[0]), abs(place[1] + place[3] - 2 * at[1]))
        leader: dict[str, Any] = {"arrowstyle": "-", "color": theme.text, "lw": 0.6}
        text = axes.annotate(
            label.text,
            (float(inner[0]), float(inner[1])),
            xytext=offset,
            textcoords="offset points",
            fontsize=_SIZE,
            annotation_clip=False,
            arrowprops={**leader, "shrinkA": 0, "shrinkB": 0} if is_far > 2 * _FAR else None,
        )
        text.set(color=theme.text, path_effects=outline, zorder=5)
    return len(labels) - len(taken)


def free_place(
    text: str, at: tuple[float, float], frame: Rectangle, taken: Sequence[Rectangle]
) -> Rectangle | None:
    """Returns the nearest rectangle for a text that is within the frame and covers no other one.

    Args:
        text: One line.
        at: Where it belongs, in points, y up.
        frame: Left, lower, right and upper limit.
        taken: The rectangles of other texts.

    Example:
        >>> free_place("1", (50, 50), (0, 0, 100, 100), [])
        (53.0, 53.0, 58.12, 62.6)
        >>> free_place("1", (50, 50), (0, 0, 60, 55), [])
        (53.0, 37.4, 58.12, 47.0)
    """
    width, height = _DIGIT * _SIZE * len(text), _LINE * _SIZE
    for distance in (_NEAR, _FAR, 2 * _FAR):
        for x, y in _DIRECTIONS:
            left = at[0] + x * (distance + width / 2) - width / 2
            low = at[1] + y * (distance + height / 2) - height / 2
            place = round(left, 2), round(low, 2), round(left + width, 2), round(low + height, 2)
            if _holds(frame, place) and not any(_overlap(place, other) for other in taken):
                return place
    return None


def _holds(frame: Rectangle, place: Rectangle) -> bool:
    is_low = frame[0] <= place[0] and frame[1] <= place[1]
    return is_low and place[2] <= frame[2] and place[3] <= frame[3]


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
