"""YOLOX (arXiv 2107.08430), as its official ONNX export gives it: decoded but for the grid.

Input: `(B, N, 5 + C)` offsets in cells, logarithms of sizes in cells, objectness and class scores
after the sigmoid, at strides 8, 16, 32. Output: one candidate a cell, of its best class.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.layouts.arrays import (
    ImagesOnly,
    base_name,
    declared_size,
    fits,
    fitted_input,
)
from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.grid import cell_counts, cells
from tracker.detection.layouts.tables import as_float32, centre_boxes, is_enough, shape_error
from tracker.detection.layouts.yolo import YOLOV6_NAME, may_be_anchors
from tracker.inference.network import ColourOrder, TensorSpec
from tracker.util.arrays import Float32Array

_STRIDES = (8, 16, 32)
_WANTED = ImageInput(fit=Fit.CORNER, padding=114, colours=ColourOrder.BGR, scale=1.0)


@dataclass(frozen=True, slots=True)
class Yolox(ImagesOnly):
    """One row a cell, on the grid.

    An export with the option `decode_in_inference` has the same shape and needs no grid: it is of
    the layout `yolov5`, with YOLOX's input.
    """

    name: str = "yolox"
    outputs_text: str = (
        "one output (batch, cells of strides 8, 16, 32, 5 + classes): offsets and logarithms of "
        "sizes in cells, objectness, class scores"
    )
    is_suppressed: bool = False

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        if len(outputs) != 1 or not fits(outputs[0], None, None, None):
            return False
        count, channels = outputs[0].shape[1:] or (None, None)
        if inputs and base_name(outputs[0]) == YOLOV6_NAME:
            return False
        if not may_be_anchors(channels, count, inputs, least_channels=6, anchors_a_cell=1):
            return False
        # YOLOX has no "P6".
        size = declared_size(inputs)
        return size is None or count is None or count == sum(cell_counts(size, _STRIDES))

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes; `None` if the outputs do not show it."""
        channels = outputs[0].shape[2] if len(outputs[0].shape) == 3 else None
        return None if channels is None else channels - 5

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns BGR from 0 to 255 in the top left corner, grey 114 beside or below it."""
        return fitted_input(_WANTED, spec)

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch; see `Layout.decode`."""
        count = sum(cell_counts(input_size, _STRIDES))
        if (
            len(outputs) != 1
            or outputs[0].ndim != 3
            or outputs[0].shape[1] != count
            or outputs[0].shape[2] < 6
        ):
            text = f"{self.outputs_text} ({count} cells for {input_size[1]}x{input_size[0]})"
            raise shape_error(self.name, text, outputs)
        grid = cells(input_size, _STRIDES)
        with np.errstate(all="ignore"):
            return [_image(rows, grid, least_score) for rows in outputs[0]]


def _image(rows: NDArray[Any], grid: Float32Array, least_score: float) -> Candidates:
    """Returns the candidates among rows `(N, 5 + C)` of cells `(N, 3)`."""
    # A class score is at most 1: nothing scores more than its objectness.
    index = np.flatnonzero(is_enough(as_float32(rows[:, 4]), least_score))
    promising = as_float32(rows[index])
    scores = promising[:, 4] * promising[:, 5:].max(axis=1)
    kept = is_enough(scores, least_score)
    promising, place = promising[kept], grid[index[kept]]
    stride = place[:, 2:]
    boxes = np.concatenate(
        [(promising[:, :2] + place[:, :2]) * stride, np.exp(promising[:, 2:4]) * stride], axis=1
    )
    classes = promising[:, 5:].argmax(axis=1).astype(np.int32)
    return Candidates(centre_boxes(boxes), scores[kept], classes)
