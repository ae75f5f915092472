"""Decoding parameters of output maps, with and without anchors; loads no Keras."""

from dataclasses import dataclass
from enum import Enum


class HeadKind(Enum):
    """The two families of darknet heads."""

    YOLO = "yolo"
    """YOLOv3 and later: anchors in pixels of the network input."""
    REGION = "region"
    """YOLOv2: anchors in grid cells."""


class BoxCoding(Enum):
    """How the four box values of an anchor are coded; `t` are the values of the raw map."""

    EXPONENTIAL = "exponential"
    """Centre: sigmoid of `t`, stretched by `scale_x_y`. Size: `anchor * exp(t)`."""
    SCALED = "scaled"
    """darknet's `new_coords=1`: the network has already applied its sigmoid to the whole map.
    Centre: `t`, stretched by `scale_x_y`. Size: `anchor * (2 * t) ** 2`. Objectness and classes are
    probabilities already."""


class ClassActivation(Enum):
    """Function from class values to probabilities."""

    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"


@dataclass(frozen=True, slots=True)
class YoloHead:
    """How to decode one raw map `(B, h, w, A * (5 + C))`.

    The channels of one anchor are contiguous: x, y, width, height, objectness, then `C` classes.

    Attributes:
        kind: Family of the head.
        anchors: `A` pairs (width, height), already selected by the mask; in pixels of the network
            input for `YOLO`, in grid cells for `REGION`.
        class_count: `C`.
        scale_x_y: Stretch of the centre around the middle of its cell; 1 for none.
        box_coding: Coding of the boxes.
        class_activation: Function from class values to probabilities.
    """

    kind: HeadKind
    anchors: tuple[tuple[float, float], ...]
    class_count: int
    scale_x_y: float = 1.0
    box_coding: BoxCoding = BoxCoding.EXPONENTIAL
    class_activation: ClassActivation = ClassActivation.SIGMOID

    @property
    def channels(self) -> int:
        """Channels of the raw map: `A * (5 + C)`."""
        return len(self.anchors) * (5 + self.class_count)


@dataclass(frozen=True, slots=True)
class AnchorFreeHead:
    """How to decode one raw map `(B, h, w, 4 + C)` of a network without anchors.

    The first four channels are `t`: the distances from the middle of the cell to the left, top,
    right and bottom side of the box are `softplus(t)` cells. `C` class values follow, whose sigmoid
    is the score: there is no objectness.

    Attributes:
        class_count: `C`.
    """

    class_count: int

    @property
    def channels(self) -> int:
        """Channels of the raw map: `4 + C`."""
        return 4 + self.class_count


@dataclass(frozen=True, slots=True)
class IntegralHead:
    """How to decode one raw map `(B, h, w, 4 * bins + C)` of integral boxes.

    The first `4 * bins` channels are, for the left, top, right and bottom side of the box, the
    logits of a distribution over the distances 0, 1, ..., `bins - 1` in cells; the distance is its
    mean (generalised focal loss, arXiv 2006.04388, eq. 5). Distances count from the top left corner
    of a cell of `stride` pixels. `C` class values follow, whose sigmoid is the score. The `labels`
    most probable classes of a cell are candidates, each with the same box: whether it is a car or a
    truck is not decided by one cell.

    Attributes:
        class_count: `C`.
        stride: Side of a cell in pixels of the network's input. It cannot be told from the map:
            maps of stride 64 round up where an input is only a multiple of 32.
        bins: Values of each distribution.
        labels: Classes of a cell that are candidates; fewer where there are fewer classes.
    """

    class_count: int
    stride: int
    bins: int = 8
    labels: int = 3

    @property
    def channels(self) -> int:
        """Channels of the raw map: `4 * bins + C`."""
        return 4 * self.bins + self.class_count


Head = YoloHead | AnchorFreeHead | IntegralHead
"""All kinds of head that `detection.yolo_decode` supports."""
