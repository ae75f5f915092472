"""The camera's path from the boxes of whole tracks, and the off-line pass with it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.tracking.offline import refine as refinement
from tracker.tracking.offline.camera_path import CameraPath, camera_path
from tracker.tracking.offline.refine import RefineSettings, refine
from tracker.tracking.offline.track_rows import TrackRows

FPS = 20.0
FRAMES = 120


def walkers(
    seed: int, *, count: int = 8, frames: int = FRAMES, noise_px: float = 1.5
) -> tuple[TrackRows, np.ndarray]:
    """People who walk straight at speeds of their own before a fixed camera, and the truth."""
    rng = np.random.default_rng(seed)
    start, speed = rng.uniform(0, 1000, (count, 2)), rng.normal(0, 2, (count, 2))
    height = rng.uniform(60, 120, count)
    time = np.repeat(np.arange(frames), count)
    ids = np.tile(np.arange(1, count + 1), frames)
    centre = start[ids - 1] + time[:, None] * speed[ids - 1]
    half = np.stack([height / 4, height / 2], axis=1)[ids - 1]
    boxes = np.hstack([centre - half, centre + half])
    seen = boxes + rng.normal(0, noise_px, boxes.shape)
    rows = TrackRows.create(time, ids, seen)
    order = np.lexsort((time, ids))
    return rows, boxes[order]


def shaking(seed: int, frames: int = FRAMES) -> CameraPath:
    """A camera that shakes by 20 pixels and a percent, as a path back to what stands still."""
    rng = np.random.default_rng(seed)
    return CameraPath(
        np.arange(frames, dtype=np.int32),
        rng.normal(0, 0.01, frames),
        rng.normal(0, 20, (frames, 2)),
    )


def seen_by(camera: CameraPath, rows: TrackRows) -> TrackRows:
    return rows.replace(boxes=camera.to_image(rows.frames, rows.boxes))


@pytest.mark.parametrize("seed", range(20))
def test_a_fixed_camera_has_no_path(seed: int) -> None:
    rows, _ = walkers(seed, count=4 + seed % 9, noise_px=(0.1, 1.5, 6.0)[seed % 3])
    assert camera_path(rows, fps=FPS) is None


def test_a_crowd_that_walks_one_way_before_a_fixed_camera_is_no_moving_camera() -> None:
    rows, _ = walkers(0)
    drift = np.tile(8.0 * rows.frames[:, None], (1, 4))
    assert camera_path(rows.replace(boxes=rows.boxes + drift), fps=FPS) is None


def some_frames(rows: TrackRows, seed: int, share: float) -> TrackRows:
    """Returns the rows of some of the frames, as a camera that drops the others gives them."""
    keep = np.random.default_rng(seed).random(FRAMES) < share
    return rows.select(keep[rows.frames])


@pytest.mark.parametrize("seed", range(10))
def test_a_crowd_before_a_fixed_camera_that_drops_frames_is_no_moving_camera(seed: int) -> None:
    rows, _ = walkers(seed)
    moved = rows.replace(boxes=rows.boxes + np.tile(8.0 * rows.frames[:, None], (1, 4)))
    assert camera_path(some_frames(moved, seed, 0.5), fps=FPS) is None
    times_s = moved.frames / FPS + 0.2 * (moved.frames > 60)  # a pause
    assert camera_path(moved, fps=FPS, times_s=times_s.astype(np.float64)) is not None  # a jump
    later = moved.replace(boxes=moved.boxes + 4 * 8.0 * (moved.frames > 60)[:, None])
    assert camera_path(later, fps=FPS, times_s=times_s.astype(np.float64)) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_shaking_camera_that_drops_frames_is_followed(seed: int) -> None:
    rows, _ = walkers(seed)
    rows = some_frames(rows, seed, 0.7)
    moved = seen_by(shaking(seed), rows)
    path = camera_path(moved, fps=FPS)
    assert path is not None
    still = moved.replace(boxes=path.to_still(moved.frames, moved.boxes))
    assert _off_way(still) < 1.3 * _off_way(rows) < 0.2 * _off_way(moved)


def test_each_third_frame_gives_the_path_of_those_frames() -> None:
    rows, _ = walkers(0, frames=360)
    moved = seen_by(shaking(0, 360), rows)
    third = moved.select(moved.frames % 3 == 0)
    one = camera_path(third, fps=FPS)
    other = camera_path(third.replace(frames=third.frames // 3), fps=FPS / 3)
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.shifts, other.shifts, atol=1e-9)


def _off_way(rows: TrackRows) -> float:
    """Mean distance of centres from the straight way between those before and after."""
    away = []
    for span in rows.spans():
        times = rows.frames[span].astype(np.float64)
        centres = (rows.boxes[span, :2] + rows.boxes[span, 2:]) / 2
        share = ((times[1:-1] - times[:-2]) / (times[2:] - times[:-2]))[:, None]
        between = centres[:-2] + share * (centres[2:] - centres[:-2])
        away.append(np.linalg.norm(between - centres[1:-1], axis=1).mean())
    return float(np.mean(away))


@pytest.mark.parametrize("seed", range(10))
def test_what_a_shaking_camera_sees_moves_straight_again(seed: int) -> None:
    rows, _ = walkers(seed)
    moved = seen_by(shaking(seed), rows)
    path = camera_path(moved, fps=FPS)
    assert path is not None
    still = path.to_still(moved.frames, moved.boxes)
    assert _bend(rows.replace(boxes=still)) < 1.3 * _bend(rows) < 0.2 * _bend(moved)


def _bend(rows: TrackRows) -> float:
    """Mean distance from the middle of the places before and after, in heights."""
    centre = (rows.boxes[:, :2] + rows.boxes[:, 2:]) / 2
    height = rows.boxes[:, 3] - rows.boxes[:, 1]
    inner = np.flatnonzero(rows.ids[:-2] == rows.ids[2:]) + 1
    bend = centre[inner + 1] - 2 * centre[inner] + centre[inner - 1]
    return float(np.mean(np.linalg.norm(bend, axis=1) / height[inner]))


def test_a_pan_that_slowly_turns_round_is_found() -> None:
    rows, _ = walkers(1)
    pan = CameraPath(
        np.arange(FRAMES, dtype=np.int32),
        np.zeros(FRAMES),
        np.stack([-300 * np.sin(np.arange(FRAMES) / 20), np.zeros(FRAMES)], axis=1),
    )
    moved = seen_by(pan, rows)
    path = camera_path(moved, fps=FPS)
    assert path is not None
    assert _bend(rows.replace(boxes=path.to_still(moved.frames, moved.boxes))) < 1.1 * _bend(rows)


@pytest.mark.parametrize("frames", [0, 1, 2, 5])
def test_short_recordings_and_few_tracks_have_no_path(frames: int) -> None:
    rows, _ = walkers(0, count=8, frames=frames)
    assert camera_path(rows, fps=FPS) is None
    for count in (1, 3):
        few, _ = walkers(0, count=count)
        assert camera_path(seen_by(shaking(0), few), fps=FPS) is None


@given(
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3),
    st.integers(-5, 60),
)
def test_there_and_back_is_the_same_box(
    scales: list[float], shifts: list[float], frame: int
) -> None:
    path = CameraPath(
        np.array([0, 10, 30], np.int32), np.array(scales), np.column_stack([shifts, shifts[::-1]])
    )
    frames, boxes = np.array([frame], np.int32), np.array([[10.0, 20.0, 30.0, 60.0]])
    there = path.to_still(frames, boxes)
    np.testing.assert_allclose(path.to_image(frames, there), boxes, atol=1e-6)


def test_between_two_frames_the_path_is_straight_and_outside_it_stays() -> None:
    path = CameraPath(np.array([0, 10], np.int32), np.zeros(2), np.array([[0.0, 0.0], [20.0, 5.0]]))
    frames, boxes = np.array([-3, 5, 12], np.int32), np.zeros((3, 4))
    assert path.to_still(frames, boxes).tolist() == [[0] * 4, [10, 2.5] * 2, [20, 5] * 2]


def test_a_camera_that_turns_for_an_hour_stays_within_bounds() -> None:
    """The pan is 30 pixels a frame, and the picture grows by a tenth of a percent."""
    frames = 36_000
    rng = np.random.default_rng(0)
    time = np.arange(frames).repeat(5)
    ids = time // 40 * 5 + np.tile(np.arange(5), frames)
    place = (
        np.tile(np.arange(5) * 200.0, frames)[:, None]
        + [[0, 0]]
        + rng.normal(0, 5, (frames, 2)).repeat(5, axis=0)
    )
    place += (time % 40)[:, None] * [[30.0, 0.0]]
    place *= 1 + 0.001 * (time % 40)[:, None]
    rows = TrackRows.create(time, ids, np.hstack([place, place + np.array([40.0, 80.0])]))
    path = camera_path(rows, fps=10.0)
    assert path is not None
    assert np.abs(path.shifts).max() < 1e5
    assert np.abs(path.log_scales).max() < 1


def test_gaps_are_filled_along_the_way_of_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, truth = walkers(3)
    camera = shaking(3)
    moved = seen_by(camera, rows)
    expected = camera.to_image(rows.frames, truth)
    hidden = (rows.ids == 2) & (rows.frames > 40) & (rows.frames < 60)
    settings = replace(RefineSettings(), min_seen=3)

    def errors() -> np.ndarray:
        result = refine(moved.select(~hidden), settings, fps=FPS).rows
        assert len(result) == len(rows)
        order = np.lexsort((result.frames, result.ids))
        away = np.abs(result.boxes[order] - expected).max(axis=1)
        return np.array([away[hidden].mean(), away[~hidden].mean()])

    followed = errors()
    monkeypatch.setattr(refinement, "camera_path", lambda rows, *, fps: None)
    fixed = errors()
    assert (followed < [8, 4]).all(), followed
    assert (fixed > 3 * followed).all(), (fixed, followed)


def test_velocities_are_those_in_the_picture() -> None:
    rows, _ = walkers(4)
    moved = seen_by(shaking(4), rows)
    refined = refine(moved, RefineSettings(), fps=FPS)
    centre = (refined.rows.boxes[:, :2] + refined.rows.boxes[:, 2:]) / 2
    first = np.flatnonzero(refined.rows.ids == 1)[1:-1]
    expected = (centre[first + 1] - centre[first - 1]) / 2
    np.testing.assert_allclose(refined.velocities[first], expected)
