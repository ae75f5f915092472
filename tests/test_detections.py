"""Detections from the results of other programs, by values derived by hand."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tracker.detections import Detections
from tracker.errors import DataError
from tracker.masks import decode_mask, encode_mask, mask_to_coco


@dataclass
class FoundElsewhere:
    """The fields that `sv.Detections` documents."""

    xyxy: np.ndarray
    mask: np.ndarray | None = None
    confidence: np.ndarray | None = None
    class_id: np.ndarray | None = None
    tracker_id: np.ndarray | None = None
    data: dict[str, Any] = field(default_factory=dict)


def pixels(row: int) -> np.ndarray:
    """An image of 4 x 5 in which one row of pixels belongs to the object."""
    grid = np.zeros((4, 5), bool)
    grid[row] = True
    return grid


def test_nothing_found() -> None:
    assert len(Detections.from_xywh([])) == 0
    assert len(Detections.from_yolo(np.zeros((0, 4)), frame_size=(64, 48))) == 0
    assert len(Detections.from_coco([])) == 0
    assert len(Detections.from_supervision(FoundElsewhere(np.empty((0, 4))))) == 0


def test_from_corner_and_size() -> None:
    found = Detections.from_xywh([[1, 2, 3, 4], [10, 20, 30, 40]], [0.25, 0.75], [0, 1])
    assert found.boxes.tolist() == [[10, 20, 40, 60], [1, 2, 4, 6]]
    assert found.scores.tolist() == [0.75, 0.25]
    assert found.classes.tolist() == [1, 0]


def test_from_shares_of_the_frame() -> None:
    found = Detections.from_yolo([[0.5, 0.25, 0.5, 0.5]], classes=[3], frame_size=(64, 48))
    # Centre (32, 12), size (32, 24).
    assert found.boxes.tolist() == [[16, 0, 48, 24]]
    assert found.scores.tolist() == [1]
    assert found.classes.tolist() == [3]


def test_boxes_in_pixels_are_no_shares() -> None:
    with pytest.raises(DataError, match=r"in \[0, 1\], got 24.0; .*from_xywh"):
        Detections.from_yolo([[12, 6, 24, 24]], frame_size=(64, 48))


@pytest.mark.parametrize("boxes", [[1, 2, 3, 4], [[1, 2, 3]], [["a"] * 4], np.ones((2, 5))])
def test_boxes_are_rows_of_four_numbers(boxes: Any) -> None:
    with pytest.raises(DataError, match=r"from_xywh: expected (shape|float64)"):
        Detections.from_xywh(boxes)


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (5, np.nan)])
def test_boxes_have_an_area(size: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="expected finite xyxy boxes"):
        Detections.from_xywh([[1, 2, *size]])


def test_from_results_of_coco() -> None:
    found = Detections.from_coco(
        [
            {"image_id": 7, "category_id": 3, "bbox": [1.5, 2, 3, 4], "score": 0.25},
            {"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.5},
        ],
        category_ids=[1, 2, 3],
    )
    assert found.boxes.tolist() == [[10, 20, 40, 60], [1.5, 2, 4.5, 6]]
    assert found.scores.tolist() == [0.5, 0.25]
    assert found.classes.tolist() == [0, 2]
    assert found.masks is None


@pytest.mark.parametrize("as_bytes", [False, True])
def test_masks_of_coco_stay_with_their_boxes(as_bytes: bool) -> None:
    def encoding(row: int) -> dict[str, Any]:
        coco = mask_to_coco(encode_mask(pixels(row)))
        # pycocotools hands out bytes, JSON text.
        return coco | ({"counts": coco["counts"].encode()} if as_bytes else {})

    found = Detections.from_coco(
        [
            {"category_id": 0, "bbox": [0, 1, 5, 1], "score": 0.25, "segmentation": encoding(1)},
            {"category_id": 0, "bbox": [0, 3, 5, 1], "score": 0.75, "segmentation": encoding(3)},
            {"category_id": 0, "bbox": [0, 0, 5, 1], "score": 0.5, "segmentation": [[0, 0, 5, 0]]},
        ]
    )
    assert found.boxes[:, 1].tolist() == [3, 0, 1]
    assert found.masks is not None
    expected = [pixels(3), np.zeros((4, 5), bool), pixels(1)]
    for mask, grid in zip(found.masks, expected, strict=True):
        np.testing.assert_array_equal(decode_mask(mask), grid)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"category_id": 1}], "expected key 'bbox' in each record"),
        ([{"bbox": [0, 0, 1, 1]}], "expected key 'category_id' in each record"),
        ([{"bbox": [0, 0, 1, 1], "category_id": 9}], "category 9 is not among category_ids"),
        (
            [{"image_id": i, "category_id": 1, "bbox": [0, 0, 1, 1]} for i in (1, 2)],
            "expected records of one image, got 2 images",
        ),
    ],
)
def test_wrong_records_of_coco(records: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Detections.from_coco(records, category_ids=[1, 2, 3])


def test_from_supervision() -> None:
    found = Detections.from_supervision(
        FoundElsewhere(
            xyxy=np.array([[0, 1, 5, 2], [0, 3, 5, 4]], np.float32),
            mask=np.stack([pixels(1), pixels(3)]),
            confidence=np.array([0.25, 0.75], np.float32),
            class_id=np.array([2, 0]),
        )
    )
    assert found.boxes.tolist() == [[0, 3, 5, 4], [0, 1, 5, 2]]
    assert found.scores.tolist() == [0.75, 0.25]
    assert found.classes.tolist() == [0, 2]
    assert found.masks is not None
    np.testing.assert_array_equal(decode_mask(found.masks[0]), pixels(3))


def test_what_supervision_lacks_has_defaults() -> None:
    found = Detections.from_supervision(FoundElsewhere(np.array([[0, 1, 5, 2.0]])))
    assert found.scores.tolist() == [1]
    assert found.classes.tolist() == [0]
    assert found.masks is None


def test_the_real_library_has_these_fields() -> None:
    supervision = pytest.importorskip("supervision")
    found = Detections.from_supervision(
        supervision.Detections(
            xyxy=np.array([[0, 1, 5, 2.0]]), confidence=np.array([0.5]), class_id=np.array([2])
        )
    )
    assert found.boxes.tolist() == [[0, 1, 5, 2]]
    assert found.classes.tolist() == [2]
