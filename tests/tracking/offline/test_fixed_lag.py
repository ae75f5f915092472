"""Tracks some frames late: gaps that end meanwhile are filled."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.boxes import is_proper
from tracker.errors import ConfigError
from tracker.tracking.offline.fixed_lag import FixedLag
from tracker.tracking.offline.refine import fill_gaps
from tracker.tracking.offline.track_rows import TrackRows
from tracker.tracks import Tracks, TrackState

Row = tuple[int, float, TrackState]
CONFIRMED, LOST, TENTATIVE = TrackState.CONFIRMED, TrackState.LOST, TrackState.TENTATIVE


def make_tracks(*rows: Row) -> Tracks:
    """Each row is (id, x, state)."""
    count = len(rows)
    ids, left, states = (np.array(column) for column in zip(*rows, strict=True))
    boxes = np.tile(left[:, None], (1, 4)) + np.array([0, 0, 10, 0])
    boxes[:, 1::2] = [0, 20]
    lost = states == LOST
    return Tracks(
        ids=ids.astype(np.int64),
        boxes=boxes.astype(np.float32),
        velocities=np.zeros((count, 2), np.float32),
        scores=np.full(count, 0.9, np.float32),
        classes=np.zeros(count, np.int32),
        class_scores=np.ones(count, np.float32),
        states=states.astype(np.uint8),
        ages=np.ones(count, np.int32),
        misses=lost.astype(np.int32),
        detection_index=np.where(lost, -1, 0).astype(np.int32),
    )


def at(x: float, track_id: int = 1, *, state: TrackState = CONFIRMED) -> Tracks:
    return make_tracks((track_id, x, state))


def run(frames: list[Tracks], lag: int, times: list[float] | None = None) -> list[Tracks]:
    fixed, out = FixedLag(lag), []
    for number, tracks in enumerate(frames):
        ready = fixed.push(tracks, float(number) if times is None else times[number])
        assert (ready is None) is (number < lag)
        out += [] if ready is None else [ready]
    out += fixed.flush()
    assert len(out) == len(frames)
    return out


def test_a_gap_that_ends_is_interpolated_in_time() -> None:
    nothing = Tracks.empty()
    out = run([at(0), nothing, nothing, at(8)], 3, times=[0.0, 1.0, 3.0, 4.0])
    assert [tracks.boxes[:, 0].tolist() for tracks in out] == [[0], [2], [6], [8]]
    assert [tracks.misses.tolist() for tracks in out] == [[0], [1], [2], [0]]
    assert [tracks.ages.tolist() for tracks in out] == [[1], [2], [3], [1]]
    filled = out[1]
    assert filled.states.tolist() == [LOST]
    assert filled.detection_index.tolist() == [-1]
    assert filled.velocities.tolist() == [[2.0, 0.0]]  # pixels a second


def test_a_gap_is_filled_as_the_second_pass_fills_it() -> None:
    ends = np.array([[0, 0, 10, 20], [50, 10, 90, 50]], np.float32)  # aspect 1/2, then 1
    first, last = (replace(at(0), boxes=box[None]) for box in ends)
    late = run([first, Tracks.empty(), Tracks.empty(), last], 3)
    rows = TrackRows.create(np.array([0, 3]), np.array([1, 1]), ends)
    second_pass = fill_gaps(rows, max_missing=2)
    for number in (1, 2):
        np.testing.assert_allclose(late[number].boxes[0], second_pass.boxes[number], atol=1e-5)
    # A third of the way: centre (80/3, 50/3), aspect 2/3, height 80/3, so 160/9 wide.
    np.testing.assert_allclose(late[1].boxes[0], [160 / 9, 10 / 3, 320 / 9, 30], atol=1e-5)


def test_an_interpolated_box_takes_the_place_of_a_prediction() -> None:
    predicted = make_tracks((1, 90, LOST), (2, 50, CONFIRMED))
    out = run([at(0), predicted, at(4)], 2)
    assert out[1].ids.tolist() == [1, 2]
    assert out[1].boxes[:, 0].tolist() == [2, 50]


def test_a_gap_longer_than_the_lag_stays_as_it_was_reported() -> None:
    nothing = Tracks.empty()
    frames = [at(0), nothing, at(99, state=LOST), nothing, at(8)]
    for lag, filled in ((2, False), (3, True), (9, True)):
        out = run(frames, lag)
        assert [len(tracks) for tracks in out] == ([1] * 5 if filled else [1, 0, 1, 0, 1])
        assert out[2].boxes[0, 0] == (4 if filled else 99)


def test_tracks_that_do_not_come_back_and_tentative_ones_are_left_alone() -> None:
    tentative = make_tracks((-1, 0, TENTATIVE))
    frames = [tentative, Tracks.empty(), tentative, at(0, 2), Tracks.empty(), Tracks.empty()]
    for before, after in zip(frames, run(frames, 3), strict=True):
        assert after is before


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_sources_come_out_whole(count: int) -> None:
    frames = [at(3.0 * number) for number in range(count)]
    assert run(frames, 5) == frames
    longer = [at(3.0 * number) for number in range(6)]
    for before, after in zip(longer, run(longer, 5), strict=True):  # A straight line stays one.
        np.testing.assert_allclose(after.boxes, before.boxes, atol=1e-5)


def test_no_state_is_kept_of_tracks_that_are_gone() -> None:
    lag = FixedLag(4)
    for number in range(500):
        lag.push(at(0, number + 1), float(number))
    assert len(lag._seen) <= 6
    assert len(lag._past) == 4


def test_times_that_stand_still_give_finite_boxes() -> None:
    out = run([at(0), Tracks.empty(), at(4)], 2, times=[1.0, 1.0, 1.0])
    assert np.isfinite(out[1].boxes).all()


def test_a_lag_below_one_frame_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected 1 frame or more, got 0"):
        FixedLag(0)


def test_jitter_is_smoothed_and_all_else_stays() -> None:
    rng = np.random.default_rng(0)
    true = [4.0 * number for number in range(40)]
    frames = [at(x + rng.normal(0, 1)) for x in true]
    late = run(frames, 5, times=[number / 25 for number in range(40)])

    def error(some: list[Tracks]) -> float:
        pairs = zip(some, true, strict=True)
        return float(np.mean([abs(tracks.boxes[0, 0] - x) for tracks, x in pairs]))

    assert error(late) < 0.6 * error(frames)
    for before, after in zip(frames, late, strict=True):
        for name in Tracks.__dataclass_fields__:
            if name != "boxes":
                assert getattr(after, name) is getattr(before, name)


def test_frames_that_a_camera_dropped_bend_no_track() -> None:
    """Straight ways at uneven times stay as they are: the line is one over time."""
    rng = np.random.default_rng(3)
    times = (np.cumsum(rng.integers(1, 4, 40)) / 25).tolist()
    frames = [
        make_tracks(*((track, 40.0 * track + 30.0 * track * s, CONFIRMED) for track in range(1, 8)))
        for s in times
    ]
    for before, after in zip(frames, run(frames, 6, times=times), strict=True):
        np.testing.assert_allclose(after.boxes, before.boxes, atol=0.01)


def test_the_line_is_the_weighted_least_squares_of_numpy() -> None:
    rng = np.random.default_rng(1)
    frames = [at(x) for x in rng.normal(0, 5, 7)]
    late = run(frames, 3, times=[number / 15 for number in range(7)])
    away = np.arange(-3, 4)
    weights = np.exp(-0.25 * np.square(away * 1.5 / 3))  # polyfit squares them
    values = [tracks.boxes[0, 0] + 5.0 for tracks in frames]
    expected = np.polyfit(away, values, 1, w=weights)[1]
    middle = (late[3].boxes[0, 0] + late[3].boxes[0, 2]) / 2
    assert middle == pytest.approx(expected, abs=1e-4)


def test_a_shaking_camera_is_followed() -> None:
    rng = np.random.default_rng(2)
    shake = rng.normal(0, 25, 60)
    frames = []
    for number, moved in enumerate(shake.tolist()):
        rows = [
            (track, 40.0 * track + 0.5 * track * number + moved, CONFIRMED) for track in range(1, 8)
        ]
        hidden = 3 if 30 <= number < 36 else 0
        frames.append(make_tracks(*(row for row in rows if row[0] != hidden)))
    late = run(frames, 15, times=[number / 25 for number in range(60)])
    for number, tracks in enumerate(late):
        assert len(tracks) == 7
        expected = 40.0 * tracks.ids + 0.5 * tracks.ids * number + shake[number]
        # A camera cannot be told from its tracks better than these can be told from each other.
        assert np.abs(tracks.boxes[:, 0] - expected).max() < 2.0, number


def test_boxes_that_are_no_boxes_are_left_as_they_are() -> None:
    flat = replace(at(5.0), boxes=np.array([[5, 5, 5, 5]], np.float32))
    frames = [at(1), at(2), flat, at(4), at(5)]
    out = run(frames, 4)
    assert out[2].boxes.tolist() == [[5, 5, 5, 5]]
    assert [tracks.boxes[0, 0] for tracks in out[:2]] == pytest.approx([1, 2], abs=1e-4)


SIDES = st.sampled_from([1e-3, 1.0, 40.0, 1e6, 1e30])
PLACES = st.one_of(st.floats(-500, 500, width=32), st.sampled_from([0.0, -1e30, 1e30]))
BOXES = st.tuples(st.integers(1, 6), PLACES, PLACES, SIDES, SIDES)


@given(
    st.lists(st.lists(BOXES, max_size=6, unique_by=lambda box: box[0]), max_size=14),
    st.integers(1, 8),
    st.sampled_from([0.0, 0.04, 5.0]),
)
def test_whatever_the_boxes_tracks_stay_and_boxes_are_boxes(
    scene: list[list[tuple[int, float, float, float, float]]], lag: int, interval_s: float
) -> None:
    frames = []
    for found in scene:
        tracks = make_tracks(*((row[0], 0.0, CONFIRMED) for row in found)) if found else at(0)
        places = np.array([row[1:] for row in found], np.float64).reshape(-1, 4)
        boxes = np.hstack([places[:, :2], places[:, :2] + places[:, 2:]]).astype(np.float32)
        known = is_proper(boxes)
        frames.append(replace(tracks, boxes=boxes).select(known) if found else Tracks.empty())
    late = run(frames, lag, times=[interval_s * number for number in range(len(frames))])
    for before, after in zip(frames, late, strict=True):
        assert set(before.ids.tolist()) <= set(after.ids.tolist())
        assert is_proper(after.boxes).all()
