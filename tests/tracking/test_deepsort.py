"""DeepSORT on small scenes with a known answer: life of a track, crossing, bouncing."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracking.staged import staged
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import ClassPolicy, Report
from tracker.tracks import Tracks, TrackState

RED = np.array([1, 0, 0], np.float32)
BLUE = np.array([0, 1, 0], np.float32)


def box(x: float, y: float = 100, width: float = 40, height: float = 40) -> list[float]:
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def seen(*boxes: list[float], classes: list[int] | None = None) -> Detections:
    return Detections.create(np.reshape(boxes, (-1, 4)), np.full(len(boxes), 0.9), classes)


def test_no_detections_ever() -> None:
    deepsort = DeepSort(staged())
    for _ in range(3):
        tracks = deepsort.step(Detections.empty())
        assert len(tracks) == 0
    assert deepsort.track_count == 0


def test_life_of_one_track() -> None:
    deepsort = DeepSort(staged(report=Report.ALL, max_age_frames=2))
    history: list[Tracks] = [deepsort.step(seen(box(100 + 2 * k))) for k in range(4)]
    assert [t.states[0] for t in history] == [
        TrackState.TENTATIVE,
        TrackState.TENTATIVE,
        TrackState.CONFIRMED,
        TrackState.CONFIRMED,
    ]
    assert [t.ids[0] for t in history] == [-1, -1, 1, 1]
    assert [t.ages[0] for t in history] == [1, 2, 3, 4]
    assert history[-1].detection_index.tolist() == [0]

    lost = deepsort.step(Detections.empty())
    assert (lost.states[0], lost.misses[0], lost.detection_index[0]) == (TrackState.LOST, 1, -1)
    assert lost.boxes[0, 0] > history[-1].boxes[0, 0]
    assert len(deepsort.step(Detections.empty())) == 1
    assert len(deepsort.step(Detections.empty())) == 0
    assert deepsort.track_count == 0


def test_a_tentative_track_dies_at_its_first_miss() -> None:
    deepsort = DeepSort(staged(report=Report.ALL))
    deepsort.step(seen(box(100)))
    deepsort.step(seen(box(100)))
    assert len(deepsort.step(Detections.empty())) == 0


def test_a_track_comes_back_with_its_id() -> None:
    deepsort = DeepSort(staged())
    for k in range(10):
        deepsort.step(seen(box(100 + 3 * k)))
    for _ in range(8):
        assert len(deepsort.step(Detections.empty())) == 0
    tracks = deepsort.step(seen(box(100 + 3 * 18)))
    assert tracks.ids.tolist() == [1]


def test_velocity_is_in_pixels_a_second() -> None:
    deepsort = DeepSort(staged())
    deepsort.reset(frame_interval_s=0.1)
    for k in range(60):
        tracks = deepsort.step(seen(box(100 + 5 * k, 200 - k)))
    np.testing.assert_allclose(tracks.velocities[0], [50, -10], atol=0.5)


def test_a_dropped_frame_is_a_longer_step() -> None:
    every, gaps = DeepSort(staged()), DeepSort(staged())
    for k in range(40):
        full = every.step(seen(box(100 + 5 * k)))
    for k in range(0, 40, 3):
        sparse = gaps.step(seen(box(100 + 5 * k)), dt=1.0 if k == 0 else 3.0)
    np.testing.assert_allclose(sparse.velocities, full.velocities, rtol=0.02)
    assert sparse.ids.tolist() == [1]


def test_two_tracks_are_numbered_in_order_of_confirmation() -> None:
    deepsort = DeepSort(staged())
    for k in range(5):
        boxes = [box(100)] if k == 0 else [box(100), box(400)]
        tracks = deepsort.step(seen(*boxes))
    assert tracks.ids.tolist() == [1, 2]
    np.testing.assert_allclose(tracks.boxes[:, 0], [80, 380], atol=1)


def test_scores_that_change_places_do_not_change_tracks() -> None:
    # Detections are sorted by score, so each object's row changes from frame to frame.
    deepsort = DeepSort(staged())
    for k in range(9):
        boxes = [box(100 + 4 * k), box(300), box(500 - 4 * k)]
        order = np.roll([0.9, 0.5, 0.7], k)
        tracks = deepsort.step(Detections.create(boxes, order, [0, 1, 2]))
    by_place = np.argsort(tracks.boxes[:, 0])
    np.testing.assert_allclose(tracks.boxes[by_place, 0], [112, 280, 448], atol=1)
    assert tracks.classes[by_place].tolist() == [0, 1, 2]
    assert sorted(tracks.ids) == [1, 2, 3]
    found = Detections.create(boxes, order, [0, 1, 2])
    linked = found.boxes[tracks.detection_index]
    np.testing.assert_allclose(linked[:, 0], tracks.boxes[:, 0], atol=1)
    np.testing.assert_allclose(found.scores[tracks.detection_index], tracks.scores)


def test_two_that_cross_keep_their_ids_by_motion() -> None:
    deepsort = DeepSort(staged())
    for k in range(41):
        tracks = deepsort.step(seen(box(100 + 10 * k, 100), box(500 - 10 * k, 115)))
        if k == 10:
            assert tracks.boxes[0, 0] < tracks.boxes[1, 0]
    assert tracks.ids.tolist() == [1, 2]
    assert tracks.boxes[0, 0] > tracks.boxes[1, 0]


def bounce(*, with_appearance: bool) -> list[tuple[float, float]]:
    """Two equal balls roll towards each other, collide, and roll back; returns x of ids 1 and 2 by
    frame.

    One hits the other half from behind as seen by the camera, so the image shows their centres
    4 px apart at the collision. They exchange velocities there: by motion alone they seem to pass
    each other.
    """
    deepsort = DeepSort(staged())
    speed, hit = 4.0, 40
    positions = []
    for k in range(2 * hit + 1):
        gap = speed * abs(hit - k) + 2
        colours = np.stack([RED, BLUE]) if with_appearance else np.zeros((2, 0), np.float32)
        boxes = [box(400 - gap), box(400 + gap)]
        tracks = deepsort.step(Detections.create(boxes, [0.9, 0.9], None, colours))
        if k >= 3:
            assert tracks.ids.tolist() == [1, 2]
            positions.append(
                (float(tracks.boxes[0, [0, 2]].mean()), float(tracks.boxes[1, [0, 2]].mean()))
            )
    return positions


def test_balls_that_bounce_swap_ids_by_motion_alone() -> None:
    positions = bounce(with_appearance=False)
    assert positions[0][0] < positions[0][1]
    assert positions[-1][0] > positions[-1][1]


def test_balls_that_bounce_keep_ids_by_appearance() -> None:
    positions = bounce(with_appearance=True)
    assert all(first < second for first, second in positions[:36] + positions[-36:])


def test_a_class_that_flickers_keeps_the_id_and_the_vote_names_it() -> None:
    deepsort = DeepSort(staged())
    for k in range(9):
        tracks = deepsort.step(seen(box(100 + k), classes=[7 if k % 3 == 1 else 2]))
    assert tracks.ids.tolist() == [1]
    assert tracks.classes.tolist() == [2]
    assert tracks.class_scores[0] == pytest.approx(6 / 9)


def test_same_class_policy_keeps_classes_apart() -> None:
    deepsort = DeepSort(staged(classes=ClassPolicy.SAME, report=Report.ALL))
    for _ in range(4):
        deepsort.step(seen(box(100), classes=[2]))
    tracks = deepsort.step(seen(box(100), classes=[7]))
    assert tracks.states.tolist() == [TrackState.TENTATIVE, TrackState.LOST]


def test_a_weak_detection_starts_no_track_but_continues_one() -> None:
    deepsort = DeepSort(staged(birth_score=0.6))
    weak = Detections.create([box(100)], [0.5])
    for _ in range(5):
        deepsort.step(weak)
    assert deepsort.track_count == 0
    for _ in range(3):
        deepsort.step(seen(box(100)))
    assert deepsort.step(weak).ids.tolist() == [1]


def test_two_instances_are_independent() -> None:
    def scene(k: int) -> tuple[Detections, Detections]:
        return seen(box(100 + k), box(300)), seen(box(500 - k))

    alone = [DeepSort(staged()), DeepSort(staged())]
    together = [DeepSort(staged()), DeepSort(staged())]
    expected = [[t.step(scene(k)[i]).ids.tolist() for k in range(8)] for i, t in enumerate(alone)]
    got: list[list[list[int]]] = [[], []]
    for k in range(8):
        for i, deepsort in enumerate(together):
            got[i].append(deepsort.step(scene(k)[i]).ids.tolist())
            if (i, k) == (1, 5):
                alone[0].reset(frame_interval_s=1)
    assert got == expected
    assert got[1][-1] == [1]


def test_reset_starts_ids_at_one_again() -> None:
    deepsort = DeepSort(staged())
    for _ in range(2):
        deepsort.reset(frame_interval_s=1 / 25)
        for _ in range(3):
            tracks = deepsort.step(seen(box(100)))
        assert tracks.ids.tolist() == [1]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), width=st.sampled_from([0, 3]))
def test_invariants_on_any_detections(data: st.DataObject, width: int) -> None:
    deepsort = DeepSort(staged(report=Report.ALL, max_age_frames=3))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    for _ in range(12):
        count = data.draw(st.integers(0, 6))
        centre, size = random.uniform(0, 200, (count, 2)), random.uniform(1, 80, (count, 2))
        vectors = random.normal(size=(count, width))
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        detections = Detections.create(
            np.hstack([centre - size / 2, centre + size / 2]),
            random.uniform(0, 1, count),
            random.integers(0, 3, count),
            vectors,
        )
        tracks = deepsort.step(detections, dt=data.draw(st.sampled_from([0.5, 1.0, 2.0])))
        assert (np.diff(tracks.ids) > 0).all()
        linked = tracks.detection_index[tracks.detection_index >= 0]
        assert sorted(linked) == list(range(count))  # every detection is in exactly one track
        assert ((tracks.misses == 0) == (tracks.detection_index >= 0)).all()
        assert (tracks.boxes[:, 2:] > tracks.boxes[:, :2]).all()
        assert len(tracks) == deepsort.track_count


def test_wrong_input_is_refused() -> None:
    deepsort = DeepSort(staged())
    with pytest.raises(DataError, match="dt: expected frame intervals above 0, got 0"):
        deepsort.step(Detections.empty(), dt=0)
    with pytest.raises(DataError, match="frame_interval_s"):
        deepsort.reset(frame_interval_s=-1)
    with pytest.raises(ConfigError, match=r"tracking.min_iou: expected 0..1, got 3"):
        staged(min_iou=3)
    deepsort.step(Detections.create([box(1)], [1], None, RED[None]))
    with pytest.raises(DataError, match="expected 3 values each as before, got 0"):
        deepsort.step(seen(box(1)))


def test_the_class_is_the_one_with_most_votes_and_the_lower_one_between_equals() -> None:
    random = np.random.default_rng(5)
    deepsort = DeepSort(staged(confirm_hits=1))
    boxes = [[100.0 * i, 0, 100 * i + 20, 40] for i in range(8)]
    votes = np.zeros((8, 4))
    for _ in range(40):
        classes = random.integers(0, 4, 8)
        tracks = deepsort.step(Detections.create(boxes, [0.5] * 8, classes))
        votes[np.arange(8), classes] += 1
        # Ids are in order of birth, and that is the order of the boxes.
        assert tracks.classes.tolist() == votes.argmax(axis=1).tolist()
        shares = votes.max(axis=1) / votes.sum(axis=1)
        np.testing.assert_allclose(tracks.class_scores, shares, rtol=1e-5)


@pytest.mark.parametrize("report", Report)
def test_reported_arrays_would_pass_the_checks_of_tracks_as_they_are(report: Report) -> None:
    deepsort = DeepSort(staged(report=report, confirm_hits=2))
    for frame in range(6):
        places = [box(0), box(200)][: 1 + frame % 2]
        classes = [frame // 2 % 2] * len(places)  # a second class from frame 2 on
        tracks = deepsort.step(Detections.create(places, [0.9] * len(places), classes))
        columns = {field.name: getattr(tracks, field.name) for field in fields(Tracks)}
        checked = Tracks(**columns)  # copies every array that is not read-only and as it should be
        assert all(getattr(checked, name) is column for name, column in columns.items())


def test_memory_follows_the_classes_that_a_track_had_not_their_ids() -> None:
    deepsort = DeepSort(staged())
    boxes = [[30.0 * i, 0, 30 * i + 20, 40] for i in range(200)]
    for frame in range(6):
        classes = 65535 - np.arange(200) - (frame == 4)
        tracks = deepsort.step(Detections.create(boxes, [0.9] * 200, classes))
    assert tracks.classes.tolist() == (65535 - np.arange(200)).tolist()
    np.testing.assert_allclose(tracks.class_scores, 5 / 6, rtol=1e-6)
    # Two classes a track: a table by id would have 65536 columns.
    assert deepsort._table.votes.shape == (200, 2)


def test_equal_votes_go_to_the_lower_class() -> None:
    for classes in ([7, 3, 7, 3], [3, 7, 3, 7], [7, 3, 3, 7]):
        deepsort = DeepSort(staged())
        for name in classes:
            tracks = deepsort.step(Detections.create([[0, 0, 20, 40]], [0.5], [name]))
        assert (tracks.classes.tolist(), tracks.class_scores.tolist()) == ([3], [0.5])


@pytest.mark.parametrize("found", [None, [[0, 0, 1, 1]], np.zeros((1, 4))])
def test_an_argument_that_is_not_detections_is_refused(found: object) -> None:
    with pytest.raises(DataError, match=r"step: expected Detections, got .*Detections\.create"):
        DeepSort(staged()).step(found)
