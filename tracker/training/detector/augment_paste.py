"""Cut and paste: objects of one sample into another (Dwibedi et al. 2017, arXiv 1708.01642)."""

import numpy as np

from tracker.boxes import area
from tracker.training.samples import Sample, owning_sample, short_sides
from tracker.util.arrays import BoolArray, Float32Array, UInt8Array
from tracker.util.opencv import cv2

_SMALLEST_PASTED_PX = 12


def paste_objects(
    sample: Sample, donor: Sample, *, rng: np.random.Generator, most: int = 3
) -> Sample:
    """Returns the sample with up to `most` objects of the donor at random places.

    The pasted rectangles fade out towards their borders. What they hide by more than half is a
    region to ignore from then on.

    Args:
        sample: Gets the objects.
        donor: Has the objects; those to ignore are not taken.
        rng: Random generator.
        most: Largest number of objects.
    """
    wanted = np.flatnonzero(~donor.ignore & (short_sides(donor.boxes) >= _SMALLEST_PASTED_PX))
    if not len(wanted) or most < 1:
        return sample
    picked = rng.permutation(wanted)[: rng.integers(1, most + 1)]
    image = sample.image.copy()
    boxes, ignore = sample.boxes, sample.ignore
    for index in picked.tolist():
        patch, corner = _patch(donor, index, sample.size, rng)
        height, width = patch.shape[:2]
        left, top = corner
        here = image[top : top + height, left : left + width]
        blend = _fading(height, width)
        here[:] = np.rint(here + blend * (patch - here.astype(np.float32)))
        box = np.array([[left, top, left + width, top + height]], np.float32)
        ignore = np.concatenate([ignore | _is_hidden(boxes, box[0]), [False]])
        boxes = np.concatenate([boxes, box])
    classes = np.concatenate([sample.classes, donor.classes[picked]])
    scores = np.concatenate([sample.scores, donor.scores[picked]])
    return owning_sample(image, boxes, classes, ignore, scores)


def _patch(
    donor: Sample, index: int, room: tuple[int, int], rng: np.random.Generator
) -> tuple[UInt8Array, tuple[int, int]]:
    """Returns an object's pixels, scaled, and the left and top of a place for it in the room."""
    x1, y1 = np.floor(donor.boxes[index, :2]).astype(int).tolist()
    x2, y2 = np.ceil(donor.boxes[index, 2:]).astype(int).tolist()
    scale = float(rng.uniform(0.4, 1.2))
    # Never more than half of the image.
    scale = min(scale, 0.5 * room[1] / (x2 - x1), 0.5 * room[0] / (y2 - y1))
    width, height = max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale))
    patch = cv2.resize(donor.image[y1:y2, x1:x2], (width, height), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        patch = cv2.flip(patch, 1)
    left = int(rng.integers(0, room[1] - width + 1))
    top = int(rng.integers(0, room[0] - height + 1))
    return np.asarray(patch, np.uint8), (left, top)


def _fading(height: int, width: int) -> Float32Array:
    """Returns `(height, width, 1)`: 1 inside, falling to 0 over a tenth at each border."""

    def ramp(length: int) -> Float32Array:
        distance = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
        return np.minimum(distance / max(1.0, 0.1 * length), 1).astype(np.float32)

    return np.minimum(ramp(height)[:, None], ramp(width)[None])[..., None]


def _is_hidden(boxes: Float32Array, by: Float32Array) -> BoolArray:
    low, high = np.maximum(boxes[:, :2], by[:2]), np.minimum(boxes[:, 2:], by[2:])
    size = np.maximum(high - low, 0)
    return np.asarray(size[:, 0] * size[:, 1] > 0.5 * area(boxes))
