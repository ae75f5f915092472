"""Average precision of a detector, computed by the package `faster-coco-eval`."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracker.errors import DataError, DependencyError
from tracker.util.arrays import BoolArray, Float32Array, Float64Array, Int32Array

# Indices of the evaluator's arrays: objects of all sizes, and at most 100 detections per image.
_ALL_AREAS, _LAST_LIMIT = 0, -1


@dataclass(frozen=True, slots=True, eq=False)
class ImageResult:
    """`G` ground truth boxes and `N` detections of one image, xyxy in its pixels.

    Attributes:
        truth: `(G, 4)` float64.
        truth_classes: `(G,)` int32.
        crowd: `(G,)` whether the box holds a crowd: detections in it are ignored.
        boxes: `(N, 4)` float32.
        scores: `(N,)` float32.
        classes: `(N,)` int32.
    """

    truth: Float64Array
    truth_classes: Int32Array
    crowd: BoolArray
    boxes: Float32Array
    scores: Float32Array
    classes: Int32Array


@dataclass(frozen=True, slots=True)
class ClassPrecision:
    """One class: AP at IoU 0.5, mean AP over IoU 0.5 to 0.95, number of ground truth boxes."""

    ap50: float
    ap: float
    truth: int


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Means over the classes of the ground truth, and the classes by index."""

    map50: float
    map: float
    classes: Mapping[int, ClassPrecision]


def average_precision(results: Sequence[ImageResult]) -> AveragePrecision:
    """Returns COCO's average precision: 101 recalls, IoU 0.50 to 0.95, 100 detections per image.

    Classes without ground truth are ignored, as in COCO.

    Raises:
        DataError: No image has a ground truth box that is not a crowd.
        DependencyError: `faster-coco-eval` is not installed.
    """
    counted = [r.truth_classes[~r.crowd] for r in results]
    classes, counts = np.unique(
        np.concatenate([np.zeros(0, np.int32), *counted]), return_counts=True
    )
    if not len(classes):
        raise DataError("average precision: expected labelled objects, got none in all images")
    precision = _precision(results, [int(number) for number in classes])
    by_class = {
        int(number): ClassPrecision(
            ap50=float(precision[0, :, n].mean()),
            ap=float(precision[:, :, n].mean()),
            truth=int(counts[n]),
        )
        for n, number in enumerate(classes)
    }
    return AveragePrecision(
        map50=float(precision[0].mean()), map=float(precision.mean()), classes=by_class
    )


def _precision(results: Sequence[ImageResult], classes: list[int]) -> Float64Array:
    """Returns `(10, 101, K)` precision by IoU, recall and class."""
    if not sum(np.isin(r.classes, classes).sum() for r in results):
        return np.zeros((10, 101, len(classes)))  # The library rejects an empty list.
    try:
        library: Any = importlib.import_module("faster_coco_eval")
    except ImportError as error:
        raise DependencyError(
            f"average precision needs the package faster-coco-eval: {error}; "
            "pip install faster-coco-eval"
        ) from error
    truth = library.COCO(_coco_annotations(results, classes))
    found = truth.loadRes(_coco_results(results, classes))
    evaluator = library.COCOeval_faster(truth, found, "bbox")
    evaluator.params.catIds = classes
    evaluator.evaluate()
    evaluator.accumulate()
    precision: Float64Array = evaluator.eval["precision"][:, :, :, _ALL_AREAS, _LAST_LIMIT]
    return precision


def _coco_annotations(results: Sequence[ImageResult], classes: list[int]) -> dict[str, Any]:
    notes: list[dict[str, Any]] = []
    for image, result in enumerate(results, start=1):
        columns = zip(
            result.truth.tolist(),
            result.truth_classes.tolist(),
            result.crowd.tolist(),
            strict=True,
        )
        for (x1, y1, x2, y2), number, crowd in columns:
            box = [x1, y1, x2 - x1, y2 - y1]
            note = {"id": len(notes) + 1, "image_id": image, "category_id": number, "bbox": box}
            notes.append({**note, "area": box[2] * box[3], "iscrowd": int(crowd)})
    return {
        "info": {},
        "images": [{"id": image} for image in range(1, len(results) + 1)],
        "annotations": [note for note in notes if note["category_id"] in classes],
        "categories": [{"id": number, "name": str(number)} for number in classes],
    }


def _coco_results(results: Sequence[ImageResult], classes: list[int]) -> list[dict[str, Any]]:
    found = []
    for image, result in enumerate(results, start=1):
        columns = (result.boxes.tolist(), result.scores.tolist(), result.classes.tolist())
        for (x1, y1, x2, y2), score, number in zip(*columns, strict=True):
            if number in classes:
                box = [x1, y1, x2 - x1, y2 - y1]
                item = {"image_id": image, "category_id": number, "bbox": box, "score": score}
                found.append(item)
    return found
