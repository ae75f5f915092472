"""One object that a detector found in two classes: which of its detections go on.

Comes in: the detections of a frame. Goes out: a mask of them. Suppression in a detector works class
by class, so a van may come as a car and as a truck in one place, and would become two tracks.
"""

import numpy as np

from tracker.boxes import paired_iou
from tracker.detections import Detections
from tracker.tracking.neighbours import admissible
from tracker.util.arrays import BoolArray, Float64Array, IndexArray


def without_duplicates(detections: Detections, *, iou: float) -> BoolArray:
    """Returns `(N,)`: false for what nearly coincides with a better detection of another class.

    Greedy, by falling score: what is left out itself leaves out nothing.

    Args:
        detections: Of one frame.
        iou: A detection is left out above this overlap, in `[0.5, 1]`.
    """
    kept = np.ones(len(detections), np.bool_)
    classes = detections.classes
    if not len(classes) or np.count_nonzero(classes == classes[0]) == len(classes):
        return kept
    boxes = detections.boxes.astype(np.float64)

    def price(rows: IndexArray, columns: IndexArray) -> tuple[Float64Array, BoolArray]:
        overlap = paired_iou(boxes[rows], boxes[columns])
        # Detections are sorted by falling score: the lower index is the better one.
        worse = (rows < columns) & (classes[rows] != classes[columns])
        return 1 - overlap, worse & (overlap > iou)

    # The wider of two boxes is at most 1 / iou times as wide as the other, and sticks out of their
    # common part by (1 - iou) of its own width at most: so far apart are their centres, or less.
    reach = (1 / iou - 1) * (boxes[:, 2:] - boxes[:, :2])
    centres = 0.5 * (boxes[:, :2] + boxes[:, 2:])
    pairs = admissible(centres, reach, centres, price=price)
    for better, worse in zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True):
        if kept[better]:
            kept[worse] = False
    return kept
