"""YOLO networks that decode their boxes themselves: one row, or one column, for each anchor.

Input: `(B, N, 5 + C)` as YOLOv5, v6 and v7 give it, or `(B, 4 + C, N)` as YOLOv8, v9 and v11 do:
centre, size, objectness (v5 only) and class scores after the sigmoid. Output: one candidate an
anchor, of its best class.

Exports for PyTorch's axis order (ONNX) give boxes in pixels of the input; exports of the same
networks for TensorFlow's order (SavedModel, TFLite) give them as shares of it. Neither names nor
shapes of the outputs tell, so the input's axes decide: each layout has two forms, and a network
that does otherwise is given the other form by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detection.image_input import ImageInput
from tracker.detection.layouts.arrays import (
    ImagesOnly,
    base_name,
    declared_axes,
    declared_size,
    fits,
    fitted_input,
)
from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.grid import cell_counts
from tracker.detection.layouts.tables import (
    as_float32,
    box_unit,
    centre_boxes,
    is_enough,
    shape_error,
)
from tracker.inference.network import AxisOrder, TensorSpec
from tracker.util.arrays import Float32Array

STRIDE_SETS = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
"""Strides of the published networks: the usual ones, "P6" and "P2"."""

_CELLS_A_TILE = (21, 85, 85)
"""Cells in a square of the largest stride, for each of `STRIDE_SETS`: 16 + 4 + 1 and 64 + 16 + 4
+ 1. Every count of cells is a multiple of it, whatever the input's size."""

YOLOV6_NAME = "outputs"
"""What the export of YOLOv6 calls its output."""

_V5_ANCHORS = 3


class BoxUnit(Enum):
    """What the numbers of a box count."""

    PIXELS = "pixels"
    """Pixels of the network's input."""
    SHARES = "shares"
    """Shares of its width and height."""


def is_anchor_count(count: int, inputs: Sequence[TensorSpec], *, anchors_a_cell: int) -> bool:
    """Returns whether networks of this input size can have this many anchors.

    Args:
        count: Anchors.
        inputs: What the network takes; where its size may vary, any size will do.
        anchors_a_cell: Anchors in a cell.
    """
    size = declared_size(inputs)
    if size is None:
        return any(count % (anchors_a_cell * tile) == 0 for tile in _CELLS_A_TILE)
    return count in {anchors_a_cell * sum(cell_counts(size, strides)) for strides in STRIDE_SETS}


def may_be_anchors(
    channels: int | None,
    anchors: int | None,
    inputs: Sequence[TensorSpec],
    *,
    least_channels: int,
    anchors_a_cell: int,
) -> bool:
    """Returns whether declared sides can be channels and anchors.

    Where the input's size is known, their count tells; else there are more anchors than channels.

    Args:
        channels: Numbers of one anchor; a file that leaves them open leaves all open.
        anchors: Anchors.
        inputs: What the network takes; without it any count will do.
        least_channels: Channels of a network of one class.
        anchors_a_cell: Anchors in a cell.
    """
    if channels is None:
        return anchors is None
    if channels < least_channels:
        return False
    if anchors is None:
        return True
    if declared_size(inputs) is None and anchors < channels:
        return False
    return not inputs or is_anchor_count(anchors, inputs, anchors_a_cell=anchors_a_cell)


def is_anchor_array(
    channels: int, anchors: int, *, least_channels: int, input_size: tuple[int, int]
) -> bool:
    """Returns whether sides of an array can be channels and anchors.

    Small inputs may have fewer anchors than channels, but then as many as they have cells.

    Args:
        channels: Numbers of one anchor.
        anchors: Anchors.
        least_channels: Of a network of one class.
        input_size: Height and width in pixels of the network's input.
    """
    cells = {sum(cell_counts(input_size, strides)) for strides in STRIDE_SETS}
    few = anchors in cells or anchors in {_V5_ANCHORS * count for count in cells}
    return channels >= least_channels and (few or anchors >= channels)


def _unit_suits(unit: BoxUnit, inputs: Sequence[TensorSpec]) -> bool:
    wanted = AxisOrder.NCHW if unit is BoxUnit.PIXELS else AxisOrder.NHWC
    return declared_axes(inputs) in (None, wanted)


def _image_input(unit: BoxUnit, spec: TensorSpec) -> ImageInput:
    axes = AxisOrder.NCHW if unit is BoxUnit.PIXELS else AxisOrder.NHWC
    return fitted_input(ImageInput(axes=axes), spec)


@dataclass(frozen=True, slots=True)
class YoloRows(ImagesOnly):
    """One row an anchor, with objectness: YOLOv5, YOLOv7, and by its output's name YOLOv6.

    YOLOv5 and v7 have three anchors a cell. YOLOv6 has one, and its objectness is 1; YOLOX has the
    same shape and means something else, and is distinguished by the name of the output, which
    YOLOv6's export calls "outputs". Raw maps `(B, 3, h, w, 5 + C)`, which early YOLOv5 exports have
    beside the rows, are left unread.

    Attributes:
        name: The layout's name.
        unit: What the boxes count.
    """

    name: str = "yolov5"
    unit: BoxUnit = BoxUnit.PIXELS
    is_suppressed: bool = False

    @property
    def outputs_text(self) -> str:
        """The outputs that it needs, in words, for errors."""
        return (
            "one output (batch, anchors, 5 + classes): centre and size in "
            f"{self.unit.value} of the input, objectness, class scores"
        )

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        rows = [spec for spec in outputs if len(spec.shape) != 5]
        if len(rows) != 1 or not fits(rows[0], None, None, None):
            return False
        anchors, channels = rows[0].shape[1:] or (None, None)
        counts = (_V5_ANCHORS, 1) if base_name(rows[0]) == YOLOV6_NAME else (_V5_ANCHORS,)
        return _unit_suits(self.unit, inputs) and any(
            may_be_anchors(channels, anchors, inputs, least_channels=6, anchors_a_cell=count)
            for count in counts
        )

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes; `None` if the outputs do not show it."""
        channels = next((spec.shape[2] for spec in outputs if len(spec.shape) == 3), None)
        return None if channels is None else channels - 5

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns RGB in `[0, 1]`, letterboxed in the middle, grey 114 around it."""
        return _image_input(self.unit, spec)

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch; see `Layout.decode`."""
        rows = [array for array in outputs if array.ndim != 5]
        if (
            len(rows) != 1
            or rows[0].ndim != 3
            or not is_anchor_array(
                rows[0].shape[2], rows[0].shape[1], least_channels=6, input_size=input_size
            )
        ):
            raise shape_error(self.name, self.outputs_text, outputs)
        unit = None if self.unit is BoxUnit.PIXELS else box_unit(input_size)
        with np.errstate(all="ignore"):
            return [_best_of_rows(image, unit, least_score) for image in rows[0]]


@dataclass(frozen=True, slots=True)
class YoloColumns(ImagesOnly):
    """One column an anchor, without objectness: YOLOv8, YOLOv9, YOLOv11 and later.

    Attributes:
        name: The layout's name.
        unit: What the boxes count.
    """

    name: str = "yolov8"
    unit: BoxUnit = BoxUnit.PIXELS
    is_suppressed: bool = False

    @property
    def outputs_text(self) -> str:
        """The outputs that it needs, in words, for errors."""
        return (
            "one output (batch, 4 + classes, anchors): centre and size in "
            f"{self.unit.value} of the input, class scores"
        )

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        if len(outputs) != 1 or not fits(outputs[0], None, None, None):
            return False
        channels, anchors = outputs[0].shape[1:] or (None, None)
        return _unit_suits(self.unit, inputs) and may_be_anchors(
            channels, anchors, inputs, least_channels=5, anchors_a_cell=1
        )

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes; `None` if the outputs do not show it."""
        channels = outputs[0].shape[1] if len(outputs[0].shape) == 3 else None
        return None if channels is None else channels - 4

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns RGB in `[0, 1]`, letterboxed in the middle, grey 114 around it."""
        return _image_input(self.unit, spec)

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch; see `Layout.decode`."""
        if (
            len(outputs) != 1
            or outputs[0].ndim != 3
            or not is_anchor_array(*outputs[0].shape[1:], least_channels=5, input_size=input_size)
        ):
            raise shape_error(self.name, self.outputs_text, outputs)
        unit = None if self.unit is BoxUnit.PIXELS else box_unit(input_size)
        with np.errstate(all="ignore"):
            return [_best_of_columns(image, unit, least_score) for image in outputs[0]]


def _best_of_rows(rows: NDArray[Any], unit: Float32Array | None, least_score: float) -> Candidates:
    """Returns the candidates among rows `(N, 5 + C)`."""
    # A class score is at most 1, so that nothing scores more than its objectness: this leaves a
    # few hundred of 25200 rows.
    promising = as_float32(rows[is_enough(as_float32(rows[:, 4]), least_score)])
    scores = promising[:, 4] * promising[:, 5:].max(axis=1)
    kept = is_enough(scores, least_score)
    promising = promising[kept]
    classes = promising[:, 5:].argmax(axis=1).astype(np.int32)
    boxes = promising[:, :4] if unit is None else promising[:, :4] * unit
    return Candidates(centre_boxes(boxes), scores[kept], classes)


def _best_of_columns(
    columns: NDArray[Any], unit: Float32Array | None, least_score: float
) -> Candidates:
    """Returns the candidates among columns `(4 + C, N)`."""
    values = as_float32(columns)
    scores = values[4:].max(axis=0)
    index = np.flatnonzero(is_enough(scores, least_score))
    promising = values[:, index]
    classes = promising[4:].argmax(axis=0).astype(np.int32)
    boxes = promising[:4].T if unit is None else promising[:4].T * unit
    return Candidates(centre_boxes(boxes), scores[index], classes)
