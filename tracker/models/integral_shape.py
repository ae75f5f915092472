"""Sizes of the networks of `integral`, the heads of their maps, and how NanoDet-Plus has them.

Loads no Keras.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tracker.errors import ModelError
from tracker.models.heads import IntegralHead
from tracker.models.yolo_shape import YoloSize
from tracker.util.arrays import Float32Array

Convolution = tuple[Float32Array, Float32Array]
"""Kernel `(out, in, h, w)` and bias `(out,)`."""

INTEGRAL_STRIDES = (8, 16, 32, 64)
"""Stride of each map in input pixels."""

BINS = 8
"""Distances of a box's side: 0 to 7 cells."""


@dataclass(frozen=True, slots=True)
class IntegralShape:
    """Widths of a network.

    Attributes:
        backbone: Name of the backbone.
        neck: Channels of the feature pyramid and of the heads.
        inner: Channels of the first 1x1 convolution, by which a published network is recognised.
    """

    backbone: str
    neck: int
    inner: int


_SHAPES: Mapping[YoloSize, IntegralShape] = MappingProxyType(
    {
        YoloSize.NANO: IntegralShape("shufflenet-v2-1x", 96, 58),
        YoloSize.SMALL: IntegralShape("shufflenet-v2-1.5x", 128, 88),
    }
)


def integral_shape(size: YoloSize) -> IntegralShape:
    """Returns the widths of a network."""
    return _SHAPES[size]


def integral_heads(class_count: int) -> tuple[IntegralHead, ...]:
    """Returns the heads of the maps of `build_integral`, in their order."""
    return tuple(IntegralHead(class_count, stride, BINS) for stride in INTEGRAL_STRIDES)


def published_size(convolutions: Sequence[Convolution]) -> YoloSize:
    """Returns the size of a NanoDet-Plus with these convolutions, in the order of its graph.

    Raises:
        ModelError: They are those of another network.
    """
    for size, shape in _SHAPES.items():
        if len(convolutions) > _FIRST_INNER and len(convolutions[_FIRST_INNER][1]) == shape.inner:
            return size
    raise ModelError("expected the convolutions of a NanoDet-Plus-m, got those of another network")


def published_class_count(convolutions: Sequence[Convolution]) -> int:
    """Returns the number of classes of a NanoDet-Plus; the last convolution is a head's."""
    return len(convolutions[-1][1]) - 4 * BINS


_FIRST_INNER = 2
"""Place of the first 1x1 convolution in the order of a NanoDet-Plus's graph."""
