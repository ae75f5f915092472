import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.detection.letterbox import (
    PADDING,
    check_long_side,
    letterbox,
    letterbox_geometry,
    minimal_input_size,
    undo_letterbox,
)
from tracker.errors import ConfigError, DataError

SIZES = st.tuples(st.integers(1, 700), st.integers(1, 700))


def test_undo_of_nothing():
    geometry = letterbox_geometry((360, 480), (480, 640))
    assert undo_letterbox(np.zeros((0, 4), np.float32), geometry).shape == (0, 4)


@pytest.mark.parametrize(
    ("frame", "long_side", "expected"),
    [
        ((360, 480), 640, (480, 640)),
        ((480, 360), 640, (640, 480)),
        ((1080, 1920), 640, (384, 640)),  # 360 rows of image, next multiple of 32
        ((100, 100), 64, (64, 64)),
        ((1, 5000), 64, (32, 64)),
    ],
)
def test_minimal_input_size(frame, long_side, expected):
    assert minimal_input_size(frame, long_side, stride=32) == expected


@pytest.mark.parametrize(
    ("frame", "long_side", "expected"),
    [
        ((480, 640), 416, (416, 416)),  # 312 * 4 / 3
        ((720, 1280), 640, (480, 640)),  # 360 * 4 / 3
        ((1280, 720), 640, (640, 480)),
        ((100, 1000), 320, (64, 320)),  # 32 * 4 / 3 = 43
        ((500, 500), 320, (320, 320)),
    ],
)
def test_stretched_input_size(frame, long_side, expected):
    assert minimal_input_size(frame, long_side, stride=32, stretch=4 / 3) == expected


def test_stretching_fills_the_input_up_to_its_limit():
    geometry = letterbox_geometry((480, 640), (416, 416), stretch=4 / 3)
    assert (geometry.content_size, geometry.offset) == ((416, 416), (0, 0))
    # 100 x 1000 in 320 pixels: 32 rows, stretched to 43, in the middle of 64.
    geometry = letterbox_geometry((100, 1000), (64, 320), stretch=4 / 3)
    assert (geometry.content_size, geometry.offset) == ((43, 320), (10, 0))
    boxes = np.array([[0, 10, 320, 53]], np.float32)
    np.testing.assert_allclose(undo_letterbox(boxes, geometry), [[0, 0, 1000, 100]], rtol=1e-6)


def test_frame_that_fits_is_not_copied():
    image = np.zeros((64, 96, 3), np.uint8)
    assert letterbox(image, letterbox_geometry((64, 96), (64, 96))) is image


def test_image_lies_in_the_middle_of_grey():
    image = np.full((10, 20, 3), 200, np.uint8)
    result = letterbox(image, letterbox_geometry((10, 20), (32, 40)))
    assert result.shape == (32, 40, 3)
    assert (result[6:26] == 200).all()
    assert (result[:6] == PADDING).all()
    assert (result[26:] == PADDING).all()


def test_undo_scales_moves_and_clips():
    geometry = letterbox_geometry((10, 20), (32, 40))  # doubled, 6 rows of border above
    boxes = np.array([[4, 8, 10, 16], [-5, 0, 50, 32]], np.float32)
    expected = [[2, 1, 5, 5], [0, 0, 20, 10]]
    np.testing.assert_array_equal(undo_letterbox(boxes, geometry), expected)


def test_object_is_found_where_it_was():
    """A white box drawn in the frame lies, by the geometry, where the letterboxed one lies."""
    image = np.zeros((90, 160, 3), np.uint8)
    image[30:60, 40:100] = 255
    geometry = letterbox_geometry((90, 160), (224, 320))
    rows, columns = np.nonzero(letterbox(image, geometry)[..., 0] > 192)
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    found = undo_letterbox(np.array([box], np.float32), geometry)
    np.testing.assert_allclose(found, [[40, 30, 100, 60]], atol=0.6)


@given(frame=SIZES, target=SIZES)
def test_undo_of_the_whole_content_is_the_whole_frame(frame, target):
    geometry = letterbox_geometry(frame, target)
    (top, left), (height, width) = geometry.offset, geometry.content_size
    assert top >= 0 <= left
    assert top + height <= target[0]
    assert left + width <= target[1]
    content = np.array([[left, top, left + width, top + height]], np.float32)
    whole = [[0, 0, frame[1], frame[0]]]
    np.testing.assert_allclose(undo_letterbox(content, geometry), whole, rtol=1e-6)


@given(frame=SIZES, steps=st.integers(1, 20))
def test_minimal_input_wastes_less_than_a_stride(frame, steps):
    size = minimal_input_size(frame, 32 * steps, stride=32)
    geometry = letterbox_geometry(frame, size)
    assert max(size) == 32 * steps
    for whole, content in zip(size, geometry.content_size, strict=True):
        assert whole % 32 == 0
        assert whole - content < 32


@pytest.mark.parametrize(
    ("long_side", "hint"), [(650, "640 or 672"), (10, "32"), (0, "32"), (-64, "32")]
)
def test_long_side_off_the_stride(long_side, hint):
    with pytest.raises(ConfigError, match=f"try {hint}$"):
        minimal_input_size((360, 480), long_side, stride=32)


def test_empty_frame():
    with pytest.raises(DataError, match="frame size"):
        letterbox_geometry((0, 10), (32, 32))


def test_frame_of_another_size():
    geometry = letterbox_geometry((10, 20), (32, 40))
    with pytest.raises(DataError, match="one size"):
        letterbox(np.zeros((11, 20, 3), np.uint8), geometry)


@pytest.mark.parametrize(("stride", "largest"), [(32, 8192), (24, 8184), (1, 8192)])
def test_an_input_that_is_too_large_names_the_largest(stride: int, largest: int) -> None:
    check_long_side(largest, stride=stride)
    for side in (largest + stride, 100_000):
        with pytest.raises(ConfigError, match=f"expected at most {largest} pixels, got {side}"):
            check_long_side(side, stride=stride)
