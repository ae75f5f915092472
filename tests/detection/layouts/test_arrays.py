"""Reading specs: axes, sizes, types; and the cells of a grid."""

import numpy as np
import pytest

from tests.detection.layouts.given import nchw, nhwc, spec
from tracker.detection.image_input import Fit, ImageInput
from tracker.detection.layouts.arrays import (
    base_name,
    check_channels,
    declared_axes,
    declared_size,
    fits,
    fitted_input,
)
from tracker.detection.layouts.grid import cell_counts, cells
from tracker.errors import ModelError
from tracker.inference.network import AxisOrder


def test_axes_are_where_the_three_channels_are() -> None:
    assert declared_axes([]) is None
    assert declared_axes([spec("x")]) is None
    assert declared_axes(nchw(None, None)) is AxisOrder.NCHW
    assert declared_axes(nhwc(None, None)) is AxisOrder.NHWC
    assert declared_axes([spec("x", None, None, None, None)]) is None
    assert declared_axes([spec("x", 1, 3, 8, 3)]) is None
    assert declared_axes([spec("x", 3, 64, 64)]) is None


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 64, 96), "grey images, of one channel"),
        ((1, 64, 96, 1), "grey images, of one channel"),
        ((None, 1, None, None), "grey images, of one channel"),
        ((None, None, None, 1), "grey images, of one channel"),
        ((1, 4, 64, 96), "images of 4 channels"),
        ((1, 64, 96, 4), "images of 4 channels"),
    ],
)
def test_an_input_that_takes_no_colours_says_so(
    shape: tuple[int | None, ...], message: str
) -> None:
    with pytest.raises(ModelError, match=f"the network takes {message}; expected images of 3"):
        check_channels(spec("x", *shape))


def test_inputs_that_may_take_colours() -> None:
    for given in (*nchw(None, None), *nhwc(64, 96), spec("x"), spec("x", 1, None, 64, 64)):
        check_channels(given)
    check_channels(spec("x", None, None, None, None))


def test_sizes_are_read_by_the_axes() -> None:
    assert declared_size([]) is None
    assert declared_size(nchw(320, 640)) == (320, 640)
    assert declared_size(nhwc(320, 640)) == (320, 640)
    assert declared_size(nchw(320, None)) is None
    unclear = [spec("x", 1, None, 320, 640)]
    assert declared_size(unclear) == (320, 640)
    assert declared_size(unclear, default=AxisOrder.NHWC) is None
    assert declared_size([spec("x", 64, 64)]) is None


def test_shapes_fit_where_no_known_side_differs() -> None:
    assert fits(spec("x", 1, None, 4), None, 300, 4)
    assert not fits(spec("x", 1, None, 4), None, 300, 5)
    assert not fits(spec("x", 1, 4), None, 300, 4)
    assert fits(spec("x"), None, 300, 4)


def test_names_lose_tensorflows_ending() -> None:
    assert base_name(spec("Detection_Boxes:0")) == "detection_boxes"
    assert base_name(spec("boxes:10")) == "boxes:10"


def test_an_input_follows_the_file() -> None:
    wanted = ImageInput(fit=Fit.STRETCH, stride=64)
    given = fitted_input(wanted, spec("x", 1, 320, 640, 3, dtype="float16"))
    assert (given.size, given.axes, given.dtype) == ((320, 640), AxisOrder.NHWC, "float16")
    assert (given.fit, given.stride) == (Fit.STRETCH, 64)
    for open_spec in (spec("x"), spec("x", None, None, None, None)):
        given = fitted_input(wanted, open_spec)
        assert (given.size, given.axes) == (None, AxisOrder.NCHW)


def test_other_inputs_are_refused() -> None:
    for other in (spec("x", 1, 1, 64, 64), spec("x", 1, 3), spec("x", 1, 64, 64, 4)):
        with pytest.raises(ModelError, match=r"model input x \(1.*expected images of 3 channels"):
            fitted_input(ImageInput(), other)
    with pytest.raises(ModelError, match=r"float64 or uint8; export"):
        fitted_input(ImageInput(), spec("x", 1, 3, 64, 64, dtype="int8"))


def test_cells_are_counted_and_placed() -> None:
    assert cell_counts((32, 64), (8, 16, 64)) == (32, 8, 1)
    place = cells((32, 64), (16, 32))
    np.testing.assert_array_equal(
        place[:5], [[0, 0, 16], [1, 0, 16], [2, 0, 16], [3, 0, 16], [0, 1, 16]]
    )
    np.testing.assert_array_equal(place[8:], [[0, 0, 32], [1, 0, 32]])
    assert place.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        place[0] = 0
