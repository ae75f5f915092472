"""Boxes whose sides are distributions over distances (generalised focal loss, arXiv 2006.04388).

Input: class scores after the sigmoid and, for each side of a box, logits of the distances 0 to 7
in strides; an output for each stride, or one of all. Output: a candidate for each class of a cell
whose score is high enough, as NanoDet's own suppression takes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detection.layouts.base import Candidates
from tracker.detection.layouts.grid import cell_counts, grid_shape
from tracker.detection.layouts.tables import as_float32, is_enough
from tracker.detection.yolo_decode import mean_distances
from tracker.util.arrays import Float32Array

_BINS = 8
SIDES = 4 * _BINS
"""Logits of one box: left, top, right, bottom."""

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Levels:
    """Which outputs are scores and which are sides, from the smallest stride to the largest.

    Each is `(B, N, C)`, `(N, C)`, or a map `(B, h, w, C)` or `(B, C, h, w)`.

    Attributes:
        scores: Indices of the outputs with class scores.
        sides: Indices of the outputs with sides.
        are_scores_last: Whether the channels of maps of scores come last.
        are_sides_last: Whether the channels of maps of sides come last.
        class_count: Number of classes.
    """

    scores: tuple[int, ...]
    sides: tuple[int, ...]
    are_scores_last: bool
    are_sides_last: bool
    class_count: int


def find_levels(
    shapes: Sequence[Shape], strides: tuple[int, ...], size: tuple[int, int] | None
) -> Levels | None:
    """Returns which outputs are what, by shapes alone; `None` where they are something else.

    Names do not count: those of published files are mixed up. So a network of 32 classes, whose
    scores look like sides, is not known.

    Args:
        shapes: Of all outputs.
        strides: Of the network, ascending.
        size: Height and width in pixels of the input; `None` where they may vary.
    """
    if len(shapes) != 2 * len(strides) or any(len(shape) not in (2, 3, 4) for shape in shapes):
        return None
    # The channels of maps may come first in scores and last in sides.
    for scores_last, sides_last in product((True, False), repeat=2):
        sides = [i for i, shape in enumerate(shapes) if _channels(shape, sides_last) == SIDES]
        scores = [i for i in range(len(shapes)) if i not in sides]
        classes = {_channels(shapes[i], scores_last) for i in scores}
        count = classes.pop() if len(classes) == 1 else None
        if count in (None, SIDES) or len(sides) != len(strides):
            continue
        of_scores = {i: _grid(shapes[i], scores_last) for i in scores}
        of_sides = {i: _grid(shapes[i], sides_last) for i in sides}
        if _are_of_strides([*of_scores.values()], [*of_sides.values()], strides, size):
            order = (_from_many_cells(of_scores), _from_many_cells(of_sides))
            return Levels(*order, scores_last, sides_last, count)
    return None


def joined_levels(
    outputs: Sequence[NDArray[Any]], levels: Levels
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Returns scores `(B, N, C)` and sides `(B, N, 32)` of all cells; `None` if batches differ.

    Args:
        outputs: The network's outputs.
        levels: Which of them are what.
    """
    scores = [_table(outputs[i], is_last=levels.are_scores_last) for i in levels.scores]
    sides = [_table(outputs[i], is_last=levels.are_sides_last) for i in levels.sides]
    if len({len(table) for table in (*scores, *sides)}) != 1:
        return None
    return np.concatenate(scores, axis=1), np.concatenate(sides, axis=1)


def integral_candidates(
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
    distances = mean_distances(np, as_float32(logits[found]), _BINS) * stride
    origin = place[found, :2] * stride
    boxes = np.concatenate([origin - distances[:, :2], origin + distances[:, 2:]], axis=1)
    return Candidates(boxes[of_found], scores[index, classes], classes.astype(np.int32))


def _channels(shape: Shape, is_last: bool) -> int | None:
    return shape[1] if len(shape) == 4 and not is_last else shape[-1]


def _grid(shape: Shape, is_last: bool) -> Shape:
    """Returns `(cells,)`, or rows and columns of a map."""
    if len(shape) < 4:
        return (shape[-2],)
    return shape[1:3] if is_last else shape[2:]


def _are_of_strides(
    scores: Sequence[Shape],
    sides: Sequence[Shape],
    strides: tuple[int, ...],
    size: tuple[int, int] | None,
) -> bool:
    """Returns whether scores and sides can have these grids; an open side can be any."""
    counts = sorted(map(_cell_count, scores)), sorted(map(_cell_count, sides))
    if 0 in (*counts[0], *counts[1]):
        return True
    if size is None:
        return counts[0] == counts[1]
    expected = {grid_shape(size, stride) for stride in strides}
    maps = {grid for grid in (*scores, *sides) if len(grid) == 2}
    return counts[0] == counts[1] == sorted(cell_counts(size, strides)) and maps <= expected


def _cell_count(grid: Shape) -> int:
    """Returns the number of cells, or 0 where a side is open."""
    return prod(side or 0 for side in grid)


def _from_many_cells(grids: Mapping[int, Shape]) -> tuple[int, ...]:
    """Returns indices, from many cells to few; as they stand where a number is open."""
    return tuple(sorted(grids, key=lambda index: -_cell_count(grids[index])))


def _table(array: NDArray[Any], *, is_last: bool) -> NDArray[Any]:
    """Returns `(B, N, C)` of an output; one without a batch side is of one image."""
    if array.ndim == 2:
        return array[None]
    if array.ndim == 4:
        last = array if is_last else np.moveaxis(array, 1, 3)
        return last.reshape(len(last), -1, last.shape[3])
    return array
