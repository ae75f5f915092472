"""The tracker as it is without settings: it learns, and forgets on reset."""

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.detections import Detections
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.kalman import VARIANCE
from tracker.tracking.settings import DeepSortSettings, Report
from tracker.tracks import Tracks, TrackState

RED, BLUE = np.eye(2, dtype=np.float32)


def box(x: float, y: float = 100.0, width: float = 20.0, height: float = 40.0) -> list[float]:
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def seen(*boxes: list[float], score: float = 0.9) -> Detections:
    return Detections.create(np.reshape(boxes, (-1, 4)), [score] * len(boxes))


def centres(tracks: Tracks) -> list[float]:
    return ((tracks.boxes[:, 0] + tracks.boxes[:, 2]) / 2).tolist()


def walk(frames: int, *, seed: int = 0, count: int = 6) -> list[Detections]:
    """People who walk steadily, boxes with noise, one in ten detections missing, some false."""
    random = np.random.default_rng(seed)
    places = random.uniform(100, 900, (count, 2))
    speed = random.normal(0, 2, (count, 2))
    result = []
    for _ in range(frames):
        places = places + speed
        kept = random.random(count) > 0.1
        boxes = [box(*place) for place in places[kept] + random.normal(0, 2, (kept.sum(), 2))]
        scores = random.uniform(0.7, 1, len(boxes)).tolist()
        if random.random() < 0.2:
            boxes.append(box(*random.uniform(0, 1000, 2)))
            scores.append(float(random.uniform(0.1, 0.5)))
        result.append(Detections.create(np.reshape(boxes, (-1, 4)), scores))
    return result


def run_of(deepsort: DeepSort, frames: list[Detections]) -> list[Tracks]:
    return [deepsort.step(frame) for frame in frames]


def assert_equal(first: list[Tracks], second: list[Tracks]) -> None:
    for one, two in zip(first, second, strict=True):
        assert one.ids.tolist() == two.ids.tolist()
        np.testing.assert_array_equal(one.boxes, two.boxes)
        assert one.misses.tolist() == two.misses.tolist()


def test_no_one_and_two_objects() -> None:
    deepsort = DeepSort()
    nothing = Detections.create(np.zeros((0, 4)), [])
    assert len(deepsort.step(nothing)) == 0
    assert len(deepsort.step(seen(box(100)))) == 0
    assert deepsort.step(seen(box(101), box(300))).ids.tolist() == [1]
    tracks = deepsort.step(seen(box(301), box(102)))
    assert tracks.ids.tolist() == [1, 2]
    assert tracks.detection_index.tolist() == [1, 0]
    np.testing.assert_allclose(centres(tracks), [102, 301], atol=1)
    tracks = deepsort.step(nothing)
    assert len(tracks) == 0
    assert deepsort.unreported().states.tolist() == [TrackState.LOST] * 2


def test_balls_that_bounce_keep_ids_by_appearance() -> None:
    deepsort, hit = DeepSort(), 40
    for k in range(2 * hit + 1):
        gap = 4.0 * abs(hit - k) + 2
        balls = [box(400 - gap, 100, 40), box(400 + gap, 100, 40)]
        tracks = deepsort.step(Detections.create(balls, [0.9] * 2, None, np.stack([RED, BLUE])))
        if k >= 2:
            assert tracks.ids.tolist() == [1, 2]
            assert tracks.detection_index.tolist() == [0, 1]


def test_two_that_cross_keep_their_ids_by_motion() -> None:
    deepsort = DeepSort()
    for k in range(61):
        tracks = deepsort.step(seen(box(100 + 5 * k), box(400 - 5 * k, 108)))
        if k >= 2:
            assert tracks.ids.tolist() == [1, 2]
            np.testing.assert_allclose(centres(tracks), [100 + 5 * k, 400 - 5 * k], atol=6)


def panned(**changes: Any) -> list[dict[int, int]]:
    """Eight people before a camera that pans by 15 px a frame and jumps by 45 px now and then.

    Returns the id of each person by frame, where it is reported.
    """
    deepsort, random = DeepSort(DeepSortSettings(**changes)), np.random.default_rng(2)
    places = np.stack([np.arange(8) * 60.0, random.uniform(100, 300, 8)], axis=1)
    result, at = [], 2000.0
    for frame in range(90):
        at -= 60 if frame % 9 == 8 else 15
        boxes = places + np.array([at, 0]) + random.normal(0, 1, (8, 2))
        tracks = deepsort.step(seen(*[box(*place) for place in boxes]))
        result.append(dict(zip(tracks.detection_index.tolist(), tracks.ids.tolist(), strict=True)))
    return result


def test_a_camera_that_pans_and_jumps_keeps_all_ids() -> None:
    ids = panned()
    assert sorted(ids[10]) == list(range(8))
    assert all(now == ids[10] for now in ids[10:])


def test_without_the_motion_of_the_boxes_a_jump_loses_some() -> None:
    ids = panned(box_motion=False, adapt_noise=False)
    assert any(now != ids[10] for now in ids[10:])


def test_interleaved_instances_equal_each_alone() -> None:
    scenes = [walk(60, seed=1), walk(60, seed=2)]
    alone = [run_of(DeepSort(), scene) for scene in scenes]
    both = [DeepSort(), DeepSort()]
    together: list[list[Tracks]] = [[], []]
    for frame in range(60):
        for own, deepsort, scene in zip(together, both, scenes, strict=True):
            own.append(deepsort.step(scene[frame]))
    for one, two in zip(alone, together, strict=True):
        assert_equal(one, two)


def test_reset_forgets_all_that_was_learnt() -> None:
    used, frames = DeepSort(), walk(60, seed=3)
    shaken = np.random.default_rng(0).uniform(0, 1000, (60, 5, 2))
    for places in shaken:
        looks = np.tile(RED, (5, 1))
        boxes = [box(*place) for place in places]
        used.step(Detections.create(boxes, [0.3] * 5, None, looks))
    for dirty in (walk(120, seed=9), walk(60, seed=4, count=20)):
        used.reset(frame_interval_s=0.1)
        run_of(used, dirty)
    fresh = DeepSort()
    for deepsort in (used, fresh):
        deepsort.reset(frame_interval_s=1 / 30, frame_size=(1000, 1000))
    assert_equal(run_of(used, frames), run_of(fresh, frames))


def test_what_is_learnt_changes_what_is_reported() -> None:
    # Without this, the test of reset could not fail.
    used, frames = DeepSort(), walk(60, seed=3)
    before = run_of(used, walk(120, seed=9))[-1]
    assert len(before)
    got = [tracks.boxes.tolist() for tracks in run_of(used, frames)]
    assert got != [tracks.boxes.tolist() for tracks in run_of(DeepSort(), frames)]


def blinking(deepsort: DeepSort, *, times: int, gap: int = 2) -> list[Tracks]:
    """One person walks by 2 px a frame; `gap` detections are missing after every five."""
    result = []
    for k in range(times * (5 + gap)):
        there = k % (5 + gap) < 5
        result.append(deepsort.step(seen(*[box(100 + 2 * k)] * there)))
    return result


def test_predictions_are_reported_after_enough_gaps_were_bridged() -> None:
    deepsort = DeepSort()
    shown = blinking(deepsort, times=20)
    lost = [len(tracks) for k, tracks in enumerate(shown) if k % 7 >= 5]
    # One right prediction is enough for a share of 0.3, as 4 / 11 > 0.3, and 3 / 10 of a track that
    # is most likely, not surely, one of a person is less.
    assert lost[:2] == [0] * 2
    assert lost[2:] == [1] * (len(lost) - 2)
    assert len({int(one) for tracks in shown for one in tracks.ids}) == 1
    for k, tracks in enumerate(shown[-7:], start=len(shown) - 7):
        assert tracks.ids.tolist() == [1]
        assert centres(tracks) == pytest.approx([100 + 2 * k], abs=1)
    first, second = shown[-2:]
    assert (first.misses.tolist(), second.misses.tolist()) == ([1], [2])
    assert first.detection_index.tolist() == second.detection_index.tolist() == [-1]
    assert second.states.tolist() == [TrackState.LOST]
    # No gap was longer than two: the third prediction is not reported.
    assert len(deepsort.step(seen())) == 0


def test_people_who_leave_end_the_reports_of_predictions() -> None:
    deepsort = DeepSort(DeepSortSettings(max_age_s=0.3))
    blinking(deepsort, times=20)
    assert deepsort.step(seen()).misses.tolist() == []  # the third miss after the last gap
    for person in range(60):
        for k in range(8):
            deepsort.step(seen(box(5000 + 300 * person + 2 * k)))
        shown = [len(deepsort.step(seen())) for _ in range(12)]
    assert shown == [0] * 12


@pytest.mark.parametrize(("side", "shown"), [(0.0, True), (15.0, False)])
def test_tracks_that_the_border_cuts_have_shares_of_their_own(side: float, shown: bool) -> None:
    """People who stand in the middle come back; those whom the border cuts off never do."""
    deepsort = DeepSort(DeepSortSettings(max_age_s=0.3))
    deepsort.reset(frame_interval_s=1 / 30, frame_size=(1000, 800))
    for round_ in range(25):
        for k in range(7):
            people = [box(500)] * (k < 5)
            leaving = [box(995, 40.0 + 100 * (round_ % 8))] * (k < 6 and round_ % 2)
            deepsort.step(seen(*people, *leaving))
    for _ in range(6):
        deepsort.step(seen(box(500), box(985 + side, 700)))
    misses = [tracks.misses.tolist() for tracks in run_of(deepsort, [seen(box(500))])]
    assert (misses == [[0, 1]]) is shown


@pytest.mark.parametrize(("score", "shown"), [(0.9, True), (0.61, False)])
def test_predictions_of_tracks_that_are_likely_of_nothing_are_not_reported(
    score: float, shown: bool
) -> None:
    deepsort = DeepSort()
    blinking(deepsort, times=20)
    # The limit of a mean is 1.5 below the usual log odds of 0.9: at 0.67.
    for k in range(8):
        weak = Detections.create([box(100 + 2 * (140 + k)), box(700)], [0.9, score])
        tracks = deepsort.step(weak)
    assert len(tracks) == 1 + shown or not shown
    tracks = deepsort.step(seen(box(100 + 2 * 148)))
    assert (tracks.misses.tolist() == [0, 1]) is shown


@pytest.mark.parametrize("report", [Report.SEEN, Report.LIKELY])
def test_report_seen_never_has_misses(report: Report) -> None:
    shown = blinking(DeepSort(DeepSortSettings(report=report)), times=30)
    misses = [miss for tracks in shown for miss in tracks.misses.tolist()]
    assert any(misses) == (report is Report.LIKELY)
    for tracks in shown:
        assert ((tracks.misses > 0) == (tracks.detection_index < 0)).all()


def test_a_step_of_two_intervals_predicts_as_a_missed_detection_does() -> None:
    one, other = (DeepSort(DeepSortSettings(report=Report.ALL)) for _ in range(2))
    for deepsort in (one, other):
        run_of(deepsort, walk(40, seed=5, count=3))
    first = one.step(seen(), dt=2.0)
    other.step(seen())
    second = other.step(seen())
    first, second = (tracks.select(tracks.ids > 0) for tracks in (first, second))
    assert first.ids.tolist() == second.ids.tolist()
    assert len(first) >= 3
    np.testing.assert_allclose(first.boxes, second.boxes, rtol=1e-6)
    np.testing.assert_allclose(first.velocities, second.velocities, rtol=1e-6)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.sampled_from([0, 3]),
    extent=st.sampled_from([1.0, 200.0, 1e6]),
    most=st.sampled_from([1, 4, 10]),
)
def test_invariants_on_any_detections(seed: int, width: int, extent: float, most: int) -> None:
    deepsort = DeepSort(DeepSortSettings(report=Report.ALL, max_age_s=0.2))
    random = np.random.default_rng(seed)
    alive: set[int] = set()
    dead: set[int] = set()
    for _ in range(12):
        count = int(random.integers(0, most + 1))
        centre, size = random.uniform(0, extent, (count, 2)), random.uniform(1, 80, (count, 2))
        vectors = random.normal(size=(count, width))
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        detections = Detections.create(
            np.hstack([centre - size / 2, centre + size / 2]),
            random.choice([0.0, 0.3, 0.7, 1.0], count),
            random.integers(0, 3, count),
            vectors,
        )
        tracks = deepsort.step(detections, dt=float(random.choice([0.5, 1, 2])))
        now = set(tracks.ids.tolist())
        assert len(now) == len(tracks) == deepsort.track_count
        dead |= alive - now
        assert not now & dead  # an id that is gone never comes back
        alive = now
        linked = tracks.detection_index[tracks.detection_index >= 0].tolist()
        assert len(set(linked)) == len(linked)
        assert ((tracks.misses == 0) == (tracks.detection_index >= 0)).all()
        assert np.isfinite(tracks.boxes).all()
        assert (tracks.boxes[:, 2:] >= tracks.boxes[:, :2]).all()
        assert_covariances(deepsort)


def learnt_of(deepsort: DeepSort) -> list[float]:
    """All that was learnt, as numbers."""
    learnt, one = deepsort._learnt, np.zeros(1, np.int32)
    return np.concatenate(
        [
            learnt.bank.weights.ravel(),
            learnt.bank.noise_scale,
            learnt._scores.birth_limits(one),
            learnt._scores.mean_limits(one),
            learnt._survival.shares.ravel(),
        ]
    ).tolist()


def test_what_settings_decide_is_not_learnt() -> None:
    constant = DeepSortSettings(
        adapt_noise=False, birth_score=0.6, min_mean_score=0.3, report=Report.SEEN
    )
    for own, learns in ((constant, False), (DeepSortSettings(), True)):
        deepsort = DeepSort(own)
        at_first = learnt_of(deepsort)
        assert len(run_of(deepsort, walk(60))[-1])
        assert (learnt_of(deepsort) != at_first) is learns


def assert_covariances(deepsort: DeepSort) -> None:
    """Every model's blocks of a coordinate and its rate are positive definite."""
    place, cross, rate = deepsort._table.state[VARIANCE:]
    assert (place > 0).all()
    assert (rate > 0).all()
    assert (place * rate > cross**2).all()
    bank = deepsort._learnt.bank
    np.testing.assert_allclose(bank.weights.sum(axis=1), 1)
    assert (bank.noise_scale > 0).all()


def state_size(holder: object, known: set[int] | None = None) -> int:
    """Bytes of all arrays, and 8 for each item of all containers, that an object holds."""
    known = set() if known is None else known
    if id(holder) in known or isinstance(holder, type):
        return 0
    known.add(id(holder))
    if isinstance(holder, np.ndarray):
        return holder.nbytes
    own = 8 * len(holder) if isinstance(holder, dict | list | set | tuple) else 0
    if not isinstance(holder, dict | list | set | tuple) and (
        not type(holder).__module__.startswith("tracker.")
    ):
        return own
    return own + sum(state_size(part, known) for part in gc.get_referents(holder))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_frames() -> None:
    deepsort, random, sizes, last = DeepSort(), np.random.default_rng(0), [], 0
    for frame in range(2000):
        # Three people who are replaced every 20 frames, in changing places and classes.
        generation = frame // 20
        places = np.random.default_rng(generation).uniform(0, 2000, (3, 2))
        boxes = [box(*place) for place in places + random.normal(0, 1, (3, 2))]
        classes = (np.arange(3) + generation) % 7
        looks = np.roll(np.eye(10, dtype=np.float32), generation % 2 * 5, axis=1)[:3]
        tracks = deepsort.step(Detections.create(boxes, [0.9] * 3, classes, looks))
        last = max([last, *tracks.ids.tolist()])
        if frame % 500 == 499:
            sizes.append(state_size(deepsort))
    assert last > 250
    assert sizes[0] > 10_000
    assert max(sizes[1:]) <= sizes[0] * 1.5
    assert sizes[-1] <= sizes[1] * 1.05


def test_an_unsure_detector_gets_tracks() -> None:
    deepsort = DeepSort()
    shown = [len(deepsort.step(seen(box(100 + k), box(300 - k), score=0.4))) for k in range(60)]
    assert shown[0] == 0
    assert shown[-1] == 2


def test_weak_detections_beside_sure_ones_start_no_track() -> None:
    deepsort = DeepSort()
    for k in range(60):
        boxes = [box(100 + k), box(500 - k), box(800)]
        tracks = deepsort.step(Detections.create(boxes, [0.95, 0.95, 0.45]))
    assert tracks.ids.tolist() == [1, 2]
    assert deepsort.track_count == 2
