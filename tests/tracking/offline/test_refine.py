"""The off-line pass on hand-made tracks, and invariants on random ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.boxes import cxcyah_to_xyxy, xyxy_to_cxcyah
from tracker.errors import ConfigError
from tracker.tracking.kalman import MotionNoise
from tracker.tracking.offline.join import JoinSettings, rejoin
from tracker.tracking.offline.refine import (
    RefineSettings,
    add_lead_in,
    cut_where_in_doubt,
    fill_gaps,
    refine,
    without_ghosts,
)
from tracker.tracking.offline.smooth import smooth_track
from tracker.tracking.offline.track_rows import TrackRows

FPS = 10.0
RAW = RefineSettings(noise=None, cut_missing=5, min_seen=5, lead_in=0)

Place = Callable[[int], tuple[float, float]]


def walk(
    track: int,
    frames: Iterable[int],
    place: Place,
    *,
    look: Sequence[float] = (),
    **more: float,
) -> TrackRows:
    """Boxes 20 x 40 whose centre is `place(frame)`; `look` is the embedding of each."""
    frames = list(frames)
    height = more.get("height", 40.0)
    boxes = [(x - 10, y - height / 2, x + 10, y + height / 2) for x, y in map(place, frames)]
    return TrackRows.create(
        frames,
        [track] * len(frames),
        boxes,
        scores=[more.get("score", 0.9)] * len(frames),
        classes=[int(more.get("kind", 0))] * len(frames),
        embeddings=np.array([look] * len(frames)).reshape(len(frames), len(look)),
    )


def right(frame: int) -> tuple[float, float]:
    return 100 + 5.0 * frame, 100.0


def left(frame: int) -> tuple[float, float]:
    return 300 - 5.0 * frame, 110.0  # meets `right` in frame 20


def table(*parts: TrackRows) -> TrackRows:
    return TrackRows.concatenate(parts)


def lives(rows: TrackRows) -> dict[int, tuple[int, int]]:
    return {
        int(rows.ids[s.start]): (int(rows.frames[s.start]), int(rows.frames[s.stop - 1]))
        for s in rows.spans()
    }


def test_no_rows_stay_no_rows() -> None:
    refined = refine(TrackRows.create([], [], []), RefineSettings(), fps=FPS)
    assert len(refined.rows) == 0
    assert refined.velocities.shape == (0, 2)
    assert (refined.cut, refined.joined, refined.dropped) == (0, 0, 0)


def test_one_whole_track_keeps_its_boxes() -> None:
    rows = walk(3, range(20), right)
    refined = refine(rows, RAW, fps=FPS)
    np.testing.assert_array_equal(refined.rows.boxes, rows.boxes)
    np.testing.assert_allclose(refined.velocities, [[5.0, 0.0]] * 20)
    np.testing.assert_array_equal(refined.class_shares, np.ones(20))


def test_a_track_of_one_row_has_no_speed() -> None:
    for noise in (None, MotionNoise()):
        settings = RefineSettings(min_seen=1, noise=noise)
        refined = refine(walk(1, [4], right), settings, fps=FPS)
        assert refined.velocities.tolist() == [[0.0, 0.0]]
        np.testing.assert_allclose(refined.rows.boxes, walk(1, [4], right).boxes)


def test_a_gap_is_filled_on_the_straight_line() -> None:
    rows = table(walk(1, range(10), right), walk(1, range(12, 20), right, score=0.6))
    refined = refine(rows, RAW, fps=FPS)
    assert refined.rows.frames.tolist() == list(range(20))
    np.testing.assert_allclose(refined.rows.boxes, walk(1, range(20), right).boxes, atol=1e-9)
    assert np.flatnonzero(~refined.rows.seen).tolist() == [10, 11]
    np.testing.assert_allclose(refined.rows.scores[10:12], [0.8, 0.7], rtol=1e-6)


def test_a_broken_track_is_joined_under_its_first_id() -> None:
    rows = table(walk(4, range(10), right), walk(2, range(18, 30), right))
    refined = refine(rows, RAW, fps=FPS)
    assert lives(refined.rows) == {4: (0, 29)}
    assert refined.joined == 1
    np.testing.assert_allclose(refined.rows.boxes, walk(4, range(30), right).boxes, atol=3)


def test_three_parts_become_one() -> None:
    rows = table(*(walk(i, range(12 * i, 12 * i + 8), right) for i in range(1, 4)))
    assert lives(rejoin(rows, JoinSettings(), fps=FPS)) == {1: (12, 43)}


def test_two_broken_tracks_that_cross_keep_their_directions() -> None:
    rows = table(
        walk(1, range(16), right),
        walk(2, range(16), left),
        walk(3, range(24, 40), left),  # the nearer to where 1 ended is not the one that goes on
        walk(4, range(24, 40), right),
    )
    refined = refine(rows, RAW, fps=FPS)
    assert lives(refined.rows) == {1: (0, 39), 2: (0, 39)}
    at = {
        int(i): b
        for i, f, b in zip(refined.rows.ids, refined.rows.frames, refined.rows.boxes, strict=True)
        if f == 39
    }
    np.testing.assert_allclose(at[1][0] + 10, right(39)[0])
    np.testing.assert_allclose(at[2][0] + 10, left(39)[0])


@pytest.mark.parametrize(
    "later",
    [
        walk(2, range(41, 60), right),  # 3.2 s later
        walk(2, range(15, 30), lambda frame: (right(frame)[0], 130.0)),  # 30 px = 0.75 heights off
        walk(2, range(15, 30), right, height=20.0),  # half as high
        walk(2, range(15, 30), right, kind=1),  # another class
        walk(2, range(9, 30), right),  # already there when the first one ended
        walk(2, range(15, 30), lambda frame: (right(15)[0] - 9 * (frame - 15), 100.0)),  # turned
    ],
    ids=["late", "far", "size", "class", "overlap", "direction"],
)
def test_what_does_not_fit_is_not_joined(later: TrackRows) -> None:
    rows = table(walk(1, range(10), right), later)
    assert len(lives(rejoin(rows, JoinSettings(), fps=FPS))) == 2


def test_the_ratio_of_sizes_counts_like_distance() -> None:
    """ln(40 / 36) is 0.105: with weight 3 it counts as 0.316 object heights."""
    rows = table(walk(1, range(10), right), walk(2, range(15, 30), right, height=36.0))
    for limit, tracks in ((0.33, 1), (0.3, 2)):
        assert len(lives(rejoin(rows, JoinSettings(max_offset=limit), fps=FPS))) == tracks
    weightless = JoinSettings(max_offset=0.3, size_weight=0)
    assert len(lives(rejoin(rows, weightless, fps=FPS))) == 1


RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.6, 0.8)


def swapped(first: Sequence[float], second: Sequence[float]) -> TrackRows:
    """Two stand side by side, are occluded for 1.5 s and reappear in each other's place."""
    return table(
        walk(1, range(20), lambda frame: (100, 100), look=first),
        walk(2, range(20), lambda frame: (140, 100), look=second),
        walk(3, range(35, 55), lambda frame: (100, 100), look=second),
        walk(4, range(35, 55), lambda frame: (140, 100), look=first),
    )


def test_appearance_tells_apart_what_motion_confuses() -> None:
    by_motion = refine(swapped((), ()), RAW, fps=FPS).rows
    by_looks = refine(swapped(RED, BLUE), RAW, fps=FPS).rows
    for rows, same_place in ((by_motion, True), (by_looks, False)):
        assert lives(rows) == {1: (0, 54), 2: (0, 54)}
        end = {int(rows.ids[s.start]): rows.boxes[s.stop - 1, 0] for s in rows.spans()}
        assert end == ({1: 90, 2: 130} if same_place else {1: 130, 2: 90})
    totals = by_looks.embeddings[by_looks.seen].sum(axis=0)
    np.testing.assert_allclose(totals, [40, 24, 32], rtol=1e-5)
    assert not by_looks.embeddings[~by_looks.seen].any()


def test_similar_appearance_joins_over_a_longer_gap_that_stays_open() -> None:
    for look, tracks in ((RED, 1), ((), 2)):
        rows = table(walk(1, range(20), right, look=look), walk(2, range(60, 80), right, look=look))
        refined = refine(rows, RAW, fps=FPS).rows  # 4 s: no line is drawn over more than 3
        assert len(lives(refined)) == tracks
        assert refined.frames.tolist() == [*range(20), *range(60, 80)]
        smooth = refine(rows, replace(RAW, noise=MotionNoise()), fps=FPS)
        np.testing.assert_allclose(smooth.rows.boxes, rows.boxes, atol=2)


@pytest.mark.parametrize(
    ("later", "tracks"),
    [
        (
            walk(2, range(25, 40), lambda frame: (195, 100), look=BLUE),
            2,
        ),  # fits in motion, differs in appearance
        (
            walk(2, range(25, 40), lambda frame: (195, 100), look=(0.0,) * 3),
            1,
        ),  # appearance unknown: by motion
        # From x = 195 to 247 or 250 in 0.6 s: 1.3 or 1.375 heights; 0.4 + 1.5 * 0.6 is 1.3.
        (walk(2, range(25, 40), lambda frame: (246.9, 100), look=RED), 1),
        (walk(2, range(25, 40), lambda frame: (250.0, 100), look=RED), 2),
        (walk(2, range(70, 89), lambda frame: (200, 100), look=RED), 2),  # 5.1 s
    ],
    ids=["different", "unknown", "reached", "too far", "late"],
)
def test_appearance_and_motion_have_to_agree(later: TrackRows, tracks: int) -> None:
    rows = table(walk(1, range(20), lambda frame: (195, 100), look=RED), later)
    assert len(lives(rejoin(rows, JoinSettings(), fps=FPS))) == tracks


def test_the_weight_decides_between_appearance_and_position() -> None:
    near, far = (0.98, 0.199, 0.0), (1.0, 0.0, 0.0)
    rows = table(
        walk(1, range(10), lambda frame: (100, 100), look=RED),
        walk(
            2, range(15, 30), lambda frame: (100, 101), look=near
        ),  # in place, 0.02 off in appearance
        walk(3, range(15, 30), lambda frame: (130, 100), look=far),
    )
    for weight, follower in ((1.0, 3), (0.0, 2)):
        joined = rejoin(rows, JoinSettings(appearance_weight=weight), fps=FPS)
        assert follower not in lives(joined)


def test_the_best_of_two_successors_is_taken() -> None:
    rows = table(
        walk(1, range(10), right),
        walk(2, range(15, 30), lambda frame: (right(frame)[0], 106.0)),
        walk(3, range(15, 30), lambda frame: (right(frame)[0], 98.0)),
    )
    assert lives(rejoin(rows, JoinSettings(), fps=FPS)) == {1: (0, 29), 2: (15, 29)}


def test_a_track_that_jumped_to_another_object_is_cut() -> None:
    rows = table(
        walk(1, range(10), right),
        walk(1, range(20, 30), lambda frame: (right(frame)[0], 180.0)),
        walk(5, range(40), left),
    )
    refined = refine(rows, RAW, fps=FPS)
    assert lives(refined.rows) == {1: (0, 9), 5: (0, 39), 6: (20, 29)}
    assert (refined.cut, refined.joined) == (1, 0)


def test_only_gaps_whose_sides_do_not_fit_are_cut() -> None:
    def jump(frame: int) -> tuple[float, float]:
        return right(frame)[0], 100.0 + 40 * (frame >= 30)  # one height down

    parts = [walk(1, frames, jump) for frames in (range(10), range(16, 24), range(30, 40))]
    rows = table(*parts)
    settings = replace(RAW, cut_missing=6)  # six frames are missing in both gaps
    assert lives(cut_where_in_doubt(rows, settings, fps=FPS)) == {1: (0, 23), 2: (30, 39)}
    assert cut_where_in_doubt(rows, replace(RAW, cut_missing=7), fps=FPS) is rows
    loose = replace(settings, keep_offset=1.01)
    assert lives(cut_where_in_doubt(rows, loose, fps=FPS)) == {1: (0, 39)}
    impatient = replace(loose, join=JoinSettings(max_gap_s=0.5))  # five frames
    assert lives(cut_where_in_doubt(rows, impatient, fps=FPS)) == {
        1: (0, 9),
        2: (16, 23),
        3: (30, 39),
    }


def test_each_part_of_a_cut_track_gets_an_id_of_its_own() -> None:
    rows = table(
        walk(1, range(5), right),
        walk(1, range(20, 25), left),
        walk(7, range(5), left),
        walk(7, range(20, 25), right),
        walk(7, range(40, 45), left),
    )
    cut = cut_where_in_doubt(rows, replace(RAW, keep_offset=1e-9), fps=FPS)
    assert lives(cut) == {1: (0, 4), 7: (0, 4), 8: (20, 24), 9: (20, 24), 10: (40, 44)}


def test_ghosts_are_dropped() -> None:
    rows = table(
        walk(1, range(20), right),
        walk(2, range(3), left),
        walk(3, range(10), left, score=0.5),
        walk(4, range(20, 30), left, score=0.8),
    )
    assert set(lives(without_ghosts(rows, min_seen=5, min_score=0.0))) == {1, 3, 4}
    assert set(lives(without_ghosts(rows, min_seen=1, min_score=0.85))) == {1, 2, 4}
    assert refine(rows, replace(RAW, min_score=0.85), fps=FPS).dropped == 2


def test_a_lead_in_goes_back_along_the_line_but_not_before_frame_0() -> None:
    rows = add_lead_in(table(walk(1, range(1, 9), right), walk(2, range(20, 30), left)), 2)
    assert lives(rows) == {1: (0, 8), 2: (18, 29)}
    first = rows.select(rows.frames == 18)
    np.testing.assert_allclose(first.boxes, walk(2, [18], left).boxes)
    assert not first.seen.any()
    assert len(add_lead_in(walk(1, [5], right), 2)) == 1
    assert len(add_lead_in(walk(1, [5, 6], right), 0)) == 2


def test_the_class_is_voted_over_the_whole_track() -> None:
    rows = table(walk(1, range(6), right, kind=2), walk(1, range(6, 8), right, kind=7))
    refined = refine(rows, RAW, fps=FPS)
    assert set(refined.rows.classes.tolist()) == {2}
    np.testing.assert_allclose(refined.class_shares, 6 / 8)


def test_smoothing_equals_filterpy() -> None:
    """The same model written out again: one filter step and one smoother step at a time."""
    noise = MotionNoise()
    random = np.random.default_rng(0)
    truth = xyxy_to_cxcyah(walk(1, range(30), right).boxes)
    measured = truth + random.normal(0, [2, 2, 0.02, 1], truth.shape)
    seen = np.arange(30) % 7 != 3
    heights = measured[:, 3]

    def process(height: float) -> np.ndarray:
        position, velocity = (noise.position * height) ** 2, (noise.velocity * height) ** 2
        of_values = [position, position, noise.aspect**2, position]
        of_rates = [velocity, velocity, noise.aspect_velocity**2, velocity]
        return np.diag([*of_values, *of_rates])

    reference = KalmanFilter(dim_x=8, dim_z=4)
    reference.F = np.eye(8) + np.eye(8, k=4)
    reference.H = np.eye(4, 8)
    reference.x = np.concatenate([measured[0], np.zeros(4)])
    first = np.array([2 * noise.position * heights[0]] * 4 + [10 * noise.velocity * heights[0]] * 4)
    first[2], first[6] = noise.aspect, noise.aspect_velocity
    reference.P = np.diag(first**2)
    means, covariances = [reference.x.copy()], [reference.P.copy()]
    for frame in range(1, 30):
        reference.predict(Q=process(heights[frame]))
        position = (noise.measurement * heights[frame]) ** 2
        around = np.diag([position, position, noise.aspect_measurement**2, position])
        reference.update(measured[frame] if seen[frame] else None, R=around)
        means.append(reference.x.copy())
        covariances.append(reference.P.copy())
    expected = reference.rts_smoother(
        np.array(means), np.array(covariances), Qs=[process(height) for height in heights]
    )[0]

    boxes, velocities = smooth_track(cxcyah_to_xyxy(measured), seen, noise)
    np.testing.assert_allclose(boxes, cxcyah_to_xyxy(expected[:, :4]), rtol=1e-9)
    np.testing.assert_allclose(velocities, expected[:, 4:6], rtol=1e-9, atol=1e-12)


def test_smoothing_brings_jittery_boxes_nearer_to_the_truth() -> None:
    truth = walk(1, range(60), right).boxes
    jitter = np.random.default_rng(1).normal(0, 2, truth.shape)
    boxes, velocities = smooth_track(truth + jitter, np.ones(60, np.bool_), MotionNoise())
    assert np.abs(boxes - truth).mean() < 0.75 * np.abs(jitter).mean()
    np.testing.assert_allclose(velocities.mean(axis=0), [5, 0], atol=0.5)


def test_gaps_of_several_tracks_are_filled_apart() -> None:
    rows = table(walk(1, [0, 2], right), walk(2, [5, 8], left))
    filled = fill_gaps(rows, max_missing=2)
    assert lives(filled) == {1: (0, 2), 2: (5, 8)}
    assert len(filled) == 3 + 4
    assert len(fill_gaps(rows, max_missing=1)) == 3 + 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: JoinSettings(max_gap_s=0), "max_gap_s: expected a number > 0, got 0"),
        (lambda: JoinSettings(fit_s=0), "fit_s: expected a number > 0"),
        (lambda: JoinSettings(max_offset=float("nan")), "max_offset: expected"),
        (lambda: JoinSettings(size_weight=-1), "size_weight: expected a number of 0 or more"),
        (lambda: JoinSettings(max_speed=float("inf")), "max_speed: expected a number of 0 or more"),
        (lambda: JoinSettings(appearance_gap_s=0), "appearance_gap_s: expected a number > 0"),
        (lambda: JoinSettings(appearance_weight=2), r"appearance_weight: .* in \[0, 1\], got 2"),
        (
            lambda: JoinSettings(max_appearance_distance=0),
            r"max_appearance_distance: expected a number in \(0, 2\], got 0",
        ),
        (lambda: RefineSettings(keep_offset=0), "keep_offset: expected a number > 0"),
        (lambda: RefineSettings(min_seen=0), "min_seen: expected 1 or more"),
        (lambda: RefineSettings(min_score=2), r"min_score: expected a number in \[0, 1\], got 2"),
        (lambda: RefineSettings(cut_missing=0), "cut_missing: expected 1 or more"),
        (
            lambda: refine(TrackRows.create([], [], []), RefineSettings(), fps=0),
            "fps: expected a number from 1e-06 to 1e",
        ),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


@st.composite
def recordings(draw: st.DrawFn) -> TrackRows:
    parts = []
    for track in range(1, draw(st.integers(1, 7)) + 1):
        frames = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=20)))
        x, y = draw(st.integers(0, 60)), draw(st.integers(0, 60))
        speed = draw(st.floats(-4, 4))
        height = draw(st.floats(20, 60))

        def place(
            frame: int, x: float = x, y: float = y, speed: float = speed
        ) -> tuple[float, float]:
            return x + speed * frame, y

        parts.append(
            walk(
                track,
                frames,
                place,
                height=height,
                kind=draw(st.integers(0, 1)),
                score=draw(st.floats(0.1, 1)),
            )
        )
    return table(*parts)


@settings(max_examples=80, deadline=None)
@given(rows=recordings(), smooth=st.booleans(), cut_missing=st.integers(1, 8))
def test_any_recording_gives_valid_tracks(rows: TrackRows, smooth: bool, cut_missing: int) -> None:
    chosen = RefineSettings(
        cut_missing=cut_missing,
        min_seen=1,
        min_score=0,
        lead_in=0,
        noise=MotionNoise() if smooth else None,
    )
    refined = refine(rows, chosen, fps=FPS).rows  # TrackRows itself refuses one id twice in a frame
    assert refined.frames.min() >= rows.frames.min()
    assert refined.frames.max() <= rows.frames.max()
    for span in refined.spans():  # no gap is left, and each track has one class
        assert np.all(np.diff(refined.frames[span]) == 1)
        assert len(set(refined.classes[span].tolist())) == 1
    # Without a threshold no row is lost.
    assert sorted(refined.frames[refined.seen]) == sorted(rows.frames)


@settings(max_examples=80, deadline=None)
@given(rows=recordings())
def test_joined_tracks_never_overlap_in_time_and_a_second_pass_joins_nothing(
    rows: TrackRows,
) -> None:
    loose = JoinSettings(max_gap_s=3, max_offset=2, size_weight=0.5)
    joined = rejoin(rows, loose, fps=FPS)
    assert len(joined) == len(rows)
    for span in joined.spans():
        assert np.all(np.diff(joined.frames[span]) > 0)
    again = rejoin(joined, loose, fps=FPS)
    np.testing.assert_array_equal(again.ids, joined.ids)
