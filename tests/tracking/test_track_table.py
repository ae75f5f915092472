"""The table of tracks by hand: births, matches, misses, deletions, slots used again, votes."""

import numpy as np
import pytest

from tracker.detections import Detections
from tracker.tracking.track_table import TrackTable


def seen(*objects: tuple[float, int]) -> Detections:
    """Detections of a score and a class each, given by falling score, ten pixels apart."""
    boxes = [[10 * place, 0, 10 * place + 8, 8] for place in range(len(objects))]
    scores, classes = zip(*objects, strict=True)
    return Detections.create(boxes, scores, classes)


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def born(table: TrackTable, detections: Detections, *columns: int) -> list[int]:
    """Adds tracks whose Kalman mean is the table's size before, plus their place; the slots."""
    count, first = len(columns), len(table)
    state = np.tile(first + np.arange(count, dtype=np.float64), (5, 4, 1, 1))
    return table.give_birth(state, detections, rows(*columns)).tolist()


def mask_of(table: TrackTable, *numbers: int) -> np.ndarray:
    mask = np.zeros(len(table), np.bool_)
    mask[list(numbers)] = True
    return mask


def test_an_empty_table_ages_and_dies_without_tracks() -> None:
    table = TrackTable()
    table.advance(1.0, 1.0)
    table.coast(1.0, 0.0)
    assert table.delete(mask_of(table)).tolist() == []
    assert len(table) == 0
    assert (table.ids.shape, table.votes.shape) == ((0,), (0, 1))
    classes, shares = table.winners(rows())
    assert (classes.shape, shares.shape) == ((0,), (0,))


def test_a_birth_is_a_tentative_track_with_one_detection() -> None:
    table = TrackTable()
    detections = seen((0.9, 2), (0.5, 7), (0.25, 2))
    assert sorted(born(table, detections, 0, 2)) == [0, 1]
    assert table.ids.tolist() == [-1, -2]
    assert table.confirmed.tolist() == [False, False]
    assert table.hits.tolist() == table.ages.tolist() == [1, 1]
    assert table.misses.tolist() == [0, 0]
    assert table.detection_index.tolist() == [0, 2]
    np.testing.assert_allclose(table.scores, [0.9, 0.25], atol=1e-7)
    np.testing.assert_allclose(table.mean_scores, [0.9, 0.25], atol=1e-7)
    assert table.unseen.tolist() == table.lost_intervals.tolist() == [0, 0]
    assert table.voted_classes.tolist() == [[2], [2]]
    np.testing.assert_array_equal(table.mean[:, 0], [0, 1])


def test_a_missed_detection_and_then_a_match() -> None:
    """A frame of 2 intervals of which 1 counts, one of half an interval, then a detection."""
    table = TrackTable()
    born(table, seen((0.8, 0), (0.6, 0)), 0, 1)
    table.advance(2.0, 1.0)
    assert table.misses.tolist() == [1, 1]
    assert table.detection_index.tolist() == [-1, -1]
    table.advance(0.5, 0.5)
    table.record_matches(rows(1), seen((0.9, 0), (0.1, 0)), rows(1))
    assert table.ages.tolist() == [3, 3]
    assert table.misses.tolist() == [2, 0]
    assert table.hits.tolist() == [1, 2]
    assert table.unseen.tolist() == [2.5, 0]
    assert table.lost_intervals.tolist() == [1.5, 0]
    assert table.detection_index.tolist() == [-1, 1]
    np.testing.assert_allclose(table.scores, [0.8, 0.1], atol=1e-7)
    # 0.6 + (0.1 - 0.6) / 5
    np.testing.assert_allclose(table.mean_scores, [0.8, 0.5], atol=1e-7)


def test_a_coasted_frame_is_no_missed_detection() -> None:
    """The detector did not run: the track is older and longer unmatched, misses stay."""
    table = TrackTable()
    born(table, seen((0.8, 0)), 0)
    table.advance(1.0, 1.0)
    table.coast(3.0, 0.25)
    assert (table.ages.tolist(), table.misses.tolist()) == ([3], [1])
    assert (table.unseen.tolist(), table.lost_intervals.tolist()) == ([4.0], [1.25])
    assert table.detection_index.tolist() == [-1]


def test_matches_in_any_order_of_rows() -> None:
    table = TrackTable()
    born(table, seen((0.8, 0), (0.8, 0), (0.8, 0)), 0, 1, 2)
    table.advance(1.0, 1.0)
    table.record_matches(rows(2, 0), seen((0.7, 5), (0.4, 6)), rows(0, 1))
    assert table.detection_index.tolist() == [1, -1, 0]
    np.testing.assert_allclose(table.scores, [0.4, 0.8, 0.7], atol=1e-7)
    assert table.voted_classes.tolist() == [[0, 6], [0, -1], [0, 5]]


def test_ids_count_confirmed_tracks_alone_and_are_never_reused() -> None:
    table = TrackTable()
    born(table, seen((0.9, 0), (0.8, 0), (0.7, 0)), 0, 1, 2)
    table.confirm(rows(2))
    table.confirm(rows(1, 0))
    assert table.ids.tolist() == [3, 2, 1]
    assert table.confirmed.all()
    table.delete(mask_of(table, 0, 1, 2))
    born(table, seen((0.9, 0)), 0)
    assert table.ids.tolist() == [-4]  # provisional ids are not used again either
    table.confirm(rows(0))
    assert table.ids.tolist() == [4]


def test_confirming_nothing_takes_no_id() -> None:
    table = TrackTable()
    born(table, seen((0.9, 0)), 0)
    table.confirm(rows())
    table.confirm(rows(0))
    assert table.ids.tolist() == [1]


def test_a_deletion_moves_rows_up_and_leaves_slots() -> None:
    table = TrackTable()
    born(table, seen((0.9, 0), (0.8, 1), (0.7, 2)), 0, 1, 2)
    first, second, third = table.slots.tolist()
    assert table.delete(mask_of(table, 1)).tolist() == [second]
    assert len(table) == 2
    assert table.slots.tolist() == [first, third]
    assert table.ids.tolist() == [-1, -3]
    assert table.voted_classes[:, 0].tolist() == [0, 2]
    np.testing.assert_array_equal(table.mean[:, 0], [0, 2])
    np.testing.assert_array_equal(table.state[4, 3, 0], [0, 2])
    np.testing.assert_allclose(table.scores, [0.9, 0.7], atol=1e-7)


def test_freed_slots_are_used_again_before_new_ones() -> None:
    table = TrackTable()
    born(table, seen(*[(0.9, 0)] * 4), 0, 1, 2, 3)
    freed = table.slots[[0, 2]].tolist()
    assert table.delete(mask_of(table, 0, 2)).tolist() == freed
    (slot,) = born(table, seen((0.9, 0)), 0)
    assert slot in freed
    (other,) = set(freed) - {slot}
    assert sorted(born(table, seen(*[(0.9, 0)] * 3), 0, 1, 2)) == sorted([other, 4, 5])
    assert sorted(table.slots.tolist()) == [0, 1, 2, 3, 4, 5]


def test_slots_are_different_and_as_few_as_tracks_ever_lived_at_once() -> None:
    rng = np.random.default_rng(0)
    table, most, slots = TrackTable(), 0, set()
    for _ in range(300):
        before = dict(zip(table.ids.tolist(), table.slots.tolist(), strict=True))
        table.delete(rng.random(len(table)) < 0.3)
        kept = dict(zip(table.ids.tolist(), table.slots.tolist(), strict=True))
        assert kept.items() <= before.items()  # a track holds its slot for life
        count = int(rng.integers(0, 5))
        if count:
            born(table, seen(*[(0.9, 0)] * count), *range(count))
        most = max(most, len(table))
        assert len(set(table.slots.tolist())) == len(table)
        slots |= set(table.slots.tolist())
    assert slots == set(range(most))


def test_the_class_with_the_larger_sum_of_scores_wins() -> None:
    """0.5 for class 3, then 0.375 + 0.25 for class 1."""
    table = TrackTable()
    born(table, seen((0.5, 3)), 0)
    for score in (0.375, 0.25):
        assert table.winners(rows(0))[0].tolist() == [3]
        table.advance(1.0, 1.0)
        table.record_matches(rows(0), seen((score, 1)), rows(0))
    classes, shares = table.winners(rows(0))
    assert classes.tolist() == [1]
    np.testing.assert_allclose(shares, [0.625 / 1.125], atol=1e-7)
    assert table.voted_classes.tolist() == [[1, 3]]  # the one with most votes first


def test_between_equal_votes_the_lower_class_wins() -> None:
    table = TrackTable()
    born(table, seen((0.5, 9), (0.25, 4)), 0, 1)
    table.advance(1.0, 1.0)
    table.record_matches(rows(0, 1), seen((0.5, 4), (0.25, 8)), rows(0, 1))
    classes, shares = table.winners(rows(0, 1))
    assert classes.tolist() == [4, 4]
    np.testing.assert_allclose(shares, [0.5, 0.5])


def test_a_track_of_one_class_has_its_whole_vote_beside_one_of_three() -> None:
    table = TrackTable()
    born(table, seen((0.5, 0), (0.5, 5)), 0, 1)
    for number in (6, 7):
        table.advance(1.0, 1.0)
        table.record_matches(rows(0, 1), seen((0.5, 0), (0.5, number)), rows(0, 1))
    assert table.voted_classes.tolist() == [[0, -1, -1], [5, 6, 7]]
    classes, shares = table.winners(rows(1, 0))
    assert classes.tolist() == [5, 0]
    np.testing.assert_allclose(shares, [1 / 3, 1], atol=1e-7)


def test_a_score_of_zero_still_is_a_vote() -> None:
    table = TrackTable()
    born(table, seen((0.0, 6)), 0)
    classes, shares = table.winners(rows(0))
    assert (classes.tolist(), shares.tolist()) == ([6], [1.0])
    table.advance(1.0, 1.0)
    table.record_matches(rows(0), seen((0.5, 2)), rows(0))
    assert table.winners(rows(0))[0].tolist() == [2]


def test_a_resumed_track_takes_over_the_state_of_the_other() -> None:
    """Id, slot, hits and votes stay and grow; motion and the last detection are the other's."""
    table = TrackTable()
    born(table, seen((0.9, 0)), 0)
    table.confirm(rows(0))
    for _ in range(3):
        table.advance(1.0, 1.0)
    born(table, seen((0.5, 7), (0.25, 0)), 1, 0)
    slots = table.slots.tolist()
    table.advance(1.0, 1.0)
    table.record_matches(rows(2), seen((0.75, 7)), rows(0))
    table.resume(0, 2)
    table.delete(mask_of(table, 2))
    assert table.ids.tolist() == [1, -2]
    assert table.slots.tolist() == slots[:2]
    assert table.hits.tolist() == [3, 1]
    assert table.ages.tolist() == [5, 2]
    assert table.misses.tolist() == [0, 1]
    assert table.detection_index.tolist() == [0, -1]
    assert table.unseen.tolist() == [0, 1]
    np.testing.assert_array_equal(table.mean[:, 0], [2, 1])
    assert table.voted_classes.tolist() == [[7, 0], [0, -1]]
    np.testing.assert_allclose(table.votes, [[1.25, 0.9], [0.25, 0]], atol=1e-7)
    assert table.winners(rows(0))[0].tolist() == [7]


def test_counts_are_copies_that_cannot_be_written() -> None:
    table = TrackTable()
    born(table, seen((0.9, 0), (0.8, 0)), 0, 1)
    table.advance(1.0, 1.0)
    counts = table.counts(rows(1))
    table.advance(1.0, 1.0)
    assert (counts.ids.tolist(), counts.ages.tolist()) == ([-2], [2])
    assert (counts.misses.tolist(), counts.detection_index.tolist()) == ([1], [-1])
    assert (counts.ids.dtype, counts.ages.dtype) == (np.int64, np.int32)
    for values in counts:
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 9
