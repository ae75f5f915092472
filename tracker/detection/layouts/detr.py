"""Networks of the DETR family: RT-DETR, D-FINE, RF-DETR.

Input: boxes `(B, N, 4)` and logits `(B, N, C)` of queries; or, of the "deploy" export, labels,
boxes and scores. Output: the best pairs of query and class, one for each object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.layouts.arrays import ImagesOnly, base_name, fits, fitted_input
from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.tables import (
    SuppressedRows,
    as_float32,
    box_unit,
    centre_boxes,
    is_enough,
    shape_error,
    suppressed_candidates,
)
from tracker.errors import ModelError
from tracker.inference.network import TensorSpec
from tracker.util.arrays import Float32Array

_RF_NAMES = ("dets", "labels")
_HF_NAMES = ("pred_boxes", "logits")
_DEPLOY_NAMES = ("labels", "boxes", "scores")
_SIZES_NAME = "orig_target_sizes"

DETR_INPUT = ImageInput(fit=Fit.STRETCH)
"""RGB in `[0, 1]`, as RT-DETR and D-FINE expect it."""

RF_DETR_INPUT = ImageInput(fit=Fit.STRETCH, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""RGB standardised by ImageNet's mean and deviation, as RF-DETR expects it."""


@dataclass(frozen=True, slots=True)
class DetrLogits(ImagesOnly):
    """Boxes and logits of queries, before the sigmoid.

    The class index is the column of the logits: published RF-DETR networks have 91 columns, one
    for each of COCO's category ids with 0 unused, those of RT-DETR and D-FINE 80. The DETR of 2020,
    whose scores are a softmax with "no object", has the same names and is not of this layout.

    Attributes:
        name: The layout's name.
        names: What the published exports call boxes and logits.
        wanted: The input that the network expects.
    """

    name: str = "detr"
    names: tuple[str, str] = _HF_NAMES
    wanted: ImageInput = DETR_INPUT
    is_suppressed: bool = True

    @property
    def outputs_text(self) -> str:
        """The outputs that it needs, in words, for errors."""
        boxes, logits = self.names
        return (
            f"two outputs, {boxes} (batch, queries, 4), centre and size as shares of the input, "
            f"and {logits} (batch, queries, classes); with 4 classes their names have to tell them"
        )

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        order = _boxes_and_logits(outputs, [spec.shape for spec in outputs])
        if order is None:
            return False
        boxes, logits = (outputs[index] for index in order)
        if not (fits(boxes, None, None, 4) and fits(logits, None, None, None)):
            return False
        if boxes.shape and not fits(logits, None, boxes.shape[1], None):
            return False
        names = (base_name(boxes), base_name(logits))
        others = {_HF_NAMES, _RF_NAMES} - {self.names}
        return not inputs or names not in others

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes; `None` if the outputs do not show it."""
        order = _boxes_and_logits(outputs, [spec.shape for spec in outputs])
        shape = () if order is None else outputs[order[1]].shape
        return shape[2] if len(shape) == 3 else None

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns `wanted`, stretched to the input."""
        return fitted_input(self.wanted, spec)

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch; see `Layout.decode`."""
        order = None
        if len(outputs) == len(specs) and all(array.ndim == 3 for array in outputs):
            order = _boxes_and_logits(specs, [array.shape for array in outputs])
        if order is None:
            raise shape_error(self.name, self.outputs_text, outputs)
        boxes, logits = (outputs[index] for index in order)
        if boxes.shape[2] != 4 or boxes.shape[:2] != logits.shape[:2]:
            raise shape_error(self.name, self.outputs_text, outputs)
        unit = box_unit(input_size)
        with np.errstate(all="ignore"):
            return [
                _best_pairs(as_float32(queries), as_float32(values), unit, least_score)
                for queries, values in zip(boxes, logits, strict=True)
            ]


@dataclass(frozen=True, slots=True)
class DetrDeploy:
    """Labels, boxes and scores of RT-DETR's and D-FINE's "deploy" export.

    The network scales its boxes to a size that it is given as a second input; it is given that of
    its own input, so that the boxes are in pixels of it.
    """

    name: str = "detr-deploy"
    outputs_text: str = (
        "three outputs, labels (batch, objects) of integers, boxes (batch, objects, 4), left, top, "
        f"right, bottom in pixels, scores (batch, objects), and a second input {_SIZES_NAME}"
    )
    is_suppressed: bool = True

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        order = _labels_boxes_scores(outputs)
        if order is None or (inputs and _SIZES_NAME not in map(base_name, inputs[1:])):
            return False
        labels, boxes, scores = (outputs[index] for index in order)
        return fits(labels, None, None) and fits(boxes, None, None, 4) and fits(scores, None, None)

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns `None`: the outputs do not show it."""
        return None

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns RGB in `[0, 1]`, stretched to the input."""
        return fitted_input(DETR_INPUT, spec)

    def extra_inputs(
        self, specs: Sequence[TensorSpec], *, input_size: tuple[int, int], count: int = 1
    ) -> list[NDArray[Any]]:
        """Returns `(B, 2)` width and height of the network's input; see `Layout.extra_inputs`."""
        arrays: list[NDArray[Any]] = []
        for spec in specs[1:]:
            if base_name(spec) != _SIZES_NAME or not fits(spec, None, 2):
                raise ModelError(
                    f"model input {spec}: the layout {self.name} knows images and {_SIZES_NAME} "
                    "(batch, 2) only; export the model without it"
                )
            arrays.append(np.full((count, 2), input_size[::-1], dtype=spec.dtype))
        return arrays

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch; see `Layout.decode`."""
        order = None
        if len(outputs) == len(specs):
            # What the arrays are holds, where the file told less.
            order = _labels_boxes_scores(
                [
                    TensorSpec(spec.name, array.shape, str(array.dtype))
                    for spec, array in zip(specs, outputs, strict=True)
                ]
            )
        if order is None:
            raise shape_error(self.name, self.outputs_text, outputs)
        labels, boxes, scores = (outputs[index] for index in order)
        rows = SuppressedRows(boxes, scores, labels)
        if not rows.is_consistent:
            raise shape_error(self.name, self.outputs_text, outputs)
        return suppressed_candidates(rows, least_score=least_score)


def _boxes_and_logits(
    specs: Sequence[TensorSpec], shapes: Sequence[tuple[int | None, ...]]
) -> tuple[int, int] | None:
    """Returns where boxes and logits are: by published names, else by their last sides.

    Names come first: with 4 classes (RF-DETR: 3 and one more) the shapes are alike.
    """
    if len(specs) != 2:
        return None
    names = [base_name(spec) for spec in specs]
    for known in (_HF_NAMES, _RF_NAMES):
        if set(names) == set(known):
            return names.index(known[0]), names.index(known[1])
    lasts = [shape[-1] if shape else None for shape in shapes]
    if lasts.count(4) != 1:
        return None
    boxes = lasts.index(4)
    # A side that the file does not tell may be 4 too.
    return None if lasts[1 - boxes] is None else (boxes, 1 - boxes)


def _labels_boxes_scores(specs: Sequence[TensorSpec]) -> tuple[int, int, int] | None:
    """Returns where labels, boxes and scores are: by names, else by ranks and number types."""
    if len(specs) != 3:
        return None
    names = [base_name(spec) for spec in specs]
    if set(names) == set(_DEPLOY_NAMES):
        labels, boxes, scores = (names.index(name) for name in _DEPLOY_NAMES)
        return labels, boxes, scores
    kinds = [
        "boxes" if len(spec.shape) == 3 else "labels" if "int" in spec.dtype else "scores"
        for spec in specs
    ]
    if set(kinds) != set(_DEPLOY_NAMES):
        return None
    return kinds.index("labels"), kinds.index("boxes"), kinds.index("scores")


def _best_pairs(
    boxes: Float32Array, logits: Float32Array, unit: Float32Array, least_score: float
) -> Candidates:
    """Returns the best pairs of query and class, as many as there are queries.

    Args:
        boxes: `(N, 4)` centre and size as shares of the input.
        logits: `(N, C)`.
        unit: `(4,)` of the input's size.
        least_score: What scores no more than this is left out.
    """
    # The form of the sigmoid that cannot overflow.
    scores = (0.5 * np.tanh(0.5 * logits) + 0.5).ravel()
    index = np.flatnonzero(is_enough(scores, least_score))
    if len(index) > len(boxes):
        index = index[np.argsort(-scores[index], kind="stable")[: len(boxes)]]
    query, classes = np.divmod(index, max(1, logits.shape[1]))
    return Candidates(centre_boxes(boxes[query] * unit), scores[index], classes.astype(np.int32))
