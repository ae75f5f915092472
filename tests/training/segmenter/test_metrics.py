"""Intersection over union, by hand and against sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import DataError
from tracker.training.segmenter.metrics import confusion, segment_scores


def test_no_pixel_is_an_error() -> None:
    with pytest.raises(DataError, match="expected validation pixels, got none"):
        segment_scores(confusion(np.full(4, 255, np.uint8), np.zeros(4, np.uint8), 2))


def test_three_classes_by_hand() -> None:
    truth = np.array([[0, 0, 0, 1], [1, 1, 255, 255]], np.uint8)
    found = np.array([[0, 0, 1, 1], [1, 0, 0, 1]], np.uint8)
    scores = segment_scores(confusion(truth, found, 3))
    # Class 0: 2 shared of 2 + 1 + 1; class 1 likewise; class 2 is nowhere.
    np.testing.assert_array_equal(scores.iou, [2 / 4, 2 / 4, np.nan])
    assert scores.mean_iou == 1 / 2
    assert scores.accuracy == 4 / 6


def test_a_class_that_is_only_predicted_counts() -> None:
    scores = segment_scores(confusion(np.zeros(2, np.uint8), np.array([0, 1], np.uint8), 2))
    np.testing.assert_array_equal(scores.iou, [1 / 2, 0])


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2, 255]), st.integers(0, 2)), min_size=1))
def test_counts_add_up_to_sets(pairs: list[tuple[int, int]]) -> None:
    truth, found = (np.array(values, np.uint8) for values in zip(*pairs, strict=True))
    half = len(pairs) // 2
    counts = confusion(truth[:half], found[:half], 3) + confusion(truth[half:], found[half:], 3)
    np.testing.assert_array_equal(counts, confusion(truth, found, 3))
    counted = [n for n, (t, _) in enumerate(pairs) if t != 255]
    if not counted:
        return
    for number, iou in enumerate(segment_scores(counts).iou):
        a = {n for n in counted if truth[n] == number}
        b = {n for n in counted if found[n] == number}
        assert np.isnan(iou) if not a | b else iou == pytest.approx(len(a & b) / len(a | b))
