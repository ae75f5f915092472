"""The table of whole tracks: order, slices, votes, and what it refuses."""

import numpy as np
import pytest

from tracker.errors import DataError
from tracker.tracking.offline.track_rows import TrackRows

BOX = [0.0, 0.0, 10.0, 20.0]


def test_no_rows() -> None:
    rows = TrackRows.create([], [], [])
    assert len(rows) == 0
    assert rows.spans() == []
    winners, shares = rows.class_votes()
    assert winners.shape == shares.shape == (0,)


def test_rows_are_sorted_by_id_then_frame() -> None:
    rows = TrackRows.create([4, 2, 3], [7, 9, 7], [BOX] * 3, scores=[0.1, 0.2, 0.3])
    assert rows.ids.tolist() == [7, 7, 9]
    assert rows.frames.tolist() == [3, 4, 2]
    np.testing.assert_allclose(rows.scores, [0.3, 0.1, 0.2], rtol=1e-6)
    assert rows.spans() == [slice(0, 2), slice(2, 3)]
    assert not rows.boxes.flags.writeable


def test_origins_are_the_places_in_the_input() -> None:
    rows = TrackRows.create([4, 2, 3], [7, 9, 7], [BOX] * 3)
    assert rows.origins.tolist() == [2, 0, 1]
    filled = rows.unseen(2, np.array([5], np.int32), np.array([BOX]), np.ones(1, np.float32))
    assert TrackRows.concatenate([rows, filled]).origins.tolist() == [2, 0, 1, -1]


def test_the_most_frequent_class_wins_and_the_lower_of_equals() -> None:
    rows = TrackRows.create([0, 1, 2, 0, 1], [1, 1, 1, 2, 2], [BOX] * 5, classes=[3, 5, 5, 4, 1])
    winners, shares = rows.class_votes()
    assert winners.tolist() == [5, 1]
    np.testing.assert_allclose(shares, [2 / 3, 1 / 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("frames", "boxes", "message"),
    [
        ([0, 0], [BOX, BOX], "track 1 is twice in frame 0"),
        ([0, 1], [BOX, [5, 0, 5, 9]], "track 1, frame 1: expected a finite box"),
        ([0, 1], [BOX, [0, 0, np.nan, 9]], "track 1, frame 1: expected a finite box"),
        ([-1, 1], [BOX, BOX], "frames: expected 0 or more, got -1"),
        ([0], [BOX, BOX], r"TrackRows.frames: expected shape \(2,\), got \(1,\)"),
    ],
)
def test_bad_rows_are_refused(frames: list[int], boxes: list[list[float]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        TrackRows.create(frames, [1, 1], boxes)


def test_embeddings_stay_with_their_rows() -> None:
    looks = [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]
    rows = TrackRows.create([4, 2, 3], [7, 9, 7], [BOX] * 3, embeddings=looks)
    np.testing.assert_allclose(rows.embeddings, [looks[2], looks[0], looks[1]], rtol=1e-6)
    swapped = rows.replace(ids=np.array([2, 2, 1], np.int64))
    np.testing.assert_allclose(swapped.embeddings, [looks[1], looks[2], looks[0]], rtol=1e-6)
    unseen = rows.unseen(2, np.array([5], np.int32), rows.boxes[:1], rows.scores[:1])
    assert (unseen.ids.tolist(), unseen.frames.tolist(), unseen.seen.tolist()) == (
        [9],
        [5],
        [False],
    )
    assert unseen.embeddings.tolist() == [[0.0, 0.0]]
    both = TrackRows.concatenate([rows, unseen])
    assert both.embeddings.shape == (4, 2)
    assert TrackRows.create([0], [1], [BOX]).embeddings.shape == (1, 0)


@pytest.mark.parametrize("looks", [[[np.nan, 0.0]], [[1.0]] * 2])
def test_bad_embeddings_are_refused(looks: list[list[float]]) -> None:
    with pytest.raises(DataError, match=r"TrackRows\.embeddings: expected"):
        TrackRows.create([0], [1], [BOX], embeddings=looks)
