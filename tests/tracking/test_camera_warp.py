"""Tracks in the pixels of the next frame: against hand-derived numbers and full matrices."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import DataError
from tracker.tracking import kalman
from tracker.tracking.camera_warp import warp
from tracker.tracking.kalman import VARIANCE
from tracker.tracks import CameraMotion
from tracker.util.arrays import Float64Array

NOISE = kalman.MotionNoise()


def followed(*boxes: tuple[float, float, float, float]) -> Float64Array:
    """Filter states after a few steps, so that no entry is zero by chance."""
    measurements = np.array(boxes)
    state = kalman.initiate(measurements, NOISE)
    for step in range(1, 5):
        state = kalman.predict(state, dt=1.0, noise=NOISE)
        seen = measurements + step * np.array([3.0, -2.0, 0.01, 0.5])
        state = kalman.update(state, seen, noise=NOISE)
    return state


motions = st.builds(
    CameraMotion,
    scale=st.floats(0.5, 2),
    rotation_rad=st.floats(-0.5, 0.5),
    shift=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
)


def test_no_tracks() -> None:
    assert warp(np.zeros((5, 4, 0)), CameraMotion(2.0, 0.1, (3, 4))).shape == (5, 4, 0)


def test_a_camera_that_stands_still_changes_nothing() -> None:
    state = followed((50, 60, 0.5, 40))
    np.testing.assert_array_equal(warp(state, CameraMotion.identity()), state)


def test_a_shift_moves_the_centre_alone() -> None:
    state = followed((50, 60, 0.5, 40))
    moved = warp(state, CameraMotion(shift=(7, -9)))
    difference = kalman.means(moved) - kalman.means(state)
    np.testing.assert_allclose(difference, [[7, -9, 0, 0, 0, 0, 0, 0]], atol=1e-12)
    np.testing.assert_array_equal(moved[VARIANCE:], state[VARIANCE:])


def test_a_quarter_turn_and_a_doubling_by_hand() -> None:
    means = [[10.0, 20.0, 0.5, 8.0], [1.0, 2.0, 0.1, 0.25]]
    spreads = [[3.0, 3.0, 5.0, 7.0], [1.0, 1.0, 2.0, 4.0], [6.0, 6.0, 8.0, 9.0]]
    state = np.array([*means, *spreads])[:, :, None]
    moved = warp(state, CameraMotion(2.0, math.pi / 2, (100.0, 0.0)))
    # (x, y) -> 2 (-y, x) + (100, 0); the box itself is not turned.
    expected = [[60, 20, 0.5, 16, -4, 2, 0.1, 0.5]]
    np.testing.assert_allclose(kalman.means(moved), expected, atol=1e-12)
    np.testing.assert_allclose(
        moved[VARIANCE:, :, 0], [[12, 12, 5, 28], [4, 4, 2, 16], [24, 24, 8, 36]], atol=1e-12
    )


def test_several_models_move_alike() -> None:
    state = followed((50, 60, 0.5, 40), (200, 30, 1.5, 12))
    motion = CameraMotion(1.1, 0.1, (3, 4))
    both = warp(np.stack([state, 2 * state], axis=2), motion)
    np.testing.assert_allclose(both[:, :, 0], warp(state, motion))
    np.testing.assert_allclose(both[:, :, 1], warp(2 * state, motion))


@given(motions)
def test_the_compact_covariance_is_that_of_the_full_matrices(motion: CameraMotion) -> None:
    state = followed((50, 60, 0.5, 40), (200, 30, 1.5, 12))
    half = np.diag([0.0, 0.0, 1.0, motion.scale])
    half[:2, :2] = motion.matrix[:, :2]
    linear = np.kron(np.eye(2), half)
    offset = np.array([*motion.shift, 0, 0, 0, 0, 0, 0])
    moved = warp(state, motion)
    expected = kalman.means(state) @ linear.T + offset
    np.testing.assert_allclose(kalman.means(moved), expected, atol=1e-9)
    full = linear @ kalman.full_covariance(state) @ linear.T
    np.testing.assert_allclose(kalman.full_covariance(moved), full, atol=1e-9)


@given(motions)
def test_a_motion_and_its_inverse_cancel(motion: CameraMotion) -> None:
    state = followed((50, 60, 0.5, 40), (200, 30, 1.5, 12))
    whole = np.linalg.inv(np.vstack([motion.matrix, [0, 0, 1]]))
    back = CameraMotion(1 / motion.scale, -motion.rotation_rad, (whole[0, 2], whole[1, 2]))
    np.testing.assert_allclose(warp(warp(state, motion), back), state, atol=1e-9)


def test_the_input_is_not_modified() -> None:
    state = followed((50, 60, 0.5, 40))
    before = state.copy()
    warp(state, CameraMotion(1.1, 0.1, (3, 4)))
    np.testing.assert_array_equal(state, before)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 0.0},
        {"scale": math.nan},
        {"rotation_rad": math.inf},
        {"shift": (0.0, math.nan)},
        {"shift": (1.0, 2.0, 3.0)},
    ],
)
def test_an_invalid_motion_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError, match="CameraMotion: expected finite numbers"):
        CameraMotion(**wrong)  # type: ignore[arg-type]
