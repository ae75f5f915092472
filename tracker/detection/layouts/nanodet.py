"""NanoDet, NanoDet-Plus (github.com/RangiLyu/nanodet) and PicoDet (PaddleDetection), Apache-2.0.

All three have the head of `integral`; they differ in strides, in the point of a cell that distances
count from, and in preprocessing.
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
from tracker.detection.layouts.integral import (
    SIDES,
    Levels,
    find_levels,
    integral_candidates,
    joined_levels,
)
from tracker.detection.layouts.tables import shape_error
from tracker.inference.network import ColourOrder, TensorSpec

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
# Both were trained on images stretched to squares (`keep_ratio: False`), and are better so at this
# size: NanoDet-Plus-m-1.5x on 126 images of COCO train2017 has mAP50 64.5 stretched to 416x416,
# 61.9 with the aspect kept; at 640 it is 62.9 against 65.1.
_PLUS_WANTED = ImageInput(
    native_size=(416, 416),
    fit=Fit.STRETCH,
    colours=ColourOrder.BGR,
    scale=1.0,
    mean=(103.53, 116.28, 123.675),
    std=(57.375, 57.12, 58.395),
)
_PICODET_WANTED = ImageInput(
    native_size=(416, 416),
    fit=Fit.STRETCH,
    scale=1.0,
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
)

_PADDLE_INPUT, _PADDLE_MARK = "image", ".tmp_"
"""PaddlePaddle calls the input of a detector "image" and its variables NAME.tmp_NUMBER."""


@dataclass(frozen=True, slots=True)
class NanoDet(ImagesOnly):
    """First generation: for each of the strides 8, 16, 32 one output of scores and one of sides.

    They are distinguished by shapes alone; see `find_levels`.
    """

    name: str = "nanodet"
    outputs_text: str = (
        "six outputs, for each of the strides 8, 16, 32 class scores ([batch,] cells, classes) "
        "and sides ([batch,] cells, 32); the number of classes is not 32"
    )
    is_suppressed: bool = False

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        return _declared_levels(outputs, _STRIDES, inputs) is not None

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes; `None` where the outputs do not tell."""
        levels = _declared_levels(outputs, _STRIDES)
        return None if levels is None else levels.class_count

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns standardised BGR, letterboxed in the middle, grey 128 around it."""
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
        tables = _tables(outputs, _STRIDES, input_size)
        if tables is None:
            counts = cell_counts(input_size, _STRIDES)
            text = f"{self.outputs_text}; {counts} cells for {input_size[1]}x{input_size[0]}"
            raise shape_error(self.name, text, outputs)
        with np.errstate(all="ignore"):
            place = cells(input_size, _STRIDES) + np.array([0.5, 0.5, 0], np.float32)
            return [
                integral_candidates(*pair, place, least_score) for pair in zip(*tables, strict=True)
            ]


@dataclass(frozen=True, slots=True)
class NanoDetPlus(ImagesOnly):
    """NanoDet-Plus and PicoDet: scores and sides of the strides 8, 16, 32, 64.

    Exports of PaddlePaddle are PicoDet's, known by what it calls inputs and outputs; all others are
    NanoDet-Plus: shapes do not tell the two apart.

    Attributes:
        name: The layout's name.
        is_paddle: Whether it is PicoDet.
        wanted: The input that the network expects.
        offset: Place in a cell that distances count from, in strides: for NanoDet-Plus its top left
            corner (`nanodet_plus_head.py`, `get_single_level_center_priors`), for PicoDet its
            centre (`pico_head.py`, `cell_offset: 0.5`).
    """

    name: str = "nanodet-plus"
    is_paddle: bool = False
    wanted: ImageInput = _PLUS_WANTED
    offset: float = 0.0
    outputs_text: str = (
        "one output (batch, cells of strides 8, 16, 32, 64, classes + 32), class scores and sides, "
        "or eight, of each stride class scores and sides, as rows of cells or as maps; the number "
        "of classes is not 32"
    )
    is_suppressed: bool = False

    def matches(self, outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec] = ()) -> bool:
        """Returns whether outputs of these names and shapes are of this layout."""
        if inputs and _is_of_paddle(inputs, outputs) != self.is_paddle:
            return False
        if len(outputs) != 1:
            return _declared_levels(outputs, _PLUS_STRIDES, inputs) is not None
        if not fits(outputs[0], None, None, None):
            return False
        count, channels = outputs[0].shape[1:] or (None, None)
        if channels is None:
            return count is None
        size = declared_size(inputs)
        if size is None or count is None:
            return channels > SIDES and (count is None or count >= channels)
        return channels > SIDES and count == sum(cell_counts(size, _PLUS_STRIDES))

    def class_count(self, outputs: Sequence[TensorSpec]) -> int | None:
        """Returns the number of classes; `None` where the outputs do not tell."""
        if len(outputs) != 1:
            levels = _declared_levels(outputs, _PLUS_STRIDES)
            return None if levels is None else levels.class_count
        channels = outputs[0].shape[2] if len(outputs[0].shape) == 3 else None
        return None if channels is None else channels - SIDES

    def image_input(self, spec: TensorSpec) -> ImageInput:
        """Returns standardised BGR (PicoDet: RGB), stretched to the size of the training."""
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
        count = sum(cell_counts(input_size, _PLUS_STRIDES))
        tables = _tables(outputs, _PLUS_STRIDES, input_size)
        if len(outputs) == 1 and outputs[0].ndim == 3 and outputs[0].shape[2] > SIDES:
            rows = outputs[0]
            tables = (rows[..., :-SIDES], rows[..., -SIDES:]) if rows.shape[1] == count else None
        if tables is None:
            text = f"{self.outputs_text} ({count} cells for {input_size[1]}x{input_size[0]})"
            raise shape_error(self.name, text, outputs)
        with np.errstate(all="ignore"):
            shift = np.array([self.offset, self.offset, 0], np.float32)
            place = cells(input_size, _PLUS_STRIDES) + shift
            return [
                integral_candidates(*pair, place, least_score) for pair in zip(*tables, strict=True)
            ]


PICODET = NanoDetPlus("picodet", is_paddle=True, wanted=_PICODET_WANTED, offset=0.5)
"""PicoDet of PaddleDetection."""


def _is_of_paddle(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> bool:
    return base_name(inputs[0]) == _PADDLE_INPUT or any(
        _PADDLE_MARK in base_name(spec) for spec in outputs
    )


def _declared_levels(
    outputs: Sequence[TensorSpec],
    strides: tuple[int, ...],
    inputs: Sequence[TensorSpec] = (),
) -> Levels | None:
    return find_levels([spec.shape for spec in outputs], strides, declared_size(inputs))


def _tables(
    outputs: Sequence[NDArray[Any]], strides: tuple[int, ...], size: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Returns scores `(B, N, C)` and sides `(B, N, 32)` of outputs that are one for each stride."""
    levels = find_levels([array.shape for array in outputs], strides, size)
    return None if levels is None else joined_levels(outputs, levels)
