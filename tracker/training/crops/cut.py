"""Crops of objects with some of their surroundings, to learn appearance from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import clip
from tracker.errors import ConfigError
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH
from tracker.util.arrays import BoolArray, Float32Array, UInt8Array
from tracker.util.opencv import cv2


@dataclass(frozen=True, slots=True)
class CropSettings:
    """Which objects are cut out, and how.

    Attributes:
        margin: Surroundings on every side, as a share of the object's width and height, so that
            training can shift boxes; in `[0, 1)`.
        min_width_px: Narrower objects are left out.
        min_height_px: Lower objects are left out.
        upright: Classes of which only upright, clearly visible objects are wanted.
        upright_min_height_px: Lower objects of these are left out.
        upright_max_aspect: Of these, objects with a larger width / height are left out: a seated
            or cut off person says little of how the person looks when walking.

    Raises:
        ConfigError: The margin is out of range.
    """

    margin: float = 0.125
    min_width_px: float = 8.0
    min_height_px: float = 14.0
    upright: tuple[str, ...] = ("person",)
    upright_min_height_px: float = 24.0
    upright_max_aspect: float = 1.1

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise ConfigError(f"margin: expected [0, 1), got {self.margin}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of a crop: the object in it has the network's input size."""
        whole = 1 + 2 * self.margin
        return round(CROP_HEIGHT * whole), round(CROP_WIDTH * whole)


def fit_for_crops(
    boxes: Float32Array, class_names: Sequence[str], settings: CropSettings
) -> BoolArray:
    """Returns `(N,)` which boxes `(N, 4)` xyxy in pixels, cut to the image, are fit.

    Args:
        boxes: The boxes.
        class_names: `N` names, box by box.
        settings: What is fit.
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    fit = (width >= settings.min_width_px) & (height >= settings.min_height_px)
    upright = np.array([name in settings.upright for name in class_names], bool)
    tall = height >= settings.upright_min_height_px
    tall &= width <= settings.upright_max_aspect * height
    return np.asarray(fit & (tall | ~upright))


def inside(boxes: NDArray[np.floating], image: UInt8Array) -> Float32Array:
    """Returns boxes `(N, 4)` float32 xyxy in pixels, cut to an image `(H, W, 3)`."""
    height, width = image.shape[:2]
    return clip(boxes.astype(np.float32), width=width, height=height)


def cut(image: UInt8Array, box: Float32Array, *, margin: float) -> UInt8Array:
    """Returns the pixels of a box with surroundings, `(h, w, 3)` uint8.

    Sides are rounded to whole pixels. Beyond the image its last pixels are repeated.

    Args:
        image: `(H, W, 3)` uint8.
        box: `(4,)` xyxy in pixels, inside the image, at least a pixel wide and high.
        margin: Surroundings on every side, as a share of the box's width and height.
    """
    x1, y1, x2, y2 = map(float, box)
    x, y = margin * (x2 - x1), margin * (y2 - y1)
    left, top, right, bottom = round(x1 - x), round(y1 - y), round(x2 + x), round(y2 + y)
    height, width = image.shape[:2]
    part = image[max(0, top) : bottom, max(0, left) : right]
    beyond = max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width)
    if any(beyond):
        part = np.asarray(cv2.copyMakeBorder(part, *beyond, cv2.BORDER_REPLICATE), np.uint8)
    return part
