"""The joint assignment: one pair by hand, and all others against every possible assignment."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from tracker.boxes import pairwise_iou, xyxy_to_cxcyah
from tracker.detections import Detections
from tracker.tracking.association import Pairs, _solve_sparse
from tracker.tracking.gallery import AppearanceGallery
from tracker.tracking.joint_stage import joint_stage
from tracker.tracking.matching_stages import associate
from tracker.tracking.scene import Scene, make_scene
from tracker.tracking.settings import ClassPolicy, DeepSortSettings
from tracker.tracking.track_table import TrackTable

RED, BLUE, GREY = (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)
Look = tuple[float, float]


def box(x: float, y: float = 100.0) -> list[float]:
    """A box of 20 x 40 pixels."""
    return [x - 10, y - 20, x + 10, y + 20]


def detections_of(
    boxes: list[list[float]], looks: list[Look] | None = None, classes: list[int] | None = None
) -> Detections:
    vectors = None if looks is None else np.reshape(looks, (-1, 2))
    return Detections.create(boxes, [0.9] * len(boxes), classes, vectors)


def scene_of(
    known: Detections,
    found: Detections,
    *,
    variance: list[float] | np.ndarray = (16.0, 16.0, 0.01, 16.0),
    score_cost: list[float] | None = None,
    **changes: object,
) -> Scene:
    """A scene whose tracks are predicted exactly at the boxes of `known`."""
    table, gallery, own = TrackTable(), AppearanceGallery(10), DeepSortSettings(**changes)
    count = len(known)
    state = np.ones((5, 4, 1, count))
    state[0, :, 0], state[1] = xyxy_to_cxcyah(known.boxes).T, 0.0
    slots = table.give_birth(state, known, np.arange(count))
    gallery.add(slots, known.embeddings)
    lacks = np.zeros(len(found)) if score_cost is None else np.array(score_cost)
    spread = np.broadcast_to(np.asarray(variance), (count, 4)).copy()
    measurements = xyxy_to_cxcyah(found.boxes)
    return make_scene(table, gallery, own, found, measurements, variance=spread, score_cost=lacks)


def pairs_of(scene: Scene) -> Pairs:
    """The admissible pairs with their costs."""
    rows, columns = np.arange(len(scene.table)), np.arange(len(scene.detections))
    stage = joint_stage(rows, columns)
    return stage.cost(scene, stage.gate(scene, rows, columns))


def cost_of(scene: Scene) -> float:
    """The cost of the only pair."""
    (cost,) = pairs_of(scene).costs
    return float(cost)


def matched(scene: Scene) -> list[tuple[int, int]]:
    columns = np.arange(len(scene.detections))
    matches = associate(scene, columns, np.zeros(0, np.intp))
    return list(zip(matches.rows.tolist(), matches.columns.tolist(), strict=True))


BY_HAND = 3.5 * math.log(4 / 3) + math.log(4 * 4 * 4 * 0.1 / 40**3) + math.log(3 / 2)
"""Of a detection 4 px beside a track 20 px wide and 40 px high, with deviations of 4 px and 0.1:
the squared Mahalanobis distance is 1, the Student t density of 3 degrees of freedom in four
dimensions has the power (3 + 4) / 2 of 1 + 1 / 3, and the IoU is 16 / 24."""


def test_one_pair_by_hand() -> None:
    assert pytest.approx(-7.798, abs=1e-3) == BY_HAND
    scene = scene_of(detections_of([box(100)]), detections_of([box(104)]))
    assert cost_of(scene) == pytest.approx(BY_HAND)


def test_a_score_too_low_for_a_birth_adds_what_it_lacks() -> None:
    known, found = detections_of([box(100)]), detections_of([box(104)])
    assert cost_of(scene_of(known, found, score_cost=[1.5])) == pytest.approx(BY_HAND + 1.5)
    assert matched(scene_of(known, found, score_cost=[7.7])) == [(0, 0)]
    assert matched(scene_of(known, found, score_cost=[7.9])) == []


@pytest.mark.parametrize(
    ("distance", "share"), [(0.0, -5.0), (0.3, -2.0), (0.5, 0.0), (0.7, 2.0), (0.79, 2.9)]
)
def test_the_appearance_adds_ten_times_its_distance_beyond_a_half(
    distance: float, share: float
) -> None:
    look = (1 - distance, math.sqrt(1 - (1 - distance) ** 2))
    scene = scene_of(detections_of([box(100)], [RED]), detections_of([box(104)], [look]))
    assert cost_of(scene) == pytest.approx(BY_HAND + share, abs=1e-5)


def test_the_share_of_the_appearance_is_bounded() -> None:
    known, found = detections_of([box(100)], [RED]), detections_of([box(104)], [RED])
    sure = scene_of(known, found, appearance_weight=1000.0)
    assert cost_of(sure) == pytest.approx(BY_HAND - 5)
    look = detections_of([box(104)], [(0.3, math.sqrt(1 - 0.09))])  # a distance of 0.7
    other = scene_of(known, look, appearance_weight=1000.0)
    assert cost_of(other) == pytest.approx(BY_HAND + 6)


def test_an_appearance_far_beyond_neutral_is_no_match_at_all() -> None:
    scene = scene_of(detections_of([box(100)], [RED]), detections_of([box(100)], [BLUE]))
    assert matched(scene) == []


@pytest.mark.parametrize("looks", [(RED, GREY), (GREY, RED), (GREY, GREY)])
def test_an_unknown_appearance_neither_costs_nor_saves(looks: tuple[Look, Look]) -> None:
    # The second track and detection are known, so that there are appearances to compare.
    known = detections_of([box(100), box(900)], [looks[0], RED])
    found = detections_of([box(104), box(900)], [looks[1], RED])
    assert pairs_of(scene_of(known, found)).costs[0] == pytest.approx(BY_HAND)


def test_appearance_swaps_the_decision_of_motion() -> None:
    places, found = [box(100), box(108)], [box(101), box(107)]
    assert matched(scene_of(detections_of(places), detections_of(found))) == [(0, 0), (1, 1)]
    known, swapped = detections_of(places, [RED, BLUE]), detections_of(found, [BLUE, RED])
    assert matched(scene_of(known, swapped)) == [(0, 1), (1, 0)]


def test_motion_counts_half_where_tracks_of_known_appearance_nearly_coincide() -> None:
    places, found = [box(100), box(104)], [box(110), box(300)]
    alone = cost_of(scene_of(detections_of(places[:1], [RED]), detections_of(found[:1], [RED])))
    beside = pairs_of(
        scene_of(detections_of(places, [RED, BLUE]), detections_of(found, [RED, BLUE]))
    )
    squared = 100 / 16
    assert beside.costs[0] == pytest.approx(alone - 0.5 * 3.5 * math.log(1 + squared / 3))


def test_the_sum_decides_and_not_the_nearest_pair() -> None:
    # The second track is nearest to the first detection, but the first track has no other.
    known, found = detections_of([box(100), box(112)]), detections_of([box(110), box(121)])
    costs = pairs_of(scene_of(known, found))
    nearest = int(costs.costs.argmin())
    assert (costs.rows[nearest], costs.columns[nearest]) == (1, 0)
    assert matched(scene_of(known, found)) == [(0, 0), (1, 1)]


def test_a_track_that_was_not_seen_for_long_yields_to_a_certain_one() -> None:
    # Both are predicted in one place; the first one vaguely, by six times the deviations.
    known, found = detections_of([box(100), box(100)]), detections_of([box(102)])
    spread = np.array([[576.0, 576.0, 0.01, 576.0], [16.0, 16.0, 0.01, 16.0]])
    assert matched(scene_of(known, found, variance=spread)) == [(1, 0)]
    # Where the detection is far off, the vague one is likelier.
    far = detections_of([box(118)])
    assert matched(scene_of(known, far, variance=spread)) == [(0, 0)]


def test_boxes_that_do_not_overlap_may_match_where_the_track_is_vague() -> None:
    known, found = detections_of([box(100)]), detections_of([box(121)])
    # Deviations of 10 px: 21 px away is a squared distance of 4.41, and the IoU counts as 0.01.
    scene = scene_of(known, found, variance=[100.0, 100.0, 0.0004, 100.0])
    expected = 3.5 * math.log(1 + 4.41 / 3) + math.log(1000 * 0.02 / 40**3) + math.log(100)
    assert expected < 0
    assert cost_of(scene) == pytest.approx(expected)
    assert matched(scene) == [(0, 0)]
    # A certain track does not.
    assert matched(scene_of(known, found)) == []


def test_classes_meet_in_a_track_by_default_only() -> None:
    known = detections_of([box(100), box(300)], classes=[1, 2])
    found = detections_of([box(102), box(302)], classes=[2, 2])
    assert matched(scene_of(known, found)) == [(0, 0), (1, 1)]
    assert matched(scene_of(known, found, classes=ClassPolicy.SAME)) == [(1, 1)]


@pytest.mark.parametrize(("tracks", "found"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_matches_nothing(tracks: int, found: int) -> None:
    known, seen = (
        Detections.create(np.reshape([box(9 * k) for k in range(count)], (-1, 4)), [0.9] * count)
        for count in (tracks, found)
    )
    assert matched(scene_of(known, seen)) == []


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), tracks=st.integers(1, 4), found=st.integers(1, 4))
def test_the_assignment_is_the_best_of_all(seed: int, tracks: int, found: int) -> None:
    random = np.random.default_rng(seed)
    angles = random.uniform(0, 1.5, tracks + found)
    looks = [(float(np.cos(angle)), float(np.sin(angle))) for angle in angles]
    known = detections_of(
        [box(*place) for place in random.uniform(80, 120, (tracks, 2))], looks[:tracks]
    )
    seen = detections_of(
        [box(*place) for place in random.uniform(80, 120, (found, 2))], looks[tracks:]
    )
    spread = random.uniform(10, 400, (tracks, 4)) * [1, 1, 1e-4, 1]
    lacks = random.uniform(0, 3, found).tolist()
    scene = scene_of(known, seen, variance=spread, score_cost=lacks)
    cost = slow_costs(known, seen, spread, lacks)
    wide = np.hstack([cost, np.zeros((tracks, tracks))])  # a place of no match for each track
    least = min(
        wide[np.arange(tracks), list(places)].sum()
        for places in permutations(range(found + tracks), tracks)
    )
    assert sum(cost[row, column] for row, column in matched(scene)) == pytest.approx(
        least, abs=1e-4
    )


def slow_costs(
    known: Detections, seen: Detections, variance: np.ndarray, lacks: list[float]
) -> np.ndarray:
    """The cost of every pair, from the definition; infinite where a pair is no candidate."""
    away = xyxy_to_cxcyah(seen.boxes)[None] - xyxy_to_cxcyah(known.boxes)[:, None]
    squared = (away**2 / variance[:, None]).sum(axis=2)
    overlap = pairwise_iou(known.boxes, seen.boxes)
    apart = 1 - known.embeddings.astype(float) @ seen.embeddings.T - 0.5
    used = (squared <= 150).any(axis=1)
    meets = (pairwise_iou(known.boxes, known.boxes) >= 0.6) & ~np.eye(len(known), dtype=bool)
    touching = (meets & used & used[:, None]).any(axis=1)
    motion = 3.5 * np.log(1 + squared / 3) * np.where(touching, 0.5, 1)[:, None]
    cost = motion - np.log(np.maximum(overlap, 0.01)) + lacks
    cost += np.log(np.sqrt(variance).prod(axis=1) / 40**3)[:, None]
    cost += np.clip(10 * apart, -5, 6)
    cost[(apart > 0.3) | (squared > 150)] = np.inf
    return np.asarray(cost)


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 12), columns=st.integers(1, 12))
def test_sparse_and_dense_solutions_agree_on_negative_costs(
    seed: int, rows: int, columns: int
) -> None:
    random = np.random.default_rng(seed)
    admissible = random.random((rows, columns)) < 0.4
    admissible[np.arange(rows), random.integers(0, columns, rows)] = True
    cost = np.where(admissible, random.uniform(-12, 0, (rows, columns)).round(1), 0.0)
    place = admissible.nonzero()
    chosen, taken = _solve_sparse(*place, cost[place], 0.0)
    assert admissible[chosen, taken].all()
    assert len(set(chosen.tolist())) == len(set(taken.tolist())) == len(chosen)
    assert cost[chosen, taken].sum() == pytest.approx(cost[linear_sum_assignment(cost)].sum())


def test_a_large_crowd_is_matched_as_each_part_of_it_alone() -> None:
    # 600 tracks and detections in one chain of rivals: more than the largest matrix.
    random = np.random.default_rng(0)
    places = 12.0 * np.arange(600)
    moved = places + random.normal(0, 3, 600)
    order = random.permutation(600)
    known = detections_of([box(x) for x in places])
    found = detections_of([box(x) for x in moved[order]])
    scene = scene_of(known, found)
    pairs = pairs_of(scene)
    cost = np.zeros((600, 600))
    cost[pairs.rows, pairs.columns] = pairs.costs
    assert len(pairs) > 1500
    got = tuple(np.transpose(matched(scene)))
    assert cost[got].sum() == pytest.approx(cost[linear_sum_assignment(cost)].sum())
