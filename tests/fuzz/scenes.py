"""Random scenes: objects that walk, hide, jump, cross, and detections that are wrong."""

import json
import math
import random
from typing import Any


def random_scene(rng: random.Random, *, wild: bool) -> dict[str, Any]:
    """Returns frames with rows of x1, y1, x2, y2, score, class and an embedding.

    Args:
        rng: Draws everything.
        wild: Also with boxes that are equal, huge, tiny or no boxes, other times, camera motion and
            frames without the detector; otherwise each row has its own place.
    """
    size = rng.choice(((320, 240), (1920, 1080), (64, 48)))
    width = rng.choice((0, 0, 4, 16))
    objects = [
        _object(rng, size, width) for _ in range(rng.choice((0, 1, 2, 3, 5, 8, 30 if wild else 6)))
    ]
    return {
        "size": size,
        "interval_s": rng.choice((1 / 30, 1 / 25, 0.1, 1.0)),
        "settings": rng.randrange(1000),
        "frames": [_frame(rng, objects, size, width, wild) for _ in range(rng.choice((3, 15, 60)))],
    }


def _object(rng: random.Random, size: tuple[int, int], width: int) -> dict[str, Any]:
    height = rng.uniform(0.05, 0.5) * size[1]
    return {
        "place": [rng.uniform(0, size[0]), rng.uniform(0, size[1])],
        "speed": [rng.gauss(0, 0.05 * height), rng.gauss(0, 0.02 * height)],
        "shape": [height * rng.uniform(0.3, 1.5), height],
        "class": rng.choice((0, 0, 0, 1, 2)),
        "look": _unit(rng, width),
        "seen": rng.choice((1.0, 0.9, 0.6)),
        "noise": rng.choice((0.0, 0.01, 0.05)),
    }


def _frame(
    rng: random.Random, objects: list[dict[str, Any]], size: tuple[int, int], width: int, wild: bool
) -> dict[str, Any]:
    dt = rng.choice((1, 1, 1, 1, 1, 2, 3, 0.5))
    frame: dict[str, Any] = {"dt": dt, "rows": [], "coast": False, "camera": None}
    for one in objects:
        one["place"] = [p + dt * s for p, s in zip(one["place"], one["speed"], strict=True)]
        if rng.random() < 0.01:
            one["speed"] = [-one["speed"][0], one["speed"][1]]
        if rng.random() < 0.005:
            one["place"] = [rng.uniform(0, size[0]), rng.uniform(0, size[1])]
        if rng.random() < one["seen"]:
            frame["rows"].append(_row(rng, one, width))
    for _ in range(rng.choice((0, 0, 0, 1, 4))):
        frame["rows"].append(_row(rng, _object(rng, size, width), width))
    if wild:
        _make_wild(rng, frame, width)
    return frame


def _row(rng: random.Random, one: dict[str, Any], width: int) -> list[float]:
    (x, y), (w, h) = one["place"], one["shape"]
    x, y, w, h = (v + rng.gauss(0, 1) * one["noise"] * h for v in (x, y, w, h))
    w, h = max(w, 1.0), max(h, 1.0)
    look = [value + rng.gauss(0, 0.1) for value in one["look"]]
    if rng.random() < 0.1:
        look = [0.0] * width
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2, rng.uniform(0.3, 1), one["class"], *look]


def _unit(rng: random.Random, width: int) -> list[float]:
    values = [rng.gauss(0, 1) for _ in range(width)]
    length = math.hypot(*values) or 1.0
    return [value / length for value in values]


def _make_wild(rng: random.Random, frame: dict[str, Any], width: int) -> None:
    rows = frame["rows"]
    look = _unit(rng, width)
    if rows and rng.random() < 0.1:
        rows.append(list(rng.choice(rows)))
    if rng.random() < 0.02:
        rows.append([0, 0, 2.0**24, 2.0**24, 1, 0, *look])
    if rng.random() < 0.02:
        rows.append([-(2.0**24), 5, -(2.0**24) + 2, 5.001, 0, 65535, *look])
    if rng.random() < 0.02:
        x = rng.uniform(0, 100)
        rows.append([x, x, x + 1e-4, x + 1e-4, 1e-6, 3, *look])
    if rng.random() < 0.02:
        rows.append([rng.choice((math.nan, math.inf, 3.0)), 0, 1, 1, 0.5, 0, *look])
    if rng.random() < 0.02:
        rows.append([0, 0, 9, 9, rng.choice((math.nan, 1.5, -0.1)), 0, *look])
    if rng.random() < 0.05:
        frame["dt"] = rng.choice((1e-6, 0.01, 2.7, 29, 31, 1e4, 1e9, 0, -1, math.nan, math.inf))
    if rng.random() < 0.05:
        zoom, turn = rng.choice((1, 1.02, 0.5, 1e-3, 1e3)), rng.choice((0, 0.01, 3))
        frame["camera"] = [zoom, turn, rng.gauss(0, 20), rng.choice((0, 3, 1e7))]
    frame["coast"] = rng.random() < 0.1


def scene_bytes(rng: random.Random, *, wild: bool) -> bytes:
    """Returns a random scene as JSON."""
    return json.dumps(random_scene(rng, wild=wild)).encode()
