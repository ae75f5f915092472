"""The data classes: read-only, checked once, sorted, and picked by mask."""

import numpy as np
import pytest

from tracker.arrays import frozen
from tracker.detections import Detections
from tracker.errors import DataError
from tracker.frames import Frame
from tracker.masks import encode_mask
from tracker.tracks import Tracks, TrackState


def test_empty() -> None:
    assert len(Detections.empty()) == 0
    assert Detections.empty(128).embeddings.shape == (0, 128)
    assert len(Tracks.empty()) == 0
    assert Tracks.empty().boxes.shape == (0, 4)


def test_detections_are_sorted_by_score_and_ties_keep_their_order() -> None:
    found = Detections.create(
        [[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3], [0, 0, 4, 4]], [0.5, 0.9, 0.5, 0.9], [1, 2, 3, 4]
    )
    assert found.classes.tolist() == [2, 4, 1, 3]
    assert found.boxes[:, 2].tolist() == [2, 4, 1, 3]


def test_select_takes_masks_and_indices() -> None:
    found = Detections.create([[0, 0, 1, 1], [0, 0, 2, 2]], [0.9, 0.5], [1, 2])
    assert found.select(found.classes == 2).scores.tolist() == [0.5]
    assert found.select(np.array([0])).classes.tolist() == [1]


def test_masks_go_with_their_detections() -> None:
    boxes, scores = [[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]], [0.5, 0.9, 0.7]
    masks = tuple(encode_mask(np.eye(3, dtype=np.bool_) & (np.arange(3) <= n)) for n in range(3))
    found = Detections.create(boxes, scores, masks=list(masks))
    assert found.masks == (masks[1], masks[2], masks[0])
    assert found.select(np.array([2, 0])).masks == (masks[1], masks[0])
    assert found.select(found.scores < 0.8).masks == (masks[2], masks[0])
    assert found.select(np.array([], np.intp)).masks == ()
    assert found.with_embeddings(np.ones((3, 2), np.float32)).masks == found.masks
    looks = found.with_embeddings(np.eye(3, dtype=np.float32)).with_masks(None)
    assert looks.masks is None
    assert looks.with_masks(masks).masks == masks  # in the order of the detections
    assert looks.with_masks(masks).embeddings.shape == (3, 3)
    assert looks.select(np.array([1])).masks is None
    assert (Detections.empty().masks, Detections.create([], [], masks=[]).masks) == (None, ())


def test_wrong_masks_are_refused() -> None:
    small, large = (encode_mask(np.ones(size, np.bool_)) for size in ((3, 4), (4, 3)))
    boxes, scores = [[0, 0, 1, 1], [0, 0, 2, 2]], [0.9, 0.5]
    with pytest.raises(DataError, match="masks: expected 2, one for each box, got 1"):
        Detections.create(boxes, scores, masks=[small])
    with pytest.raises(DataError, match="masks of one frame size"):
        Detections.create(boxes, scores, masks=[small, large])
    with pytest.raises(DataError, match="masks: expected 2, one for each box, got 0"):
        Detections.create(boxes, scores).with_masks([])


def test_data_is_owned_and_read_only() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    frame = Frame(image, 0, 0.0, "test")
    image[:] = 255
    assert frame.image.max() == 0
    assert (frame.width, frame.height) == (3, 2)
    with pytest.raises(ValueError, match="read-only"):
        frame.image[0] = 1
    found = Detections.create([[0, 0, 1, 1]], [0.5])
    with pytest.raises(ValueError, match="read-only"):
        found.boxes[0, 0] = 9


def test_an_immutable_array_is_shared_and_a_view_of_a_writable_one_is_not() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    image.setflags(write=False)
    assert Frame(image, 0, 0.0, "test").image is image
    writable = np.zeros((4, 3, 3), np.uint8)
    view = writable[:2]
    view.setflags(write=False)
    frame = Frame(view, 0, 0.0, "test")
    writable[:] = 7
    assert frame.image.max() == 0


@pytest.mark.parametrize(
    ("boxes", "scores", "message"),
    [
        ([[0, 0, 0, 1]], [0.5], "expected finite xyxy boxes"),
        ([[0, 0, np.nan, 1]], [0.5], "expected finite xyxy boxes"),
        ([[0, 0, 1, 1]], [1.5], r"scores: expected \[0, 1\]"),
        ([[0, 0, 1, 1]], [np.nan], r"scores: expected \[0, 1\]"),
        ([[0, 0, 1, 1]], [0.5, 0.5], r"scores: expected shape \(1,\), got \(2,\)"),
    ],
)
def test_wrong_detections_are_refused(boxes: list, scores: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Detections.create(boxes, scores)


def test_infinite_embeddings_are_refused() -> None:
    with pytest.raises(DataError, match="embeddings: expected finite"):
        Detections.create([[0, 0, 1, 1]], [0.5], None, [[np.inf]])


def test_wrong_kinds_are_refused() -> None:
    with pytest.raises(DataError, match="x: expected uint8 values, got float64"):
        frozen([0.5], dtype="uint8", shape=(1,), name="x")
    with pytest.raises(DataError, match=r"Frame\.image: expected shape"):
        Frame(np.zeros((2, 3), np.uint8), 0, 0.0, "grey")


def test_track_states_have_fixed_values() -> None:
    # They are written into files as names and kept in arrays as these numbers.
    assert [(s.name, int(s)) for s in TrackState] == [
        ("TENTATIVE", 0),
        ("CONFIRMED", 1),
        ("LOST", 2),
    ]
