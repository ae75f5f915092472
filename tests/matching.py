"""Counts how well boxes fit other boxes, independently of `tracker.evaluation`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from tracker.boxes import clip, pairwise_iou, xywh_to_xyxy


def read_truth(path: Path, *, scale: float = 1.0) -> dict[int, np.ndarray]:
    """Returns rows `(N, columns)` by frame number from 0 of a MOTChallenge gt file, where used."""
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    rows = rows[rows[:, 6] == 1]
    rows[:, 2:6] *= scale
    return {int(frame) - 1: rows[rows[:, 0] == frame] for frame in np.unique(rows[:, 0])}


def recall_and_precision(
    found: Sequence[np.ndarray], truth: Mapping[int, np.ndarray], *, width: int, height: int
) -> tuple[float, float]:
    """Returns both at IoU 0.5, one to one, of boxes `(N, 4)` xyxy by frame."""
    hits = wanted = given = 0
    for index, boxes in enumerate(found):
        rows = truth.get(index, np.zeros((0, 6)))
        true_boxes = clip(xywh_to_xyxy(rows[:, 2:6].astype(np.float32)), width=width, height=height)
        iou = pairwise_iou(true_boxes, boxes)
        hits += int((iou[linear_sum_assignment(iou >= 0.5, maximize=True)] >= 0.5).sum())
        wanted += len(true_boxes)
        given += len(boxes)
    return hits / wanted, hits / given
