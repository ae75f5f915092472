"""How good a segmentation is: intersection over union by class, and its mean."""

from dataclasses import dataclass

import numpy as np

from tracker.errors import DataError
from tracker.training.segmenter.data import IGNORE
from tracker.util.arrays import Float64Array, Int64Array, UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class SegmentScores:
    """How good a segmentation is.

    Attributes:
        iou: `(C,)` float64 in `[0, 1]` by class: pixels that truth and prediction share over those
            that either has; NaN where neither has any.
        mean_iou: Mean over the classes that are not NaN.
        accuracy: Share of the pixels whose class is right.
    """

    iou: Float64Array
    mean_iou: float
    accuracy: float


def confusion(truth: UInt8Array, predicted: UInt8Array, class_count: int) -> Int64Array:
    """Returns `(C, C)` int64: pixels by true (row) and predicted (column) class.

    Args:
        truth: Any shape, class index or `IGNORE`, which is left out.
        predicted: The same shape, class index.
        class_count: `C`.

    Example:
        >>> truth = np.array([0, 0, 1, 255], np.uint8)
        >>> confusion(truth, np.array([0, 1, 1, 0], np.uint8), 2).tolist()
        [[1, 1], [0, 1]]
    """
    counted = truth != IGNORE
    index = truth[counted].astype(np.int64) * class_count + predicted[counted]
    return np.bincount(index, minlength=class_count**2).reshape(class_count, class_count)


def segment_scores(counts: Int64Array) -> SegmentScores:
    """Returns the scores that counts `(C, C)` of `confusion`, added up over images, amount to.

    Raises:
        DataError: No pixel was counted.
    """
    total = int(counts.sum())
    if not total:
        raise DataError("segmentation: expected validation pixels, got none")
    shared = np.diag(counts).astype(np.float64)
    union = counts.sum(axis=0) + counts.sum(axis=1) - shared
    iou = np.full(len(counts), np.nan)
    np.divide(shared, union, out=iou, where=union > 0)
    return SegmentScores(iou, float(np.nanmean(iou)), float(shared.sum() / total))
