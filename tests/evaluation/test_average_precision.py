"""Average precision by hand, and labels in both formats."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tracker.errors import DataError, SourceError
from tracker.evaluation.average_precision import ImageResult, average_precision
from tracker.evaluation.labels import read_coco_labels, read_yolo_labels

BOX = [0.0, 0.0, 10.0, 10.0]
FAR = [50.0, 50.0, 60.0, 60.0]
WIDE = [0.0, 0.0, 20.0, 10.0]


def image_result(
    truth: list[list[float]], found: list[tuple[list[float], float]], *, number: int = 3
) -> ImageResult:
    return ImageResult(
        truth=np.array(truth, np.float64).reshape(-1, 4),
        truth_classes=np.full(len(truth), number, np.int32),
        crowd=np.zeros(len(truth), np.bool_),
        boxes=np.array([box for box, _ in found], np.float32).reshape(-1, 4),
        scores=np.array([score for _, score in found], np.float32),
        classes=np.full(len(found), number, np.int32),
    )


def test_no_truth() -> None:
    for results in ([], [image_result([], [(BOX, 0.5)])]):
        with pytest.raises(DataError, match="got none in all images"):
            average_precision(results)


def test_nothing_found() -> None:
    precision = average_precision([image_result([BOX], [])])
    assert (precision.map50, precision.map, precision.classes[3].truth) == (0, 0, 1)


def test_perfect() -> None:
    precision = average_precision([image_result([BOX], [(BOX, 0.9)])] * 2)
    assert precision.map50 == precision.map == pytest.approx(1)


def test_half_found() -> None:
    precision = average_precision([image_result([BOX, FAR], [(BOX, 0.9)])])
    # Precision 1 at the recalls 0.00 to 0.50: 51 of 101.
    assert precision.map50 == pytest.approx(float(Fraction(51, 101)))


def test_a_false_alarm_that_scores_higher() -> None:
    precision = average_precision([image_result([BOX], [(FAR, 0.9), (BOX, 0.5)])])
    assert precision.map == pytest.approx(1 / 2)


def test_thresholds_of_overlap() -> None:
    # IoU 100/140 = 0.714: a match at 0.50, 0.55, 0.60, 0.65, 0.70 of ten thresholds.
    precision = average_precision([image_result([BOX], [([0.0, 0.0, 14.0, 10.0], 0.9)])])
    assert (precision.map50, precision.map) == (pytest.approx(1), pytest.approx(1 / 2))


def test_classes_are_averaged_and_others_left_alone() -> None:
    results = [
        image_result([BOX], [(BOX, 0.9)], number=0),
        image_result([BOX], [], number=7),
        image_result([], [(BOX, 0.9)], number=5),
    ]
    precision = average_precision(results)
    assert set(precision.classes) == {0, 7}
    assert precision.map50 == pytest.approx(1 / 2)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    for name in ("images", "labels"):
        (tmp_path / name / "val").mkdir(parents=True)
    for name in ("a.jpg", "b.PNG"):
        (tmp_path / "images" / "val" / name).touch()
    (tmp_path / "labels" / "val" / "a.txt").write_text("2 0.5 0.5 0.5 1\n\n0 0.25 0.5 0.5 0.5\n")
    return tmp_path / "labels" / "val"


def test_yolo_labels(labels: Path) -> None:
    first, second = read_yolo_labels(labels).images
    assert (first.path.name, second.path.name, len(second.classes)) == ("a.jpg", "b.PNG", 0)
    assert first.classes.tolist() == [2, 0]
    assert first.boxes.tolist() == [[0.25, 0, 0.75, 1], [0, 0.25, 0.5, 0.75]]


@pytest.mark.parametrize("line", ["0 0.5 0.5 0.5", "0 0.5 0.5 0.5 1.5", "x 0 0 0 0", "0 nan 0 0 0"])
def test_broken_yolo_labels(labels: Path, line: str) -> None:
    (labels / "a.txt").write_text(f"0 0.5 0.5 0.5 0.5\n{line}\n")
    with pytest.raises(DataError, match=r"a\.txt, line 2: expected 'class cx cy w h \[score\]'"):
        read_yolo_labels(labels)


def test_missing_images(labels: Path, tmp_path: Path) -> None:
    (labels / "c.txt").touch()
    with pytest.raises(SourceError, match=r"c\.txt: has no image"):
        read_yolo_labels(labels)
    with pytest.raises(SourceError, match="expected images"):
        read_yolo_labels(labels, labels)
    with pytest.raises(SourceError, match="no such folder"):
        read_yolo_labels(labels, tmp_path / "none")


def test_coco_labels(tmp_path: Path) -> None:
    record = {
        "images": [{"id": 9, "file_name": "b.jpg", "width": 100, "height": 50}],
        "categories": [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 3, "bbox": [10, 5, 20, 10], "iscrowd": 1}
        ],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(record))
    found = read_coco_labels(path, tmp_path)
    assert found.names == ("person", "car")
    (image,) = found.images
    assert (image.classes.tolist(), image.crowd.tolist()) == ([1], [True])
    assert image.boxes[0].tolist() == pytest.approx([0.1, 0.1, 0.3, 0.3])
    for change in ({"categories": []}, {"images": []}, {"annotations": [{}]}, {"images": None}):
        path.write_text(json.dumps({**record, **change}))
        with pytest.raises(DataError, match=r"a\.json"):
            read_coco_labels(path, tmp_path)
