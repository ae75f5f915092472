"""Rendered images with masks: coloured shapes on a textured ground."""

from pathlib import Path

import numpy as np

from tracker.util.opencv import cv2

NAMES = ("ground", "disc", "square")
COLOURS = {1: (230, 40, 40), 2: (40, 60, 230)}


def scene(
    rng: np.random.Generator,
    *,
    size: tuple[int, int] = (96, 128),
    radii: tuple[int, int] = (18, 30),
) -> tuple[np.ndarray, np.ndarray]:
    """An image `(H, W, 3)` RGB with a red disc and a blue square over it, and its mask."""
    height, width = size
    ground = rng.integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    ground = cv2.resize(ground, (width, height), interpolation=cv2.INTER_CUBIC)
    image = (ground * 0.5 + 60).astype(np.uint8)
    mask = np.zeros(size, np.uint8)
    for number, colour in COLOURS.items():
        radius = int(rng.integers(*radii))
        x, y = (int(rng.integers(0, side)) for side in (width, height))
        layer = np.zeros(size, np.uint8)
        if number == 1:
            cv2.circle(layer, (x, y), radius, 1, cv2.FILLED)
        else:
            cv2.rectangle(layer, (x - radius, y - radius), (x + radius, y + radius), 1, cv2.FILLED)
        inside = layer > 0
        noise = rng.normal(0, 15, (int(inside.sum()), 3))
        image[inside] = np.clip(np.array(colour) + noise, 0, 255)
        mask[inside] = number
    return image, mask


def write_pair(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    for kind, pixels in (("images", image[..., ::-1]), ("masks", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / kind / f"{name}.png"), pixels)


def make_scenes(folder: Path, *, train: int, val: int) -> Path:
    """Returns a data file with so many images in each split."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for index in range(count):
            write_pair(folder / split, f"{index:03}", *scene(rng))
    path = folder / "data.yaml"
    path.write_text(f"train: train/images\nval: val/images\nnames: [{', '.join(NAMES)}]\n")
    return path
