"""The data classes: read-only, checked once, sorted, and picked by mask."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from tracker.detections import Detections
from tracker.errors import DataError
from tracker.frames import Frame
from tracker.masks import encode_mask
from tracker.tracks import Tracks, TrackState
from tracker.util.arrays import frozen


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
    boxes = [[0, 0, 1, 1]] * 2
    with pytest.raises(DataError, match=r"embeddings: expected finite.* got infinity in row 1"):
        Detections.create(boxes, [0.5, 0.9], None, [[1.0], [np.inf]])


@pytest.mark.parametrize(
    "looks",
    [
        np.array([[3, 4], [0, 0], [np.nan, 1], [-4, 3]], np.float16),
        np.array([[3, 4], [0, 0], [1, np.nan], [-4, 3]], np.float32) * np.float32(1e30),
        np.array([[3, 4], [0, 0], [np.nan] * 2, [-4, 3]], np.float64) * 1e200,
        np.array([[3, 4], [0, 0], [np.nan, 0], [-4, 3]], np.float64) * 1e-300,
        np.array([[3, 4], [0, 0], [np.nan, 0], [-4, 3]], np.float64) * 5e-324,
        np.array([[3e4, 4e4], [0, 0], [np.nan, 0], [-4e4, 3e4]], np.float16),
        [[3, 4], [0, 0], [0, 0], [-4, 3]],
    ],
)
def test_embeddings_of_any_length_become_unit_vectors_and_nan_unknown(looks: ArrayLike) -> None:
    found = Detections.create([[0, 0, 1, 1]] * 4, [0.5] * 4, None, looks)
    assert found.embeddings.dtype == np.float32
    np.testing.assert_allclose(
        found.embeddings, [[0.6, 0.8], [0, 0], [0, 0], [-0.8, 0.6]], rtol=1e-3
    )


def test_unit_vectors_stay_as_they_are_bit_for_bit() -> None:
    random = np.random.default_rng(0)
    looks = random.normal(size=(50, 128)).astype(np.float32)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    looks.setflags(write=False)
    found = Detections.create([[0, 0, 1, 1]] * 50, [0.5] * 50, None, looks)
    np.testing.assert_array_equal(found.embeddings, looks)
    mixed = looks * np.where(np.arange(50) == 7, 10, 1)[:, None].astype(np.float32)
    again = Detections.create([[0, 0, 1, 1]] * 50, [0.5] * 50, None, mixed).embeddings
    np.testing.assert_array_equal(np.delete(again, 7, axis=0), np.delete(looks, 7, axis=0))
    np.testing.assert_allclose(again[7], looks[7], rtol=1e-6)


class OnAGpu:
    """As a tensor that NumPy cannot read."""

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy.\nUse Tensor.cpu()")


class Tensor:
    """As a tensor that NumPy can read."""

    def __init__(self, values: ArrayLike) -> None:
        self._values = np.asarray(values)

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self._values


GOOD = [[0, 0, 4, 4], [1, 1, 5, 6], [2, 2, 9, 9]]


@pytest.mark.parametrize(
    "boxes",
    [
        GOOD,
        tuple(map(tuple, GOOD)),
        np.array(GOOD, np.float64),
        np.array(GOOD, np.float16),
        np.array(GOOD, np.uint8),
        np.array(GOOD, np.int64),
        np.array(GOOD, np.float32, order="F"),
        np.repeat(np.array(GOOD, np.float32), 2, axis=1)[:, ::2],
        np.array(GOOD, np.float32).astype(">f4"),
        np.ma.masked_array(GOOD, mask=False),
        Tensor(GOOD),
    ],
)
def test_boxes_of_any_number_type_and_layout_are_read(boxes: ArrayLike) -> None:
    found = Detections.create(boxes, Tensor(np.array([0.9, 0.8, 0.7])), Tensor([2, 1, 0]))
    assert found.boxes.tolist() == GOOD
    assert (found.boxes.dtype, found.boxes.flags.c_contiguous) == (np.float32, True)
    assert found.classes.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (np.array(GOOD).T, r"expected shape \(N, 4\) .* got \(4, 3\); .*transpose"),
        (np.zeros((4, 12)), r"got \(4, 12\); .*transpose"),
        (np.zeros((12, 1)), r"got \(12, 1\)$"),
        (np.zeros((4, 0)), r"got \(4, 0\); .*transpose"),
        (np.zeros((3, 5)), r"got \(3, 5\); take \[:, :4\]"),
        (np.zeros((8, 6)), r"got \(8, 6\); take \[:, :4\]"),
        (np.zeros((1, 3, 4)), r"got \(1, 3, 4\); give the boxes of one frame"),
        ([0, 0, 4, 4], r"got \(4,\); one box is \[\[x1, y1, x2, y2\]\]"),
        ([0, 0, 4, 4, 1, 1, 5, 5], r"got \(8,\)"),
        (None, r"expected shape .* got \(\)"),
        ([[0, 0, 4, 4], [1, 1, 5]], "NumPy cannot read"),
        ([[0, 0, 4, None]], "expected float32 values, got None"),
        ([["0", "0", "4", "4"]], "expected float32 values, got text"),
        (np.array(GOOD, complex), "expected float32 values, got complex128"),
        (np.ones((3, 4), bool), "expected numbers, got bool"),
        (np.ma.masked_array(GOOD, mask=[[1, 0, 0, 0]] * 3), "masked"),
        (OnAGpu(), r"OnAGpu that NumPy cannot read: can't convert cuda:0 .*numpy\. .*detach"),
        ([*GOOD, [0, 0, 1e300, 1e300]], r"fit into float32, got 1e\+300 in row 3"),
        ([*GOOD, [0, 0, 1e30, 1e30]], r"at most 16777216 pixels, got .* in row 3"),
        ([*GOOD, [-2e7, 0, 1, 1]], "at most 16777216 pixels, got .* in row 3"),
        ([*GOOD, [5, 5, 5, 9]], r"x2 > x1 .* got \[5, 5, 5, 9\] in row 3"),
        ([*GOOD, [np.inf, 0, np.inf, 9]], "finite xyxy boxes .* in row 3"),
    ],
)
def test_boxes_of_another_shape_type_or_size_are_refused(boxes: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        Detections.create(boxes, [0.5] * 3)
    assert str(caught.value).startswith("Detections.boxes: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([-1], "class ids of 0 to 65535, got -1 in row 0"),
        ([2_000_000_000], "class ids of 0 to 65535, got 2000000000 in row 0"),
        ([65536], "got 65536"),
        (np.array([2**40]), "fit into int32, got 1099511627776 in row 0"),
        (np.array([2**63 + 1], np.uint64), "fit into int32, got 9223372036854775809"),
        ([2**80], "expected integers, got "),
        ([2.7], r"expected integers, got float64; use \.astype\(int\)"),
        (np.array([2.0], np.float32), r"expected integers, got float32; use \.astype\(int\)"),
        ([np.nan], "expected integers, got float64"),
        (["car"], "expected integers, got text; give indices into class_names"),
        ([None], "expected integers, got None"),
        ([True], "expected integers, got bool"),
        ([[1]], r"expected shape \(1,\), got \(1, 1\)"),
        (1, r"expected shape \(1,\), got \(\)"),
        ([0, 1], r"expected shape \(1,\), got \(2,\)"),
    ],
)
def test_classes_that_are_no_ids_are_refused(classes: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        Detections.create([[0, 0, 1, 1]], [0.5], classes)
    assert str(caught.value).startswith("Detections.classes: ")
    with pytest.raises(DataError, match=message):
        Detections(np.array([[0, 0, 1, 1]]), np.array([0.5]), classes, np.zeros((1, 0)))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "int64", "uint64"])
def test_classes_of_any_integer_type_are_read(dtype: str) -> None:
    found = Detections.create([[0, 0, 1, 1]] * 2, [0.5, 0.4], np.array([0, 127], dtype))
    assert (found.classes.tolist(), found.classes.dtype) == ([0, 127], np.int32)
    assert Detections.create([[0, 0, 1, 1]], [0.5], [65535]).classes.tolist() == [65535]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([[0.5], [0.4], [0.3]], r"expected shape \(3,\), got \(3, 1\); use \[:, 0\]"),
        ([0.5, 0.4], r"expected shape \(3,\), got \(2,\)"),
        ([0.5, 0.4, np.nan], r"expected \[0, 1\], got nan in row 2"),
        ([0.5, 1.5, 0.3], r"expected \[0, 1\], got 1.5 in row 1"),
        ([50, 40, 30], r"expected \[0, 1\], got 50.0 in row 0"),
        ([True, True, False], r"expected numbers in \[0, 1\], got bool"),
        (["0.5", "0.4", "0.3"], "got text"),
        (None, "got None"),
    ],
)
def test_scores_that_are_none_are_refused(scores: object, message: str) -> None:
    with pytest.raises(DataError, match=f"Detections.scores: .*{message}"):
        Detections.create(GOOD, scores)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 6), np.uint8), r"got \(4, 6\); convert grey"),
        (np.zeros((4, 6, 1), np.uint8), r"got \(4, 6, 1\); convert grey"),
        (np.zeros((4, 6, 4), np.uint8), r"got \(4, 6, 4\); drop the alpha channel"),
        (np.zeros((3, 4, 6), np.uint8), r"got \(3, 4, 6\); move the channels to the last axis"),
        (np.zeros((1, 4, 6, 3), np.uint8), r"got \(1, 4, 6, 3\); a frame is one image"),
        (np.zeros((4, 6, 3), np.float32), "uint8 values of 0 to 255, got float32"),
        (np.full((4, 6, 3), 256), "uint8 values, got int64"),
        (np.full((4, 6, 3), 256, np.uint16), "fit into uint8, got 256 in row 0"),
        (None, r"got \(\); a frame is one image"),
    ],
)
def test_images_of_another_shape_or_type_are_refused(image: object, message: str) -> None:
    with pytest.raises(DataError, match=f"Frame.image: expected .*{message}"):
        Frame(image, 0, 0.0, "")


def test_images_that_are_views_are_read() -> None:
    bgr = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    frame = Frame(bgr[:, ::2, ::-1], 0, 0.0, "")
    assert (frame.width, frame.height) == (2, 2)
    assert frame.image[0, 1].tolist() == [8, 7, 6]


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
