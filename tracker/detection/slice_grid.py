"""Grids of overlapping tiles over a frame, for the detection of small objects.

Input: the size of a frame and the words of `--slices`. Output: the rectangles of the tiles.
"""

import math
import re
from dataclasses import dataclass

import numpy as np

from tracker.errors import ConfigError
from tracker.util.arrays import Int64Array

OFF = "off"
"""Word for no slices."""

AUTO = "auto"
"""Word for a grid that follows from the frame size and the network's input size."""

DEFAULT_OVERLAP = 0.2
"""Share of a tile that it has in common with its neighbour; an object smaller than that is whole in
one tile at least."""

LARGEST_OVERLAP = 0.5
"""With more, a tile overlaps tiles beyond its neighbours."""

MOST_TILES = 16
"""Most rows and most columns of a grid: 256 tiles are 257 times the work of a frame."""

MOST_AUTOMATIC_TILES = 3
"""Most rows and most columns of an automatic grid: ten times the work of a frame."""

LARGEST_REDUCTION = 2.0
"""An automatic grid has as many tiles as it takes to reduce none by more than this factor. Where
the whole image of val2017 is reduced by 1.25, 1.5, 2 and 2.5, 2x2 tiles gain 0.1, 0.8, 2.9 and 4.4
points of AP50 of people, for five times the time (`benchmarks/slices.py`)."""

SMALLEST_TILE_PX = 32
"""Smallest side of a tile: the largest stride of the networks. Frames too small for the grid have
fewer tiles."""


@dataclass(frozen=True, slots=True)
class SliceGrid:
    """The number of tiles over a frame.

    Attributes:
        rows: Tiles one above the other, 1 to `MOST_TILES`.
        columns: Tiles side by side, 1 to `MOST_TILES`.

    Raises:
        ConfigError: A number is out of range.
    """

    rows: int
    columns: int

    def __post_init__(self) -> None:
        if not (1 <= self.rows <= MOST_TILES and 1 <= self.columns <= MOST_TILES):
            raise ConfigError(
                f"detector.slices: expected 1 to {MOST_TILES} rows and columns, got {self}; try 2x2"
            )

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"


def parse_slices(text: str) -> SliceGrid | None:
    """Returns the grid of `ROWSxCOLUMNS`; `None` for `auto`.

    Raises:
        ConfigError: It is neither, or out of range.

    Example:
        >>> parse_slices("2x3")
        SliceGrid(rows=2, columns=3)
    """
    if text == AUTO:
        return None
    numbers = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text)
    if numbers is None:
        raise ConfigError(
            f"detector.slices: expected ROWSxCOLUMNS such as 2x2, {AUTO} or {OFF}, got {text!r}"
        )
    return SliceGrid(int(numbers[1]), int(numbers[2]))


def check_overlap(overlap: float) -> None:
    """Checks the share of a tile that it has in common with its neighbour.

    Raises:
        ConfigError: It is not in `[0, LARGEST_OVERLAP]`.
    """
    if not 0 <= overlap <= LARGEST_OVERLAP:
        raise ConfigError(
            f"detector.slice_overlap: expected a share in [0, {LARGEST_OVERLAP}], got {overlap}"
        )


def automatic_grid(
    frame_size: tuple[int, int], input_size: tuple[int, int], *, overlap: float
) -> SliceGrid:
    """Returns the smallest grid whose tiles are reduced by at most `LARGEST_REDUCTION`.

    It has at most `MOST_AUTOMATIC_TILES` rows and columns, and is 1x1 where the whole frame is not
    reduced by more.

    Args:
        frame_size: Height and width of the frame in pixels.
        input_size: Height and width of the network's input for it in pixels.
        overlap: Share of a tile that it has in common with its neighbour.

    Example:
        >>> automatic_grid((1080, 1920), (384, 640), overlap=0.2)
        SliceGrid(rows=2, columns=2)
    """
    rows, columns = (
        _tiles_along(length, round(LARGEST_REDUCTION * given), overlap)
        for length, given in zip(frame_size, input_size, strict=True)
    )
    return SliceGrid(rows, columns)


def tile_size(frame_size: tuple[int, int], grid: SliceGrid, *, overlap: float) -> tuple[int, int]:
    """Returns height and width in pixels of the tiles, which are all of one size.

    Args:
        frame_size: Height and width of the frame in pixels.
        grid: The grid; frames too small for it have fewer tiles.
        overlap: Share of a tile that it has in common with its neighbour.

    Example:
        >>> tile_size((360, 480), SliceGrid(2, 2), overlap=0.2)
        (200, 267)
    """
    height, width = frame_size
    return (
        _tile_length(height, _fitting(height, grid.rows), overlap),
        _tile_length(width, _fitting(width, grid.columns), overlap),
    )


def frame_and_tiles(frame_size: tuple[int, int], grid: SliceGrid, *, overlap: float) -> Int64Array:
    """Returns `(V, 4)` xyxy in whole pixels: the frame itself, then its tiles row by row.

    The tiles cover the frame. A grid with a single tile has only the frame itself.

    Args:
        frame_size: Height and width of the frame in pixels.
        grid: The grid; frames too small for it have fewer tiles.
        overlap: Share of a tile that it has in common with its neighbour, at least.
    """
    height, width = frame_size
    tile_height, tile_width = tile_size(frame_size, grid, overlap=overlap)
    views = [(0, 0, width, height)]
    tops = _offsets(height, tile_height, _fitting(height, grid.rows))
    lefts = _offsets(width, tile_width, _fitting(width, grid.columns))
    if len(tops) * len(lefts) > 1:
        views += [(x, y, x + tile_width, y + tile_height) for y in tops for x in lefts]
    return np.array(views, np.int64)


def _tiles_along(length: int, largest: int, overlap: float) -> int:
    """Returns the fewest tiles along a side that are not longer than `largest` pixels."""
    for count in range(1, MOST_AUTOMATIC_TILES):
        if _tile_length(length, count, overlap) <= largest:
            return count
    return MOST_AUTOMATIC_TILES


def _fitting(length: int, count: int) -> int:
    """Returns how many of `count` tiles fit along a side of `length` pixels, at least one."""
    return max(1, min(count, length // SMALLEST_TILE_PX))


def _tile_length(length: int, count: int, overlap: float) -> int:
    # `count` tiles less the `count - 1` overlaps are the whole length.
    return math.ceil(length / (count - (count - 1) * overlap))


def _offsets(length: int, tile: int, count: int) -> list[int]:
    """Returns where `count` tiles begin, evenly spread; the last one ends at the end."""
    if count == 1:
        return [0]
    return [round(n * (length - tile) / (count - 1)) for n in range(count)]
