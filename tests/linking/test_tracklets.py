"""Tracklets: recorded tracks, each as a whole."""

import numpy as np

from tracker.linking.tracklets import mean_embedding, tracklets_of
from tracker.track_files.recorded_tracks import RecordedTracks


def recorded(*rows: tuple[int, int, int, bool, tuple[float, float]], names=("person", "car")):
    """Each row is (frame, id, class, seen, embedding)."""
    return RecordedTracks(
        frames=np.array([row[0] for row in rows], np.int32),
        ids=np.array([row[1] for row in rows], np.int64),
        boxes=np.tile([0.0, 0, 1, 1], (len(rows), 1)),
        scores=np.ones(len(rows), np.float32),
        classes=np.array([row[2] for row in rows], np.int32),
        seen=np.array([row[3] for row in rows]),
        embeddings=np.array([row[4] for row in rows], np.float32).reshape(len(rows), 2),
        class_names=names,
        frame_count=None,
        fps=10.0,
    )


def test_no_tracks() -> None:
    found = tracklets_of([recorded()], [np.zeros(0)])
    assert len(found) == 0
    assert found.embeddings.shape == (0, 2)


def test_a_track_is_summarised_over_its_matched_rows() -> None:
    tracks = recorded(
        (3, 7, 0, True, (1, 0)),
        (4, 7, 1, True, (0, 0)),  # without an embedding
        (5, 7, 0, True, (0, 1)),
        (6, 7, 0, False, (0, 0)),  # a prediction
        (6, 9, 1, False, (0, 0)),
    )
    found = tracklets_of([tracks], [np.array([0.3, 0.4, 0.5, 0.6, 0.6])])
    assert found.ids.tolist() == [7, 9]
    assert found.frames.tolist() == [[3, 5], [6, 6]]
    assert found.times.tolist() == [[0.3, 0.5], [0.6, 0.6]]
    assert found.classes.tolist() == [0, 1]
    assert found.counts.tolist() == [2, 0]
    np.testing.assert_allclose(found.embeddings, [[0.5**0.5, 0.5**0.5], [0, 0]], rtol=1e-6)


def test_classes_are_compared_by_name() -> None:
    one = recorded((0, 1, 0, True, (1, 0)), names=("person", "car"))
    other = recorded((0, 1, 1, True, (1, 0)), (0, 2, 0, True, (1, 0)), names=("car", "person"))
    found = tracklets_of([one, other], [np.zeros(1), np.zeros(2)])
    assert found.sources.tolist() == [0, 1, 1]
    assert found.classes.tolist() == [0, 0, 1]


def test_opposite_embeddings_have_no_mean() -> None:
    mean, count = mean_embedding(np.array([[1, 0], [-1, 0]], np.float32))
    assert (mean.tolist(), count) == ([0, 0], 2)
