"""Style of drawn tracks."""

import math
from dataclasses import dataclass
from enum import Enum

from tracker.errors import ConfigError
from tracker.util.check_types import check_finite, check_types

_SMALLEST, _LARGEST = 0.1, 20.0
"""Factors on lines and text: OpenCV takes minutes for letters that are far larger than the image,
and fails at lines of more than 32,767 pixels."""


class Labels(Enum):
    """Text beside a box."""

    NONE = "none"
    ID = "id"
    """Id, and global id where there is one: `#3 @12`."""
    CLASS = "class"
    """Ids and class."""
    FULL = "full"
    """Ids, class and score."""


class Boxes(Enum):
    """Lines around a track."""

    NONE = "none"
    CORNERS = "corners"
    """The four corners: more of the object stays visible."""
    FULL = "full"


class ColorBy(Enum):
    """What the colour of a track depends on."""

    ID = "id"
    """Global id, or id where there is none: one object has one colour."""
    CLASS = "class"
    """The class: all persons have one colour."""
    ZONE = "zone"
    """The first zone that the track is in; grey outside of all."""


@dataclass(frozen=True, slots=True)
class DrawStyle:
    """Style of drawn tracks.

    Attributes:
        line_scale: Factor on the width of lines, which follows the size of the image; 0.1 to 20.
        font_scale: Factor on the size of text, which follows the size of the image; 0.1 to 20.
        trail_s: Seconds of the past that a trail shows; 0 = no trails.
        boxes: Lines around a track: `full`, `corners` or `none`.
        labels: Text beside a box: `none`, `id`, `class` (ids and class) or `full` (and score).
        color_by: What the colour of a track depends on: `id`, `class` or `zone`.
        mask_opacity: Share of a track's colour within its mask, in [0, 1]; 0 = no masks.
        seed: Seed of the order of colours.

    Raises:
        ConfigError: A number is out of range.
    """

    line_scale: float = 1.0
    font_scale: float = 1.0
    trail_s: float = 1.5
    boxes: Boxes = Boxes.FULL
    labels: Labels = Labels.FULL
    color_by: ColorBy = ColorBy.ID
    mask_opacity: float = 0.4
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("line_scale", "font_scale"):
            value = getattr(self, name)
            if not _SMALLEST <= value <= _LARGEST:
                raise ConfigError(
                    f"draw.{name}: expected a number from {_SMALLEST} to {_LARGEST}, got {value}"
                )
        if not 0 <= self.trail_s < math.inf:
            raise ConfigError(f"draw.trail_s: expected a number >= 0, got {self.trail_s}")
        if not 0 <= self.mask_opacity <= 1:
            raise ConfigError(
                f"draw.mask_opacity: expected a number in [0, 1], got {self.mask_opacity}"
            )
        check_finite(self)
