"""From arrays of outputs to `Candidates`: checks, box formats, and what can be left out early."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detection.layouts.base import Candidates
from tracker.errors import ModelError
from tracker.util.arrays import BoolArray, Float32Array, Int32Array


def shape_error(layout: str, wanted: str, outputs: Sequence[NDArray[Any]]) -> ModelError:
    """Returns the error for outputs that are not what a layout needs."""
    have = ", ".join(str(array.shape) for array in outputs) or "none"
    return ModelError(
        f"model outputs: the layout {layout} needs {wanted}, got arrays of the shapes {have}; "
        "name another layout with detector.model.layout"
    )


def as_float32(array: NDArray[Any]) -> Float32Array:
    """Returns an array as float32; what is float32 already is not copied."""
    return np.asarray(array).astype(np.float32, copy=False)


def is_enough(scores: Float32Array, least_score: float) -> BoolArray:
    """Returns where scores are more than this, or not a number: the caller counts and tells these.

    Args:
        scores: Of any shape.
        least_score: What a score has to exceed.
    """
    enough: BoolArray = ~(scores <= least_score)
    return enough


def centre_boxes(boxes: Float32Array) -> Float32Array:
    """Returns `(N, 4)` float32 xyxy of boxes `(N, 4)` centre x, centre y, width, height."""
    half = boxes[:, 2:] * np.float32(0.5)
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def box_unit(input_size: tuple[int, int]) -> Float32Array:
    """Returns `(4,)` width, height, width, height: what shares of the input are multiplied by."""
    return np.array([input_size[1], input_size[0]] * 2, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class SuppressedRows:
    """Outputs of a network that lists what it found, row by row.

    Attributes:
        boxes: `(B, N, 4)`.
        scores: `(B, N)`.
        classes: `(B, N)`, class indices from 0 in any number type.
        counts: `B` numbers of rows that mean anything; `None` where all do.
        masks: `(B, N, h, w)`, or `None`.
        columns: Which columns of `boxes` are left, top, right and bottom.
        unit: `(4,)` what left, top, right and bottom are multiplied by to be pixels.
    """

    boxes: NDArray[Any]
    scores: NDArray[Any]
    classes: NDArray[Any]
    counts: NDArray[Any] | None = None
    masks: NDArray[Any] | None = None
    columns: tuple[int, int, int, int] = (0, 1, 2, 3)
    unit: Float32Array | None = None

    @property
    def is_consistent(self) -> bool:
        """Whether the arrays belong together."""
        shape = self.boxes.shape
        return (
            len(shape) == 3
            and shape[2] == 4
            and self.scores.shape == shape[:2]
            and self.classes.shape == shape[:2]
            and (self.counts is None or self.counts.size == shape[0])
            and (self.masks is None or (self.masks.ndim == 4 and self.masks.shape[:2] == shape[:2]))
        )


def suppressed_candidates(rows: SuppressedRows, *, least_score: float) -> list[Candidates]:
    """Returns the candidates of each image: rows with a class and a score that is high enough.

    Args:
        rows: Consistent ones.
        least_score: Rows that score no more than this are left out.
    """
    with np.errstate(all="ignore"):
        scores, classes = as_float32(rows.scores), as_float32(rows.classes)
        # Padding rows have class -1 in some exports; a negative index would pick a class.
        kept = is_enough(scores, least_score) & (classes >= 0) & (classes < np.inf)
        if rows.counts is not None:
            kept &= np.arange(scores.shape[1]) < as_float32(rows.counts).reshape(-1, 1)
        return [_image(rows, index, keep) for index, keep in enumerate(kept)]


def _image(rows: SuppressedRows, index: int, kept: BoolArray) -> Candidates:
    boxes = as_float32(rows.boxes[index][kept])[:, rows.columns]
    if rows.unit is not None:
        boxes = boxes * rows.unit
    classes: Int32Array = rows.classes[index][kept].astype(np.int32)
    masks = None if rows.masks is None else as_float32(rows.masks[index][kept])
    return Candidates(boxes, as_float32(rows.scores[index][kept]), classes, masks)
