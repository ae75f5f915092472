"""Cells of networks that predict on a grid: how many there are and where they lie."""

from functools import lru_cache
from math import ceil, prod

import numpy as np

from tracker.util.arrays import Float32Array


def grid_shape(input_size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Returns the rows and columns of cells at a stride; the last may stand out of the input."""
    height, width = input_size
    return ceil(height / stride), ceil(width / stride)


def cell_counts(input_size: tuple[int, int], strides: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the number of cells at each stride; cells at the border may stand out of it.

    Example:
        >>> cell_counts((416, 416), (8, 16, 32, 64))
        (2704, 676, 169, 49)
    """
    return tuple(prod(grid_shape(input_size, stride)) for stride in strides)


@lru_cache(maxsize=32)
def cells(input_size: tuple[int, int], strides: tuple[int, ...]) -> Float32Array:
    """Returns `(N, 3)` float32, read-only: column, row and stride of each cell.

    Stride by stride as given, in each row by row.

    Args:
        input_size: Height and width in pixels of the network's input.
        strides: Sides of the cells in pixels.
    """
    parts = []
    for stride in strides:
        rows, columns = np.indices(grid_shape(input_size, stride))
        side = np.full(rows.size, stride)
        parts.append(np.stack([columns.ravel(), rows.ravel(), side], axis=1))
    result = np.concatenate(parts).astype(np.float32)
    result.setflags(write=False)
    return result
