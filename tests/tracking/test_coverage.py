"""Boxes that two objects share, by hand and against a comparison of all pairs."""

import numpy as np
import pytest

from tracker.detections import Detections
from tracker.tracking.coverage import covered_by_nearer
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import DeepSortSettings

RED, MIXED = np.array([[1, 0], [0.8, 0.6]], np.float32)
FAR, NEAR = [0, 0, 20, 40], [8, 4, 28, 44]
"""The nearer one ends lower, and covers 12 of 20 by 36 of 40 pixels: 0.54 of the other."""


def covered(*boxes: list[float], limit: float = 0.5) -> list[bool]:
    array = np.reshape(np.array(boxes, np.float32), (-1, 4))
    return covered_by_nearer(array, array, limit=limit).tolist()


def test_none_one_and_two_boxes() -> None:
    assert covered() == []
    assert covered(FAR) == [False]
    assert covered(FAR, NEAR) == [True, False]
    assert covered(NEAR, FAR) == [False, True]


def test_the_limit_is_the_share_of_the_farther_box() -> None:
    assert covered(FAR, NEAR, limit=0.53) == [True, False]
    assert covered(FAR, NEAR, limit=0.55) == [False, False]
    wide = [-40, -40, 60, 44]  # it covers all of the other, though their IoU is 0.1
    assert covered(FAR, wide, limit=0.99) == [True, False]


def test_boxes_that_end_at_the_same_height_cover_neither() -> None:
    assert covered(FAR, [2, 0, 22, 40]) == [False, False]
    assert covered(FAR, FAR) == [False, False]


def test_only_the_others_cover() -> None:
    boxes, others = np.array([FAR, NEAR], np.float32), np.zeros((0, 4), np.float32)
    assert covered_by_nearer(boxes, others, limit=0.5).tolist() == [False, False]
    assert covered_by_nearer(others, boxes, limit=0.5).tolist() == []


@pytest.mark.parametrize("count", [7, 60, 600])
@pytest.mark.parametrize("limit", [0.0, 0.3, 0.5, 0.8])
def test_many_boxes_as_all_pairs_give_it(count: int, limit: float) -> None:
    random = np.random.default_rng(count)
    corners = random.uniform(0, 25 * count**0.5, (count, 2))
    size = random.uniform(5, 60, (count, 2))
    boxes = np.hstack([corners, corners + size]).astype(np.float32)
    expected = []
    for x1, y1, x2, y2 in boxes.astype(np.float64).tolist():
        shares = [
            max(min(x2, b[2]) - max(x1, b[0]), 0) * max(min(y2, b[3]) - max(y1, b[1]), 0)
            for b in boxes.astype(np.float64).tolist()
            if b[3] > y2
        ]
        expected.append(max(shares, default=0) > limit * (x2 - x1) * (y2 - y1))
    assert covered(*boxes.tolist(), limit=limit) == expected
    assert 0.02 < np.mean(expected) < 0.98


def appearance_of_the_farther(max_covered: float, *, score: float = 0.9) -> list[list[float]]:
    """The embeddings that a track has after five frames alone and five behind another object."""
    deepsort = DeepSort(DeepSortSettings(max_covered=max_covered))
    for frame in range(10):
        boxes, looks, scores = [FAR], [RED], [0.9]
        if frame >= 5:
            boxes, looks, scores = [FAR, NEAR], [MIXED, MIXED], [0.9, score]
        deepsort.step(Detections.create(boxes, scores, None, np.stack(looks)))
    return deepsort._gallery.stored(int(deepsort._table.slots[0])).tolist()


def test_a_crop_that_shows_another_object_is_not_stored() -> None:
    assert appearance_of_the_farther(0.5) == [[1, 0]] * 5
    assert appearance_of_the_farther(0.6) == [RED.tolist()] * 5 + [MIXED.tolist()] * 5
    assert len(appearance_of_the_farther(1.0)) == 10


def test_a_box_too_weak_for_a_track_is_no_second_object() -> None:
    assert len(appearance_of_the_farther(0.5, score=0.3)) == 10


def test_an_object_that_was_never_seen_free_has_no_appearance() -> None:
    deepsort = DeepSort()
    for _ in range(3):
        found = Detections.create([FAR, NEAR], [0.9, 0.8], None, np.stack([MIXED, MIXED]))
        tracks = deepsort.step(found)
    assert len(tracks) == 2
    assert deepsort._gallery.has_any(deepsort._table.slots).tolist() == [False, True]
