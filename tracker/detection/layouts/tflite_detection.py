"""Outputs of the operation TFLite_Detection_PostProcess: SSD and EfficientDet-Lite for phones.

Input: boxes as shares of the image, classes, scores and a count, each `(1, ...)`. Output: the
counted rows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.layouts.arrays import ImagesOnly, base_name, fits, fitted_input
from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.tables import (
    SuppressedRows,
    box_unit,
    shape_error,
    suppressed_candidates,
)
from tracker.inference.network import AxisOrder, TensorSpec

_COUNT = 4
_FOREIGN_NAMES = ("detection_boxes", "nmsed_boxes")
_NUMBER = re.compile(r"[:_](\d+)$")
_WANTED = ImageInput(
    fit=Fit.STRETCH,
    axes=AxisOrder.NHWC,
    scale=1.0,
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
)


@dataclass(frozen=True, slots=True)
class TfliteDetection(ImagesOnly):
    """Four outputs ordered by the numbers at the ends of their names.

    The operation gives boxes, classes, scores, count. Converters of TensorFlow 1 and
    EfficientDet-Lite number them so; those of TensorFlow 2 number them backwards
    (`StatefulPartitionedCall:3` is boxes) and list them in yet another order. So they are put in
    the order of their numbers, and where the boxes come last the order is reversed. Where the
    names have no numbers, the order of the file holds. Classes count from 0, without background.
    """

    name: str = "tflite-detection"
    outputs_text: str = (
        "four outputs, by the numbers at the ends of their names or as they stand: boxes "
        "(1, objects, 4), classes and scores (1, objects), count (1)"
    )
    is_suppressed: bool = True

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        ordered = _order(outputs, [spec.shape for spec in outputs])
        if ordered is None:
            return False
        boxes, classes, scores, count = (outputs[index] for index in ordered)
        if inputs and not _is_own(outputs, count):
            return False
        return (
            fits(boxes, None, None, 4)
            and fits(classes, None, None)
            and fits(scores, None, None)
            and fits(count, None)
        )

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns `None`: the outputs do not show it."""
        return None

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns RGB in `[-1, 1]`, or from 0 to 255 as integers, stretched to the input."""
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
        ordered = None
        if len(outputs) == len(specs):
            ordered = _order(specs, [array.shape for array in outputs])
        if ordered is None:
            raise shape_error(self.name, self.outputs_text, outputs)
        boxes, classes, scores, count = (outputs[index] for index in ordered)
        rows = SuppressedRows(
            boxes, scores, classes, counts=count, columns=(1, 0, 3, 2), unit=box_unit(input_size)
        )
        if not rows.is_consistent:
            raise shape_error(self.name, self.outputs_text, outputs)
        return suppressed_candidates(rows, least_score=least_score)


def _is_own(outputs: Sequence[TensorSpec], count: TensorSpec) -> bool:
    """Returns whether nothing points to TensorFlow's suppression, which has outputs of this shape.

    That counts in integers, and has scores before classes; this operation counts in floats.
    """
    is_foreign = any(base_name(spec) in _FOREIGN_NAMES for spec in outputs)
    return not is_foreign and "int" not in count.dtype


def _order(
    specs: Sequence[TensorSpec], shapes: Sequence[tuple[int | None, ...]]
) -> list[int] | None:
    """Returns where boxes, classes, scores and count are; `None` where nothing tells.

    Args:
        specs: The outputs, for their names.
        shapes: Their declared or their real shapes.
    """
    if len(specs) != _COUNT:
        return None
    ends = [_NUMBER.search(spec.name) for spec in specs]
    # The first of numbered names often has no number.
    numbers = [int(end.group(1)) if end else 0 for end in ends]
    ordered = list(range(_COUNT))
    if len(set(numbers)) == _COUNT:
        ordered.sort(key=lambda index: numbers[index])
    ranks = [len(shapes[index]) for index in ordered]
    if ranks[0] in (0, 3) and ranks[-1] in (0, 1):
        return ordered
    if ranks[-1] == 3 and ranks[0] in (0, 1):
        return ordered[::-1]
    return None
