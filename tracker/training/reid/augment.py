"""Augmentation of crops that preserves identity."""

from dataclasses import dataclass

import numpy as np

from tracker.errors import ConfigError
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH
from tracker.training.detector.augment_pixels import change_colours, degrade, without_colour
from tracker.util.arrays import UInt8Array
from tracker.util.check_types import check_finite, check_types
from tracker.util.opencv import cv2


@dataclass(frozen=True, slots=True)
class ReidAugmentSettings:
    """Strength of the augmentation.

    Attributes:
        shift: Largest move of each side of the box, as a share of its width or height.
        flip: Probability of the mirror image.
        coarse: Probability that detail is lost, as far away from the camera.
        coarse_height: Smallest height in pixels that an object then has.
        hue: Largest turn of the hue in degrees.
        saturation: Largest factor; its inverse is the smallest.
        brightness: Likewise.
        grey: Probability that colour is lost.
        degrade: Probability of blur, of noise, and of JPEG's losses.
        cover: Probability that a piece of another crop covers a part.

    Raises:
        ConfigError: A value is out of range.
    """

    shift: float = 0.1
    flip: float = 0.5
    coarse: float = 0.5
    coarse_height: int = 24
    hue: float = 8.0
    saturation: float = 1.3
    brightness: float = 1.4
    grey: float = 0.03
    degrade: float = 0.1
    cover: float = 0.35

    def __post_init__(self) -> None:
        check_types(self)
        shares = ("flip", "coarse", "grey", "degrade", "cover")
        allowed = {name: (0 <= getattr(self, name) <= 1, "[0, 1]") for name in shares}
        allowed |= {
            "shift": (0 <= self.shift < 0.5, "[0, 0.5)"),
            "coarse_height": (4 <= self.coarse_height <= CROP_HEIGHT, f"4 to {CROP_HEIGHT}"),
            "hue": (0 <= self.hue <= 180, "[0, 180]"),
            "saturation": (self.saturation >= 1, ">= 1"),
            "brightness": (self.brightness >= 1, ">= 1"),
        }
        for name, (is_allowed, expected) in allowed.items():
            if not is_allowed:
                raise ConfigError(f"augment.{name}: expected {expected}, got {getattr(self, name)}")
        check_finite(self)


NO_CHANGE = ReidAugmentSettings(
    shift=0, flip=0, coarse=0, hue=0, saturation=1, brightness=1, grey=0, degrade=0, cover=0
)
"""The object as it is."""

SEEN_VIEWS = ReidAugmentSettings(shift=0.04, cover=0.05)
"""For views that teachers saw (`views.py`): sloppy boxes and covers are in them already, and what a
teacher did not see in the image it says nothing of."""


def augment_crop(
    crop: UInt8Array,
    other: UInt8Array,
    *,
    margin: float,
    settings: ReidAugmentSettings,
    rng: np.random.Generator,
) -> UInt8Array:
    """Returns a changed crop `(128, 64, 3)` uint8.

    Args:
        crop: `(h, w, 3)` uint8 RGB.
        other: A crop of the same size; a piece of it may cover a part of the first.
        margin: Surroundings on every side of both, as a share of the object's size.
        settings: How much to change.
        rng: Random generator.
    """
    changed = cut_object(crop, margin=margin, settings=settings, rng=rng)
    if rng.random() < settings.cover:
        changed = cover_part(changed, other, rng=rng)
    if rng.random() < settings.coarse:
        changed = _coarse(changed, settings.coarse_height, rng)
    if settings.hue or settings.saturation > 1 or settings.brightness > 1:
        changed = change_colours(
            changed,
            rng=rng,
            hue=settings.hue,
            saturation=settings.saturation,
            brightness=settings.brightness,
        )
    if rng.random() < settings.grey:
        changed = without_colour(changed)
    return degrade(changed, probability=settings.degrade, rng=rng)


def cut_object(
    crop: UInt8Array, *, margin: float, settings: ReidAugmentSettings, rng: np.random.Generator
) -> UInt8Array:
    """Returns the object `(128, 64, 3)`, in a box that is a bit off, perhaps mirrored.

    Where the box reaches beyond the crop, the crop's last pixels are repeated.
    """
    height, width = crop.shape[:2]
    x, y = width * margin / (1 + 2 * margin), height * margin / (1 + 2 * margin)
    sides = np.array([x, y, width - x, height - y])
    extent = np.array([width - 2 * x, height - 2 * y] * 2)
    x1, y1, x2, y2 = sides + settings.shift * extent * rng.uniform(-1, 1, 4)
    if rng.random() < settings.flip:
        x1, x2 = x2, x1
    # Pixel centres lie at halves: without these terms, mirroring would move by a pixel.
    step_x, step_y = (x2 - x1) / CROP_WIDTH, (y2 - y1) / CROP_HEIGHT
    back = np.array([[step_x, 0, x1 + step_x / 2 - 0.5], [0, step_y, y1 + step_y / 2 - 0.5]])
    moved = cv2.warpAffine(
        crop,
        back,
        (CROP_WIDTH, CROP_HEIGHT),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.uint8)


def cover_part(crop: UInt8Array, other: UInt8Array, *, rng: np.random.Generator) -> UInt8Array:
    """Returns the crop with a piece of another over up to a third of it, most often at a side.

    Args:
        crop: `(128, 64, 3)` uint8.
        other: `(h, w, 3)` uint8 of any size.
        rng: Random generator.
    """
    height = int(CROP_HEIGHT * rng.uniform(0.1, 1))
    width = int(min(CROP_WIDTH, rng.uniform(0.1, 0.33) * CROP_HEIGHT * CROP_WIDTH / height))
    y, x = _place(CROP_HEIGHT - height, rng), _place(CROP_WIDTH - width, rng)
    patch = cv2.resize(other, (CROP_WIDTH, CROP_HEIGHT), interpolation=cv2.INTER_LINEAR)
    covered = crop.copy()
    covered[y : y + height, x : x + width] = patch[y : y + height, x : x + width]
    return covered


def _coarse(crop: UInt8Array, least: int, rng: np.random.Generator) -> UInt8Array:
    """Returns the crop as if it had a height from `least` to full, evenly in the logarithm."""
    height = int(CROP_HEIGHT * (least / CROP_HEIGHT) ** rng.random())
    small = cv2.resize(crop, (max(2, height // 2), height), interpolation=cv2.INTER_AREA)
    full = cv2.resize(small, (CROP_WIDTH, CROP_HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full, np.uint8)


def _place(room: int, rng: np.random.Generator) -> int:
    """Returns 0, `room`, or a number between, each a third of the time."""
    return (0, room, int(rng.integers(0, room + 1)))[int(rng.integers(0, 3))]
