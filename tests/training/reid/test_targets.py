"""Targets from teachers."""

import numpy as np
import pytest

from tracker.errors import DataError
from tracker.training.reid.targets import fused_targets


def unit(count, size, seed):
    vectors = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_cosines_are_the_teachers_mean():
    first, second = unit(6, 9, 0), unit(6, 4, 1)
    targets = fused_targets([first, 3 * second], dimension=8)
    assert (targets.shape, targets.dtype) == ((6, 8), np.float32)
    expected = (first @ first.T + second @ second.T) / 2
    np.testing.assert_allclose(targets @ targets.T, expected, atol=1e-6)


def test_fewer_directions_keep_unit_length_and_what_matters_most():
    # Two groups that are far apart, with a little noise: one direction for each is enough.
    rng = np.random.default_rng(0)
    teacher = np.repeat(np.eye(2, 16, dtype=np.float32), 5, axis=0) + rng.normal(0, 0.01, (10, 16))
    targets = fused_targets([teacher], dimension=2)
    np.testing.assert_allclose(np.linalg.norm(targets, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(targets @ targets.T, np.kron(np.eye(2), np.ones((5, 5))), atol=0.1)


@pytest.mark.parametrize(
    "teachers",
    [
        [],
        [np.zeros((0, 4), np.float32)],
        [unit(3, 4, 0), unit(2, 4, 0)],
        [np.zeros((2, 4), np.float32)],
        [np.full((2, 4), np.nan, np.float32)],
    ],
)
def test_wrong_teachers(teachers):
    with pytest.raises(DataError, match="teachers: expected"):
        fused_targets(teachers, dimension=4)
