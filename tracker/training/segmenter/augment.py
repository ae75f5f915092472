"""Augmentation for segmentation: random variants of an image with its mask.

All functions are pure: the same generator state gives the same sample.
"""

from dataclasses import dataclass

import numpy as np

from tracker.detection.letterbox import PADDING, letterbox, letterbox_geometry
from tracker.errors import ConfigError
from tracker.training.detector.augment_pixels import (
    change_colours,
    degrade,
    random_factor,
    without_colour,
)
from tracker.training.segmenter.data import IGNORE, SegmentSample, resized
from tracker.util.check_types import check_finite, check_types


@dataclass(frozen=True, slots=True)
class SegmentAugmentSettings:
    """Strength of the augmentation.

    Attributes:
        scale: Smallest and largest scale, relative to an image that just fits the input; drawn
            evenly in the logarithm. Of larger images a random part is taken, around smaller ones
            is grey that is ignored.
        stretch: Largest change of the aspect, as a factor.
        flip: Probability of mirroring.
        hue: Largest turn of the hue in degrees.
        saturation: Largest factor on the saturation; its inverse is the smallest.
        brightness: Largest factor on the brightness; its inverse is the smallest.
        grey: Probability of an image without colour.
        degrade: Probability each of blur, noise and JPEG's losses.

    Raises:
        ConfigError: A value is out of range.
    """

    scale: tuple[float, float] = (0.5, 2.0)
    stretch: float = 1.25
    flip: float = 0.5
    hue: float = 10.0
    saturation: float = 1.6
    brightness: float = 1.5
    grey: float = 0.05
    degrade: float = 0.1

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 < self.scale[0] <= self.scale[1] < float("inf"):
            raise ConfigError(f"scale: expected 0 < smallest <= largest, got {self.scale}")
        for name in ("flip", "grey", "degrade"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}: expected a number in [0, 1], got {getattr(self, name)}")
        for name in ("stretch", "saturation", "brightness"):
            if not 1 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if not self.hue >= 0:
            raise ConfigError(f"hue: expected 0 or more, got {self.hue}")
        check_finite(self)


def augment_segment(
    sample: SegmentSample,
    *,
    size: int,
    settings: SegmentAugmentSettings,
    rng: np.random.Generator,
) -> SegmentSample:
    """Returns a changed sample of `size` times `size` pixels.

    Args:
        sample: The sample.
        size: Side of the result in pixels.
        settings: How much is changed.
        rng: Random generator.
    """
    low, high = np.log(settings.scale)
    scale = float(np.exp(rng.uniform(low, high))) * size / max(sample.size)
    aspect = random_factor(settings.stretch, rng) ** 0.5
    height, width = sample.size
    sample = resized(
        sample,
        width=max(1, round(width * scale * aspect)),
        height=max(1, round(height * scale / aspect)),
    )
    sample = _placed(sample, size, rng)
    if rng.random() < settings.flip:
        sample = SegmentSample(sample.image[:, ::-1], sample.mask[:, ::-1])
    image = sample.image
    if rng.random() < settings.grey:
        image = without_colour(image)
    image = change_colours(
        image,
        rng=rng,
        hue=settings.hue,
        saturation=settings.saturation,
        brightness=settings.brightness,
    )
    return SegmentSample(degrade(image, probability=settings.degrade, rng=rng), sample.mask)


def fit_segment(sample: SegmentSample, size: int) -> SegmentSample:
    """Returns the whole image, letterboxed into `size` times `size`; its border is ignored."""
    geometry = letterbox_geometry(sample.size, (size, size))
    height, width = geometry.content_size
    top, left = geometry.offset
    mask = np.full((size, size), IGNORE, np.uint8)
    mask[top : top + height, left : left + width] = resized(sample, width=width, height=height).mask
    return SegmentSample(letterbox(sample.image, geometry), mask)


def _placed(sample: SegmentSample, size: int, rng: np.random.Generator) -> SegmentSample:
    """Returns a square with a random part of the image, or the image at a random place."""
    image = np.full((size, size, 3), PADDING, np.uint8)
    mask = np.full((size, size), IGNORE, np.uint8)
    source, target = [], []
    for length in sample.size:
        room = size - length
        offset = int(rng.integers(min(0, room), max(0, room) + 1))
        source.append(slice(max(0, -offset), max(0, -offset) + min(length, size)))
        target.append(slice(max(0, offset), max(0, offset) + min(length, size)))
    image[tuple(target)] = sample.image[tuple(source)]
    mask[tuple(target)] = sample.mask[tuple(source)]
    return SegmentSample(image, mask)
