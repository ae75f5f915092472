"""RTMDet (arXiv 2212.07784) as MMDeploy exports it, with its suppression.

Input: `dets` `(B, N, 5)`, left, top, right, bottom in input pixels and score, and `labels`
`(B, N)`. Output: its rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.layouts.arrays import ImagesOnly, base_name, fits, fitted_input
from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.tables import SuppressedRows, shape_error, suppressed_candidates
from tracker.inference.network import ColourOrder, TensorSpec

_NAMES = ("dets", "labels")
# MMDetection's `rtmdet_nano`: `DetDataPreprocessor` without `bgr_to_rgb`, padding 114 to the right
# of and below the image. Its nano person detector was trained at 320.
_WANTED = ImageInput(
    long_side=320,
    fit=Fit.CORNER,
    colours=ColourOrder.BGR,
    scale=1.0,
    mean=(103.53, 116.28, 123.675),
    std=(57.375, 57.12, 58.395),
)


@dataclass(frozen=True, slots=True)
class RtmDet(ImagesOnly):
    """Boxes with scores, and labels, of objects that the network has suppressed already.

    RF-DETR has the same names, but logits in place of labels: three sides, not two.
    """

    name: str = "rtmdet"
    outputs_text: str = (
        "two outputs, dets (batch, objects, 5), left, top, right, bottom in pixels of the input "
        "and score, and labels (batch, objects)"
    )
    is_suppressed: bool = True

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        order = _dets_and_labels(outputs, [spec.shape for spec in outputs])
        if order is None:
            return False
        dets, labels = (outputs[index] for index in order)
        if not (fits(dets, None, None, 5) and fits(labels, None, None)):
            return False
        has_names = (base_name(dets), base_name(labels)) == _NAMES
        return has_names or not inputs or dets.shape[-1:] == (5,)

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns `None`: the outputs do not tell."""
        return None

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns standardised BGR in the top left corner, grey 114 beside or below it."""
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
        order = _dets_and_labels(specs, [array.shape for array in outputs])
        if order is None or outputs[order[0]].shape[2] != 5:
            raise shape_error(self.name, self.outputs_text, outputs)
        dets, labels = (outputs[index] for index in order)
        rows = SuppressedRows(dets[..., :4], dets[..., 4], labels)
        if not rows.is_consistent:
            raise shape_error(self.name, self.outputs_text, outputs)
        return suppressed_candidates(rows, least_score=least_score)


def _dets_and_labels(
    specs: Sequence[TensorSpec], shapes: Sequence[tuple[int | None, ...]]
) -> tuple[int, int] | None:
    """Returns where boxes and labels are, by their ranks; by names where a file tells no rank."""
    if len(shapes) != 2 or len(specs) != 2:
        return None
    ranks = [len(shape) for shape in shapes]
    if sorted(ranks) == [2, 3]:
        return ranks.index(3), ranks.index(2)
    names = [base_name(spec) for spec in specs]
    if 0 in ranks and set(names) == set(_NAMES) and set(ranks) <= {0, 2, 3}:
        return names.index(_NAMES[0]), names.index(_NAMES[1])
    return None
