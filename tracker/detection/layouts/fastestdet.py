"""FastestDet (BSD-3-Clause, github.com/dog-qiuqiu/FastestDet).

Input: one map `(B, 5 + C, h, w)`, a cell 16 pixels wide: objectness, centre and size of one box,
class shares. Output: a candidate for each class of a cell whose score is high enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.layouts.arrays import ImagesOnly, declared_size, fits, fitted_input
from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.tables import (
    as_float32,
    box_unit,
    centre_boxes,
    is_enough,
    shape_error,
)
from tracker.inference.network import ColourOrder, TensorSpec
from tracker.util.arrays import Float32Array

_STRIDE = 16
_WANTED = ImageInput(fit=Fit.STRETCH, colours=ColourOrder.BGR)


@dataclass(frozen=True, slots=True)
class FastestDet(ImagesOnly):
    """One map of cells.

    A map alone may be of many networks; it is found without its name only where the declared
    sizes say that a cell is 16 pixels wide.
    """

    name: str = "fastestdet"
    outputs_text: str = (
        "one output (batch, 5 + classes, rows, columns) of cells of 16 pixels: objectness, centre, "
        "size, class shares"
    )
    is_suppressed: bool = False

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        if len(outputs) != 1 or not fits(outputs[0], None, None, None, None):
            return False
        channels, rows, columns = outputs[0].shape[1:] or (None, None, None)
        if channels is not None and channels < 6:
            return False
        size = declared_size(inputs)
        return not inputs or (
            size is not None and (rows, columns) == (size[0] // _STRIDE, size[1] // _STRIDE)
        )

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes; `None` if the outputs do not show it."""
        channels = outputs[0].shape[1] if len(outputs[0].shape) == 4 else None
        return None if channels is None else channels - 5

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns BGR in `[0, 1]`, stretched to the input."""
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
        if len(outputs) != 1 or outputs[0].ndim != 4 or outputs[0].shape[1] < 6:
            raise shape_error(self.name, self.outputs_text, outputs)
        unit = box_unit(input_size)
        with np.errstate(all="ignore"):
            return [_image(as_float32(cells), unit, least_score) for cells in outputs[0]]


def _image(cells: Float32Array, unit: Float32Array, least_score: float) -> Candidates:
    """Returns the candidates of a map `(5 + C, h, w)`; `unit` is `(4,)` of the input's size."""
    height, width = cells.shape[1:]
    flat = cells.reshape(len(cells), -1)
    # The README's score, objectness ** 0.6 * share ** 0.4, is at most its first factor.
    objectness = flat[0] ** np.float32(0.6)
    index = np.flatnonzero(is_enough(objectness, least_score))
    rows = flat[:, index].T
    scores = objectness[index, None] * rows[:, 5:] ** np.float32(0.4)
    y, x = np.divmod(index, width)
    corner = np.stack([x, y], axis=1).astype(np.float32)
    centre = (corner + np.tanh(rows[:, 1:3])) / np.array([width, height], np.float32)
    size = 1 / (1 + np.exp(-rows[:, 3:5]))
    boxes = centre_boxes(np.concatenate([centre, size], axis=1)) * unit
    found, classes = np.nonzero(is_enough(scores, least_score))
    return Candidates(boxes[found], scores[found, classes], classes.astype(np.int32))
