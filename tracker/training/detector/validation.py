"""Validation: average precision of the network as it is, on images that it does not learn.

The scores are those of the code that judges finished detectors. Boxes stay in pixels of the
letterboxed images: overlaps are the same.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from tracker.detection.nms import NmsSettings, nms
from tracker.detection.yolo_decode import decode_candidates
from tracker.evaluation.average_precision import AveragePrecision, ImageResult, average_precision
from tracker.models.heads import Head
from tracker.training.detector.batches import Batch
from tracker.util.arrays import Float32Array, Int32Array, UInt8Array

Predict = Callable[[UInt8Array], Sequence[Float32Array]]
"""Gives raw maps `(B, h, w, 4 + C)` of pixels `(B, H, W, 3)` uint8."""

VALIDATION_NMS = NmsSettings(confidence=0.01, iou=0.6, max_detections=100)
"""Low scores count for average precision too; 100 detections an image are COCO's limit."""


def validate(
    predict: Predict,
    batches: Iterable[Batch],
    *,
    heads: Sequence[Head],
    settings: NmsSettings,
) -> AveragePrecision:
    """Returns the average precision of a network; ignored regions count as COCO's crowds.

    Args:
        predict: Gives the raw maps of pixels `(B, H, W, 3)` uint8.
        batches: Letterboxed images with truth.
        heads: How to decode the maps.
        settings: What suppression keeps.

    Raises:
        DataError: There is nothing to find.
    """
    results = []
    for batch in batches:
        maps = predict(batch.images)
        for row in range(len(batch.images)):
            found = _detections([m[row] for m in maps], heads, batch.images.shape[1:3], settings)
            valid = batch.valid[row]
            results.append(
                ImageResult(
                    truth=batch.boxes[row][valid].astype(np.float64),
                    truth_classes=batch.classes[row][valid],
                    crowd=batch.ignore[row][valid],
                    boxes=found[0],
                    scores=found[1],
                    classes=found[2],
                )
            )
    return average_precision(results)


def _detections(
    maps: Sequence[Float32Array],
    heads: Sequence[Head],
    input_size: tuple[int, ...],
    settings: NmsSettings,
) -> tuple[Float32Array, Float32Array, Int32Array]:
    """Returns boxes, scores and classes after suppression."""
    boxes, scores, classes = decode_candidates(
        maps,
        heads,
        input_size=(input_size[0], input_size[1]),
        confidence=settings.confidence,
    )
    kept = nms(boxes, scores, classes, settings=settings)
    return boxes[kept], scores[kept], classes[kept]
