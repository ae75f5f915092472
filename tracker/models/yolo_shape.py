"""Sizes of the detector networks and the heads of their maps; loads no Keras."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from tracker.models.heads import AnchorFreeHead

STRIDES = (8, 16, 32)
"""Stride of each map in input pixels."""


class YoloSize(Enum):
    """Size of the network."""

    NANO = "nano"
    SMALL = "small"


@dataclass(frozen=True, slots=True)
class YoloShape:
    """Widths and depths of a network, in channels and residual pairs.

    Attributes:
        stem: Channels at stride 2.
        stages: Channels at strides 4, 8, 16, 32.
        depths: Residual pairs at strides 4, 8, 16, 32; 0 for none.
        neck: Channels of the feature pyramid.
        head: Channels of a head's branch.
    """

    stem: int
    stages: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    neck: int
    head: int


SHAPES: Mapping[YoloSize, YoloShape] = MappingProxyType(
    {
        YoloSize.NANO: YoloShape(16, (32, 64, 128, 128), (0, 1, 2, 1), neck=48, head=32),
        YoloSize.SMALL: YoloShape(24, (48, 96, 192, 256), (1, 2, 3, 1), neck=96, head=64),
    }
)


def yolo_heads(class_count: int) -> tuple[AnchorFreeHead, ...]:
    """Returns the heads of the maps of `build_yolo`, in their order."""
    return (AnchorFreeHead(class_count),) * len(STRIDES)
