"""NanoDet and NanoDet-Plus (Apache-2.0, github.com/RangiLyu/nanodet).

Input: class scores after the sigmoid and, for each side of a box, a distribution over the distances
0 to 7 in strides (generalised focal loss, arXiv 2006.04388). Output: a candidate for each class of
a cell whose score is high enough, as NanoDet's own suppression takes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.layouts.arrays import declared_size, fits, fitted_input, no_extra_inputs
from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.grid import cell_counts, cells
from tracker.detection.layouts.tables import as_float32, is_enough, shape_error
from tracker.inference.network import ColourOrder, TensorSpec
from tracker.util.arrays import Float32Array

_BINS = 8
_SIDES = 4 * _BINS
_STRIDES = (8, 16, 32)
_PLUS_STRIDES = (8, 16, 32, 64)

# Mean and deviation are of BGR, as it was trained; grey 128 around the image is what the first
# generation was measured with as a teacher.
_WANTED = ImageInput(
    padding=128,
    colours=ColourOrder.BGR,
    scale=1.0,
    mean=(103.53, 116.28, 123.675),
    std=(57.375, 57.12, 58.395),
)
# NanoDet-Plus was trained and is tested without its images' aspect: `keep_ratio: False`.
_PLUS_WANTED = ImageInput(
    fit=Fit.STRETCH,
    stride=64,
    colours=ColourOrder.BGR,
    scale=1.0,
    mean=(103.53, 116.28, 123.675),
    std=(57.375, 57.12, 58.395),
)


@dataclass(frozen=True, slots=True)
class NanoDet:
    """First generation: for each of the strides 8, 16, 32 one output of scores and one of sides.

    They are distinguished by shapes alone: the names of published files are mixed up. So a network
    of 32 classes, whose scores look like sides, is not known.
    """

    name: str = "nanodet"
    outputs_text: str = (
        "six outputs, for each of the strides 8, 16, 32 class scores ([batch,] cells, classes) "
        "and sides ([batch,] cells, 32); the number of classes is not 32"
    )
    is_suppressed: bool = False

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        if len(outputs) != 2 * len(_STRIDES) or any(len(o.shape) not in (2, 3) for o in outputs):
            return False
        sides = [spec.shape[-2] for spec in outputs if spec.shape[-1] == _SIDES]
        scores = [spec.shape[-2] for spec in outputs if spec.shape[-1] != _SIDES]
        if len(sides) != len(_STRIDES) or _class_count(outputs) is None:
            return False
        if None in sides or None in scores:
            return True
        size = declared_size(inputs)
        lengths = sorted(count for count in sides if count is not None)
        if lengths != sorted(count for count in scores if count is not None):
            return False
        return size is None or lengths == sorted(cell_counts(size, _STRIDES))

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes; `None` if the outputs do not show it."""
        return _class_count(outputs)

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns standardised BGR, letterboxed in the middle, grey 128 around it."""
        return fitted_input(_WANTED, spec)

    def extra_inputs(
        self, specs: Sequence[TensorSpec], *, input_size: tuple[int, int], count: int = 1
    ) -> list[NDArray[Any]]:
        """Returns nothing: the network takes images only."""
        return no_extra_inputs(specs, self.name)

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch; see `Layout.decode`."""
        # An output without a batch side is of one image.
        arrays = [array[None] if array.ndim == 2 else array for array in outputs]
        ranks_fit = all(array.ndim == 3 for array in arrays)
        by_cells = sorted(arrays, key=lambda array: -array.shape[1]) if ranks_fit else []
        sides = [array for array in by_cells if array.shape[2] == _SIDES]
        scores = [array for array in by_cells if array.shape[2] != _SIDES]
        counts = cell_counts(input_size, _STRIDES)
        same = {(array.shape[0], array.shape[2]) for array in scores}
        if (
            tuple(array.shape[1] for array in sides) != counts
            or tuple(array.shape[1] for array in scores) != counts
            or len(same) != 1
            or {array.shape[0] for array in sides} != {array.shape[0] for array in scores}
        ):
            text = f"{self.outputs_text}; {counts} cells for {input_size[1]}x{input_size[0]}"
            raise shape_error(self.name, text, outputs)
        with np.errstate(all="ignore"):
            place = cells(input_size, _STRIDES) + np.array([0.5, 0.5, 0], np.float32)
            return [
                _image(*pair, place, least_score)
                for pair in zip(np.concatenate(scores, 1), np.concatenate(sides, 1), strict=True)
            ]


@dataclass(frozen=True, slots=True)
class NanoDetPlus:
    """NanoDet-Plus: scores and sides of the strides 8, 16, 32, 64 in one output.

    Distances count from the top left corner of a cell, where those of the first generation count
    from its centre (`nanodet_plus_head.py`, `get_single_level_center_priors`).
    """

    name: str = "nanodet-plus"
    outputs_text: str = (
        "one output (batch, cells of strides 8, 16, 32, 64, classes + 32): class scores, sides"
    )
    is_suppressed: bool = False

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        if len(outputs) != 1 or not fits(outputs[0], None, None, None):
            return False
        count, channels = outputs[0].shape[1:] or (None, None)
        if channels is None:
            return count is None
        size = declared_size(inputs)
        if size is None or count is None:
            return channels > _SIDES and (count is None or count >= channels)
        return channels > _SIDES and count == sum(cell_counts(size, _PLUS_STRIDES))

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes; `None` if the outputs do not show it."""
        channels = outputs[0].shape[2] if len(outputs[0].shape) == 3 else None
        return None if channels is None else channels - _SIDES

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns standardised BGR, stretched to the input."""
        return fitted_input(_PLUS_WANTED, spec)

    def extra_inputs(
        self, specs: Sequence[TensorSpec], *, input_size: tuple[int, int], count: int = 1
    ) -> list[NDArray[Any]]:
        """Returns nothing: the network takes images only."""
        return no_extra_inputs(specs, self.name)

    def decode(
        self,
        outputs: Sequence[NDArray[Any]],
        specs: Sequence[TensorSpec],
        *,
        input_size: tuple[int, int],
        least_score: float,
    ) -> list[Candidates]:
        """Returns the candidates of each image of a batch; see `Layout.decode`."""
        count = sum(cell_counts(input_size, _PLUS_STRIDES))
        if (
            len(outputs) != 1
            or outputs[0].ndim != 3
            or outputs[0].shape[1] != count
            or outputs[0].shape[2] <= _SIDES
        ):
            text = f"{self.outputs_text} ({count} cells for {input_size[1]}x{input_size[0]})"
            raise shape_error(self.name, text, outputs)
        place = cells(input_size, _PLUS_STRIDES)
        with np.errstate(all="ignore"):
            return [
                _image(rows[:, :-_SIDES], rows[:, -_SIDES:], place, least_score)
                for rows in outputs[0]
            ]


def _class_count(outputs: Sequence[TensorSpec]) -> int | None:
    counts = {spec.shape[-1] for spec in outputs if spec.shape and spec.shape[-1] != _SIDES}
    return counts.pop() if len(counts) == 1 else None


def _image(
    scores: NDArray[Any], logits: NDArray[Any], place: Float32Array, least_score: float
) -> Candidates:
    """Returns the candidates among cells, each class for itself.

    Args:
        scores: `(N, C)`.
        logits: `(N, 32)` of left, top, right, bottom.
        place: `(N, 3)` column and row that distances count from, and stride.
        least_score: What scores no more than this is left out.
    """
    scores = as_float32(scores)
    index, classes = np.nonzero(is_enough(scores, least_score))
    found, of_found = np.unique(index, return_inverse=True)
    stride = place[found, 2:]
    distances = _expected_bins(as_float32(logits[found])) * stride
    origin = place[found, :2] * stride
    boxes = np.concatenate([origin - distances[:, :2], origin + distances[:, 2:]], axis=1)
    return Candidates(boxes[of_found], scores[index, classes], classes.astype(np.int32))


def _expected_bins(logits: Float32Array) -> Float32Array:
    """Returns `(N, 4)` mean distances in strides of distributions `(N, 32)`."""
    logits = logits.reshape(-1, 4, _BINS)
    share = np.exp(logits - logits.max(axis=-1, keepdims=True))
    share /= share.sum(axis=-1, keepdims=True)
    mean: Float32Array = share @ np.arange(_BINS, dtype=np.float32)
    return mean
