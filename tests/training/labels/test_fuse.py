"""Weighted boxes fusion against numbers that follow from the paper's equations by hand."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.detections import Detections
from tracker.errors import DataError
from tracker.training.labels.fuse import Voter, weighted_boxes_fusion

ALL = np.ones(2, np.bool_)


def voter(*rows: tuple[list[float], float, int], weight: float = 1.0, knows: object = ALL) -> Voter:
    boxes, scores, classes = zip(*rows, strict=True) if rows else ([], [], [])
    found = Detections.create(np.array(boxes), np.array(scores), np.array(classes, np.int32))
    return Voter(found, weight, np.asarray(knows))


def test_nobody_and_nothing() -> None:
    assert len(weighted_boxes_fusion([])) == 0
    assert len(weighted_boxes_fusion([voter(), voter()])) == 0


def test_the_only_voter_keeps_its_word() -> None:
    fused = weighted_boxes_fusion([voter(([0, 0, 10, 10], 0.5, 1), ([50, 0, 60, 10], 0.9, 0))])
    np.testing.assert_allclose(fused.boxes, [[50, 0, 60, 10], [0, 0, 10, 10]])
    np.testing.assert_allclose(fused.scores, [0.9, 0.5])
    assert fused.classes.tolist() == [0, 1]


def test_two_who_agree_give_the_mean_weighted_by_score() -> None:
    fused = weighted_boxes_fusion(
        [voter(([0, 0, 10, 10], 0.8, 0)), voter(([0, 0, 10, 12], 0.4, 0))]
    )
    bottom = Fraction(8 * 10 + 4 * 12, 8 + 4)
    np.testing.assert_allclose(fused.boxes, [[0, 0, 10, float(bottom)]], rtol=1e-6)
    np.testing.assert_allclose(fused.scores, [0.6], rtol=1e-6)


def test_a_box_that_one_of_three_sees_loses_two_thirds() -> None:
    fused = weighted_boxes_fusion([voter(([0, 0, 10, 10], 0.9, 0)), voter(), voter()])
    np.testing.assert_allclose(fused.scores, [0.3], rtol=1e-6)


def test_who_does_not_know_the_class_is_not_asked() -> None:
    blind = voter(knows=[False, True])
    fused = weighted_boxes_fusion([voter(([0, 0, 10, 10], 0.9, 0)), blind])
    np.testing.assert_allclose(fused.scores, [0.9], rtol=1e-6)


def test_weights_count_in_box_and_score() -> None:
    fused = weighted_boxes_fusion(
        [voter(([0, 0, 10, 10], 0.6, 0), weight=3), voter(([0, 0, 10, 12], 0.6, 0), weight=1)]
    )
    np.testing.assert_allclose(fused.boxes, [[0, 0, 10, 10.5]], rtol=1e-6)
    alone = weighted_boxes_fusion([voter(([0, 0, 10, 10], 0.8, 0), weight=3), voter(weight=1)])
    np.testing.assert_allclose(alone.scores, [0.8 * 3 / 4], rtol=1e-6)


def test_one_voter_with_two_boxes_is_not_counted_twice() -> None:
    # Paper, eq. 5: the mean 0.7 times min(T, N) / N with T = 2 boxes and N = 1 detector.
    fused = weighted_boxes_fusion([voter(([0, 0, 10, 10], 0.8, 0), ([0, 0, 10, 11], 0.6, 0))])
    np.testing.assert_allclose(fused.scores, [0.7], rtol=1e-6)


def test_crossing_boxes_of_two_classes_stay_apart() -> None:
    fused = weighted_boxes_fusion(
        [voter(([0, 0, 10, 10], 0.8, 0)), voter(([0, 0, 10, 10], 0.8, 1))]
    )
    assert sorted(fused.classes.tolist()) == [0, 1]
    np.testing.assert_allclose(fused.scores, [0.4, 0.4], rtol=1e-6)


def test_an_overlap_at_the_threshold_joins_nothing() -> None:
    # 10x10 and 10x5: the overlap is 50 / 100 exactly.
    pair = [voter(([0, 0, 10, 10], 0.8, 0)), voter(([0, 0, 10, 5], 0.8, 0))]
    assert len(weighted_boxes_fusion(pair, iou=0.5)) == 2
    assert len(weighted_boxes_fusion(pair, iou=0.49)) == 1


def test_a_box_joins_the_cluster_that_it_overlaps_most() -> None:
    near, far = [0, 0, 10, 10], [4, 0, 14, 10]
    fused = weighted_boxes_fusion(
        [voter((near, 0.9, 0), (far, 0.8, 0)), voter(([1, 0, 11, 10], 0.45, 0))], iou=0.5
    )
    np.testing.assert_allclose(fused.boxes[0], [1 / 3, 0, 31 / 3, 10], rtol=1e-5)
    np.testing.assert_allclose(fused.boxes[1], far)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="weight"):
        voter(weight=0)
    with pytest.raises(DataError, match="classes"):
        voter(([0, 0, 1, 1], 0.5, 2))
    with pytest.raises(DataError, match="classes"):
        voter(([0, 0, 1, 1], 0.5, 0), knows=[False, True])
    with pytest.raises(DataError, match="one number of classes"):
        weighted_boxes_fusion([voter(), voter(knows=[True])])


rows = st.lists(
    st.tuples(
        st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(1, 20)] * 2).map(
            lambda v: [v[0], v[1], v[0] + v[2], v[1] + v[3]]
        ),
        st.floats(0, 1, width=32),
        st.integers(0, 1),
    ),
    max_size=8,
)


@given(st.lists(rows, min_size=1, max_size=4))
def test_fused_boxes_lie_within_those_of_their_class(parts: list[list[object]]) -> None:
    voters = [voter(*part) for part in parts]  # type: ignore[arg-type]
    fused = weighted_boxes_fusion(voters)
    for number in (0, 1):
        mine = [v.found.boxes[v.found.classes == number] for v in voters]
        boxes = np.concatenate(mine)
        chosen = fused.boxes[fused.classes == number]
        assert (len(chosen) > 0) == (len(boxes) > 0)
        assert len(chosen) <= len(boxes)
        if len(boxes):
            assert (chosen >= boxes.min(axis=0) - 1e-3).all()
            assert (chosen <= boxes.max(axis=0) + 1e-3).all()


@given(rows)
def test_three_of_one_mind_say_what_one_says(part: list[object]) -> None:
    once = weighted_boxes_fusion([voter(*part)])  # type: ignore[arg-type]
    thrice = weighted_boxes_fusion([voter(*part)] * 3)  # type: ignore[arg-type]
    assert len(once) >= len(thrice) > 0 or not part
    if len(part) == 1:
        np.testing.assert_allclose(once.boxes, thrice.boxes, rtol=1e-5)
        np.testing.assert_allclose(once.scores, thrice.scores, rtol=1e-5)
