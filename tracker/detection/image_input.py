"""The input that a network expects: size, fit, colours, range of values.

Input: frames `(H, W, 3)` uint8 RGB. Output: the network's input, and where the frame lies in it.
Nothing is guessed here: the layout of a network, a file beside it, or the user defines it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detection.letterbox import (
    LetterboxGeometry,
    check_long_side,
    letterbox,
    letterbox_geometry,
    minimal_input_size,
)
from tracker.errors import ConfigError
from tracker.inference.network import AxisOrder, ColourOrder
from tracker.util.arrays import UInt8Array


class Fit(StrEnum):
    """How a frame is brought to the network's size."""

    LETTERBOX = "letterbox"
    """As large as fits with its aspect kept, in the middle, grey around it."""
    CORNER = "corner"
    """As large as fits with its aspect kept, in the top left corner, grey beside or below it."""
    STRETCH = "stretch"
    """To the network's height and width, without keeping the aspect ratio."""


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The input that a network expects: `(pixel * scale - mean) / std`, channel by channel.

    Attributes:
        size: Height and width in pixels; `None` where the network takes any multiple of `stride`.
        native_size: Height and width that a network without a fixed `size` was trained at; `None`
            where its sides follow the frame's. Another size has to be asked for: `at_long_side`.
        long_side: Long side in pixels of the input where `size` is `None`.
        stride: Both sides are multiples of this where `size` is `None`.
        fit: How the frame is brought to the size.
        padding: Grey level of what the frame does not cover, 0 to 255.
        colours: Order of the channels.
        axes: Where the channels are.
        scale: Factor of pixels 0 to 255.
        mean: What is subtracted from the scaled pixels, in the order of `colours`.
        std: What they are divided by, in the order of `colours`.
        dtype: NumPy's name of the input's type.

    Raises:
        ConfigError: A value is out of range.
    """

    size: tuple[int, int] | None = None
    native_size: tuple[int, int] | None = None
    long_side: int = 640
    stride: int = 32
    fit: Fit = Fit.LETTERBOX
    padding: int = 114
    colours: ColourOrder = ColourOrder.RGB
    axes: AxisOrder = AxisOrder.NCHW
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for key, size in (("size", self.size), ("native_size", self.native_size)):
            if size is not None and min(size) < 1:
                raise ConfigError(f"input.{key}: expected at least 1x1 pixels, got {size}")
        if self.stride < 1:
            raise ConfigError(f"input.stride: expected at least 1, got {self.stride}")
        if self.size is None:
            check_long_side(self.long_side, stride=self.stride)
        if not 0 <= self.padding <= 255:
            raise ConfigError(f"input.padding: expected 0 to 255, got {self.padding}")
        if not self.scale > 0 or not min(self.std) > 0:
            raise ConfigError(
                f"input.scale, input.std: expected above 0, got {self.scale}, {self.std}"
            )

    def __str__(self) -> str:
        given = self.size or self.native_size
        size = f"long side {self.long_side}" if given is None else f"{given[1]}x{given[0]}"
        values = f"(pixel * {self.scale:.6g} - {list(self.mean)}) / {list(self.std)}"
        if self.dtype == "uint8":
            values = "pixels as they are"
        return f"{size} {self.fit} {self.colours} {self.axes} {self.dtype}, {values}"

    def size_for(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """Returns height and width in pixels of the input for frames of this height and width."""
        given = self.size or self.native_size
        if given is not None:
            return given
        return minimal_input_size(frame_size, self.long_side, stride=self.stride)

    def at_long_side(self, long_side: int) -> "ImageInput":
        """Returns the input with another long side, for a network that takes any size.

        A network that was trained on stretched images of one size gets others with their aspect:
        see NanoDet-Plus in `layouts/nanodet.py` for the numbers.

        Args:
            long_side: In pixels.

        Raises:
            ConfigError: It is out of range.
        """
        if self.native_size is None:
            return replace(self, long_side=long_side)
        if long_side == max(self.native_size):
            return self
        fit = Fit.LETTERBOX if self.fit is Fit.STRETCH else self.fit
        return replace(self, native_size=None, long_side=long_side, fit=fit)


def image_geometry(
    frame_size: tuple[int, int], wanted: ImageInput, input_size: tuple[int, int]
) -> LetterboxGeometry:
    """Returns where a frame lies inside the network's input.

    Args:
        frame_size: Height and width of the frame in pixels.
        wanted: The input that the network expects.
        input_size: Height and width of the input in pixels.

    Raises:
        DataError: The frame is empty.
    """
    fitted = letterbox_geometry(frame_size, input_size)
    if wanted.fit is Fit.STRETCH:
        return LetterboxGeometry(frame_size, input_size, input_size, (0, 0))
    if wanted.fit is Fit.CORNER:
        return LetterboxGeometry(frame_size, input_size, fitted.content_size, (0, 0))
    return fitted


def image_batch(
    images: Sequence[UInt8Array], geometries: Sequence[LetterboxGeometry], wanted: ImageInput
) -> NDArray[Any]:
    """Returns the network's input `(B, h, w, 3)` or `(B, 3, h, w)`, of its type.

    Args:
        images: `B` frames `(H, W, 3)` uint8 RGB.
        geometries: Of `image_geometry`, one for each frame; all of one input size.
        wanted: The input that the network expects.
    """
    pixels = np.stack(
        [
            letterbox(image, geometry, padding=wanted.padding)
            for image, geometry in zip(images, geometries, strict=True)
        ]
    )
    if wanted.colours is ColourOrder.BGR:
        pixels = pixels[..., ::-1]
    if wanted.dtype != "uint8":
        # One multiplication and one addition: (p * scale - mean) / std.
        deviation = np.asarray(wanted.std, np.float32)
        factor = np.float32(wanted.scale) / deviation
        shift = np.asarray(wanted.mean, np.float32) / deviation
        pixels = (pixels * factor - shift).astype(wanted.dtype)
    if wanted.axes is AxisOrder.NCHW:
        pixels = pixels.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(pixels)
