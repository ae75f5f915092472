"""Cutting boxes out of images."""

import numpy as np
import pytest

from tracker.embedding.crops import OUTSIDE, cut_crops


def gradient(height=60, width=100):
    """Red tells the column, green the row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(width), np.arange(height)[:, None]
    return image


def cut(*boxes, height=8, width=4, image=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return cut_crops(gradient() if image is None else image, boxes, height=height, width=width)


def test_no_box_gives_no_crop():
    assert cut().shape == (0, 8, 4, 3)


def test_a_box_of_the_crops_size_is_copied_as_it_is():
    np.testing.assert_array_equal(cut([10, 20, 14, 28])[0], gradient()[20:28, 10:14])


def test_edges_are_rounded_to_whole_pixels():
    np.testing.assert_array_equal(cut([10.4, 19.6, 13.6, 28.4])[0], gradient()[20:28, 10:14])


def test_a_larger_box_is_averaged():
    # Columns 10..17 in pairs: means 10.5, 12.5, ...; OpenCV rounds halves to even or up.
    crop = cut([10, 0, 18, 16])[0].astype(float)
    np.testing.assert_allclose(crop[0, :, 0], [10.5, 12.5, 14.5, 16.5], atol=0.5)
    np.testing.assert_allclose(crop[:, 0, 1], np.arange(8) * 2 + 0.5, atol=0.5)


def test_what_reaches_out_is_cut_to_the_image():
    np.testing.assert_array_equal(cut([-50, -9, 4, 8])[0], cut([0, 0, 4, 8])[0])
    np.testing.assert_array_equal(cut([96, 52, 400, 900])[0], gradient()[52:60, 96:100])


@pytest.mark.parametrize(
    "box", [[-9, 0, -1, 8], [100, 0, 120, 8], [0, -20, 4, -3], [0, 60, 4, 70], [200, 200, 210, 210]]
)
def test_a_box_outside_is_even_grey(box):
    assert (cut(box) == OUTSIDE).all()


@pytest.mark.parametrize(
    ("box", "x", "y"),
    [
        ([5.1, 7.1, 5.2, 7.3], 5, 7),
        ([99.9, 59.9, 130, 80], 99, 59),
        ([-5, -5, 0.1, 0.1], 0, 0),
        ([5.6, 7.7, 5.9, 7.8], 5, 7),
    ],
)
def test_a_thin_box_is_the_pixel_that_it_lies_in(box, x, y):
    assert (cut(box) == gradient()[y, x]).all()


def test_huge_boxes_do_not_overflow():
    assert cut([-1e30, -1e30, 1e30, 1e30]).shape == (1, 8, 4, 3)


def test_images_are_not_written_to():
    image = gradient()
    image.setflags(write=False)
    crops = cut([0, 0, 4, 8], [2, 2, 90, 50], image=image)
    np.testing.assert_array_equal(crops[0], image[:8, :4])
