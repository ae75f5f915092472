"""Frames with the background of tracked objects blurred or removed.

A drawing sink gets the same results with other frames; no other sink sees them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import numpy as np

from tracker.errors import ConfigError, DataError
from tracker.tracks import TrackedFrame, Tracks
from tracker.util.arrays import BoolArray, UInt8Array
from tracker.util.opencv import cv2

_SMALL_SIGMA_PX = 4.0
"""Frames are made smaller until the blur has this size: larger kernels cost more and look the
same (off by 2 of 255 at most). 1920x1080 with a sigma of 38 on a busy machine with 2 cores: 750 ms
at full size, 9 ms this way."""


class Background(StrEnum):
    """What is done to the background."""

    KEEP = "keep"
    """It stays."""
    BLUR = "blur"
    """It is blurred."""
    REMOVE = "remove"
    """It is painted over with one colour."""


@dataclass(frozen=True, slots=True)
class BackgroundStyle:
    """Style of backgrounds.

    Attributes:
        background: What is done to them.
        classes: Names of the classes whose tracks are shown; where the detector has none of them (a
            motion detector, for example), all tracks are.
        margin: Share of its size by which a track's box grows on each side before segmentation, >=
            0: boxes are often tight.
        blur: Standard deviation of the Gaussian, as a share of the frame's long side, in
            `(0, 0.2]`.
        color: RGB of what is removed, each 0 to 255.

    Raises:
        ConfigError: A number is out of range.
    """

    background: Background = Background.BLUR
    classes: tuple[str, ...] = ("person",)
    margin: float = 0.1
    blur: float = 0.02
    color: tuple[int, int, int] = (128, 128, 128)

    def __post_init__(self) -> None:
        if not 0 <= self.margin < float("inf"):
            raise ConfigError(f"segmenter.margin: expected >= 0, got {self.margin}")
        if not 0 < self.blur <= 0.2:
            raise ConfigError(f"segmenter.blur: expected above 0, up to 0.2, got {self.blur}")
        if not all(0 <= value <= 255 for value in self.color):
            raise ConfigError(f"segmenter.color: expected 0 to 255 each, got {list(self.color)}")


class PixelFinder(Protocol):
    """Segments the classes of interest; `segmentation.Segmenter` is one."""

    def prepare(self, frame_size: tuple[int, int]) -> None:
        """Prepares for frames of this height and width."""
        ...

    def mask(self, image: UInt8Array) -> BoolArray:
        """Returns `(H, W)` of `(H, W, 3)` uint8 RGB: whether a pixel belongs to these classes."""
        ...


class Backdrop:
    """Changes the background of results; shared by all sinks of a run, each frame is done once.

    Args:
        finder: Segments the classes of interest. Not called where a frame has no track to show.
        style: Style of the background.
    """

    def __init__(self, finder: PixelFinder, style: BackgroundStyle) -> None:
        self._finder, self._style = finder, style
        self._last: tuple[TrackedFrame, TrackedFrame] | None = None

    def changed(self, result: TrackedFrame) -> TrackedFrame:
        """Returns the result with a frame in which only tracked pixels are unchanged.

        Args:
            result: The result; only its frame is replaced.

        Raises:
            DataError: A box is not finite.
            ModelError: The segmenter's network cannot be run.
            DependencyError: A library that it needs cannot be loaded.
        """
        if self._last is None:
            # At the first frame, so that an unusable network is reported early.
            self._finder.prepare((result.frame.height, result.frame.width))
        if self._last is None or self._last[0] is not result:
            image = self._painted(result)
            image.setflags(write=False)
            frame = replace(result.frame, image=image)
            self._last = result, replace(result, frame=frame)
        return self._last[1]

    def _painted(self, result: TrackedFrame) -> UInt8Array:
        image, style = result.frame.image, self._style
        if style.background is Background.BLUR:
            canvas = blurred(image, style.blur * max(image.shape[:2]))
        else:
            canvas = np.empty_like(image)
            canvas[:] = style.color
        tracks = _shown(result.tracks, result.run.class_names, style.classes)
        areas = _areas(tracks, image.shape[:2], style.margin)
        if areas:
            mask = self._finder.mask(image)
            for area in areas:
                inside = mask[area]
                canvas[area][inside] = image[area][inside]
        return canvas


class SharedFinder:
    """A finder that keeps its last mask, for stages that segment the same image.

    Args:
        finder: Segments the classes of interest.
    """

    def __init__(self, finder: PixelFinder) -> None:
        self._finder = finder
        self._last: tuple[UInt8Array, BoolArray] | None = None

    def prepare(self, frame_size: tuple[int, int]) -> None:
        """Prepares for frames of this height and width."""
        self._finder.prepare(frame_size)

    def mask(self, image: UInt8Array) -> BoolArray:
        """Returns `(H, W)` of `(H, W, 3)` uint8 RGB: whether a pixel belongs to these classes."""
        if self._last is None or self._last[0] is not image:
            self._last = image, self._finder.mask(image)
        return self._last[1]


def blurred(image: UInt8Array, sigma_px: float) -> UInt8Array:
    """Returns the image `(H, W, 3)` uint8, blurred by a Gaussian.

    Args:
        image: `(H, W, 3)` uint8.
        sigma_px: Standard deviation in pixels, above 0.
    """
    height, width = image.shape[:2]
    # Powers of two: OpenCV averages whole blocks ten times as fast as fractions of pixels.
    factor = 2 ** max(0, math.floor(math.log2(sigma_px / _SMALL_SIGMA_PX)))
    size = (max(1, width // factor), max(1, height // factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / factor)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.array(large, np.uint8)


def _shown(tracks: Tracks, class_names: Sequence[str], wanted: Sequence[str]) -> Tracks:
    numbers = [index for index, name in enumerate(class_names) if name in wanted]
    return tracks.select(np.isin(tracks.classes, numbers)) if numbers else tracks


def _areas(tracks: Tracks, size: tuple[int, ...], margin: float) -> list[tuple[slice, slice]]:
    """Returns the rows and columns of the grown boxes, clipped to the frame and not empty."""
    boxes = tracks.boxes.astype(np.float64)
    if not np.isfinite(boxes).all():
        raise DataError("Tracks.boxes: expected finite values, got NaN or infinity")
    grown = margin * np.tile(boxes[:, 2:] - boxes[:, :2], 2) * [-1, -1, 1, 1]
    limit = [size[1], size[0]] * 2
    low = np.clip(np.floor(boxes + grown), 0, limit).astype(int)
    high = np.clip(np.ceil(boxes + grown), 0, limit).astype(int)
    return [
        (slice(top, bottom), slice(left, right))
        for (left, top), (right, bottom) in zip(low[:, :2], high[:, 2:], strict=True)
        if right > left and bottom > top
    ]
