"""Borders around images: of convolutions and pooling, and the layer `Padding`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from tracker.models.ncnn.blob import Blob
from tracker.models.ncnn.kind import MAX_SIDE, LayerKind, known_lengths
from tracker.models.ncnn.syntax import NcnnLayer
from tracker.models.ncnn.weights import WeightReader

SAME_UPPER, SAME_LOWER = -233, -234
"""Values of `pad_left` that mean as much padding as `ceil(length / stride)` windows need; an odd
pixel goes to the end, or to the start."""


@dataclass(frozen=True, slots=True)
class Border:
    """Pixels around an image `(B, h, w, c)`."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def sides(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """`((top, bottom), (left, right))`."""
        return (self.top, self.bottom), (self.left, self.right)

    def is_same(self, extent: tuple[int, int], stride: tuple[int, int]) -> bool:
        """Returns whether Keras' padding="same" is this border, whatever the image's size.

        Args:
            extent: Height and width of the window.
            stride: Steps `(y, x)`.
        """
        if stride != (1, 1):
            return False
        return all(
            pair == ((side - 1) // 2, side // 2)
            for pair, side in zip(self.sides, extent, strict=True)
        )

    def padded(self, image: Any, value: float) -> Any:
        """Returns an image with this border.

        Args:
            image: `(B, h, w, c)`.
            value: Value of the border.
        """
        if self == Border(0, 0, 0, 0):
            return image
        if value == 0:
            return keras.layers.ZeroPadding2D(self.sides)(image)
        return ops.pad(image, ((0, 0), *self.sides, (0, 0)), constant_values=value)

    def cropped(self, image: Any) -> Any:
        """Returns an image without this border.

        Args:
            image: `(B, h, w, c)`.
        """
        if self == Border(0, 0, 0, 0):
            return image
        return keras.layers.Cropping2D(self.sides)(image)


def read_border(
    layer: NcnnLayer, blob: Blob, extent: tuple[int, int], stride: tuple[int, int]
) -> Border:
    """Returns the border that parameters 4, 14, 15 and 16 of a convolution mean.

    Args:
        layer: The convolution.
        blob: Its input.
        extent: Height and width of the window.
        stride: Steps `(y, x)`.

    Raises:
        ModelError: A value is out of range, or depends on a size that is open.
    """
    left = layer.integer(4, 0, low=SAME_LOWER, high=MAX_SIDE)
    if left in {SAME_UPPER, SAME_LOWER}:
        return same_border(layer, blob, extent, stride, is_upper=left == SAME_UPPER)
    top = layer.integer(14, left, high=MAX_SIDE)
    border = Border(
        top,
        layer.integer(16, top, high=MAX_SIDE),
        left,
        layer.integer(15, left, high=MAX_SIDE),
    )
    if min(map(min, border.sides)) < 0:
        raise layer.error(f"expected padding of 0 pixels or more, got {left}")
    return border


def is_keras_same(
    layer: NcnnLayer, blob: Blob, extent: tuple[int, int], stride: tuple[int, int]
) -> bool:
    """Returns whether a convolution's border is that of Keras' padding="same".

    That is so whatever the size of the input: no length has to be known.

    Args:
        layer: The convolution.
        blob: Its input.
        extent: Height and width of the window.
        stride: Steps `(y, x)`.
    """
    if layer.integer(4, 0, low=SAME_LOWER, high=MAX_SIDE) == SAME_UPPER:
        return True
    return stride == (1, 1) and read_border(layer, blob, extent, stride).is_same(extent, stride)


def same_border(
    layer: NcnnLayer,
    blob: Blob,
    extent: tuple[int, int],
    stride: tuple[int, int],
    *,
    is_upper: bool,
) -> Border:
    """Returns as much border as `ceil(length / stride)` windows need.

    Args:
        layer: The layer, for messages.
        blob: Its input.
        extent: Height and width of the window.
        stride: Steps `(y, x)`.
        is_upper: Whether an odd pixel goes to the bottom and to the right.

    Raises:
        ModelError: The border depends on the size of the input, and that is open.
    """
    totals = []
    for axis, (side, step) in enumerate(zip(extent, stride, strict=True), start=1):
        # With steps of one, the border is the same for every length.
        length = 1 if step == 1 else known_lengths(layer, blob, axis)[0]
        totals.append(max(side + (length - 1) // step * step - length, 0))
    small, large = [n // 2 for n in totals], [n - n // 2 for n in totals]
    first, last = (small, large) if is_upper else (large, small)
    return Border(first[0], last[0], first[1], last[1])


_CONSTANT, _REPLICATE, _REFLECT = range(3)


def _padding(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    if layer.integer(6, 0):
        raise layer.error("padding with a value for each channel (parameter 6) is not supported")
    blob, kind = inputs[0], layer.integer(4, 0, high=_REFLECT)
    top, bottom, left, right, front, behind = (
        layer.integer(key, 0, high=MAX_SIDE) for key in (0, 1, 2, 3, 7, 8)
    )
    pairs = [(front, behind), (top, bottom), (left, right)][3 - blob.rank :]
    by_axis = {blob.tensor_axis(axis): pair for axis, pair in enumerate(pairs)}
    widths = [by_axis.get(axis, (0, 0)) for axis in range(blob.rank + 1)]
    if kind == _CONSTANT:
        value = layer.number(5)
        return blob.mapped(lambda x: ops.pad(x, widths, constant_values=value))
    if kind == _REFLECT:
        return blob.mapped(lambda x: ops.pad(x, widths, mode="reflect"))
    return blob.mapped(lambda x: _replicated(x, widths))


def _replicated(tensor: Any, widths: Sequence[tuple[int, int]]) -> Any:
    """Returns a tensor whose first and last elements are repeated along each axis."""
    for axis, (before, after) in enumerate(widths):
        first = (*[slice(None)] * axis, slice(0, 1))
        last = (*[slice(None)] * axis, slice(-1, None))
        parts = [
            *([ops.repeat(tensor[first], before, axis=axis)] if before else []),
            tensor,
            *([ops.repeat(tensor[last], after, axis=axis)] if after else []),
        ]
        tensor = ops.concatenate(parts, axis=axis) if len(parts) > 1 else tensor
    return tensor


KINDS: Mapping[str, LayerKind] = MappingProxyType(
    {"Padding": LayerKind(_padding, frozenset(range(9)))}
)
"""Layers by type."""
