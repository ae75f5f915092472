"""Greedy suppression as its definition reads, in O(n^2) comparisons of single boxes."""

import json
import random
from pathlib import Path

import numpy as np

from tracker.detection.nms import NmsMode, NmsSettings, nms

F = np.float32


def nms_scene(rng: random.Random, data: bytes) -> bytes:
    """Returns boxes, many of them equal, on a grid, reversed, empty, huge or not numbers."""
    count = rng.choice((0, 1, 2, 5, 20, 60, 140, 300))
    step = rng.choice((0.0, 1.0, 7.0))
    rows = []
    for _ in range(count):
        x, y, w, h = rng.uniform(0, 60), rng.uniform(0, 60), rng.uniform(-5, 30), rng.uniform(0, 30)
        score = rng.choice((rng.random(), rng.randrange(9) / 8))
        row = [x, y, x + w, y + h]
        row = [step * round(value / step) for value in row] if step else row
        if rng.random() < 0.01:
            row[rng.randrange(4)] = rng.choice((3e38, -3e38, float("inf"), float("nan"), 0.0))
        if rng.random() < 0.02:
            score = rng.choice((float("nan"), float("inf"), -1.0, 0.25))
        rows.append([*row, score, rng.randrange(3)])
    settings = {
        "iou": rng.choice((0.0, 0.25, 1 / 3, 0.45, 0.5, 1.0, rng.random())),
        "confidence": rng.choice((0.0, 0.25, 0.5, 1.0, rng.random())),
        "most": rng.choice((1, 3, 20, 300)),
        "agnostic": rng.random() < 0.5,
    }
    return json.dumps({**settings, "frames": [{"rows": rows}]}).encode()


def reference_nms(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, settings: NmsSettings
) -> list[int]:
    """Returns the indices of the boxes that survive."""
    above = [n for n, score in enumerate(scores) if score > F(settings.confidence)]
    kept: list[int] = []
    for n in sorted(above, key=lambda n: (-scores[n], n)):
        if len(kept) == settings.max_detections:
            break
        rivals = [k for k in kept if settings.mode is NmsMode.AGNOSTIC or classes[k] == classes[n]]
        if not any(_iou(boxes[k], boxes[n]) > F(settings.iou) for k in rivals):
            kept.append(n)
    return kept


def _iou(first: np.ndarray, second: np.ndarray) -> np.float32:
    """Returns the overlap of two boxes in float32; 0 where one has no area, NaN where it has none
    that is a number.
    """
    with np.errstate(all="ignore"):
        a, b = ([np.minimum(x[:2], x[2:]), np.maximum(x[:2], x[2:])] for x in (first, second))
        area_a, area_b = ((x[1][1] - x[0][1]) * (x[1][0] - x[0][0]) for x in (a, b))
        if not (area_a > 0 and area_b > 0):
            return F(0)
        size = np.maximum(np.minimum(a[1], b[1]) - np.maximum(a[0], b[0]), F(0))
        both = size[1] * size[0]
        return F(both / (area_a + area_b - both))


def use_nms(data: bytes, folder: Path) -> object:
    """Compares both."""
    scene = json.loads(data)
    rows = np.array(scene["frames"][0]["rows"], np.float64).reshape(-1, 6)
    boxes, scores = rows[:, :4].astype(F), rows[:, 4].astype(F)
    classes = rows[:, 5].astype(np.int32)
    mode = NmsMode.AGNOSTIC if scene["agnostic"] else NmsMode.PER_CLASS
    settings = NmsSettings(scene["confidence"], scene["iou"], scene["most"], mode)
    found = nms(boxes, scores, classes, settings=settings).tolist()
    expected = reference_nms(boxes, scores, classes, settings)
    assert found == expected, (found, expected)
    return len(found)
