"""Typed, frozen sections of a darknet network.

References to other layers are absolute indices, counted from the first section after `[net]`. Every
section has its line number in the file, for messages.
"""

from dataclasses import dataclass
from enum import Enum

from tracker.models.heads import YoloHead


class Activation(Enum):
    """Activations by their darknet names."""

    LINEAR = "linear"
    LEAKY = "leaky"
    MISH = "mish"
    SWISH = "swish"
    RELU = "relu"
    RELU6 = "relu6"
    LOGISTIC = "logistic"


@dataclass(frozen=True, slots=True)
class Convolution:
    """`[convolutional]`; `padding` is zeros on each of the four sides, in pixels."""

    line: int
    filters: int
    size: int
    stride_y: int
    stride_x: int
    padding: int
    groups: int
    dilation: int
    batch_normalize: bool
    activation: Activation


@dataclass(frozen=True, slots=True)
class MaxPool:
    """`[maxpool]`; `padding` is the sum over two opposite sides, in pixels."""

    line: int
    size: int
    stride_y: int
    stride_x: int
    padding: int


@dataclass(frozen=True, slots=True)
class Route:
    """`[route]`: slice `group_id` of `groups` of every named layer, concatenated by channels."""

    line: int
    layers: tuple[int, ...]
    groups: int
    group_id: int


@dataclass(frozen=True, slots=True)
class Shortcut:
    """`[shortcut]`: the previous layer plus every named layer."""

    line: int
    layers: tuple[int, ...]
    activation: Activation


@dataclass(frozen=True, slots=True)
class Upsample:
    """`[upsample]`: every pixel repeated `stride` times in both directions."""

    line: int
    stride: int


@dataclass(frozen=True, slots=True)
class Reorg:
    """`[reorg]`: `stride * stride` pixels become channels, in darknet's own order."""

    line: int
    stride: int


@dataclass(frozen=True, slots=True)
class Dropout:
    """`[dropout]`: does nothing outside training, but counts as a layer."""

    line: int


@dataclass(frozen=True, slots=True)
class Detection:
    """`[yolo]` or `[region]`: the previous layer is a raw head map."""

    line: int
    head: YoloHead


Layer = Convolution | MaxPool | Route | Shortcut | Upsample | Reorg | Dropout | Detection


@dataclass(frozen=True, slots=True)
class DarknetCfg:
    """A parsed cfg file.

    Attributes:
        source: Name of the file in messages.
        height: Height in pixels of the network input.
        width: Width in pixels of the network input.
        layers: The sections after `[net]`, in order.
    """

    source: str
    height: int
    width: int
    layers: tuple[Layer, ...]

    @property
    def heads(self) -> tuple[YoloHead, ...]:
        """The heads in file order."""
        return tuple(layer.head for layer in self.layers if isinstance(layer, Detection))
