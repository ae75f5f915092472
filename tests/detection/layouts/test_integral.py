"""Which outputs are scores and which sides of boxes, by shapes."""

import pytest

from tracker.detection.layouts.integral import find_levels

STRIDES = (8, 16)


@pytest.mark.parametrize(
    "shapes",
    [
        [],
        [(1, 64, 3)],
        [(1, 64, 3), (1, 16, 3), (1, 64, 32)],
        [(1, 64, 3), (1, 16, 4), (1, 64, 32), (1, 16, 32)],
        [(1, 64, 3), (1, 16, 3), (1, 64, 32), (1, 16, 31)],
        [(1, 64, 3), (1, 16, 3), (1, 64, 32), (1, 17, 32)],
        [(64,), (1, 16, 3), (1, 64, 32), (1, 16, 32)],
        [(1, 4, 16, 3), (1, 4, 4, 3), (1, 8, 8, 32), (1, 4, 4, 32)],
    ],
    ids=["none", "one", "three", "classes", "bins", "cells", "rank", "grid"],
)
def test_other_shapes_are_none(shapes: list[tuple[int, ...]]) -> None:
    assert find_levels(shapes, STRIDES, (64, 64)) is None


def test_outputs_are_ordered_by_cells_whatever_their_order() -> None:
    levels = find_levels([(16, 32), (64, 3), (16, 3), (64, 32)], STRIDES, (64, 64))
    assert levels is not None
    assert (levels.scores, levels.sides, levels.class_count) == ((1, 2), (3, 0), 3)


def test_open_sides_fit_and_keep_their_order() -> None:
    shapes = [(1, 3, None, None), (1, None, None, 32), (1, 3, None, None), (1, None, None, 32)]
    levels = find_levels(shapes, STRIDES, None)
    assert levels is not None
    assert (levels.scores, levels.sides) == ((0, 2), (1, 3))
    assert (levels.are_scores_last, levels.are_sides_last) == (False, True)


def test_as_many_classes_as_columns_do_not_confuse_the_axes() -> None:
    # At stride 8 the map of scores is a cube; that of stride 16 tells which axis is the channels.
    shapes = [(1, 80, 80, 80), (1, 80, 40, 40), (1, 80, 80, 32), (1, 40, 40, 32)]
    levels = find_levels(shapes, STRIDES, (640, 640))
    assert levels is not None
    assert (levels.are_scores_last, levels.class_count) == (False, 80)
    levels = find_levels(
        [(1, 80, 80, 80), (1, 40, 40, 80), (1, 32, 80, 80), (1, 32, 40, 40)], STRIDES, (640, 640)
    )
    assert levels is not None
    assert (levels.are_scores_last, levels.are_sides_last) == (True, False)
