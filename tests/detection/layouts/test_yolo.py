"""YOLOv5's rows and YOLOv8's columns: hand-made numbers, both units, both axis orders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.detection.layouts.given import check, decode, nchw, nhwc, spec
from tracker.detection.image_input import Fit
from tracker.detection.layouts.yolo import BoxUnit, YoloColumns, YoloRows
from tracker.errors import ModelError
from tracker.inference.network import AxisOrder, ColourOrder

V5, V8 = YoloRows(), YoloColumns()
V5_SHARES, V8_SHARES = (kind("shares", unit=BoxUnit.SHARES) for kind in (YoloRows, YoloColumns))

# 64x64 has 8x8 + 4x4 + 2x2 = 84 cells and 252 anchors of YOLOv5.
CELLS, ANCHORS = 84, 252


def rows(*filled: list[float], classes: int = 2, count: int = ANCHORS) -> np.ndarray:
    """One image of YOLOv5 whose first rows are these."""
    array = np.zeros((1, count, 5 + classes), np.float32)
    for index, row in enumerate(filled):
        array[0, index] = row
    return array


def columns(*filled: list[float], classes: int = 2) -> np.ndarray:
    """One image of YOLOv8 whose first columns are these."""
    array = np.zeros((1, 4 + classes, CELLS), np.float32)
    for index, column in enumerate(filled):
        array[0, :, index] = column
    return array


def test_nothing_is_found_where_nothing_scores() -> None:
    for layout, array in ((V5, rows()), (V8, columns())):
        (found,) = decode(layout, [array])
        check(found, [], [], [])
        assert found.masks is None


def test_a_row_is_centre_size_objectness_classes() -> None:
    # 16 +- 4, 20 +- 6; 0.8 * 0.5.
    (found,) = decode(V5, [rows([16, 20, 8, 12, 0.8, 0.25, 0.5])])
    check(found, [[12, 14, 20, 26]], [0.4], [1])


def test_a_column_is_centre_size_classes() -> None:
    (found,) = decode(V8, [columns([16, 20, 8, 12, 0.25, 0.5], [1, 1, 2, 2, 0.9, 0.1])])
    check(found, [[12, 14, 20, 26], [0, 0, 2, 2]], [0.5, 0.9], [1, 0])


def test_shares_are_of_width_and_height() -> None:
    # Input 32 high and 64 wide: centre (16, 16), size (32, 8).
    box = [0.25, 0.5, 0.5, 0.25]
    v5 = rows([*box, 1, 0.5, 0], count=126)
    v8 = np.zeros((1, 6, 42), np.float32)
    v8[0, :, 0] = [*box, 0.5, 0]
    for layout, array in ((V5_SHARES, v5), (V8_SHARES, v8)):
        (found,) = decode(layout, [array], size=(32, 64))
        check(found, [[0, 12, 32, 20]], [0.5], [0])


def test_what_scores_the_least_or_less_is_left_out() -> None:
    # 0.5 * 0.5 is exactly 0.25; the second has enough objectness, but not enough with its class.
    array = rows([9, 9, 2, 2, 0.5, 0.5, 0], [9, 9, 2, 2, 0.9, 0.2, 0.1], [9, 9, 2, 2, 0.5, 0, 0.75])
    (found,) = decode(V5, [array])
    check(found, [[8, 8, 10, 10]], [0.375], [1])
    (found,) = decode(V8, [columns([9, 9, 2, 2, 0.25, 0.2], [9, 9, 2, 2, 0, 0.375])])
    check(found, [[8, 8, 10, 10]], [0.375], [1])


def test_a_batch_is_decoded_image_by_image() -> None:
    two = [rows([16, 20, 8, 12, 1, 0, 0.5]), rows(), rows([9, 9, 2, 2, 1, 1, 0])]
    found = decode(V5, [np.concatenate(two)])
    assert [len(image.scores) for image in found] == [1, 0, 1]
    check(found[2], [[8, 8, 10, 10]], [1], [0])
    found = decode(V8, [np.concatenate([columns(), columns([9, 9, 2, 2, 0.5, 0.75])])])
    assert [len(image.scores) for image in found] == [0, 1]
    check(found[1], [[8, 8, 10, 10]], [0.75], [1])


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "uint8"])
def test_other_number_types_are_taken(dtype: str) -> None:
    array = rows([16, 20, 8, 12, 1, 0, 1]).astype(dtype)
    check(decode(V5, [array])[0], [[12, 14, 20, 26]], [1], [1])
    array = columns([16, 20, 8, 12, 0, 1]).astype(dtype)
    check(decode(V8, [array])[0], [[12, 14, 20, 26]], [1], [1])


def test_what_is_not_finite_goes_on_without_a_warning() -> None:
    nan, inf = np.nan, np.inf
    array = rows(
        [nan, 1, 1, 1, 1, 1, 0], [inf, 1, inf, 1, 1, 1, 0], [1, 1, 1, 1, nan, 1, 0],
        [1, 1, 1, 1, 1, nan, 0], [1, 1, 1, 1, inf, 0, 0],
    )  # fmt: skip
    (found,) = decode(V5, [array])
    np.testing.assert_array_equal(np.isfinite(found.scores), [True, True, False, False, False])
    assert not np.isfinite(found.boxes[:2]).all(axis=1).any()
    (found,) = decode(V8, [columns([nan, 1, 1, 1, 1, 0], [1, 1, 1, 1, nan, 0])])
    np.testing.assert_array_equal(np.isfinite(found.scores), [True, False])


def test_raw_maps_beside_the_rows_are_left_unread() -> None:
    raw = [np.ones((1, 3, side, side, 7), np.float32) for side in (8, 4, 2)]
    outputs = [spec("rows", 1, ANCHORS, 7), *(spec("raw", *array.shape) for array in raw)]
    assert V5.matches(outputs, nchw(64, 64))
    assert V5.class_count(outputs) == 2
    check(decode(V5, [rows([16, 20, 8, 12, 1, 0, 1]), *raw])[0], [[12, 14, 20, 26]], [1], [1])


def test_small_inputs_have_fewer_anchors_than_channels() -> None:
    # 32x32: 21 cells and 63 anchors, fewer than 80 classes.
    (found,) = decode(
        V5, [rows([9, 9, 2, 2, 1, *[0] * 79, 1], classes=80, count=63)], size=(32, 32)
    )
    check(found, [[8, 8, 10, 10]], [1], [79])
    (found,) = decode(V8, [np.full((1, 84, 21), 0.5, np.float32)], size=(32, 32))
    assert len(found.scores) == 21


@pytest.mark.parametrize(
    "shape", [(252, 7), (1, 252, 5), (1, 7, 253), (1, 252, 7, 1), (1, 2, 7)], ids=str
)
def test_rows_refuse_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"the layout yolov5 needs one output \(batch, anchors"):
        decode(V5, [np.zeros(shape, np.float32)])


@pytest.mark.parametrize("shape", [(6, 84), (1, 4, 84), (1, 85, 6), (1, 6, 84, 1)], ids=str)
def test_columns_refuse_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"the layout yolov8 needs one output \(batch, 4 \+"):
        decode(V8, [np.zeros(shape, np.float32)])


def test_two_outputs_are_refused() -> None:
    for layout in (V5, V8):
        with pytest.raises(ModelError, match="got arrays of the shapes"):
            decode(layout, [rows(), rows()])
        assert not layout.matches([spec("a", 1, 252, 7), spec("b", 1, 252, 7)])


def test_rows_match_three_anchors_a_cell() -> None:
    assert V5.matches([spec("output0", 1, 25200, 85)], nchw())
    assert V5.matches([spec("output0", 1, 102000, 85)], nchw(1280, 1280))  # strides 8 to 64
    assert not V5.matches([spec("output0", 1, 8400, 85)], nchw())
    assert not V5.matches([spec("output0", 1, 25200, 5)], nchw())
    assert not V5.matches([spec("output0", 1, 84, 25200)], nchw())
    # YOLOv6 has one anchor a cell, and calls its output so.
    assert V5.matches([spec("outputs", 1, 8400, 85)], nchw())
    # By name, the number of anchors is free.
    assert V5.matches([spec("output0", 1, 8400, 85)])


def test_columns_match_one_anchor_a_cell() -> None:
    assert V8.matches([spec("output0", 1, 84, 8400)], nchw())
    assert V8.matches([spec("output0", 1, 84, 34000)], nchw())  # 160, 80, 40, 20 squared
    assert not V8.matches([spec("output0", 1, 84, 8401)], nchw())
    assert not V8.matches([spec("output0", 1, 8400, 84)], nchw())
    assert not V8.matches([spec("output0", 1, 4, 8400)], nchw())
    assert V8.matches([spec("output0", 1, 84, 84)], nchw(64, 64))


def test_axes_tell_pixels_from_shares() -> None:
    for pixels, shares, shape in ((V5, V5_SHARES, (25200, 85)), (V8, V8_SHARES, (84, 8400))):
        outputs = [spec("output0", 1, *shape)]
        assert pixels.matches(outputs, nchw())
        assert not shares.matches(outputs, nchw())
        assert shares.matches(outputs, nhwc())
        assert not pixels.matches(outputs, nhwc())
        # Without the inputs both are possible.
        assert pixels.matches(outputs)
        assert shares.matches(outputs)


def test_dynamic_sides_match_where_the_rest_fits() -> None:
    assert V5.matches([spec("o", None, None, 85)], nchw(None, None))
    assert not V8.matches([spec("o", None, None, 85)], nchw(None, None))
    assert V8.matches([spec("o", None, 84, None)], nchw(None, None))
    assert not V5.matches([spec("o", None, 84, None)], nchw(None, None))
    for layout in (V5, V8):
        assert layout.matches([spec("o", None, None, None)], nchw())
        assert layout.matches([spec("o")], nchw())  # a rank that the file does not tell
        assert layout.class_count([spec("o", None, None, None)]) is None
        assert layout.class_count([spec("o")]) is None
    # 8400 = 21 * 400 columns fit some size; 8401 fit none.
    assert V8.matches([spec("o", 1, 84, 8400)], nchw(None, None))
    assert not V8.matches([spec("o", 1, 84, 8401)], nchw(None, None))


def test_classes_are_counted() -> None:
    assert V5.class_count([spec("o", 1, 25200, 85)]) == 80
    assert V8.class_count([spec("o", 1, 84, 8400)]) == 80


def test_the_image_they_want() -> None:
    for layout, axes in ((V5, AxisOrder.NCHW), (V8_SHARES, AxisOrder.NHWC)):
        wanted = layout.image_input(spec("images", None, None, None, None))
        assert (wanted.size, wanted.stride, wanted.axes) == (None, 32, axes)
        assert (wanted.fit, wanted.padding, wanted.colours) == (Fit.LETTERBOX, 114, ColourOrder.RGB)
        assert wanted.scale == pytest.approx(1 / 255)
    wanted = V8_SHARES.image_input(spec("images", 1, 3, 320, 640))
    assert (wanted.size, wanted.axes) == ((320, 640), AxisOrder.NCHW)


def test_no_other_input_is_known() -> None:
    assert V5.extra_inputs(nchw(), input_size=(640, 640), count=2) == []
    with pytest.raises(ModelError, match="im_shape"):
        V8.extra_inputs([*nchw(), spec("im_shape", 1, 2)], input_size=(640, 640))


boxes_given = hnp.arrays(np.float32, (5, 4), elements=st.floats(1, 60, width=32))


@given(boxes_given, hnp.arrays(np.int64, 5, elements=st.integers(0, 2)))
@settings(max_examples=25, deadline=None)
def test_boxes_come_back(centres: np.ndarray, classes: np.ndarray) -> None:
    corners = np.hstack([centres[:, :2] - centres[:, 2:] / 2, centres[:, :2] + centres[:, 2:] / 2])
    scores = np.linspace(0.3, 0.9, 5, dtype=np.float32)
    shown = np.eye(3, dtype=np.float32)[classes] * scores[:, None]
    v8 = columns(*np.hstack([centres, shown]).tolist(), classes=3)
    v5 = rows(*np.hstack([centres, np.ones((5, 1)), shown]).tolist(), classes=3)
    unit = np.array([64, 64, 64, 64], np.float32)
    scaled8, scaled5 = v8.copy(), v5.copy()
    scaled8[:, :4] /= unit[:, None]
    scaled5[..., :4] /= unit
    for layout, array in ((V5, v5), (V8, v8), (V5_SHARES, scaled5), (V8_SHARES, scaled8)):
        (found,) = decode(layout, [array])
        check(found, corners.tolist(), scores.tolist(), classes.tolist())
