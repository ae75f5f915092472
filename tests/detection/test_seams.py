"""Merging of the detections of a frame and its tiles: 200x100 in two tiles that share 80 to 120."""

import numpy as np
import pytest

from tracker.detection.nms import NmsMode
from tracker.detection.seams import MergeSettings, merged, touched_seams
from tracker.detections import Detections
from tracker.masks import decode_mask, encode_mask
from tracker.util.arrays import BoolArray

VIEWS = np.array([[0, 0, 200, 100], [0, 0, 120, 100], [80, 0, 200, 100]])
FRAME, LEFT, RIGHT = range(3)


def merge(
    rows: list[tuple[int, list[float], float]],
    *,
    classes: list[int] | None = None,
    settings: MergeSettings | None = None,
    rectangles: np.ndarray = VIEWS,
) -> Detections:
    """Returns what is left of boxes given as view, box xyxy and score, by falling score."""
    rows = sorted(rows, key=lambda row: -row[2])  # as detections are
    found = Detections.create([box for _, box, _ in rows], [score for *_, score in rows], classes)
    views = np.array([view for view, *_ in rows], np.intp)
    return merged(found, views, rectangles, settings or MergeSettings())


def test_nothing() -> None:
    found = merged(Detections.empty(), np.zeros(0, np.intp), VIEWS, MergeSettings())
    assert len(found) == 0


def test_the_borders_of_the_frame_cut_nothing() -> None:
    boxes = np.array([[0, 0, 120, 100], [80, 0, 200, 100], [0, 0, 200, 100.0]])
    touched = touched_seams(boxes, VIEWS[[LEFT, RIGHT, FRAME]], VIEWS[0])
    assert touched.tolist() == [[False, False, True, False], [True, *[False] * 3], [False] * 4]


@pytest.mark.parametrize(("right", "touches"), [(120, True), (114, True), (113.9, False)])
def test_a_box_touches_a_border_within_a_twentieth_of_the_tile(right: float, touches: bool) -> None:
    boxes = np.array([[60, 20, right, 40]])
    assert touched_seams(boxes, VIEWS[[LEFT]], VIEWS[0]).any() == touches


def test_the_part_of_an_object_that_the_frame_has_whole_is_dropped_with_any_score() -> None:
    found = merge([(LEFT, [60, 20, 120, 40], 0.9), (FRAME, [60, 20, 150, 40], 0.3)])
    assert found.boxes.tolist() == [[60, 20, 150, 40]]


def test_the_part_of_an_object_that_the_neighbour_has_whole_is_dropped() -> None:
    found = merge([(LEFT, [100, 20, 120, 40], 0.9), (RIGHT, [100, 20, 160, 40], 0.3)])
    assert found.boxes.tolist() == [[100, 20, 160, 40]]


def test_a_part_is_dropped_only_where_most_of_the_smaller_box_is_common() -> None:
    # 20 x 20 of 40 x 20 are common: a half.
    rows = [(LEFT, [80.0, 20.0, 120.0, 40.0], 0.9), (FRAME, [100.0, 20.0, 180.0, 40.0], 0.3)]
    assert len(merge(rows)) == 2


def test_the_part_of_another_class_is_left() -> None:
    rows = [(LEFT, [60.0, 20.0, 120.0, 40.0], 0.9), (FRAME, [60.0, 20.0, 150.0, 40.0], 0.3)]
    assert len(merge(rows, classes=[0, 1])) == 2
    agnostic = MergeSettings(mode=NmsMode.AGNOSTIC)
    assert len(merge(rows, classes=[0, 1], settings=agnostic)) == 1


def test_a_small_object_within_a_larger_one_is_left_where_neither_is_cut() -> None:
    rows = [(FRAME, [20.0, 10.0, 80.0, 90.0], 0.9), (LEFT, [30.0, 50.0, 50.0, 80.0], 0.8)]
    assert len(merge(rows)) == 2


def test_parts_that_only_tiles_have_are_joined_across_the_seam() -> None:
    found = merge([(LEFT, [60, 20, 120, 40], 0.6), (RIGHT, [80, 21, 150, 40], 0.8)])
    assert found.boxes.tolist() == [[60, 20, 150, 40]]
    assert found.scores.tolist() == pytest.approx([0.8])


@pytest.mark.parametrize(
    "second",
    [
        (RIGHT, [80.0, 60.0, 150.0, 80.0], 0.8),  # at another height
        (RIGHT, [100.0, 20.0, 150.0, 40.0], 0.8),  # does not touch the seam
        (LEFT, [20.0, 20.0, 50.0, 40.0], 0.8),  # of the same tile
    ],
)
def test_other_boxes_are_not_joined(second: tuple[int, list[float], float]) -> None:
    assert len(merge([(LEFT, [60.0, 20.0, 120.0, 40.0], 0.6), second])) == 2


def test_four_parts_that_meet_in_a_corner_are_one_object() -> None:
    tiles = [[0, 0, 120, 120], [80, 0, 200, 120], [0, 80, 120, 200], [80, 80, 200, 200]]
    views = np.array([[0, 0, 200, 200], *tiles])
    parts = [(1, [30, 30, 120, 120]), (2, [80, 30, 170, 120]), (3, [30, 80, 120, 170])]
    parts.append((4, [80, 80, 170, 170]))
    rows = [(view, [float(x) for x in box], 0.5) for view, box in parts]
    assert merge(rows, rectangles=views).boxes.tolist() == [[30, 30, 170, 170]]


def test_a_stray_part_within_joined_ones_is_dropped() -> None:
    rows = [(LEFT, [60.0, 20.0, 120.0, 40.0], 0.6), (RIGHT, [80.0, 20.0, 150.0, 40.0], 0.8)]
    rows.append((LEFT, [100.0, 20.0, 118.0, 28.0], 0.9))
    assert merge(rows).boxes.tolist() == [[60, 20, 150, 40]]


def test_whole_boxes_of_several_views_are_suppressed_by_iou() -> None:
    rows = [(FRAME, [84.0, 20.0, 110.0, 40.0], 0.5), (LEFT, [88.0, 20.0, 112.0, 40.0], 0.9)]
    # 22 of 28 columns are common: 0.79.
    assert merge(rows).scores.tolist() == pytest.approx([0.9])
    assert len(merge(rows, settings=MergeSettings(iou=0.8))) == 2


def test_at_most_so_many_are_kept_the_best() -> None:
    rows = [(FRAME, [float(x), 0.0, float(x + 8), 8.0], x / 200) for x in range(10, 100, 10)]
    found = merge(rows, settings=MergeSettings(max_detections=2))
    assert found.boxes[:, 0].tolist() == [90, 80]


def test_joined_parts_have_all_pixels_of_their_masks() -> None:
    def pixels(x1: int, x2: int) -> BoolArray:
        mask = np.zeros((100, 200), bool)
        mask[20:40, x1:x2] = True
        return mask

    found = Detections.create(
        [[80, 20, 150, 40], [60, 20, 120, 40], [10, 20, 30, 40]],
        [0.8, 0.7, 0.6],
        masks=[encode_mask(pixels(*span)) for span in ((80, 150), (60, 120), (10, 30))],
        embeddings=[[1, 0], [0, 1], [0, 1]],
    )
    kept = merged(found, np.array([RIGHT, LEFT, LEFT]), VIEWS, MergeSettings())
    assert kept.masks is not None
    assert np.array_equal(decode_mask(kept.masks[0]), pixels(60, 150))
    assert np.array_equal(decode_mask(kept.masks[1]), pixels(10, 30))
    assert kept.embeddings.tolist() == [[1, 0], [0, 1]]
