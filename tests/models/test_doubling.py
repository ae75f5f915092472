"""Doubled images against numbers derived by hand."""

import numpy as np
import pytest

pytest.importorskip("keras")

from tracker.models.doubling import doubled_bilinear, doubled_nearest


def test_nearest_repeats_every_pixel() -> None:
    image = np.float32([[[1, -1], [2, -2]]])[None]  # one row of two pixels, two channels
    row = [[1, -1], [1, -1], [2, -2], [2, -2]]
    np.testing.assert_array_equal(np.asarray(doubled_nearest(image)), [[row, row]])


def test_bilinear_weighs_the_neighbours_by_a_quarter() -> None:
    image = np.float32([[0, 4], [8, 16]])[None, ..., None]
    expected = [[0, 1, 3, 4], [2, 3.25, 5.75, 7], [6, 7.75, 11.25, 13], [8, 10, 14, 16]]
    np.testing.assert_allclose(np.asarray(doubled_bilinear(image))[0, ..., 0], expected)
