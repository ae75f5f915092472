"""Output of the operation DetectionOutput: SSD networks of Caffe and of OpenVINO's Open Model Zoo.

Each row has an image, a label, a score, and sides as shares of the image; a row of a negative image
ends the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.layouts.arrays import ImagesOnly, fits, fitted_input
from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.tables import (
    SuppressedRows,
    box_unit,
    shape_error,
    suppressed_candidates,
)
from tracker.inference.network import AxisOrder, ColourOrder, TensorSpec

_COLUMNS = 7
_WANTED = ImageInput(fit=Fit.STRETCH, colours=ColourOrder.BGR, axes=AxisOrder.NCHW, scale=1.0)


@dataclass(frozen=True, slots=True)
class Ssd(ImagesOnly):
    """One output of seven columns; label 0 is the background, class 0 is label 1."""

    name: str = "ssd"
    outputs_text: str = (
        "one output (images, 1, objects, 7): image, label from 1, score, left, top, right, bottom "
        "as shares of the image"
    )
    is_suppressed: bool = True

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        if len(outputs) != 1 or (inputs and len(outputs[0].shape) != 4):
            return False
        return fits(outputs[0], None, 1, None, _COLUMNS)

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns `None`: the outputs do not show it."""
        return None

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns BGR from 0 to 255, stretched to the input."""
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
        if len(outputs) != 1 or outputs[0].ndim != 4 or outputs[0].shape[1::2] != (1, _COLUMNS):
            raise shape_error(self.name, self.outputs_text, outputs)
        table = outputs[0][:, 0]
        is_end = table[..., 0] < 0
        counts = np.where(is_end.any(axis=1), is_end.argmax(axis=1), table.shape[1])
        with np.errstate(all="ignore"):
            rows = SuppressedRows(
                table[..., 3:],
                table[..., 2],
                table[..., 1] - 1,
                counts=counts,
                unit=box_unit(input_size),
            )
        return suppressed_candidates(rows, least_score=least_score)
