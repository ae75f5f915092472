"""Ten thousand objects: a gate compares neighbours, not all pairs."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from tracker.detections import Detections
from tracker.tracking import gating, kalman, neighbours
from tracker.tracking.association import Pairs, assign, matching_cascade
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.neighbours import Windows, admissible

WIDTH, HEIGHT = 1920, 1080


def points(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform([0, 0], [WIDTH, HEIGHT], (count, 2))


def within(centres: np.ndarray, reach: np.ndarray, places: np.ndarray) -> set[tuple[int, int]]:
    inside = (np.abs(places[None] - centres[:, None]) <= reach[:, None]).all(axis=2)
    return set(zip(*(index.tolist() for index in inside.nonzero()), strict=True))


def found(windows: Windows) -> list[tuple[int, int]]:
    return [
        pair
        for rows, columns in windows.pairs()
        for pair in zip(rows.tolist(), columns.tolist(), strict=True)
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [1e-6, 1.0, 8000.0])
def test_windows_hold_each_pair_once_and_little_else(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    centres, places = points(300, seed), points(400, seed + 10)
    centres[:20] += random.normal(0, 5000, (20, 2))  # predicted outside the frame
    reach = random.uniform(0, 60, (300, 2))
    reach[:3] = 3000
    centres, places, reach = centres * scale, places * scale, reach * scale
    pairs = found(Windows(centres, reach, places))
    assert len(pairs) == len(set(pairs))
    wanted = within(centres, reach, places)
    assert wanted <= set(pairs)
    assert [row for row, _ in pairs] == sorted(row for row, _ in pairs)


@pytest.mark.parametrize("line", [0, 1])
def test_points_in_one_line_or_place(line: int) -> None:
    places = np.zeros((600, 2))
    places[:, line] = np.arange(600.0)
    reach = np.full((600, 2), 2.0)
    assert within(places, reach, places) <= set(found(Windows(places, reach, places)))
    heap = np.zeros((600, 2))
    assert len(found(Windows(heap, reach, heap))) == 600 * 600


def test_ten_thousand_boxes_are_compared_with_their_neighbours_alone() -> None:
    centres, places = points(10_000, 1), points(10_000, 2)
    windows = Windows(centres, np.full((10_000, 2), 25.0), places)
    # A window of 50 by 50 px holds 12 of 10,000 points in 1920 x 1080: 120,000 pairs, and a strip
    # is read where the window covers it in part. All with all would be 100,000,000.
    assert windows.pair_count < 300_000


def test_one_box_as_large_as_the_frame_adds_no_neighbours_to_the_others() -> None:
    places = points(2000, 3)
    boxes = np.vstack([np.hstack([places - 15, places + 15]), [[0, 0, WIDTH, HEIGHT]]])
    centres = np.column_stack([places, np.full(2000, 1.0), np.full(2000, 30.0)])
    mean = kalman.means(kalman.initiate(centres, kalman.MotionNoise()))
    groups = gating.groups_by_size(boxes[:, 2:] - boxes[:, :2])
    looked_at = 0
    for group in groups:
        reach = np.tile(15 + 0.5 * (boxes[group, 2:] - boxes[group, :2]).max(axis=0), (2000, 1))
        middle = 0.5 * (boxes[group, :2] + boxes[group, 2:])
        looked_at += Windows(mean[:, :2], reach, middle).pair_count
    pairs = gating.by_overlap(mean, boxes.astype(np.float32), min_iou=0.3)
    near = cKDTree(places).query_pairs(30 * np.sqrt(2), output_type="ndarray")
    assert len(pairs) >= 2000
    assert [len(group) for group in groups] == [2000, 1]
    assert looked_at < 6 * (2 * len(near) + 2000)


def test_many_pairs_are_those_of_the_full_matrix() -> None:
    random = np.random.default_rng(4)
    known, seen = (
        np.column_stack([points(700, seed), random.uniform(0.3, 0.6, 700),
                         random.uniform(20, 200, 700)])
        for seed in (5, 6)
    )  # fmt: skip
    noise = kalman.MotionNoise()
    state = kalman.predict(kalman.initiate(known, noise), dt=1, noise=noise)
    mean, variance = kalman.means(state), kalman.innovation_variance(state, noise)
    pairs = gating.by_motion(mean, variance, seen, gate=9.5)
    distance = (np.square(seen[None] - mean[:, None, :4]) / variance[:, None]).sum(axis=2)
    expected = Pairs.of(distance, distance <= 9.5)
    order = np.lexsort((pairs.columns, pairs.rows))
    assert pairs.rows[order].tolist() == expected.rows.tolist()
    assert pairs.columns[order].tolist() == expected.columns.tolist()
    np.testing.assert_allclose(pairs.costs[order], expected.costs)


@pytest.mark.parametrize("seed", range(3))
def test_the_assignment_of_many_is_that_of_a_matrix(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, columns = random.integers(0, 600, 3000), random.integers(0, 550, 3000)
    flat = np.unique(rows * 550 + columns)
    cost = np.ones((600, 550))
    allowed = np.zeros((600, 550), bool)
    cost.flat[flat], allowed.flat[flat] = random.uniform(0, 1, len(flat)), True
    matches = assign(Pairs.of(cost, allowed), unmatched_cost=1.0)
    best_rows, best_columns = linear_sum_assignment(cost)
    kept = allowed[best_rows, best_columns]
    assert matches.rows.tolist() == best_rows[kept].tolist()
    assert matches.columns.tolist() == best_columns[kept].tolist()
    cascade = matching_cascade(Pairs.of(cost, allowed), np.ones(600, np.int64), unmatched_cost=1.0)
    assert cascade.columns.tolist() == matches.columns.tolist()


def test_piled_boxes_keep_a_bounded_number_of_pairs_and_are_all_matched() -> None:
    count = 1500
    heap = np.zeros((count, 2))

    def price(rows, columns):
        return np.zeros(len(rows)), np.ones(len(rows), bool)

    pairs = admissible(heap, np.ones((count, 2)), heap, price=price)
    assert len(pairs) <= neighbours.MOST_PAIRS
    assert len(assign(pairs, unmatched_cost=1.0)) == count


def test_thousands_of_objects_keep_their_ids() -> None:
    random = np.random.default_rng(0)
    size = random.uniform(20, 60, (3000, 2))
    place = points(3000, 7)
    deepsort = DeepSort()
    for _ in range(3):
        place += 0.2
        tracks = deepsort.step(
            Detections.create(np.hstack([place - size / 2, place + size / 2]), [0.9] * 3000)
        )
    assert tracks.ids.tolist() == list(range(1, 3001))
    assert tracks.detection_index.tolist() == list(range(3000))
