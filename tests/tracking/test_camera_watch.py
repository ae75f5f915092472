"""Camera motion while the camera moves: what is looked at, and what is no camera's motion."""

import numpy as np
import pytest

from tests.tracking.test_camera_motion import NOTHING, frame, largest_error, texture, warped
from tracker.detections import Detections
from tracker.errors import DataError
from tracker.tracking.camera_motion import CameraMotionEstimator
from tracker.tracking.camera_watch import CameraWatch
from tracker.tracks import CameraMotion
from tracker.util.arrays import UInt8Array

SMALL = (320, 240)
FPS = 25
OTHER_SIZE = texture(0, (64, 48))
"""An image that raises where it is compared with others."""


def shaken(image: UInt8Array, x: float) -> UInt8Array:
    return warped(image, CameraMotion(shift=(x, 0.0)))


def test_a_fixed_camera_is_looked_at_in_two_frames_a_second() -> None:
    watch, image = CameraWatch(), texture(1, SMALL)
    pairs = [(0, 1), (26, 27), (52, 53), (78, 79)]
    looked_at = {index for pair in pairs for index in pair}
    for index in range(100):
        shown = image if index in looked_at else OTHER_SIZE
        assert watch.estimate(frame(shown, index), NOTHING).is_identity
    for _, second in pairs:
        watch.reset()
        for index in range(second):
            watch.estimate(frame(image, index), NOTHING)
        with pytest.raises(DataError, match="expected"):
            watch.estimate(frame(OTHER_SIZE, second), NOTHING)


def test_a_camera_that_shakes_is_followed_in_every_frame() -> None:
    image, watch, estimator = texture(2, SMALL), CameraWatch(), CameraMotionEstimator()
    places = np.random.default_rng(0).normal(0, 4, 40).cumsum()
    for index, x in enumerate(places):
        seen = frame(shaken(image, float(x)), index)
        assert watch.estimate(seen, NOTHING) == estimator.estimate(seen, NOTHING)


def test_a_motion_is_found_within_a_second_and_given_up_after_two() -> None:
    image, watch = texture(3, SMALL), CameraWatch()
    starts, ends = 60, 90
    found = []
    for index in range(ends + 3 * FPS):
        x = 3.0 * (min(max(index, starts), ends) - starts)
        motion = watch.estimate(frame(shaken(image, x), index), NOTHING)
        if not motion.is_identity:
            found.append(index)
            if starts < index <= ends:
                assert largest_error(motion, CameraMotion(shift=(3.0, 0.0))) < 0.7
    assert starts < found[0] <= starts + FPS + 1
    assert set(range(found[0], ends + 1)) <= set(found)
    assert found[-1] <= ends + 2 * FPS


def passing(image: UInt8Array, left: int) -> UInt8Array:
    """An object over half of the frame; it has more corners than the background."""
    seen = image.copy()
    seen[20:220, left : left + 190] = texture(7, SMALL)[20:220, :190]
    return seen


def test_a_large_object_that_nothing_detected_is_no_camera() -> None:
    image, watch, estimator = texture(4, SMALL), CameraWatch(), CameraMotionEstimator()
    fooled = 0
    for index in range(30):
        seen = frame(passing(image, 10 + 3 * index), index)
        assert watch.estimate(seen, NOTHING).is_identity
        fooled += not estimator.estimate(seen, NOTHING).is_identity
    assert fooled > 10


def test_an_object_before_a_background_without_corners_is_no_camera() -> None:
    watch, estimator = CameraWatch(), CameraMotionEstimator()
    fooled = 0
    for index in range(30):
        image = np.full((240, 320, 3), 90, np.uint8)
        image[60:200, 20 + 3 * index : 120 + 3 * index] = texture(7, SMALL)[60:200, :100]
        seen = frame(image, index)
        assert watch.estimate(seen, NOTHING).is_identity
        fooled += not estimator.estimate(seen, NOTHING).is_identity
    assert fooled > 10


def test_what_speaks_for_a_motion() -> None:
    estimator, image = CameraMotionEstimator(), texture(9, SMALL)
    estimator.measure(frame(image), NOTHING)
    whole = estimator.measure(frame(shaken(image, 4.0), 1), NOTHING)
    assert whole.moved_px == pytest.approx(4.0, abs=0.1)
    assert whole.still_share < 0.05
    assert whole.extent > 0.6
    estimator.reset()
    half = shaken(image, 4.0)
    half[:, 160:] = image[:, 160:]  # The right half stands.
    estimator.measure(frame(image), NOTHING)
    part = estimator.measure(frame(half, 1), NOTHING)
    assert part.still_share > 0.3 or part.moved_px < 0.1


def test_a_time_stamp_does_not_hide_a_moving_camera() -> None:
    image, watch = texture(5, SMALL), CameraWatch()
    for index in range(10):
        seen = shaken(image, 4.0 * index)
        seen[:20, :120] = texture(6, SMALL)[:20, :120]
        motion = watch.estimate(frame(seen, index), NOTHING)
        assert motion.is_identity is (index == 0)


def test_what_moves_less_than_the_estimate_is_exact_is_no_motion() -> None:
    image, watch = texture(6, SMALL), CameraWatch()
    for index in range(2 * FPS):
        seen = shaken(image, 0.3 * (index % 2))
        assert watch.estimate(frame(seen, index), NOTHING).is_identity


def test_times_that_fall_do_not_end_the_looks() -> None:
    image, watch = texture(7, SMALL), CameraWatch()
    for index in (1000, 1001):
        watch.estimate(frame(image, index), NOTHING)
    for index in range(3):
        motion = watch.estimate(frame(shaken(image, 5.0 * index), index), NOTHING)
    assert largest_error(motion, CameraMotion(shift=(5.0, 0.0))) < 0.5


def test_detected_objects_do_not_count() -> None:
    image, watch = texture(8, SMALL), CameraWatch()
    found = Detections.create([[0, 0, 320, 240]], [0.9])
    for index in range(5):
        assert watch.estimate(frame(shaken(image, 5.0 * index), index), found).is_identity
