"""YOLOX: the grid by hand, at each stride."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detection.layouts.given import check, decode, nchw, spec
from tracker.detection.image_input import Fit
from tracker.detection.layouts.yolox import Yolox
from tracker.errors import ModelError
from tracker.inference.network import ColourOrder

YOLOX = Yolox()


def rows(*, height: int = 64, width: int = 64, classes: int = 2) -> np.ndarray:
    count = sum((height // s) * (width // s) for s in (8, 16, 32))
    return np.zeros((1, count, 5 + classes), np.float32)


def test_nothing_is_found_where_nothing_scores() -> None:
    check(decode(YOLOX, [rows()])[0], [], [], [])


def test_offsets_and_logarithms_count_in_cells() -> None:
    array = rows(height=32, width=64)  # 4x8, 2x4, 1x2 cells
    log2 = np.log(2)
    # Stride 8, row 1, column 3: centre ((0.5 + 3) * 8, (0.25 + 1) * 8), size (16, 8).
    array[0, 1 * 8 + 3] = [0.5, 0.25, log2, 0, 0.8, 0.5, 0.25]
    # Stride 16, row 1, column 2: centre (32, 16), size (16, 32).
    array[0, 32 + 1 * 4 + 2] = [0, 0, 0, log2, 1, 0, 0.5]
    # Stride 32, column 1: centre (64, 32), size (32, 32).
    array[0, 32 + 8 + 1] = [1, 1, 0, 0, 1, 0, 1]
    (found,) = decode(YOLOX, [array], size=(32, 64))
    boxes = [[20, 6, 36, 14], [24, 0, 40, 32], [48, 16, 80, 48]]
    check(found, boxes, [0.4, 0.5, 1], [0, 1, 1])


def test_a_batch_of_two_in_half_precision() -> None:
    array = np.concatenate([rows(), rows()]).astype(np.float16)
    array[1, 0] = [0, 0, 0, 0, 1, 0, 1]
    found = decode(YOLOX, [array])
    assert [len(image.scores) for image in found] == [0, 1]
    check(found[1], [[-4, -4, 4, 4]], [1], [1])


def test_objectness_alone_is_not_enough() -> None:
    array = rows()
    array[0, 0, 4:6] = [0.9, 0.25]
    check(decode(YOLOX, [array])[0], [], [], [])


def test_what_is_not_finite_goes_on_without_a_warning() -> None:
    array = rows()
    array[0, 0] = [0, 0, 1000, 0, 1, 1, 0]  # exp overflows
    array[0, 1] = [0, np.nan, 0, 0, 1, 1, 0]
    array[0, 2] = [0, 0, 0, 0, np.nan, 1, 0]
    (found,) = decode(YOLOX, [array])
    assert len(found.scores) == 3
    assert not np.isfinite(np.column_stack([found.boxes, found.scores])).all(axis=1).any()


@pytest.mark.parametrize("shape", [(84, 7), (1, 252, 7), (1, 84, 5), (1, 7, 84)], ids=str)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"the layout yolox needs .*84 cells for 64x64"):
        decode(YOLOX, [np.zeros(shape, np.float32)])


def test_it_matches_one_row_a_cell() -> None:
    assert YOLOX.matches([spec("output", 1, 3549, 85)], nchw(416, 416))
    assert not YOLOX.matches([spec("output", 1, 10647, 85)], nchw(416, 416))
    assert not YOLOX.matches([spec("output", 1, 3549, 5)], nchw(416, 416))
    assert not YOLOX.matches([spec("outputs", 1, 3549, 85)], nchw(416, 416))  # YOLOv6
    assert not YOLOX.matches([spec("a", 1, 3549, 85), spec("b", 1)], nchw(416, 416))
    assert YOLOX.matches([spec("output", 1, None, 85)], nchw(None, None))
    assert YOLOX.matches([spec("output", 1, 3549, 85)], nchw(None, None))
    assert not YOLOX.matches([spec("output", 1, 3550, 85)], nchw(None, None))
    assert YOLOX.matches([spec("outputs", 1, 3549, 85)])
    assert YOLOX.class_count([spec("output", 1, 3549, 85)]) == 80
    assert YOLOX.class_count([spec("output")]) is None


def test_the_image_it_expects() -> None:
    wanted = YOLOX.image_input(nchw(416, 416)[0])
    assert (wanted.size, wanted.fit, wanted.padding) == ((416, 416), Fit.CORNER, 114)
    assert (wanted.colours, wanted.scale) == (ColourOrder.BGR, 1)
    assert (wanted.mean, wanted.std) == ((0, 0, 0), (1, 1, 1))


def test_no_other_input_is_known() -> None:
    assert YOLOX.extra_inputs(nchw(), input_size=(640, 640)) == []
    with pytest.raises(ModelError, match="scale_factor"):
        YOLOX.extra_inputs([*nchw(), spec("scale_factor", 1, 2)], input_size=(640, 640))


@given(
    st.sampled_from([(8, 0), (16, 64), (32, 80)]),
    st.tuples(st.floats(0, 64), st.floats(0, 64), st.floats(1, 100), st.floats(1, 100)),
    st.data(),
)
@settings(max_examples=25, deadline=None)
def test_an_encoded_box_comes_back(
    level: tuple[int, int], box: tuple[float, float, float, float], data: st.DataObject
) -> None:
    stride, first = level
    side = 64 // stride
    column, row = (data.draw(st.integers(0, side - 1)) for _ in range(2))
    x, y, width, height = box
    array = rows()
    array[0, first + row * side + column] = [
        x / stride - column, y / stride - row, np.log(width / stride), np.log(height / stride),
        0.5, 1, 0,
    ]  # fmt: skip
    (found,) = decode(YOLOX, [array])
    expected = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    np.testing.assert_allclose(found.boxes, [expected], atol=1e-3)
