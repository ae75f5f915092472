"""Augmentation: random variants of a labelled image.

All functions are pure: the same generator state gives the same sample.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tracker.boxes import area, clip, is_proper
from tracker.detection.letterbox import PADDING, letterbox, letterbox_geometry
from tracker.errors import ConfigError, DataError
from tracker.training.detector.augment_paste import paste_objects
from tracker.training.detector.augment_pixels import (
    change_colours,
    degrade,
    random_factor,
    without_colour,
)
from tracker.training.samples import Sample, owning_sample, short_sides
from tracker.util.arrays import BoolArray, Float32Array, UInt8Array
from tracker.util.check_types import check_finite, check_types
from tracker.util.opencv import cv2

Draw = Callable[[], Sample]
"""Gives another sample of the dataset, for mosaics and pasted objects."""


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """Strength of the augmentation.

    Attributes:
        scale: Smallest and largest scale, relative to an image that just fits the input; drawn
            evenly in the logarithm. Small scales make small objects; the room that a small image
            leaves is filled with others (a mosaic of 2x2 or 3x3).
        mosaic: Probability of a 2x2 mosaic where the image would fill the input alone.
        stretch: Largest change of the aspect, as a factor.
        flip: Probability of mirroring.
        hue: Largest turn of the hue in degrees.
        saturation: Largest factor on the saturation; its inverse is the smallest.
        brightness: Largest factor on the brightness; its inverse is the smallest.
        grey: Probability of an image without colour.
        degrade: Probability each of blur, noise and JPEG's losses.
        paste: Probability of objects of another image being pasted in.
        min_visible: Share of a box that has to be left for it to stay an object, in `(0, 1]`; what
            is left of others is a region to ignore.
        min_side: Shortest side in pixels of an object; smaller ones are regions to ignore.

    Raises:
        ConfigError: A value is out of range.
    """

    scale: tuple[float, float] = (0.3, 1.6)
    mosaic: float = 0.3
    stretch: float = 1.25
    flip: float = 0.5
    hue: float = 10.0
    saturation: float = 1.6
    brightness: float = 1.5
    grey: float = 0.05
    degrade: float = 0.1
    paste: float = 0.3
    min_visible: float = 0.4
    min_side: float = 3.0

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ConfigError(f"scale: expected 0 < smallest <= largest, got {self.scale}")
        for name in ("mosaic", "flip", "grey", "degrade", "paste", "min_visible"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}: expected a number in [0, 1], got {getattr(self, name)}")
        for name in ("stretch", "saturation", "brightness"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        for name in ("hue", "min_side"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        check_finite(self)


def augment(
    sample: Sample, draw: Draw, *, size: int, settings: AugmentSettings, rng: np.random.Generator
) -> Sample:
    """Returns a changed sample with an image of `(size, size, 3)`.

    Args:
        sample: The sample.
        draw: Gives other samples.
        size: Side of the result in pixels.
        settings: How much is changed.
        rng: Random generator.
    """
    if rng.random() < settings.paste:
        sample = paste_objects(sample, draw(), rng=rng)
    low, high = np.log(settings.scale)
    scale = float(np.exp(rng.uniform(low, high)))
    grid = int(np.clip(round(1 / scale), 1, 3))
    if grid == 1 and rng.random() < settings.mosaic:
        grid = 2
    samples = [sample, *(draw() for _ in range(grid * grid - 1))]
    sample = mosaic(samples, scale, size=size, settings=settings, rng=rng)
    if rng.random() < settings.flip:
        sample = flip(sample)
    image = _repainted(sample.image, settings, rng)
    return owning_sample(image, sample.boxes, sample.classes, sample.ignore, sample.scores)


def fit(sample: Sample, size: int) -> Sample:
    """Returns the whole image, letterboxed into `(size, size, 3)` as detectors do."""
    geometry = letterbox_geometry(sample.size, (size, size))
    image = letterbox(sample.image, geometry)
    scale = np.array(geometry.content_size, np.float32) / np.array(sample.size, np.float32)
    offset = np.array(geometry.offset, np.float32)
    boxes = sample.boxes * np.tile(scale[::-1], 2) + np.tile(offset[::-1], 2)
    boxes = clip(boxes, width=size, height=size)
    kept = is_proper(boxes)
    return owning_sample(
        image, boxes[kept], sample.classes[kept], sample.ignore[kept], sample.scores[kept]
    )


def flip(sample: Sample) -> Sample:
    """Returns the mirrored sample, left for right."""
    boxes = sample.boxes.copy()
    boxes[:, [0, 2]] = sample.size[1] - sample.boxes[:, [2, 0]]
    image = np.asarray(cv2.flip(sample.image, 1), np.uint8)
    return owning_sample(image, boxes, sample.classes, sample.ignore, sample.scores)


def mosaic(
    samples: Sequence[Sample],
    scale: float,
    *,
    size: int,
    settings: AugmentSettings,
    rng: np.random.Generator,
) -> Sample:
    """Returns one image of `(size, size, 3)`, put together from a square number of samples.

    Args:
        samples: 1, 4, 9, ... samples, row by row.
        scale: Of every image, relative to one that just fits the whole; in a mosaic each one's
            is this times a factor from 0.9 to 1.5.
        size: Side of the result in pixels.
        settings: Aspect, and which boxes remain objects.
        rng: Random generator.

    Raises:
        DataError: The number of samples is no square.
    """
    grid = round(len(samples) ** 0.5)
    if not samples or grid * grid != len(samples):
        raise DataError(f"mosaic: expected 1, 4, 9, ... samples, got {len(samples)}")
    columns, rows = _borders(grid, size, rng), _borders(grid, size, rng)
    canvas = np.full((size, size, 3), PADDING, np.uint8)
    places = []
    for index, sample in enumerate(samples):
        row, column = divmod(index, grid)
        tile = _Window(columns[column], rows[row], columns[column + 1], rows[row + 1])
        # Mostly larger than asked for, or wide images would leave much of the tiles empty.
        factor = scale if grid == 1 else scale * float(rng.uniform(0.9, 1.5))
        factors = _stretched(factor * size / max(sample.size), settings.stretch, rng)
        places.append(_place(sample.image, canvas, tile, factors, rng=rng))
    # The boxes of all images go together, since small arrays cost more in calls than in numbers.
    place = np.repeat(np.array(places, np.float32), [len(sample) for sample in samples], axis=0)
    boxes = np.concatenate([sample.boxes for sample in samples]) * place[:, :4] + place[:, 4:8]
    boxes, kept, doubtful = _cut(boxes, place[:, 8:], settings)
    classes = np.concatenate([sample.classes for sample in samples])
    ignore = np.concatenate([sample.ignore for sample in samples]) | doubtful
    scores = np.concatenate([sample.scores for sample in samples])
    return owning_sample(canvas, boxes[kept], classes[kept], ignore[kept], scores[kept])


def _repainted(
    image: UInt8Array, settings: AugmentSettings, rng: np.random.Generator
) -> UInt8Array:
    if rng.random() < settings.grey:
        image = without_colour(image)
    image = change_colours(
        image,
        rng=rng,
        hue=settings.hue,
        saturation=settings.saturation,
        brightness=settings.brightness,
    )
    return degrade(image, probability=settings.degrade, rng=rng)


@dataclass(frozen=True, slots=True)
class _Window:
    """Whole pixels."""

    left: int
    top: int
    right: int
    bottom: int


def _place(
    image: UInt8Array,
    canvas: UInt8Array,
    tile: _Window,
    factors: tuple[float, float],
    *,
    rng: np.random.Generator,
) -> tuple[float, ...]:
    """Draws an image into a tile of the canvas; returns scale, offset and window, 4 numbers each.

    A box of the image lies at `box * scale + offset` on the canvas, cut to the window.
    """
    height, width = image.shape[:2]
    across = _span(width, tile.right - tile.left, factors[0], rng)
    down = _span(height, tile.bottom - tile.top, factors[1], rng)
    part = image[down.source[0] : down.source[1], across.source[0] : across.source[1]]
    left, right = (tile.left + edge for edge in across.target)
    top, bottom = (tile.top + edge for edge in down.target)
    # Averaging leaves no jagged edges, plain sampling does: a detector meets both kinds.
    if max(factors) < 0.6 and min(part.shape[:2]) > 1 and rng.random() < 0.5:
        part = _halved(part)
    canvas[top:bottom, left:right] = cv2.resize(
        part, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR
    )
    offset = (left - across.source[0] * across.scale, top - down.source[0] * down.scale)
    return (*(across.scale, down.scale) * 2, *offset * 2, left, top, right, bottom)


def _halved(image: UInt8Array) -> UInt8Array:
    """Returns the image at half its size, each pixel the mean of about four.

    Averaging down to any size in one step takes ten times as long: 1.3 ms for 512x384 to 153x115
    where halving and sampling take 0.16 ms (one thread of a busy 2-core machine).
    """
    size = (image.shape[1] // 2, image.shape[0] // 2)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True, slots=True)
class _Span:
    """Which pixels of an image go to which pixels of a tile, along one axis."""

    source: tuple[int, int]
    target: tuple[int, int]

    @property
    def scale(self) -> float:
        return (self.target[1] - self.target[0]) / (self.source[1] - self.source[0])


def _span(length: int, room: int, factor: float, rng: np.random.Generator) -> _Span:
    """Returns a random place of an image's axis, scaled by a factor, in a tile's room."""
    scaled = length * factor
    start = float(rng.uniform(min(0.0, room - scaled), max(0.0, room - scaled)))
    low = min(max(0, round(start)), room - 1)
    high = max(low + 1, min(room, round(start + scaled)))
    first = min(max(0, int((low - start) / factor)), length - 1)
    last = max(first + 1, min(length, round((high - start) / factor)))
    return _Span((first, last), (low, high))


def _cut(
    boxes: Float32Array, windows: Float32Array, settings: AugmentSettings
) -> tuple[Float32Array, BoolArray, BoolArray]:
    """Returns cut boxes `(N, 4)`, which are still there, and which of them are in doubt.

    The windows are `(N, 4)` or `(1, 4)`.
    """
    low, high = windows[:, [0, 1, 0, 1]], windows[:, [2, 3, 2, 3]]
    cut = np.minimum(np.maximum(boxes, low), high)
    hidden = area(cut) < settings.min_visible * area(boxes)
    short = short_sides(cut)
    return cut, is_proper(cut) & (short >= 1), hidden | (short < settings.min_side)


def _borders(grid: int, size: int, rng: np.random.Generator) -> list[int]:
    """Returns `grid + 1` borders from 0 to size; the inner ones lie off their places at random."""
    step = size / grid
    inner = [round(step * (n + float(rng.uniform(-0.25, 0.25)))) for n in range(1, grid)]
    return [0, *inner, size]


def _stretched(factor: float, stretch: float, rng: np.random.Generator) -> tuple[float, float]:
    """Returns factors across and down whose product is the factor's square."""
    aspect = random_factor(stretch, rng) ** 0.5
    return factor * aspect, factor / aspect
