"""Camera motion from frames: known warps, moving objects, and frames without an estimate.

The frames are smooth noise, warped with OpenCV, whose coordinates are pixel centres.
"""

import logging
import math
from pathlib import Path

import numpy as np
import pytest

from tests.sources.files.test_blank import sequence
from tracker.config.build import build_camera_motion, open_source
from tracker.config.run import Config, load_config
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError
from tracker.frames import Frame
from tracker.tracking.camera_motion import CameraMotionEstimator
from tracker.tracking.camera_watch import CameraWatch
from tracker.tracks import CameraMotion
from tracker.util.arrays import UInt8Array
from tracker.util.opencv import cv2

SIZE = (640, 480)
NOTHING = Detections.empty()


def texture(seed: int, size: tuple[int, int] = SIZE) -> UInt8Array:
    """Blobs of some 8 px with many corners."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def warped(image: UInt8Array, motion: CameraMotion) -> UInt8Array:
    matrix = motion.matrix
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT), np.uint8)


def about_centre(scale: float, rotation_rad: float, moved: tuple[float, float]) -> CameraMotion:
    """The motion that zooms and turns about the middle of the frame, then shifts."""
    middle = np.array(SIZE) / 2
    shift = middle - CameraMotion(scale, rotation_rad).matrix[:, :2] @ middle + moved
    return CameraMotion(scale, rotation_rad, (float(shift[0]), float(shift[1])))


def frame(image: UInt8Array, index: int = 0) -> Frame:
    return Frame(image, index, index / 25, "synthetic")


def motion_between(
    first: UInt8Array,
    second: UInt8Array,
    found: Detections = NOTHING,
) -> CameraMotion:
    estimator = CameraMotionEstimator()
    assert estimator.estimate(frame(first), found).is_identity
    return estimator.estimate(frame(second, 1), found)


def largest_error(motion: CameraMotion, expected: CameraMotion) -> float:
    """The largest distance in pixels over the corners of the frame."""
    width, height = SIZE
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]]).T
    return float(np.linalg.norm((motion.matrix - expected.matrix) @ corners, axis=0).max())


def test_the_first_frame_has_no_motion() -> None:
    assert CameraMotionEstimator().estimate(frame(texture(0)), NOTHING).is_identity


def test_a_camera_that_stands_still() -> None:
    image = texture(0)
    assert largest_error(motion_between(image, image), CameraMotion()) < 0.01


@pytest.mark.parametrize(
    ("scale", "rotation_rad", "moved"),
    [
        (1.0, 0.0, (2.0, 0.0)),
        (1.0, 0.0, (-13.5, 7.25)),
        (1.0, 0.0, (60.0, -20.0)),
        (1.0, math.radians(3), (0.0, 0.0)),
        (1.05, 0.0, (0.0, 0.0)),
        (0.95, 0.0, (0.0, 0.0)),
        (1.03, math.radians(-2), (11.0, 5.0)),
    ],
)
def test_known_motions(scale: float, rotation_rad: float, moved: tuple[float, float]) -> None:
    expected = about_centre(scale, rotation_rad, moved)
    image = texture(1)
    motion = motion_between(image, warped(image, expected))
    assert largest_error(motion, expected) < 0.5
    assert motion.scale == pytest.approx(scale, abs=1e-3)
    assert motion.rotation_rad == pytest.approx(rotation_rad, abs=1e-3)


def test_a_size_that_the_small_copy_does_not_divide() -> None:
    image = texture(1, (1283, 719))
    expected = CameraMotion(shift=(9.0, -6.0))
    motion = motion_between(image, warped(image, expected))
    assert largest_error(motion, expected) < 1


def with_object(background: UInt8Array, left: int) -> UInt8Array:
    image = background.copy()
    image[40:440, left : left + 400] = texture(7)[40:440, :400]
    return image


def test_detected_objects_do_not_count() -> None:
    """An object over half of the frame moves against the camera."""
    background = texture(2)
    expected = CameraMotion(shift=(5.0, 0.0))
    before = with_object(background, 100)
    after = with_object(warped(background, expected), 80)
    found = Detections.create([[80, 40, 500, 440]], [0.9])
    assert largest_error(motion_between(before, after, found), expected) < 0.5


def test_a_few_undetected_objects_are_outvoted() -> None:
    background = texture(3)
    expected = CameraMotion(shift=(4.0, 3.0))
    before, after = background.copy(), warped(background, expected)
    for top in (50, 200, 350):
        before[top : top + 80, 300:380] = texture(8)[:80, :80]
        after[top : top + 80, 280:360] = texture(8)[:80, :80]
    assert largest_error(motion_between(before, after), expected) < 0.5


@pytest.mark.parametrize(
    ("first", "second", "found", "reason"),
    [
        (np.full((480, 640, 3), 90, np.uint8), texture(0), NOTHING, "0 of 0 corners found"),
        (texture(0), np.full((480, 640, 3), 90, np.uint8), NOTHING, "of 120 corners"),
        (texture(0), texture(9), NOTHING, "of 120 corners"),
        (texture(0), texture(0), Detections.create([[0, 0, 640, 480]], [1]), "0 of 0 corners"),
        (texture(0), warped(texture(0), CameraMotion(shift=(200.0, 0.0))), NOTHING, "unknown"),
        (texture(0), warped(texture(0), about_centre(1.0, 0.3, (0, 0))), NOTHING, "unknown"),
    ],
    ids=["flat before", "flat after", "cut", "covered", "too far", "turned too much"],
)
def test_an_unreliable_estimate_is_the_identity(
    first: UInt8Array,
    second: UInt8Array,
    found: Detections,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "tracker.tracking.camera_motion"):
        assert motion_between(first, second, found).is_identity
    assert len(caplog.messages) == 1
    assert reason in caplog.text


def test_after_a_cut_it_goes_on() -> None:
    estimator = CameraMotionEstimator()
    expected = CameraMotion(shift=(6.0, 0.0))
    estimator.estimate(frame(texture(0)), NOTHING)
    assert estimator.estimate(frame(texture(9), 1), NOTHING).is_identity
    motion = estimator.estimate(frame(warped(texture(9), expected), 2), NOTHING)
    assert largest_error(motion, expected) < 0.5


def walk(seed: int) -> list[Frame]:
    random = np.random.default_rng(seed)
    image = texture(seed)
    shifts = random.normal(0, 4, (6, 2)).cumsum(axis=0)
    return [
        frame(warped(image, CameraMotion(shift=(float(x), float(y)))), index)
        for index, (x, y) in enumerate(shifts)
    ]


def test_instances_do_not_affect_each_other_and_runs_are_equal() -> None:
    first, second = walk(4), walk(5)
    alone = []
    for frames in (first, second):
        cv2.setRNGSeed(3)
        estimator = CameraMotionEstimator()
        alone.append([estimator.estimate(one, NOTHING) for one in frames])
    cv2.setRNGSeed(4)
    pair = CameraMotionEstimator(), CameraMotionEstimator()
    together: list[list[CameraMotion]] = [[], []]
    for frames in zip(first, second, strict=True):
        for estimator, one, motions in zip(pair, frames, together, strict=True):
            motions.append(estimator.estimate(one, NOTHING))
    assert together == alone
    assert not any(motion.is_identity for motion in alone[0][1:])


def test_another_size_needs_a_reset() -> None:
    estimator = CameraMotionEstimator()
    estimator.estimate(frame(texture(0)), NOTHING)
    small = frame(texture(0, (320, 240)), 1)
    with pytest.raises(DataError, match=r"frame 1: expected \(640, 480\) pixels as before, got "):
        estimator.estimate(small, NOTHING)
    estimator.reset()
    assert estimator.estimate(small, NOTHING).is_identity


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (2000, 1), (3, 1500)])
def test_tiny_frames_give_the_identity(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2, size[1], size[0], 3), dtype=np.uint8)
    assert motion_between(images[0], images[1]).is_identity


def test_the_configuration_builds_it() -> None:
    assert isinstance(build_camera_motion(Config()), CameraWatch)
    assert build_camera_motion(load_config(overrides=["detector.name=motion"])) is None
    assert build_camera_motion(load_config(overrides=["camera_motion=off"])) is None
    with pytest.raises(ConfigError, match="expected a detector for moving cameras"):
        build_camera_motion(load_config(overrides=["detector.name=motion", "camera_motion=flow"]))
    network = ["detector.name=yolo.cfg", "camera_motion=flow"]
    flow = build_camera_motion(load_config(overrides=network))
    assert isinstance(flow, CameraMotionEstimator)


def test_a_sequence_without_frames_shows_no_motion(tmp_path: Path) -> None:
    folder = str(sequence(tmp_path))
    words = ["detector.detections=det.txt", "camera_motion=flow"]
    with pytest.raises(ConfigError, match="expected camera_motion 'auto' or 'off', got 'flow'"):
        open_source(folder, load_config(overrides=words))
    open_source(folder, load_config(overrides=words[:1])).close()
