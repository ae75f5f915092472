"""Scores of appearance, by hand."""

import numpy as np
import pytest

from tracker.errors import DataError
from tracker.evaluation.appearance import appearance_scores


def at(*degrees):
    """Unit vectors in a plane."""
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.mark.parametrize("ids", [[], [1], [1, 2, 3], [4, 4]])
def test_without_pairs_of_both_kinds_there_is_nothing_to_score(ids):
    with pytest.raises(DataError, match="two equal and two different ones"):
        appearance_scores(at(*range(len(ids))), np.array(ids))


def test_two_clear_pairs():
    scores = appearance_scores(at(0, 0, 90, 90), np.array([1, 1, 2, 2]))
    assert (scores.rank1, scores.auc) == (1.0, 1.0)
    assert scores.same == pytest.approx(0.0, abs=1e-6)
    assert scores.different == pytest.approx(1.0, abs=1e-6)
    assert scores.threshold == pytest.approx(0.5, abs=1e-6)


def test_a_vector_that_lies_with_the_others():
    # Sorted by angle 0 (a), 10 (b), 30 (a), 90 (b): same pairs 30 and 80 degrees apart, different
    # ones 10, 90, 20, 60. Of 8 comparisons same is nearer in 30 < 60, 90 and 80 < 90: 3.
    scores = appearance_scores(at(0, 30, 10, 90), np.array([1, 1, 2, 2]))
    assert scores.auc == pytest.approx(3 / 8)
    # Nearest: 0 -> 10 wrong, 30 -> 10 wrong, 10 -> 0 wrong, 90 -> 30 wrong.
    assert scores.rank1 == 0.0


def test_who_is_alone_is_not_asked_but_is_a_wrong_answer():
    scores = appearance_scores(at(0, 40, 5), np.array([1, 1, 2]))
    # 0 -> 5 is wrong, 40 -> 5 is wrong, 5 itself has no other.
    assert scores.rank1 == 0.0
    assert appearance_scores(at(0, 4, 50), np.array([1, 1, 2])).rank1 == 1.0


def test_equal_distances_count_half():
    scores = appearance_scores(at(0, 0, 0, 0), np.array([1, 1, 2, 2]))
    assert scores.auc == pytest.approx(0.5)
