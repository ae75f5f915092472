"""Grids of tiles: words, sizes, coverage, the automatic grid."""

import numpy as np
import pytest

from tracker.detection.slice_grid import (
    SliceGrid,
    automatic_grid,
    check_overlap,
    frame_and_tiles,
    parse_slices,
    tile_size,
)
from tracker.errors import ConfigError


def test_words() -> None:
    assert parse_slices("2x3") == SliceGrid(rows=2, columns=3)
    assert parse_slices("auto") is None
    assert str(SliceGrid(2, 3)) == "2x3"


@pytest.mark.parametrize("text", ["", "2", "2x", "x2", "2x2x2", "-1x2", "2 x 2", "two", "off"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected ROWSxCOLUMNS such as 2x2, auto or off, got"):
        parse_slices(text)


@pytest.mark.parametrize("text", ["0x2", "2x0", "17x1", "1x999999999"])
def test_grids_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected 1 to 16 rows and columns, got"):
        parse_slices(text)


@pytest.mark.parametrize("overlap", [-0.1, 0.51, float("nan")])
def test_overlaps_out_of_range_are_refused(overlap: float) -> None:
    with pytest.raises(ConfigError, match=r"expected a share in \[0, 0.5\], got"):
        check_overlap(overlap)


def test_two_tiles_share_a_fifth_of_each() -> None:
    # Two tiles of 100 with 20 in common: 180.
    views = frame_and_tiles((180, 90), SliceGrid(2, 1), overlap=0.2)
    assert views.tolist() == [[0, 0, 90, 180], [0, 0, 90, 100], [0, 80, 90, 180]]


def test_tiles_go_row_by_row() -> None:
    views = frame_and_tiles((64, 128), SliceGrid(2, 2), overlap=0.0)
    assert views[1:, :2].tolist() == [[0, 0], [64, 0], [0, 32], [64, 32]]


def test_one_tile_is_the_frame() -> None:
    assert frame_and_tiles((48, 64), SliceGrid(1, 1), overlap=0.2).tolist() == [[0, 0, 64, 48]]


@pytest.mark.parametrize(("size", "tiles"), [((1, 1), 1), ((63, 63), 1), ((63, 64), 2)])
def test_no_tile_is_smaller_than_32_pixels(size: tuple[int, int], tiles: int) -> None:
    views = frame_and_tiles(size, SliceGrid(2, 2), overlap=0.2)
    assert len(views) == (1 if tiles == 1 else 1 + tiles)


def test_tiles_cover_every_frame_and_are_of_one_size() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        size = (int(rng.integers(1, 400)), int(rng.integers(1, 400)))
        grid = SliceGrid(int(rng.integers(1, 6)), int(rng.integers(1, 6)))
        overlap = float(rng.uniform(0, 0.5))
        views = frame_and_tiles(size, grid, overlap=overlap)
        covered = np.zeros(size, bool)
        for x1, y1, x2, y2 in views[1:].tolist() or views.tolist():
            assert (y2 - y1, x2 - x1) == tile_size(size, grid, overlap=overlap)
            assert 0 <= x1 < x2 <= size[1]
            assert 0 <= y1 < y2 <= size[0]
            covered[y1:y2, x1:x2] = True
        assert covered.all()


@pytest.mark.parametrize(
    ("frame", "given", "grid"),
    [
        ((360, 480), (320, 416), "1x1"),  # reduced by 1.15
        ((768, 832), (384, 416), "1x1"),  # by 2, which is allowed
        ((1080, 1920), (384, 640), "2x2"),  # 1067 columns: by 1.67
        ((480, 2000), (160, 416), "2x3"),  # 770 columns in three, 267 rows in two
        ((2160, 3840), (384, 640), "3x3"),  # as many as there may be
    ],
)
def test_the_automatic_grid(frame: tuple[int, int], given: tuple[int, int], grid: str) -> None:
    assert str(automatic_grid(frame, given, overlap=0.2)) == grid
