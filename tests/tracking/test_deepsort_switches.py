"""The extensions to the paper: each switch off and on, on scenes with a known answer."""

import numpy as np
import pytest

from tests.tracking.staged import staged
from tracker.detections import Detections
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import AppearanceOrder, ClassPolicy, DeepSortSettings, Report
from tracker.tracks import CameraMotion, Tracks, TrackState

LOOKS = np.eye(4, dtype=np.float32)


def box(x: float, y: float = 100, width: float = 40, height: float = 40) -> list[float]:
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def seen(*boxes: list[float], score: float = 0.9) -> Detections:
    return Detections.create(np.reshape(boxes, (-1, 4)), np.full(len(boxes), score))


def looking(places: dict[int, float], classes: list[int] | None = None) -> Detections:
    """One box for each embedding, at its position."""
    boxes = np.reshape([box(x) for x in places.values()], (-1, 4))
    return Detections.create(boxes, np.full(len(boxes), 0.9), classes, LOOKS[list(places)])


def steady(deepsort: DeepSort, frames: int = 4, x: float = 100) -> Tracks:
    for _ in range(frames):
        tracks = deepsort.step(seen(box(x)))
    return tracks


def test_max_age_in_seconds_follows_the_frame_rate() -> None:
    deepsort = DeepSort(staged(max_age_s=0.5))
    for interval, frames in ((0.1, 5), (0.25, 2)):
        deepsort.reset(frame_interval_s=interval)
        steady(deepsort)
        for _ in range(frames):
            deepsort.step(Detections.empty())
            assert deepsort.track_count == 1
        deepsort.step(Detections.empty())
        assert deepsort.track_count == 0


def test_a_gap_counts_for_at_most_a_third_of_the_maximum_age() -> None:
    """45 intervals count for 10 of 30: 20 more are allowed."""
    deepsort = DeepSort(staged())
    steady(deepsort)
    deepsort.step(Detections.empty(), dt=45)
    for _ in range(20):
        deepsort.step(Detections.empty())
        assert deepsort.track_count == 1
    deepsort.step(Detections.empty())
    assert deepsort.track_count == 0


def test_a_track_survives_at_least_two_long_steps() -> None:
    deepsort = DeepSort(staged())
    steady(deepsort)
    for _ in range(3):
        deepsort.step(Detections.empty(), dt=45)
        assert deepsort.track_count == 1
    deepsort.step(Detections.empty(), dt=45)
    assert deepsort.track_count == 0


@pytest.mark.parametrize("coasts", [False, True])
@pytest.mark.parametrize(("dt", "wanted"), [(300, [1]), (301, [2])])
def test_a_gap_of_ten_maximum_ages_ends_all_tracks(
    dt: int, wanted: list[int], coasts: bool
) -> None:
    deepsort = DeepSort(staged())
    steady(deepsort)
    if coasts:
        deepsort.coast(dt=dt)
        dt = 1
    deepsort.step(seen(box(100)), dt=dt)
    assert steady(deepsort).ids.tolist() == wanted


def test_low_scores_continue_a_track_and_start_none() -> None:
    deepsort = DeepSort(staged(low_score=0.5))
    steady(deepsort)
    tracks = deepsort.step(seen(box(101), box(300), score=0.3))
    assert tracks.ids.tolist() == [1]
    assert deepsort.track_count == 1


def test_low_scores_are_matched_after_the_others() -> None:
    deepsort = DeepSort(staged(low_score=0.5))
    steady(deepsort)
    # The low score lies exactly on the track, the usual one beside it.
    found = Detections.create([box(100), box(108)], [0.3, 0.9])
    tracks = deepsort.step(found)
    assert found.scores[tracks.detection_index].tolist() == pytest.approx([0.9])


def test_low_scores_do_not_match_a_lost_track() -> None:
    deepsort = DeepSort(staged(low_score=0.5))
    steady(deepsort)
    deepsort.step(Detections.empty())
    assert len(deepsort.step(seen(box(100), score=0.3))) == 0


def test_a_high_score_weighs_more_where_noise_depends_on_the_score() -> None:
    def left_edge(weight: float, score: float) -> float:
        deepsort = DeepSort(staged(score_noise=weight))
        steady(deepsort)
        return float(deepsort.step(seen(box(110), score=score)).boxes[0, 0])

    assert left_edge(0.0, 0.1) == left_edge(0.0, 0.9)
    assert left_edge(0.9, 0.1) < left_edge(0.9, 0.9)


def test_too_small_or_too_wide_detections_are_ignored() -> None:
    deepsort = DeepSort(staged(min_height_px=30, max_aspect=2, report=Report.ALL))
    found = seen(box(100), box(300, height=29), box(500, width=81), box(700, width=80))
    tracks = deepsort.step(found)
    np.testing.assert_allclose(sorted(tracks.boxes[:, 0]), [80, 660])
    assert sorted(tracks.detection_index) == [0, 3]


def leave(deepsort: DeepSort, size: tuple[int, int] | None) -> int:
    """A track walks out at the left; returns the number of tracks three frames later."""
    deepsort.reset(frame_interval_s=1 / 30, frame_size=size)
    for x in range(100, 9, -10):
        deepsort.step(seen(box(x)))
    for _ in range(3):
        deepsort.step(Detections.empty())
    return deepsort.track_count


def test_a_track_that_left_the_image_is_deleted() -> None:
    assert leave(DeepSort(staged()), (640, 480)) == 0
    assert leave(DeepSort(staged(end_outside=False)), (640, 480)) == 1


def test_without_the_size_of_the_image_nothing_is_outside() -> None:
    assert leave(DeepSort(staged()), None) == 1


def occluded_and_moved(settings: DeepSortSettings) -> Tracks:
    """Two stand 300 px apart, are occluded, and reappear 30 px from each other's place."""
    deepsort = DeepSort(settings)
    for _ in range(5):
        deepsort.step(looking({0: 100, 1: 200}))
    for _ in range(10):
        deepsort.step(looking({}))
    for _ in range(4):
        tracks = deepsort.step(looking({0: 230, 1: 70}))
    return tracks


def test_an_object_that_reappears_elsewhere_is_new_without_resume() -> None:
    tracks = occluded_and_moved(staged(resume_distance=0))
    assert tracks.ids.tolist() == [3, 4]


def test_an_object_that_reappears_elsewhere_resumes_its_id_by_appearance() -> None:
    tracks = occluded_and_moved(staged(resume_reach=5))
    assert tracks.ids.tolist() == [1, 2]
    np.testing.assert_allclose(tracks.boxes[:, 0], [210, 50], atol=1)
    assert tracks.states.tolist() == [TrackState.CONFIRMED] * 2
    assert tracks.detection_index.tolist() == [0, 1]


def test_resume_is_limited_by_reach_and_appearance_distance() -> None:
    # 130 px are 3.25 heights.
    near = occluded_and_moved(staged(resume_distance=0.2, resume_reach=3))
    assert near.ids.tolist() == [3, 4]
    deepsort = DeepSort(staged(resume_distance=0.2, resume_reach=9))
    for look, x in ((0, 100), (1, 250)):
        for _ in range(4):
            tracks = deepsort.step(looking({look: x}))
    assert tracks.ids.tolist() == [2]


def test_a_track_matched_at_the_same_time_is_not_resumed() -> None:
    deepsort = DeepSort(staged(resume_distance=0.2, resume_reach=9))
    for k in range(8):
        places = {0: 100.0} if k < 2 else {0: 100.0, 3: 250.0}
        deepsort.step(looking(places))
    # The first is lost one frame before the third, its double, was born: no resume.
    twin = Detections.create([box(400)], [0.9], None, LOOKS[:1])
    both = Detections.create([box(100), box(400)], [0.9, 0.9], None, LOOKS[[0, 0]])
    deepsort.step(both)
    deepsort.step(twin)
    tracks = deepsort.step(twin)
    assert 1 not in tracks.ids


def test_resume_keeps_classes_apart_where_they_are() -> None:
    deepsort = DeepSort(staged(resume_distance=0.2, resume_reach=9, classes=ClassPolicy.SAME))
    for kind, x in ((2, 100), (7, 250)):
        for _ in range(4):
            tracks = deepsort.step(looking({0: x}, [kind]))
    assert tracks.ids.tolist() == [2]


def test_a_pan_of_the_camera_moves_no_track() -> None:
    told, untold = DeepSort(staged()), DeepSort(staged())
    ids = []
    for k in range(8):
        x = 100 if k < 5 else 160  # the camera jerks by 60 px, more than a box
        jerk = CameraMotion(shift=(60.0, 0.0)) if k == 5 else CameraMotion()
        ids = [told.step(seen(box(x)), camera=jerk).ids.tolist(), untold.step(seen(box(x))).ids]
    assert ids[0] == [1]
    assert list(ids[1]) == [2]


def test_overlap_does_not_match_different_appearances() -> None:
    def swap(limit: float | None) -> list[int]:
        deepsort = DeepSort(staged(overlap_appearance_distance=limit))
        for _ in range(4):
            deepsort.step(looking({0: 100}))
        for _ in range(3):
            tracks = deepsort.step(looking({1: 102}))  # another object steps into the place
        return tracks.ids.tolist()

    assert swap(None) == [1]
    assert swap(0.7) == [2]


def occluded_neighbour(order: AppearanceOrder) -> list[int]:
    """One is occluded, its neighbour shifts; then one detection resembles the occluded one."""
    slanted = np.array([[0.9, 0.436, 0, 0], [0, 1, 0, 0]], np.float32)
    deepsort = DeepSort(staged(appearance_order=order, max_appearance_distance=0.7))
    for _ in range(4):
        deepsort.step(Detections.create([box(100), box(112)], [0.9, 0.9], None, slanted))
    deepsort.step(Detections.create([box(112)], [0.9], None, slanted[1:]))
    return deepsort.step(Detections.create([box(106)], [0.9], None, slanted[:1])).ids.tolist()


def test_one_assignment_goes_by_appearance_and_the_cascade_by_recency() -> None:
    # Distances are 0 to the occluded one and 1 - 0.436 to its neighbour, both admissible.
    assert occluded_neighbour(AppearanceOrder.AT_ONCE) == [1]
    assert occluded_neighbour(AppearanceOrder.CASCADE) == [2]
