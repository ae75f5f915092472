"""Assignment, by hand on grids of a few cells and against loops over single anchors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.boxes import pairwise_iou as reference_iou
from tracker.detection.yolo_decode import decode_candidates
from tracker.errors import ConfigError
from tracker.models.heads import AnchorFreeHead
from tracker.training.detector.targets import (
    Predictions,
    Truth,
    assign,
    flatten_maps,
    make_anchors,
    pairwise_iou,
)
from tracker.training.settings import AssignSettings

GRID = make_anchors((32, 32), (8,))
"""Sixteen anchors, middles at 4, 12, 20, 28."""


def _truth(boxes, classes=None, ignore=None, valid=None, scores=None):
    """One image."""
    boxes = np.asarray(boxes, np.float32).reshape(1, -1, 4)
    count = boxes.shape[1]
    classes = [0] * count if classes is None else classes
    ignore = [False] * count if ignore is None else ignore
    valid = [True] * count if valid is None else valid
    scores = [1.0] * count if scores is None else scores
    return Truth(
        boxes,
        np.array([classes], np.int32),
        np.array([ignore], bool),
        np.array([valid], bool),
        np.array([scores], np.float32),
    )


def _predictions(anchors, half=8.0, classes=2, logit=0.0):
    """Every anchor sees a box of `half` pixels to each side, and all classes with one value."""
    boxes = np.hstack([anchors.centres - half, anchors.centres + half])[None]
    logits = np.full((1, len(anchors.centres), classes), logit, np.float32)
    return Predictions(boxes.astype(np.float32), logits)


def _assign(predictions, truth, anchors=GRID, **changes):
    targets = assign(predictions, truth, anchors, AssignSettings(**changes))
    return type(targets)(*(np.asarray(array) for array in targets))


def test_anchors_are_the_middles_of_cells():
    anchors = make_anchors((16, 32), (8, 16))
    expected = [[4, 4], [12, 4], [20, 4], [28, 4], [4, 12], [12, 12], [20, 12], [28, 12]]
    np.testing.assert_array_equal(anchors.centres, [*expected, [8, 8], [24, 8]])
    assert anchors.strides[:, 0].tolist() == [8] * 8 + [16] * 2
    assert anchors.centres.dtype == anchors.strides.dtype == np.float32


def test_maps_are_read_as_the_decoder_reads_them():
    rng = np.random.default_rng(0)
    maps = [rng.normal(0, 2, (1, s, s, 7)).astype(np.float32) for s in (4, 2, 1)]
    found = flatten_maps(maps, make_anchors((32, 32), (8, 16, 32)))
    boxes, scores, classes = decode_candidates(
        [m[0] for m in maps], [AnchorFreeHead(3)] * 3, input_size=(32, 32), confidence=0.0
    )
    np.testing.assert_allclose(np.asarray(found.boxes)[0], boxes, rtol=1e-4, atol=1e-4)
    logits = np.asarray(found.logits)[0]
    np.testing.assert_array_equal(logits.argmax(axis=1), classes)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits.max(axis=1))), scores, rtol=1e-5)


def test_nothing_there():
    truth = _truth([[0, 0, 16, 16]], valid=[False])
    targets = _assign(_predictions(GRID), truth)
    assert not targets.positive.any()
    assert not targets.scores.any()
    assert targets.counted.all()


def test_one_object_by_hand():
    """The box holds the middles of four anchors, whose own boxes of 16x16 overlap it unequally.

    Anchor (4, 4) sees [-4, 12], of which 12x12 lie in [0, 16]: 144 / (256 + 256 - 144) = 9 / 23.
    Anchors (12, 4), (4, 12) and (12, 12) see as much: the box is symmetrical.
    """
    targets = _assign(_predictions(GRID), _truth([[0, 0, 16, 16]], classes=[1]))
    inside = [0, 1, 4, 5]
    assert np.flatnonzero(targets.positive[0]).tolist() == inside
    np.testing.assert_allclose(targets.boxes[0, inside], [[0, 0, 16, 16]] * 4)
    np.testing.assert_allclose(targets.scores[0, inside, 1], [9 / 23] * 4, rtol=1e-5)
    assert not targets.scores[0, :, 0].any()


def test_alignment_by_hand():
    """A box [4, 4, 20, 20] is anchor (12, 12)'s own: overlap 1; (4, 4) overlaps by 64 / 448 = 1/7.

    With alpha = beta = 1 and equal scores, what an anchor deserves is its overlap.
    """
    truth = _truth([[4, 4, 20, 20]])
    targets = _assign(_predictions(GRID), truth, alpha=1.0, beta=1.0)
    scores = targets.scores[0, :, 0].reshape(4, 4)
    assert scores[1, 1] == pytest.approx(1)
    assert scores[0, 0] == pytest.approx(1 / 7)
    assert scores[0, 1] == pytest.approx((8 * 16) / (512 - 8 * 16))
    assert not scores[3].any()  # middles at 28 lie outside


def test_the_score_decides_among_equal_overlaps():
    predictions = _predictions(GRID, classes=1)
    predictions.logits[0, 5] = 2.0
    targets = _assign(predictions, _truth([[0, 0, 16, 16]]), top_k=1)
    assert np.flatnonzero(targets.positive[0]).tolist() == [5]
    assert targets.scores[0, 5, 0] == pytest.approx(9 / 23)


def test_an_object_without_a_middle_inside_gets_the_nearest_anchor():
    targets = _assign(_predictions(GRID, half=4.0), _truth([[5, 5, 7, 7]]))
    assert np.flatnonzero(targets.positive[0]).tolist() == [0]


def test_two_objects_want_the_same_anchor():
    """Anchor (12, 12) lies in both; the second is its own box, so the second gets it."""
    truth = _truth([[8, 8, 32, 32], [4, 4, 20, 20]], classes=[0, 1])
    targets = _assign(_predictions(GRID), truth)
    np.testing.assert_allclose(targets.boxes[0, 5], [4, 4, 20, 20])
    assert targets.scores[0, 5].tolist() == pytest.approx([0, 1])
    assert (np.count_nonzero(targets.scores[0], axis=1) <= 1).all()


def test_ignored_regions_do_not_count_unless_an_object_is_there():
    """The left half is a crowd; an object stands in its corner."""
    truth = _truth([[0, 0, 16, 32], [0, 0, 8, 8]], ignore=[True, False])
    targets = _assign(_predictions(GRID, half=4.0), truth)
    counted = targets.counted[0].reshape(4, 4)
    assert counted[:, 2:].all()
    assert counted[0, 0]
    assert counted[:, :2].sum() == 1
    assert targets.positive[0].sum() == 1


def test_no_anchor_deserves_more_than_the_label():
    # Boxes of 16 pixels around the middles: the anchors inside overlap the object equally well.
    truth = _truth([[0, 0, 16, 16]], scores=[0.3])
    full = _assign(_predictions(GRID), _truth([[0, 0, 16, 16]])).scores
    weak = _assign(_predictions(GRID), truth).scores
    assert full.max() > 0.3
    assert weak.max() == pytest.approx(0.3)
    np.testing.assert_allclose(weak, full * 0.3 / full.max(), rtol=1e-6)


def test_corners_of_cells_that_do_not_divide_the_input():
    anchors = make_anchors((32, 96), (64,), place=0.0)
    assert anchors.centres.tolist() == [[0, 0], [64, 0]]


def test_filled_up_regions_ignore_nothing():
    truth = _truth([[0, 0, 32, 32]], ignore=[True], valid=[False])
    assert _assign(_predictions(GRID), truth).counted.all()


def test_images_of_a_batch_do_not_see_each_other():
    parts = [_truth([[0, 0, 16, 16]]), _truth([[8, 8, 32, 32]], classes=[1])]
    truth = Truth(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    one = _predictions(GRID)
    both = _assign(Predictions(*(np.concatenate([a, a]) for a in one)), truth)
    for row, part in enumerate(parts):
        for have, want in zip(both, _assign(one, part), strict=True):
            np.testing.assert_allclose(have[row], want[0], rtol=1e-6)


def _reference(predictions, truth, anchors, k):
    """The paper, one object and one anchor at a time."""
    boxes, logits = predictions.boxes[0].astype(float), predictions.logits[0].astype(float)
    scores = 1 / (1 + np.exp(-logits))
    overlap = reference_iou(truth.boxes[0], boxes)
    owner = np.full(len(boxes), -1)
    alignments = np.zeros(overlap.shape)
    for m, (x1, y1, x2, y2) in enumerate(truth.boxes[0]):
        inside = [x1 <= x <= x2 and y1 <= y <= y2 for x, y in anchors.centres]
        metric = scores[:, truth.classes[0, m]] * overlap[m] ** 6 * inside
        for a in np.argsort(-metric, kind="stable")[:k]:
            if metric[a] > 0:
                alignments[m, a] = metric[a]
                if owner[a] < 0 or overlap[m, a] > overlap[owner[a], a]:
                    owner[a] = m
    expected = np.zeros_like(scores)
    for m in range(len(truth.boxes[0])):
        own = owner == m
        if own.any():
            quality = alignments[m] * own * overlap[m, own].max() / alignments[m, own].max()
            expected[:, truth.classes[0, m]] += quality
    return owner, expected


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4), k=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_equals_the_paper_written_as_loops(seed, count, k):
    rng = np.random.default_rng(seed)
    anchors = make_anchors((64, 64), (8, 16))
    low = rng.uniform(0, 40, (count, 2))
    truth = _truth(
        np.hstack([low, low + rng.uniform(9, 24, (count, 2))]), rng.integers(0, 2, count)
    )
    shape = anchors.centres.shape
    boxes = np.hstack(
        [anchors.centres - rng.uniform(3, 16, shape), anchors.centres + rng.uniform(3, 16, shape)]
    )
    logits = rng.normal(0, 1, (1, len(boxes), 2))
    predictions = Predictions(boxes[None].astype(np.float32), logits.astype(np.float32))
    targets = _assign(predictions, truth, anchors, top_k=k)
    owner, expected = _reference(predictions, truth, anchors, k)
    np.testing.assert_array_equal(targets.positive[0], owner >= 0)
    np.testing.assert_allclose(targets.scores[0], expected, rtol=1e-3, atol=1e-5)
    has = owner >= 0
    np.testing.assert_allclose(targets.boxes[0, has], truth.boxes[0, owner[has]], rtol=1e-6)


def test_overlap_equals_the_packages_own():
    rng = np.random.default_rng(1)
    first, second = (rng.uniform(0, 9, (n, 2, 2)).cumsum(axis=1).reshape(n, 4) for n in (3, 5))
    have = np.asarray(pairwise_iou(first[None].astype("f4"), second[None].astype("f4")))[0]
    np.testing.assert_allclose(have, reference_iou(first, second), atol=1e-5)
    empty = np.zeros((1, 1, 4), np.float32)
    assert np.asarray(pairwise_iou(empty, empty)).item() == 0


@pytest.mark.parametrize("changes", [{"top_k": 0}, {"alpha": -1.0}, {"beta": -0.5}])
def test_bad_settings(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        AssignSettings(**changes)
