"""Vectors of length 1."""

import numpy as np

from tracker.util.vectors import unit_vectors


def test_unit_vectors() -> None:
    vectors = np.array([[3, 4], [0, 0], [1e30, 0]], np.float32)
    np.testing.assert_allclose(unit_vectors(vectors), [[0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)
    assert unit_vectors(np.zeros((0, 5), np.float32)).shape == (0, 5)
