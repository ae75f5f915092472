"""NanoDet and NanoDet-Plus: expected distances by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detection.layouts.given import check, decode, nchw, nhwc, spec
from tracker.detection.image_input import Fit
from tracker.detection.layouts.nanodet import PICODET, NanoDet, NanoDetPlus
from tracker.errors import ModelError
from tracker.inference.network import ColourOrder

NANODET, PLUS = NanoDet(), NanoDetPlus()

# A 32x32 input has 16, 4, 1 and (stride 64, which stands out of it) 1 cells.


def sides(cells: int, bins: tuple[int, ...] = (0, 1, 2, 3)) -> np.ndarray:
    """Distributions that lie on one bin for left, top, right, bottom."""
    logits = np.full((1, cells, 4, 8), -100, np.float32)
    for side, chosen in enumerate(bins):
        logits[..., side, chosen] = 100
    return logits.reshape(1, cells, 32)


def scores(cells: int, *filled: tuple[int, int, float]) -> np.ndarray:
    array = np.zeros((1, cells, 3), np.float32)
    for cell, label, score in filled:
        array[0, cell, label] = score
    return array


def test_nothing_is_found_where_nothing_scores() -> None:
    outputs = [part for cells in (16, 4, 1) for part in (scores(cells), sides(cells))]
    check(decode(NANODET, outputs, size=(32, 32))[0], [], [], [])
    plus = np.concatenate([scores(22), sides(22)], axis=2)
    check(decode(PLUS, [plus], size=(32, 32))[0], [], [], [])


def test_distances_are_expected_values_from_the_centre() -> None:
    fine = scores(16, (0, 2, 0.5), (1, 0, 0.75))
    outputs = [scores(1, (0, 1, 0.9)), sides(4), fine, sides(1), sides(16), scores(4, (3, 0, 0.3))]
    (found,) = decode(NANODET, outputs, size=(32, 32))
    boxes = [
        [4, -4, 20, 28],  # stride 8: centre (4, 4), distances 0, 8, 16, 24
        [12, -4, 28, 28],  # 8 to the right
        [24, 8, 56, 72],  # stride 16: centre (24, 24), distances 0, 16, 32, 48
        [16, -16, 80, 112],  # stride 32: centre (16, 16)
    ]
    check(found, boxes, [0.5, 0.75, 0.3, 0.9], [2, 0, 0, 1])


def test_even_shares_are_three_and_a_half_strides() -> None:
    outputs = [scores(16, (0, 0, 1)), scores(4), scores(1)]
    outputs += [np.zeros((1, n, 32), np.float32) for n in (16, 4, 1)]
    (found,) = decode(NANODET, outputs, size=(32, 32))
    check(found, [[4 - 28, 4 - 28, 4 + 28, 4 + 28]], [1], [0])


def test_each_class_of_a_cell_counts() -> None:
    outputs = [scores(16), scores(4), scores(1, (0, 0, 0.5), (0, 2, 0.75))]
    outputs += [sides(n) for n in (16, 4, 1)]
    (found,) = decode(NANODET, outputs, size=(32, 32))
    check(found, [[16, -16, 80, 112]] * 2, [0.5, 0.75], [0, 2])


def test_outputs_without_a_batch_side_are_one_image() -> None:
    outputs = [scores(16, (5, 1, 0.5))[0], scores(4)[0], scores(1)[0]]
    outputs += [sides(n)[0] for n in (16, 4, 1)]
    (found,) = decode(NANODET, outputs, size=(32, 32))
    check(found, [[12, 4, 28, 36]], [0.5], [1])


def test_wide_inputs_have_wide_grids() -> None:
    # 32x64: 4x8, 2x4, 1x2 cells; the last of stride 8 has its centre at (60, 28).
    outputs = [scores(32, (31, 0, 1)), scores(8), scores(2)]
    outputs += [sides(n, (1, 1, 1, 1)) for n in (32, 8, 2)]
    (found,) = decode(NANODET, outputs, size=(32, 64))
    check(found, [[52, 20, 68, 36]], [1], [0])


def test_plus_counts_from_the_corner_of_a_cell() -> None:
    shown = scores(22, (5, 0, 0.5), (19, 1, 0.75), (20, 2, 0.6), (21, 0, 0.7))
    plus = np.concatenate([shown, sides(22)], axis=2)
    (found,) = decode(PLUS, [plus], size=(32, 32))
    boxes = [
        [8, 0, 24, 32],  # stride 8: corner (8, 8), distances 0, 8, 16, 24
        [16, 0, 48, 64],  # stride 16: corner (16, 16)
        [0, -32, 64, 96],  # stride 32: corner (0, 0)
        [0, -64, 128, 192],  # stride 64
    ]
    check(found, boxes, [0.5, 0.75, 0.6, 0.7], [0, 1, 2, 0])


def plus_parts() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Scores and sides of the four strides of a 32x64 input: 4x8, 2x4, 1x2 and 1x1 cells."""
    filled = [(32, (9, 0, 0.5)), (8, (6, 1, 0.75)), (2, (1, 2, 0.6)), (1, (0, 0, 0.7))]
    return [scores(count, found) for count, found in filled], [sides(n) for n, _ in filled]


def test_picodet_counts_from_the_centre_of_a_cell() -> None:
    shown, distances = plus_parts()
    boxes = [
        [12 - 0, 12 - 8, 12 + 16, 12 + 24],  # stride 8: row 1, column 1
        [40 - 0, 24 - 16, 40 + 32, 24 + 48],  # stride 16: row 1, column 2
        [48 - 0, 16 - 32, 48 + 64, 16 + 96],  # stride 32: row 0, column 1
        [32 - 0, 32 - 64, 32 + 128, 32 + 192],  # stride 64
    ]
    # In the order of PaddleDetection's deployed file: all scores, then all sides.
    (found,) = decode(PICODET, [*shown, *distances], size=(32, 64))
    check(found, boxes, [0.5, 0.75, 0.6, 0.7], [0, 1, 2, 0])
    one = np.concatenate([np.concatenate(shown, axis=1), np.concatenate(distances, axis=1)], axis=2)
    (found,) = decode(PICODET, [one], size=(32, 64))
    check(found, boxes, [0.5, 0.75, 0.6, 0.7], [0, 1, 2, 0])


def as_map(array: np.ndarray, rows: int) -> np.ndarray:
    return array.reshape(1, rows, -1, array.shape[2])


@pytest.mark.parametrize("are_scores_last", [True, False])
@pytest.mark.parametrize("are_sides_last", [True, False])
def test_maps_of_either_axis_order_are_the_same_cells(
    are_scores_last: bool, are_sides_last: bool
) -> None:
    shown, distances = plus_parts()
    expected = decode(PLUS, [*shown, *distances], size=(32, 64))[0]
    maps = []
    # From the largest stride to the smallest, sides before scores, as an ncnn network names them.
    for rows, score, side in reversed([*zip((4, 2, 1, 1), shown, distances, strict=True)]):
        pair = [(as_map(side, rows), are_sides_last), (as_map(score, rows), are_scores_last)]
        maps += [array if is_last else array.transpose(0, 3, 1, 2) for array, is_last in pair]
    (found,) = decode(PLUS, maps, size=(32, 64))
    check(found, expected.boxes.tolist(), [0.5, 0.75, 0.6, 0.7], [0, 1, 2, 0])
    assert PLUS.matches([spec(f"o{n}", *array.shape) for n, array in enumerate(maps)], nchw(32, 64))


def test_a_batch_of_two_in_half_precision() -> None:
    outputs = [np.concatenate([scores(n), scores(n, (0, 1, 0.5))]) for n in (16, 4, 1)]
    outputs += [np.concatenate([sides(n), sides(n, (1, 1, 1, 1))]) for n in (16, 4, 1)]
    found = decode(NANODET, [array.astype(np.float16) for array in outputs], size=(32, 32))
    assert [len(image.scores) for image in found] == [0, 3]
    check(found[1], [[-4, -4, 12, 12], [-8, -8, 24, 24], [-16, -16, 48, 48]], [0.5] * 3, [1] * 3)
    plus = np.concatenate([scores(22, (0, 1, 0.5)), sides(22)], axis=2)
    found = decode(PLUS, [np.concatenate([plus, plus * 0])], size=(32, 32))
    assert [len(image.scores) for image in found] == [1, 0]


def test_what_is_not_finite_goes_on_without_a_warning() -> None:
    outputs = [scores(16, (0, 0, np.nan), (1, 0, 1), (2, 0, np.inf)), scores(4), scores(1)]
    outputs += [sides(n) for n in (16, 4, 1)]
    outputs[3][0, 1, 0] = np.nan
    outputs[3][0, 2, 0] = np.inf
    (found,) = decode(NANODET, outputs, size=(32, 32))
    assert len(found.scores) == 3
    assert not np.isfinite(np.column_stack([found.boxes, found.scores])).all(axis=1).any()


@pytest.mark.parametrize(
    "shapes",
    [
        [(16, 32), (16, 80)],
        [(1, n, c) for n in (16, 4, 2) for c in (80, 32)],
        [(1, n, c) for n in (16, 4, 1) for c in (32, 32)],
        [(1, 16, 80), (1, 4, 80), (1, 1, 79), (1, 16, 32), (1, 4, 32), (1, 1, 32)],
        [(1, 16, 80), (2, 4, 80), (1, 1, 80), (1, 16, 32), (1, 4, 32), (1, 1, 32)],
        [(1, n, c) for n in (16, 4, 1) for c in (80, 44)],
        [(1, 1, n, c) for n in (16, 4, 1) for c in (80, 32)],
    ],
    ids=["two", "cells", "32 classes", "classes", "batch", "bins", "rank"],
)
def test_other_outputs_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ModelError, match=r"the layout nanodet needs six outputs"):
        decode(NANODET, [np.zeros(shape, np.float32) for shape in shapes], size=(32, 32))


@pytest.mark.parametrize("shape", [(1, 21, 112), (1, 22, 32), (22, 112)], ids=str)
def test_plus_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"the layout nanodet-plus needs .*22 cells for 32x32"):
        decode(PLUS, [np.zeros(shape, np.float32)], size=(32, 32))


def six(*cells: int | None, classes: int | None = 80) -> list:
    return [
        spec(f"{kind}{n}", 1, n, channels)
        for n in cells
        for kind, channels in (("cls", classes), ("box", 32))
    ]


def test_nanodet_matches_six_outputs() -> None:
    assert NANODET.matches(six(1600, 400, 100), nchw(320, 320))
    assert NANODET.matches(six(100, 400, 1600))
    assert NANODET.matches(six(None, None, None), nchw(None, None))
    assert NANODET.matches(
        [spec(s.name, *s.shape[1:]) for s in six(1600, 400, 100)], nchw(320, 320)
    )
    assert not NANODET.matches(six(1600, 400, 101), nchw(320, 320))
    assert not NANODET.matches(six(1600, 400, 100, classes=32), nchw(320, 320))
    assert not NANODET.matches(six(1600, 400, 100, classes=32)[:4], nchw(320, 320))
    assert not NANODET.matches(six(1600, 400, 100)[:5])
    mixed = six(1600, 400, 100)
    mixed[0] = spec("cls", 1, 1599, 80)
    assert not NANODET.matches(mixed)
    assert NANODET.class_count(six(1600, 400, 100)) == 80
    assert NANODET.class_count(six(1600, 400, 100, classes=None)) is None


def test_plus_matches_one_output_of_its_cells() -> None:
    assert PLUS.matches([spec("output", 1, 3598, 112)], nchw(416, 416))
    assert PLUS.matches([spec("output", 1, 2125, 112)], nchw(320, 320))
    assert not PLUS.matches([spec("output", 1, 3549, 112)], nchw(416, 416))
    assert not PLUS.matches([spec("output", 1, 3598, 32)], nchw(416, 416))
    assert PLUS.matches([spec("output", 1, None, 112)], nchw(None, None))
    assert not PLUS.matches([spec("output", 1, 84, None)], nchw(None, None))
    assert not PLUS.matches(six(1600, 400, 100))
    assert PLUS.class_count([spec("output", 1, 3598, 112)]) == 80
    assert PLUS.class_count([spec("output")]) is None


def test_the_images_they_want() -> None:
    wanted = NANODET.image_input(nchw(416, 416)[0])
    assert (wanted.fit, wanted.padding, wanted.size) == (Fit.LETTERBOX, 128, (416, 416))
    plus = PLUS.image_input(nhwc(None, None)[0])
    assert (plus.fit, plus.size) == (Fit.STRETCH, None)
    assert plus.size_for((360, 480)) == (416, 416)
    pico = PICODET.image_input(nchw(416, 416)[0])
    assert (pico.fit, pico.size, pico.colours) == (Fit.STRETCH, (416, 416), ColourOrder.RGB)
    assert (pico.mean[0], pico.std[2]) == (123.675, 57.375)
    for image in (wanted, plus):
        assert (image.colours, image.scale) == (ColourOrder.BGR, 1)
        assert (image.mean[0], image.std[2]) == (103.53, 58.395)


def test_no_other_input_is_known() -> None:
    for layout in (NANODET, PLUS):
        assert layout.extra_inputs(nchw(), input_size=(640, 640)) == []
        with pytest.raises(ModelError, match=layout.name):
            layout.extra_inputs([*nchw(), spec("more", 1)], input_size=(640, 640))


@given(st.tuples(*[st.floats(0, 7)] * 4), st.integers(0, 21))
@settings(max_examples=25, deadline=None)
def test_distances_come_back(distances: tuple[float, ...], cell: int) -> None:
    # The mean of a distribution on two neighbouring bins is any number between them.
    share = np.zeros((4, 8))
    for side, distance in enumerate(distances):
        low = min(int(distance), 6)
        share[side, low], share[side, low + 1] = low + 1 - distance, distance - low
    logits = np.log(np.maximum(share, 1e-30)).astype(np.float32)
    plus = np.concatenate(
        [scores(22, (cell, 0, 1)), np.tile(logits.reshape(1, 1, 32), (1, 22, 1))], 2
    )
    (found,) = decode(PLUS, [plus], size=(32, 32))
    levels = [(8, 4, 0), (16, 2, 16), (32, 1, 20), (64, 1, 21)]
    stride, columns, first = max(
        (level for level in levels if level[2] <= cell), key=lambda v: v[2]
    )
    row, column = divmod(cell - first, columns)
    left, top, right, bottom = distances
    expected = np.array([column - left, row - top, column + right, row + bottom]) * stride
    np.testing.assert_allclose(found.boxes, [expected], atol=2e-3)
