"""Losses, by hand in fractions and logarithms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from tracker.training.detector.losses import detection_loss, giou, varifocal
from tracker.training.detector.targets import Predictions, Targets


def _giou(first, second):
    pair = (np.array(box, np.float32) for box in (first, second))
    return float(giou(*pair))


def _varifocal(logit, target):
    return float(varifocal(np.float32(logit), np.float32(target)))


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ([0, 0, 2, 2], 1),  # the same
        ([0, 0, 2, 1], 1 / 2),  # half of it, no common emptiness
        ([1, 1, 3, 3], 1 / 7 - 2 / 9),  # hull 9, union 7
        ([2, 0, 4, 2], 0),  # side by side: IoU 0, hull = union
        ([6, 0, 8, 2], -8 / 16),  # apart: hull 16, union 8
    ],
)
def test_giou_by_hand(second, expected):
    assert _giou([0, 0, 2, 2], second) == pytest.approx(expected, abs=1e-6)
    assert _giou(second, [0, 0, 2, 2]) == pytest.approx(expected, abs=1e-6)


def test_giou_of_empty_boxes_is_finite():
    assert _giou([1, 1, 1, 1], [1, 1, 1, 1]) == 0
    assert math.isfinite(_giou([1, 1, 1, 1], [0, 0, 2, 2]))


def test_varifocal_by_hand():
    """At 0 the probability is 1/2: entropy log 2; background weighs 0.75 / 4, an object `q`."""
    assert _varifocal(0, 0) == pytest.approx(0.75 / 4 * math.log(2))
    assert _varifocal(0, 1) == pytest.approx(math.log(2))
    assert _varifocal(0, 0.5) == pytest.approx(0.5 * math.log(2))
    p = 1 / (1 + math.exp(-2))
    entropy = -(0.8 * math.log(p) + 0.2 * math.log(1 - p))
    assert _varifocal(2, 0.8) == pytest.approx(0.8 * entropy, rel=1e-5)
    assert _varifocal(2, 0) == pytest.approx(0.75 * p * p * -math.log(1 - p), rel=1e-5)


def test_varifocal_of_huge_values_is_finite():
    assert _varifocal(-1000, 0) == 0
    assert _varifocal(1000, 0) == pytest.approx(750)
    assert _varifocal(-1000, 1) == pytest.approx(1000)


@given(target=st.floats(0.05, 0.99), away=st.floats(0.2, 4))
def test_the_target_itself_is_the_best_score(target, away):
    best = math.log(target / (1 - target))
    least = _varifocal(best, target)
    assert _varifocal(best - away, target) > least
    assert _varifocal(best + away, target) > least


def _case(counted=(True, True, True)):
    """Three anchors: one with an object, one background, one inside a crowd or not."""
    boxes = np.array([[[0, 0, 2, 1], [0, 0, 4, 4], [5, 5, 6, 6]]], np.float32)
    logits = np.zeros((1, 3, 1), np.float32)
    targets = Targets(
        boxes=np.array([[[0, 0, 2, 2], [0, 0, 0, 0], [0, 0, 0, 0]]], np.float32),
        scores=np.array([[[0.5], [0], [0]]], np.float32),
        positive=np.array([[True, False, False]]),
        counted=np.array([counted]),
    )
    return Predictions(boxes, logits), targets


def test_both_parts_by_hand():
    """GIoU of the object is 1/2 with weight 1/2; the sum of the scores, 1/2, counts as 1."""
    loss = detection_loss(*_case())
    assert float(loss.box) == pytest.approx(0.5 * 0.5)
    assert float(loss.score) == pytest.approx((0.5 + 2 * 0.75 / 4) * math.log(2))


def test_ignored_anchors_have_no_score_loss():
    loss = detection_loss(*_case(counted=(True, True, False)))
    assert float(loss.score) == pytest.approx((0.5 + 0.75 / 4) * math.log(2))


def test_losses_are_divided_by_the_target_scores():
    predictions, targets = _case()
    once, doubled = (
        detection_loss(
            Predictions(*(np.repeat(a, n, axis=0) for a in predictions)),
            Targets(*(np.repeat(a, n, axis=0) for a in targets)),
        )
        for n in (2, 8)
    )
    assert float(doubled.box) == pytest.approx(float(once.box))
    assert float(doubled.score) == pytest.approx(float(once.score))


def test_no_object_at_all():
    predictions, targets = _case()
    empty = targets._replace(
        scores=np.zeros((1, 3, 1), np.float32), positive=np.zeros((1, 3), bool)
    )
    loss = detection_loss(predictions, empty)
    assert float(loss.box) == 0
    assert float(loss.score) == pytest.approx(3 * 0.75 / 4 * math.log(2))
    assert float(ops.sum(empty.scores)) == 0
