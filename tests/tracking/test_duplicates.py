"""One object detected in two classes is one track; the vote decides its class."""

import numpy as np
import pytest

from tracker.boxes import pairwise_iou
from tracker.detections import Detections
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.duplicates import without_duplicates
from tracker.tracking.settings import ClassPolicy, DeepSortSettings

PERSON, BICYCLE, CAR, TRUCK = 0, 1, 2, 7


def kept(boxes: list, classes: list[int], iou: float = 0.95) -> list[bool]:
    scores = np.linspace(0.9, 0.5, len(boxes))
    return without_duplicates(Detections.create(boxes, scores, classes), iou=iou).tolist()


def test_none_and_one() -> None:
    assert without_duplicates(Detections.empty(), iou=0.95).tolist() == []
    assert kept([[0, 0, 10, 10]], [CAR]) == [True]


def test_the_better_of_two_classes_stays() -> None:
    van = [[0, 0, 100, 50], [0, 0, 100, 51]]  # IoU 50/51
    assert kept(van, [CAR, TRUCK]) == [True, False]
    assert kept(van, [TRUCK, CAR]) == [True, False]
    assert kept(van, [CAR, CAR]) == [True, True]  # that is the detector's own suppression


def test_at_the_threshold_both_stay() -> None:
    pair = [[0, 0, 100, 50], [0, 0, 95, 50]]
    assert kept(pair, [CAR, TRUCK], iou=0.95) == [True, True]
    assert kept(pair, [CAR, TRUCK], iou=0.94) == [True, False]


def test_a_suppressed_detection_suppresses_no_other() -> None:
    # IoU of neighbours 97/103 = 0.942, of the first and the third 94/106.
    chain = [[0, 0, 100, 50], [3, 0, 103, 50], [6, 0, 106, 50]]
    assert kept(chain, [CAR, TRUCK, PERSON], iou=0.93) == [True, False, True]


def test_a_rider_and_a_bicycle_are_two() -> None:
    # In the labels of 256 frames of COCO no person overlaps a bicycle or motorcycle above 0.56.
    ride = [[10, 0, 50, 100], [0, 40, 60, 120]]
    assert kept(ride, [PERSON, BICYCLE]) == [True, True]


@pytest.mark.parametrize("count", [40, 300, 700])
def test_equals_all_with_all(count: int) -> None:
    random = np.random.default_rng(count)
    places = random.uniform(0, 400, (count // 2, 2))
    boxes = np.hstack([places, places + random.uniform(20, 60, places.shape)])
    boxes = np.vstack([boxes, boxes + random.normal(0, 0.5, boxes.shape)])
    found = Detections.create(boxes, random.uniform(0, 1, count), random.integers(0, 3, count))
    iou = pairwise_iou(found.boxes, found.boxes)
    expected = np.ones(count, bool)
    for better in range(count):
        if expected[better]:
            worse = (iou[better] > 0.9) & (found.classes != found.classes[better])
            expected[better + 1 :] &= ~worse[better + 1 :]
    assert 0 < (~expected).sum() < count
    assert without_duplicates(found, iou=0.9).tolist() == expected.tolist()


@pytest.mark.parametrize("policy", ClassPolicy)
def test_an_object_in_two_classes_is_one_track_unless_switched_off(policy: ClassPolicy) -> None:
    def ids_and_classes(duplicate_iou: float | None) -> tuple[list[int], list[int]]:
        deepsort = DeepSort(DeepSortSettings(duplicate_iou=duplicate_iou, classes=policy))
        for x in range(8):
            boxes = [[x, 0, x + 100, 50], [x, 0.5, x + 100, 50]]
            tracks = deepsort.step(Detections.create(boxes, [0.8, 0.6], [CAR, TRUCK]))
        return tracks.ids.tolist(), tracks.classes.tolist()

    assert ids_and_classes(0.95) == ([1], [CAR])
    assert len(ids_and_classes(None)[0]) == 2


def test_the_vote_names_the_class_of_an_object_whose_better_class_changes() -> None:
    deepsort = DeepSort()
    for x in range(9):
        scores = [0.8, 0.6] if x % 3 else [0.5, 0.7]
        boxes = [[x, 0, x + 100, 50], [x, 0.5, x + 100, 50]]
        tracks = deepsort.step(Detections.create(boxes, scores, [CAR, TRUCK]))
    assert (tracks.ids.tolist(), tracks.classes.tolist()) == ([1], [CAR])
