"""YOLO networks that need no NMS afterwards: YOLOv10 and YOLO26, end to end.

Input: `(B, N, 6)` left, top, right, bottom in input pixels, score, class. Output: `Candidates`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tracker.detection.image_input import ImageInput
from tracker.detection.layouts.arrays import ImagesOnly, fits, fitted_input
from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.tables import SuppressedRows, shape_error, suppressed_candidates
from tracker.detection.layouts.yolo import is_anchor_count
from tracker.inference.network import TensorSpec


@dataclass(frozen=True, slots=True)
class EndToEnd(ImagesOnly):
    """Rows of box, score and class, one for each object.

    A single-class YOLOv5 or YOLOX output has the same shape; if the row count could be an anchor
    count, the layout must be named explicitly.
    """

    name: str = "end-to-end"
    outputs_text: str = (
        "one output (batch, objects, 6): left, top, right, bottom in pixels of the input, score, "
        "class"
    )
    is_suppressed: bool = True

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        if len(outputs) != 1 or not fits(outputs[0], None, None, 6):
            return False
        rows = outputs[0].shape[1] if outputs[0].shape else None
        return (
            not inputs
            or rows is None
            or not any(is_anchor_count(rows, inputs, anchors_a_cell=n) for n in (1, 3))
        )

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns `None`: the outputs do not show it."""
        return None

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns RGB in `[0, 1]`, letterboxed in the middle, grey 114 around it."""
        return fitted_input(ImageInput(), spec)

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch; see `Layout.decode`."""
        if len(outputs) != 1 or outputs[0].ndim != 3 or outputs[0].shape[2] != 6:
            raise shape_error(self.name, self.outputs_text, outputs)
        values = outputs[0]
        rows = SuppressedRows(values[..., :4], values[..., 4], values[..., 5])
        return suppressed_candidates(rows, least_score=least_score)
