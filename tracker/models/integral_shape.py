"""Sizes of the networks of `integral` and the heads of their maps; loads no Keras."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tracker.models.heads import IntegralHead
from tracker.models.yolo_shape import YoloSize

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
    """

    backbone: str
    neck: int


_SHAPES: Mapping[YoloSize, IntegralShape] = MappingProxyType(
    {
        YoloSize.NANO: IntegralShape("shufflenet-v2-1x", 96),
        YoloSize.SMALL: IntegralShape("shufflenet-v2-1.5x", 128),
    }
)


def integral_shape(size: YoloSize) -> IntegralShape:
    """Returns the widths of a network."""
    return _SHAPES[size]


def integral_heads(class_count: int) -> tuple[IntegralHead, ...]:
    """Returns the heads of the maps of `build_integral`, in their order."""
    return tuple(IntegralHead(class_count, stride, BINS) for stride in INTEGRAL_STRIDES)
