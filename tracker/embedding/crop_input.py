"""The input format of a third-party appearance network.

Nothing is guessed: what the network's file does not define, the user does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError
from tracker.inference.network import AxisOrder, ColourOrder
from tracker.util.arrays import UInt8Array
from tracker.util.check_types import check_finite, check_types


@dataclass(frozen=True, slots=True)
class CropInput:
    """What goes into an appearance network: `(pixel * scale - mean) / std`, channel by channel.

    Networks that take uint8 are given pixels as they are.

    Attributes:
        size: Height and width in pixels of the crops; `None` takes the file's.
        colours: Order of the channels.
        axes: Where the channels are; `None` takes the file's: where it has three of them.
        scale: Factor of pixels 0 to 255.
        mean: What is subtracted from the scaled pixels, in the order of `colours`.
        std: What they are divided by, in the order of `colours`.

    Raises:
        ConfigError: A value is out of range.
    """

    size: tuple[int, int] | None = None
    colours: ColourOrder = ColourOrder.RGB
    axes: AxisOrder | None = None
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        check_types(self)
        if self.size is not None and min(self.size) < 1:
            raise ConfigError(f"size: expected at least 1x1 pixels, got {self.size}")
        if not np.isfinite(self.scale) or self.scale <= 0:
            raise ConfigError(f"scale: expected above 0, got {self.scale}")
        if not np.isfinite(self.mean).all():
            raise ConfigError(f"mean: expected finite numbers, got {self.mean}")
        if not np.isfinite(self.std).all() or min(self.std) <= 0:
            raise ConfigError(f"std: expected above 0, got {self.std}")
        check_finite(self)

    @property
    def values_text(self) -> str:
        """The transformation of a pixel as text for logs."""
        return f"{self.colours}, (pixel * {self.scale:.6g} - {[*self.mean]}) / {[*self.std]}"


def network_pixels(
    crops: UInt8Array, wanted: CropInput, *, axes: AxisOrder, dtype: str
) -> NDArray[Any]:
    """Returns the network's input `(N, h, w, 3)` or `(N, 3, h, w)`, of its type.

    Args:
        crops: `(N, h, w, 3)` uint8 RGB.
        wanted: ColourOrder and range of values.
        axes: Where the channels go.
        dtype: NumPy's name of the input's type; "uint8" takes pixels as they are.
    """
    pixels: NDArray[Any] = crops[..., ::-1] if wanted.colours is ColourOrder.BGR else crops
    if dtype != "uint8":
        # One multiplication and one subtraction: (p * scale - mean) / std.
        deviation = np.asarray(wanted.std, np.float32)
        factor = np.float32(wanted.scale) / deviation
        shift = np.asarray(wanted.mean, np.float32) / deviation
        pixels = (pixels * factor - shift).astype(dtype)
    if axes is AxisOrder.NCHW:
        pixels = pixels.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(pixels)
