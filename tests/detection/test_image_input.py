"""What a network is given: sizes, fits, channels and values, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.detection.image_input import (
    AxisOrder,
    ColourOrder,
    Fit,
    ImageInput,
    image_batch,
    image_geometry,
)
from tracker.detection.letterbox import to_frame, undo_letterbox
from tracker.errors import ConfigError

RED = np.zeros((2, 4, 3), np.uint8) + np.array([255, 0, 51], np.uint8)


def batch(image: np.ndarray, **changes: object) -> np.ndarray:
    wanted = ImageInput(**{"size": (4, 4), **changes})
    geometry = image_geometry(image.shape[:2], wanted, wanted.size_for(image.shape[:2]))
    return image_batch([image], [geometry], wanted)


def test_a_letterbox_lies_in_the_middle_a_corner_at_the_top_a_stretch_everywhere() -> None:
    rows = {
        fit: (batch(RED, fit=fit, axes=AxisOrder.NHWC)[0, :, 0, 0] * 255).round().tolist()
        for fit in Fit
    }
    assert rows == {
        Fit.LETTERBOX: [114, 255, 255, 114],
        Fit.CORNER: [255, 255, 114, 114],
        Fit.STRETCH: [255, 255, 255, 255],
    }


def test_channels_go_where_they_are_wanted() -> None:
    assert batch(RED).shape == (1, 3, 4, 4)
    pixel = batch(RED, fit=Fit.STRETCH, axes=AxisOrder.NHWC, scale=1.0)[0, 0, 0]
    assert pixel.tolist() == [255, 0, 51]
    pixel = batch(RED, fit=Fit.STRETCH, colours=ColourOrder.BGR, scale=1.0)[0, :, 0, 0]
    assert pixel.tolist() == [51, 0, 255]


def test_values_are_scaled_then_less_the_mean_then_by_the_deviation() -> None:
    pixel = batch(RED, fit=Fit.STRETCH, mean=(0.5, 0.0, 0.1), std=(0.25, 1.0, 0.5))[0, :, 0, 0]
    np.testing.assert_allclose(pixel, [2.0, 0.0, 0.2], atol=1e-6)
    assert pixel.dtype == np.float32
    assert batch(RED, dtype="float16").dtype == np.float16


def test_uint8_is_given_as_it_is() -> None:
    pixels = batch(RED, fit=Fit.STRETCH, axes=AxisOrder.NHWC, dtype="uint8", mean=(9.0, 9.0, 9.0))
    assert pixels.dtype == np.uint8
    assert pixels[0, 0, 0].tolist() == [255, 0, 51]


def test_frames_of_two_sizes_share_a_batch() -> None:
    wanted = ImageInput(size=(4, 4))
    images = [RED, np.zeros((8, 8, 3), np.uint8)]
    geometries = [image_geometry(image.shape[:2], wanted, (4, 4)) for image in images]
    assert image_batch(images, geometries, wanted).shape == (2, 3, 4, 4)


def test_any_size_is_the_smallest_that_holds_the_frame() -> None:
    assert ImageInput(long_side=640).size_for((360, 480)) == (480, 640)
    assert ImageInput(long_side=640, stride=1).size_for((360, 480)) == (480, 640)
    assert ImageInput(size=(10, 20)).size_for((360, 480)) == (10, 20)


@given(
    fit=st.sampled_from(list(Fit)),
    frame=st.tuples(st.integers(2, 300), st.integers(2, 300)),
    size=st.tuples(st.integers(8, 300), st.integers(8, 300)),
)
def test_boxes_find_their_way_back(fit: Fit, frame: tuple[int, int], size: tuple[int, int]) -> None:
    geometry = image_geometry(frame, ImageInput(size=size, fit=fit), size)
    (top, left), (height, width) = geometry.offset, geometry.content_size
    whole = np.array([[left, top, left + width, top + height]], np.float32)
    expected = [[0, 0, frame[1], frame[0]]]
    np.testing.assert_allclose(undo_letterbox(whole, geometry), expected, rtol=1e-5, atol=1e-4)
    beyond = to_frame(whole + np.array([-1, 0, 1, 0], np.float32), geometry)
    assert beyond[0, 0] < 0 < frame[1] < beyond[0, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (0, 4)}, "input.size: expected at least 1x1"),
        ({"long_side": 600}, "multiple of the network's stride 32, got 600"),
        ({"stride": 0}, "input.stride: expected at least 1"),
        ({"padding": 300}, "input.padding: expected 0 to 255"),
        ({"scale": 0.0}, "expected above 0"),
        ({"std": (1.0, 0.0, 1.0)}, "expected above 0"),
    ],
)
def test_what_no_network_can_want(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ImageInput(**changes)


def test_it_says_what_it_is() -> None:
    assert str(ImageInput(size=(320, 416))) == (
        "416x320 letterbox rgb nchw float32, (pixel * 0.00392157 - [0.0, 0.0, 0.0]) / "
        "[1.0, 1.0, 1.0]"
    )
    assert str(ImageInput(dtype="uint8", axes=AxisOrder.NHWC)) == (
        "long side 640 letterbox rgb nhwc uint8, pixels as they are"
    )


def test_a_native_size_holds_until_another_is_asked_for() -> None:
    wanted = ImageInput(native_size=(416, 416), fit=Fit.STRETCH)
    assert wanted.size_for((360, 480)) == (416, 416)
    assert str(wanted).startswith("416x416 stretch")
    assert wanted.at_long_side(416) is wanted
    other = wanted.at_long_side(640)
    # 640 * 360 / 480 = 480, a multiple of 32; the aspect is kept.
    assert (other.size_for((360, 480)), other.fit) == ((480, 640), Fit.LETTERBOX)
    corner = ImageInput(native_size=(416, 416), fit=Fit.CORNER).at_long_side(640)
    assert corner.fit is Fit.CORNER
    plain = ImageInput(fit=Fit.STRETCH).at_long_side(320)
    assert (plain.size_for((360, 480)), plain.fit) == ((256, 320), Fit.STRETCH)
    with pytest.raises(ConfigError, match="try 608 or 640"):
        wanted.at_long_side(620)
    with pytest.raises(ConfigError, match=r"input\.native_size: expected at least 1x1"):
        ImageInput(native_size=(0, 416))
