"""Losses with integral boxes, by hand in fractions and logarithms."""

import math

import numpy as np
import pytest

from tracker.models.integral_shape import BINS
from tracker.training.detector.integral_loss import (
    IntegralPredictions,
    distribution_focal,
    integral_loss,
    integral_predictions,
    quality_focal,
    taught_loss,
    taught_scores,
)
from tracker.training.detector.targets import Targets, Truth, make_anchors

ANCHORS = make_anchors((16, 16), (8,), place=0.0)
"""Four anchors, at (0, 0), (8, 0), (0, 8) and (8, 8)."""


def _one_hot_sides(*distances: int) -> np.ndarray:
    sides = np.full((4, BINS), -50, np.float32)
    sides[range(4), distances] = 50
    return sides


def _found(logits: list[list[float]], sides: np.ndarray | None = None) -> IntegralPredictions:
    """Four anchors of one image; each sees the box of one cell unless sides are given."""
    one = _one_hot_sides(0, 0, 1, 1) if sides is None else sides
    maps = np.concatenate(
        [np.tile(one.reshape(1, -1), (4, 1)), np.array(logits, np.float32)], axis=1
    )
    return integral_predictions([maps.reshape(1, 2, 2, -1)], ANCHORS)


def _targets(scores: list[list[float]], box: tuple[float, ...]) -> Targets:
    values = np.array([scores], np.float32)
    positive = values.sum(axis=-1) > 0
    boxes = np.where(positive[..., None], np.float32(box), np.float32(0))
    return Targets(boxes, values, positive, np.ones_like(positive))


def test_boxes_reach_from_the_corners_of_cells():
    boxes = np.asarray(_found([[0.0]] * 4, _one_hot_sides(1, 0, 2, 3)).boxes)
    expected = [[-8, 0, 16, 24], [0, 0, 24, 24], [-8, 8, 16, 32], [0, 8, 24, 32]]
    np.testing.assert_allclose(boxes[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("logit", "target", "expected"),
    [
        (0.0, 0.5, 0.0),  # p = y
        (0.0, 1.0, math.log(2) / 4),
        (0.0, 0.0, math.log(2) / 4),
        (math.log(3), 0.25, (1 / 4) * -(0.25 * math.log(3 / 4) + 0.75 * math.log(1 / 4))),
    ],
)
def test_quality_focal_by_hand(logit, target, expected):
    value = float(quality_focal(np.float32(logit), np.float32(target)))
    assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("distance", "shares"), [(2.0, {2: 1}), (2.25, {2: 0.75, 3: 0.25}), (9.0, {7: 1}), (-1, {0: 1})]
)
def test_distribution_focal_by_hand(distance, shares):
    sides = np.log(np.arange(1, BINS + 1, dtype=np.float32))
    expected = -sum(share * math.log((n + 1) / 36) for n, share in shares.items())
    value = float(distribution_focal(sides, np.float32(distance)))
    assert value == pytest.approx(expected, rel=1e-5)


def test_perfect_predictions_cost_nothing():
    targets = _targets([[1, 0], [0, 0], [0, 0], [0, 0]], (0, 0, 8, 8))
    loss = integral_loss(_found([[50, -50], *[[-50, -50]] * 3]), targets, ANCHORS)
    assert float(loss.box) == pytest.approx(0, abs=1e-5)
    assert float(loss.score) == pytest.approx(0, abs=1e-6)


def test_ignored_anchors_are_not_background():
    targets = _targets([[0.0]] * 4, (0, 0, 8, 8))
    ignored = targets._replace(counted=np.array([[True, False, False, False]]))
    scores = [
        float(integral_loss(_found([[0.0]] * 4), t, ANCHORS).score) for t in (targets, ignored)
    ]
    assert scores[0] == pytest.approx(4 * scores[1])
    assert scores[1] == pytest.approx(math.log(2) / 4)


def _truth(classes: list[int], boxes: list[list[float]]) -> Truth:
    count = len(classes)
    return Truth(
        np.array([boxes], np.float32).reshape(1, count, 4),
        np.array([classes], np.int32),
        np.zeros((1, count), bool),
        np.ones((1, count), bool),
        np.ones((1, count), np.float32),
    )


def test_teacher_speaks_where_labels_are_silent():
    # The teacher gives class 0 a half and class 1 a quarter at every cell; class 2 next to nothing.
    taught = _found([[0.0, -math.log(3), -5.0]] * 4)
    truth = _truth([0, 1], [[0, 0, 8, 8], [8, 0, 16, 8]])
    targets = _targets([[0.9, 0, 0], [0] * 3, [0] * 3, [0] * 3], (0, 0, 8, 8))
    scores = np.asarray(taught_scores(taught, targets, truth, unconfirmed=0.5))[0]
    low = 1 / (1 + math.exp(5))
    expected = [
        [0.9, 0.125, low],  # the label; class 1 is confirmed by no box here
        [0.25, 0.25, low],  # class 1 is confirmed, class 0 is not
        [0.25, 0.125, low],
        [0.25, 0.125, low],
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_equal_networks_cost_nothing_without_labels():
    found = _found([[0.0, -3.0]] * 4)
    truth = _truth([0], [[0, 0, 8, 8]])
    targets = _targets([[0, 0]] * 4, (0, 0, 8, 8))
    loss = taught_loss(found, found, targets, truth, anchors=ANCHORS, unconfirmed=1.0)
    assert float(loss.box) == pytest.approx(0, abs=1e-6)
    assert float(loss.score) == pytest.approx(0, abs=1e-6)


def test_sides_follow_the_teacher_where_it_sees_something():
    taught = _found([[0.0], [-9.0], [-9.0], [-9.0]])
    flat = _found([[0.0], [-9.0], [-9.0], [-9.0]], np.zeros((4, BINS), np.float32))
    truth, targets = _truth([0], [[0, 0, 8, 8]]), _targets([[0.0]] * 4, (0, 0, 8, 8))
    loss = taught_loss(flat, taught, targets, truth, anchors=ANCHORS, unconfirmed=1.0)
    # One certain distance against eight equal ones, at half a score of 0.5, at most 1 object.
    assert float(loss.box) == pytest.approx(0.5 * math.log(BINS), rel=1e-4)
    double = taught_loss(
        flat, taught, targets, truth, anchors=ANCHORS, unconfirmed=1.0, teacher_weight=2.0
    )
    assert float(double.box) == pytest.approx(math.log(BINS), rel=1e-4)
    assert float(double.score) == float(loss.score)
