"""Coasting: frames on which the detector did not run only predict the tracks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracking.staged import staged
from tracker.detections import Detections
from tracker.errors import DataError
from tracker.tracking import kalman
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import Report
from tracker.tracks import CameraMotion, Tracks, TrackState

RED, BLUE = (1.0, 0.0), (0.0, 1.0)


def box(x: float, y: float = 100, width: float = 40, height: float = 40) -> list[float]:
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def seen(*boxes: list[float]) -> Detections:
    return Detections.create(np.reshape(boxes, (-1, 4)), np.full(len(boxes), 0.9))


def looking(look: tuple[float, float], *boxes: list[float]) -> Detections:
    looks = np.reshape([look] * len(boxes), (-1, 2))
    return Detections.create(boxes, np.full(len(boxes), 0.9), None, looks)


def confirmed_at(deepsort: DeepSort, x: float, *, speed: float = 0.0, looks: int = 10) -> Tracks:
    """Steps through `looks` frames with one object, the last one at x."""
    for k in range(looks):
        tracks = deepsort.step(seen(box(x + speed * (k + 1 - looks))))
    assert tracks.ids.tolist() == [1]
    return tracks


def centre_x(tracks: Tracks) -> float:
    return float(tracks.boxes[0, [0, 2]].mean())


def test_coasting_without_tracks() -> None:
    deepsort = DeepSort(staged())
    assert len(deepsort.coast()) == 0
    assert deepsort.step(seen(box(100))).ids.tolist() == []
    assert deepsort.track_count == 1


def test_the_report_of_a_track_matched_in_the_last_frame_with_detection() -> None:
    deepsort = DeepSort(staged())
    before = confirmed_at(deepsort, 100, speed=4, looks=60)
    for k in (1, 2):
        tracks = deepsort.coast()
        assert tracks.ids.tolist() == [1]
        assert tracks.states.tolist() == [TrackState.CONFIRMED]
        assert tracks.misses.tolist() == [0]
        assert tracks.detection_index.tolist() == [-1]
        assert tracks.ages.tolist() == [60 + k]
        assert tracks.scores.tolist() == before.scores.tolist()
        assert centre_x(tracks) == pytest.approx(100 + 4 * k, abs=0.1)


@pytest.mark.parametrize("every", [2, 3, 5])
def test_constant_velocity_gives_one_id_in_every_frame_within_a_pixel(every: int) -> None:
    deepsort = DeepSort(staged())
    reported = 0
    for k in range(90):
        truth = box(50 + 3 * k, 100 + k)
        tracks = deepsort.coast() if k % every else deepsort.step(seen(truth))
        if k < 2 * every:  # two detections do not confirm a track
            assert len(tracks) == 0
            continue
        assert tracks.ids.tolist() == [1]
        if k >= 45:  # the filter has learnt the speed
            np.testing.assert_allclose(tracks.boxes[0], truth, atol=1)
            reported += 1
    assert reported == 45


@settings(max_examples=60)
@given(
    coasts=st.integers(1, 8),
    start=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
)
def test_a_step_after_coasts_equals_one_after_a_gap(coasts: int, start: list[float]) -> None:
    """Predicting `k` times one interval gives the mean of once `k + 1`: `x + (k + 1) v`.

    The covariance grows by as many steps of noise; the height's own change while coasting scales
    the noise of a step, which is the only difference.
    """
    one, other = DeepSort(staged()), DeepSort(staged())
    for deepsort in (one, other):
        for k in range(6):
            shift = np.array(start[:2] * 2) * k
            deepsort.step(seen((np.array(box(300, 300, 80, 160)) + shift).tolist()))
    table, reference = one._table, other._table
    np.testing.assert_array_equal(table.mean, reference.mean)
    for _ in range(coasts):
        one.coast()
    one._learnt.predict(one._table, 1.0, None)
    straight = reference.mean.copy()
    straight[:, :4] += (coasts + 1) * straight[:, 4:]
    np.testing.assert_allclose(table.mean, straight, rtol=1e-9, atol=1e-9)
    other._learnt.predict(other._table, coasts + 1.0, None)
    np.testing.assert_allclose(table.mean, reference.mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(table.state[2:], reference.state[2:], rtol=1e-6)


def test_the_covariance_after_coasts_is_that_of_the_full_filter() -> None:
    """Against 8x8 matrices: `P = F P F' + Q`, once for each frame; Q from the paper's heights."""
    deepsort = DeepSort(staged())
    confirmed_at(deepsort, 300, speed=2)
    table, noise = deepsort._table, deepsort.settings.noise
    full = kalman.full_covariance(table.state[:, :, 0])[0]
    mean = table.mean[0].copy()
    move = np.eye(8) + np.eye(8, k=4)
    for _ in range(4):
        deepsort.coast()
        height = mean[3]
        position, velocity = noise.position * height, noise.velocity * height
        deviations = [position, position, noise.aspect, position]
        deviations += [velocity, velocity, noise.aspect_velocity, velocity]
        full = move @ full @ move.T + np.diag(np.square(deviations))
        mean = move @ mean
    np.testing.assert_allclose(table.mean[0], mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        kalman.full_covariance(table.state[:, :, 0])[0], full, rtol=1e-9, atol=1e-12
    )


def test_no_track_is_born_or_confirmed_and_a_tentative_one_survives() -> None:
    deepsort = DeepSort(staged(report=Report.ALL))
    for expected in ([-1], [-1], [1]):
        assert deepsort.step(seen(box(100))).ids.tolist() == expected
        for _ in range(4):
            tracks = deepsort.coast()
            assert tracks.ids.tolist() == expected
            wanted = TrackState.CONFIRMED if expected == [1] else TrackState.TENTATIVE
            assert tracks.states.tolist() == [wanted]


def test_a_tentative_track_dies_at_its_first_miss_after_coasts() -> None:
    deepsort = DeepSort(staged(report=Report.ALL))
    deepsort.step(seen(box(100)))
    deepsort.coast()
    assert len(deepsort.step(Detections.empty())) == 0


def test_a_track_without_misses_outlives_its_maximum_age_while_coasting() -> None:
    deepsort = DeepSort(staged(max_age_frames=2))
    confirmed_at(deepsort, 100)
    for _ in range(6):
        assert deepsort.coast().ids.tolist() == [1]
    assert deepsort.step(seen(box(100))).ids.tolist() == [1]


@pytest.mark.parametrize("every", [1, 2, 3, 4])
@pytest.mark.parametrize("dt", [1.0, 0.5])
def test_a_lost_track_is_deleted_at_the_same_time_whether_it_coasts_or_not(
    every: int, dt: float
) -> None:
    """Unmatched for 12 intervals it still exists, at the next frame it is deleted."""
    deepsort = DeepSort(staged(report=Report.ALL, max_age_frames=12))
    confirmed_at(deepsort, 100)
    frames = 0
    while deepsort.track_count:
        frames += 1
        if frames % every:
            deepsort.coast(dt=dt)
        else:
            deepsort.step(Detections.empty(), dt=dt)
    assert frames * dt == 12 + dt


def test_a_lost_track_stays_lost_while_coasting() -> None:
    deepsort = DeepSort(staged(report=Report.CONFIRMED))
    confirmed_at(deepsort, 100)
    lost = deepsort.step(Detections.empty())
    assert (lost.states.tolist(), lost.misses.tolist()) == ([TrackState.LOST], [1])
    coasted = deepsort.coast()
    assert (coasted.states.tolist(), coasted.misses.tolist()) == ([TrackState.LOST], [1])
    assert deepsort.step(Detections.empty()).misses.tolist() == [2]
    assert DeepSort(staged()).settings.report is Report.SEEN


def test_a_lost_track_is_not_reported_where_only_seen_ones_are() -> None:
    deepsort = DeepSort(staged())
    confirmed_at(deepsort, 100)
    assert len(deepsort.step(Detections.empty())) == 0
    assert len(deepsort.coast()) == 0
    assert deepsort.step(seen(box(100))).ids.tolist() == [1]


def test_a_track_that_leaves_the_frame_is_not_reported_and_deleted_at_the_next_step() -> None:
    deepsort = DeepSort(staged())
    deepsort.reset(frame_interval_s=0.04, frame_size=(400, 300))
    confirmed_at(deepsort, 390, speed=6, looks=40)
    assert deepsort.coast().ids.tolist() == [1]
    assert (len(deepsort.coast()), deepsort.track_count) == (0, 1)
    assert (len(deepsort.step(Detections.empty())), deepsort.track_count) == (0, 0)


def test_a_track_that_turned_back_before_it_left_keeps_its_id() -> None:
    deepsort = DeepSort(staged())
    deepsort.reset(frame_interval_s=0.04, frame_size=(400, 300))
    confirmed_at(deepsort, 390, speed=6, looks=40)
    for _ in range(2):
        deepsort.coast()
    assert deepsort.step(seen(box(392))).ids.tolist() == [1]


def test_a_lost_track_that_leaves_the_frame_is_deleted_while_coasting() -> None:
    deepsort = DeepSort(staged(report=Report.CONFIRMED))
    deepsort.reset(frame_interval_s=0.04, frame_size=(400, 300))
    confirmed_at(deepsort, 388, speed=8, looks=40)
    assert len(deepsort.step(Detections.empty())) == 1
    assert (len(deepsort.coast()), deepsort.track_count) == (0, 0)


def test_without_frame_size_or_end_outside_no_track_leaves() -> None:
    for rule, size in ((True, None), (False, (400, 300))):
        deepsort = DeepSort(staged(end_outside=rule))
        deepsort.reset(frame_interval_s=0.04, frame_size=size)
        confirmed_at(deepsort, 390, speed=6, looks=40)
        for _ in range(4):
            assert deepsort.coast().ids.tolist() == [1]


def test_the_stage_for_recent_tracks_counts_frames_with_detection() -> None:
    """Embeddings without similarity leave only the IoU stage to match."""
    rule = staged(max_appearance_distance=0.1, overlap_appearance_distance=None, resume_distance=0)
    deepsort = DeepSort(rule)
    for _ in range(4):
        deepsort.step(looking(RED, box(100)))
    for _ in range(3):
        deepsort.coast()
    assert deepsort.step(looking(BLUE, box(100))).ids.tolist() == [1]
    deepsort.step(looking(BLUE))
    deepsort.coast()
    assert len(deepsort.step(looking((-1.0, 0.0), box(100)))) == 0


@pytest.mark.parametrize("every", [1, 3])
def test_a_track_that_reappears_elsewhere_is_resumed_by_appearance(every: int) -> None:
    """Occluded at x = 300, detected 70 px away: within two heights, beyond the narrow gate."""
    deepsort = DeepSort(staged(motion_gate=0.01))
    ids: list[list[int]] = []
    for k in range(10 * every):
        if k % every:
            deepsort.coast()
            continue
        look = k // every
        # Misses at steps 3 and 4 and, as it reappears elsewhere, at 5 to 7; the last confirms it.
        found = [] if look in (3, 4) else [box(300 if look < 3 else 370)]
        ids.append(deepsort.step(looking(RED, *found)).ids.tolist())
    assert ids == [[], [], [1], [], [], [], [], [1], [1], [1]]


def test_the_reach_of_a_lost_track_grows_with_time_not_with_misses() -> None:
    """Boxes 40 px high, no appearance: 0.3 + 0.02 * 20 = 0.7 heights are 28 px; 0.3 + 0.04 are 14.

    Boxes that are 10 px wide do not overlap at 20 px, so that only re-finding can match them.
    """

    def found_again(coasts: int) -> list[int]:
        deepsort = DeepSort(staged())
        for _ in range(10):
            deepsort.step(seen(box(200, width=10)))
        for _ in range(2):
            for _ in range(coasts):
                deepsort.coast()
            deepsort.step(Detections.empty())
        return deepsort.step(seen(box(220, width=10))).ids.tolist()

    assert found_again(0) == []
    assert found_again(9) == [1]


def test_the_camera_moves_tracks_while_coasting() -> None:
    deepsort = DeepSort(staged())
    confirmed_at(deepsort, 100, looks=40)
    tracks = deepsort.coast(camera=CameraMotion(scale=2.0, shift=(30.0, -50.0)))
    np.testing.assert_allclose(tracks.boxes, [[190, 110, 270, 190]], atol=0.1)


def test_a_longer_coast_moves_further() -> None:
    deepsort = DeepSort(staged())
    confirmed_at(deepsort, 100, speed=4, looks=60)
    assert centre_x(deepsort.coast(dt=2.5)) == pytest.approx(110, abs=0.2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
def test_coasting_invents_no_id_and_no_detection(looks: list[bool], seed: int) -> None:
    random = np.random.default_rng(seed)
    deepsort = DeepSort(staged(report=Report.ALL))
    deepsort.reset(frame_interval_s=0.04, frame_size=(200, 200))
    before = Tracks.empty()
    for look in looks:
        if look:
            corner = random.uniform(0, 150, (3, 2))
            found = Detections.create(np.hstack([corner, corner + 40]), [0.9, 0.8, 0.7])
            before = deepsort.step(found)
            continue
        tracks = deepsort.coast()
        assert set(tracks.ids.tolist()) <= set(before.ids.tolist())
        assert (tracks.detection_index == -1).all()
        kept = np.isin(before.ids, tracks.ids)
        assert (before.misses[~kept] > 0).all()
        np.testing.assert_array_equal(tracks.misses, before.misses[kept])
        np.testing.assert_array_equal(tracks.states, before.states[kept])
        np.testing.assert_array_equal(tracks.ages, before.ages[kept] + 1)
        before = tracks


@pytest.mark.parametrize("dt", [0.0, -1.0, np.nan, np.inf])
def test_time_that_does_not_go_forward(dt: float) -> None:
    with pytest.raises(DataError, match="dt: expected frame intervals above 0"):
        DeepSort(staged()).coast(dt=dt)
