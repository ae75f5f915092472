"""Weighted boxes fusion: the boxes of several detectors for one image become one set.

Solovyev, Wang, Gabruseva 2021, "Weighted boxes fusion", arXiv 1910.13302.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker.boxes import pairwise_iou
from tracker.detections import Detections
from tracker.errors import DataError
from tracker.util.arrays import BoolArray, Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Voter:
    """One detector's detections in one image.

    Attributes:
        found: Its detections; class numbers are common to all voters.
        weight: How much it counts, above 0.
        knows: `(C,)` bool, the classes that it can detect; it does not vote on others.
    """

    found: Detections
    weight: float
    knows: BoolArray

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise DataError(f"weight: expected a number above 0, got {self.weight}")
        for number in np.unique(self.found.classes).tolist():
            if not 0 <= number < len(self.knows) or not self.knows[number]:
                raise DataError(f"classes: expected those that the voter knows, got {number}")


def weighted_boxes_fusion(voters: Sequence[Voter], *, iou: float = 0.55) -> Detections:
    """Returns one box for each cluster of boxes, by falling score; embeddings are `(N, 0)`.

    With weights `w`, scores `c` and boxes `x` of a cluster's members (paper, eq. 1 to 3, 5): the
    box is `sum(w c x) / sum(w c)`, the score `sum(w c) / sum(w)`, then times
    `min(sum(w), W) / W` where `W` is the weight of all voters that know the class.

    Args:
        voters: Each detector's detections in the same image.
        iou: Boxes of one class join a cluster if they overlap its fused box by more than this.

    Raises:
        DataError: The voters know different numbers of classes.
    """
    if len({len(voter.knows) for voter in voters}) > 1:
        raise DataError(
            "voters: expected one number of classes, got "
            f"{sorted({len(voter.knows) for voter in voters})}"
        )
    parts = [Detections.empty()]
    for number in range(len(voters[0].knows) if voters else 0):
        chosen = [voter.found.select(voter.found.classes == number) for voter in voters]
        if any(len(found) for found in chosen):
            weights = np.array([voter.weight for voter in voters])
            total = float(weights[[bool(voter.knows[number]) for voter in voters]].sum())
            parts.append(_fuse_class(chosen, weights, total=total, iou=iou, number=number))
    return Detections(
        boxes=np.concatenate([part.boxes for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        classes=np.concatenate([part.classes for part in parts]),
        embeddings=np.zeros((sum(map(len, parts)), 0), np.float32),
    )


def _fuse_class(
    chosen: Sequence[Detections], weights: Float64Array, *, total: float, iou: float, number: int
) -> Detections:
    """Returns the fused boxes of one class; `total` is the weight of the voters that know it."""
    counts = [len(found) for found in chosen]
    boxes = np.concatenate([found.boxes for found in chosen]).astype(np.float64)
    scores = np.concatenate([found.scores for found in chosen]).astype(np.float64)
    weight = np.repeat(weights, counts)
    # A cluster is kept as three sums, from which its box and score follow at any time.
    fused = np.zeros((len(boxes), 4))
    box_sums, score_sums, weight_sums = (
        np.zeros_like(fused),
        np.zeros(len(boxes)),
        np.zeros(len(boxes)),
    )
    clusters = 0
    for index in np.argsort(-scores * weight, kind="stable").tolist():
        overlap = pairwise_iou(boxes[index, None], fused[:clusters])[0]
        into = int(overlap.argmax()) if clusters else 0
        if not clusters or overlap[into] <= iou:
            into, clusters = clusters, clusters + 1
        # A score of 0 still has to place its box.
        strength = max(weight[index] * scores[index], 1e-12)
        box_sums[into] += strength * boxes[index]
        score_sums[into] += strength
        weight_sums[into] += weight[index]
        fused[into] = box_sums[into] / score_sums[into]
    share = np.minimum(weight_sums[:clusters], total) / total
    mean = score_sums[:clusters] / weight_sums[:clusters]
    return Detections.create(
        fused[:clusters], np.minimum(mean * share, 1), np.full(clusters, number)
    )
