"""Camera motion from boxes: motions that are known, and scenes that have none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.tracking import box_motion
from tracker.tracks import CameraMotion


def tracks(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances of innovations of people who stand all over a frame of 1920 x 1080."""
    random = np.random.default_rng(seed)
    height = random.uniform(30, 120, count)
    mean = np.zeros((count, 8))
    mean[:, :2] = random.uniform((0, 0), (1920, 1080), (count, 2))
    mean[:, 2], mean[:, 3] = 0.4, height
    variance = np.square(0.1 * height)[:, None] * [1.3, 1.3, 0.0, 1.3]
    variance[:, 2] = 0.01
    return mean, variance


def moved(mean: np.ndarray, motion: CameraMotion) -> np.ndarray:
    """Where a camera's motion moves the boxes."""
    seen = mean[:, :4].copy()
    seen[:, :2] = seen[:, :2] @ motion.matrix[:, :2].T + motion.matrix[:, 2]
    seen[:, 3] *= motion.scale
    return seen


def largest_error(got: CameraMotion | None, expected: CameraMotion) -> float:
    """The largest distance in pixels over the corners of the frame."""
    assert got is not None
    corners = np.array([[0, 0, 1], [1920, 0, 1], [0, 1080, 1], [1920, 1080, 1]]).T
    return float(np.abs((got.matrix - expected.matrix) @ corners).max())


@pytest.mark.parametrize("shift", [(40.0, 0.0), (-25.0, 12.0), (0.0, -50.0)])
@pytest.mark.parametrize("count", [4, 12, 100])
def test_a_shift_is_found_exactly(shift: tuple[float, float], count: int) -> None:
    mean, variance = tracks(count)
    mean[:, 3], variance[:, :2] = 60, 40  # all within reach, which is two heights
    motion = CameraMotion(1.0, 0.0, shift)
    got = box_motion.estimate(mean, variance, moved(mean, motion))
    assert largest_error(got, motion) < 1e-6


def test_a_shift_is_found_among_boxes_that_went_elsewhere() -> None:
    mean, variance = tracks(20)
    motion = CameraMotion(1.0, 0.0, (30.0, -20.0))
    seen = moved(mean, motion)
    seen[:7, :2] = np.random.default_rng(1).uniform(0, 1000, (7, 2))
    got = box_motion.estimate(mean, variance, seen[::-1])
    assert largest_error(got, motion) < 1e-6


@pytest.mark.parametrize("zoom", [0.98, 1.02])
def test_a_zoom_about_the_middle_is_found(zoom: float) -> None:
    mean, variance = tracks(40)
    motion = CameraMotion(zoom, 0.0, (960 * (1 - zoom) + 25, 540 * (1 - zoom)))
    seen = moved(mean, motion)
    seen[:5, :2] = np.random.default_rng(1).uniform(0, 1000, (5, 2))
    got = box_motion.estimate(mean, variance, seen)
    # A zoom is expected to deviate from 1 by 0.005, so that 0.02 is found for the most part only.
    assert got is not None
    assert got.scale - 1 == pytest.approx(zoom - 1, rel=0.2)
    assert largest_error(got, motion) < 0.2 * largest_error(CameraMotion(), motion)


def test_a_measured_motion_is_as_exact_as_the_mean_of_many_boxes() -> None:
    mean, variance = tracks(40)
    motion = CameraMotion(1.0, 0.0, (30.0, -20.0))
    noise = np.random.default_rng(2).normal(size=(40, 4)) * np.sqrt(variance)
    got = box_motion.estimate(mean, variance, moved(mean, motion) + noise)
    assert got is not None
    at_middle = got.matrix @ [960, 540, 1] - (960, 540)
    # The weighted mean of 40 boxes deviates by this: three of it are hardly ever exceeded.
    deviation = 1 / np.sqrt((1 / variance[:, 0]).sum())
    np.testing.assert_allclose(at_middle, motion.shift, atol=3 * deviation)


def test_the_weighted_mean_by_hand() -> None:
    # Four tracks in one place; three moved by 20, 20 and 22, with variances 4, 4 and 2: their mean
    # is (20 / 4 + 20 / 4 + 22 / 2) / (1 / 4 + 1 / 4 + 1 / 2) = 21, but that of 22 is less likely:
    # it weighs exp(-1/2 * 1 / 2), the others exp(-1/2 * 1 / 4), and so on.
    mean = np.zeros((4, 8))
    mean[:, 0], mean[:, 1] = [0, 200, 400, 600], 300
    mean[:, 2:4] = 0.5, 50
    seen = mean[:, :4].copy()
    seen[:3, 0] += 20, 20, 22
    seen[3, 0] = 5000
    variance = np.tile([4.0, 4.0, 0.01, 4.0], (4, 1))
    variance[2, :2] = 2
    got = box_motion.estimate(mean, variance, seen)
    assert got is not None
    x = 20.9
    for _ in range(100):  # the fixed point of the weighted mean, without a zoom
        weight = np.exp(-0.5 * np.square([20 - x, 20 - x, 22 - x]) / [4, 4, 2]) / [4, 4, 2]
        x = float(weight @ [20, 20, 22] / weight.sum())
    # The zoom that four boxes could show is kept small: within 400 px it makes up for little.
    centre = weight @ [0, 200, 400] / weight.sum()
    assert (got.matrix @ [centre, 300, 1])[0] - centre == pytest.approx(x, abs=0.1)
    assert abs(got.scale - 1) < 0.005


def test_a_still_camera_has_no_motion() -> None:
    mean, variance = tracks(30)
    assert box_motion.estimate(mean, variance, mean[:, :4].copy()) is None


@pytest.mark.parametrize("count", [12, 30, 100])
def test_noise_of_the_boxes_is_hardly_ever_a_motion(count: int) -> None:
    wrong = 0
    for seed in range(50):
        mean, variance = tracks(count, seed)
        random = np.random.default_rng(1000 + seed)
        seen = mean[:, :4] + random.normal(size=(count, 4)) * np.sqrt(variance)
        wrong += box_motion.estimate(mean, variance, seen) is not None
    assert wrong <= 2


def test_people_who_each_turn_their_own_way_are_no_motion() -> None:
    mean, variance = tracks(24)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    seen = mean[:, :4].copy()
    seen[:, :2] += 40 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert box_motion.estimate(mean, variance / 16, seen) is None


def test_a_few_who_walk_together_are_no_motion() -> None:
    mean, variance = tracks(20)
    seen = mean[:, :4].copy()
    seen[:3, 0] += 40
    assert box_motion.estimate(mean, variance, seen) is None


@pytest.mark.parametrize(("known", "found"), [(3, 3), (3, 9), (9, 3), (0, 9), (9, 0), (0, 0)])
def test_fewer_than_four_tell_nothing(known: int, found: int) -> None:
    mean, variance = tracks(9)
    seen = moved(mean, CameraMotion(1.0, 0.0, (20.0, 0.0)))
    assert box_motion.estimate(mean[:known], variance[:known], seen[:found]) is None


def test_boxes_out_of_reach_or_of_other_sizes_tell_nothing() -> None:
    mean, variance = tracks(10)
    mean[:, 3] = 50
    mean[:, 0] = 500 * np.arange(10)
    far = moved(mean, CameraMotion(1.0, 0.0, (101.0, 0.0)))  # more than two heights
    assert box_motion.estimate(mean, variance, far) is None
    other = moved(mean, CameraMotion(1.0, 0.0, (30.0, 0.0)))
    other[:, 3] *= 1.6
    assert box_motion.estimate(mean, variance, other) is None


@given(data=st.data())
def test_any_motion_found_is_finite_and_no_mirror(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count, found = data.draw(st.integers(0, 90)), data.draw(st.integers(0, 90))
    extent = data.draw(st.sampled_from([0.0, 1.0, 300.0, 1e6]))
    mean = np.zeros((count, 8))
    mean[:, :2] = random.uniform(0, 1, (count, 2)) * extent
    mean[:, 2:4] = random.uniform(1e-3, 400, (count, 2))
    seen = np.hstack(
        [random.uniform(0, 1, (found, 2)) * extent, random.uniform(1, 400, (found, 2))]
    )
    variance = random.uniform(1e-4, 1e4, (count, 4))
    before = mean.copy(), variance.copy(), seen.copy()
    motion = box_motion.estimate(mean, variance, seen)
    # CameraMotion refuses numbers that are not finite and scales that are not above 0.
    assert motion is None or 0.5 < motion.scale < 2
    for one, same in zip((mean, variance, seen), before, strict=True):
        np.testing.assert_array_equal(one, same)
