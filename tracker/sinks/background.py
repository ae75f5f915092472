"""Frames with the background of tracked objects blurred, removed or replaced.

A drawing sink gets the same results with other frames; no other sink sees them.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from tracker.errors import DataError
from tracker.sinks.background_image import covering, read_background
from tracker.sinks.background_style import Background, BackgroundStyle
from tracker.tracks import TrackedFrame, Tracks
from tracker.util.arrays import BoolArray, Float32Array, UInt8Array
from tracker.util.opencv import cv2

_SMALL_SIGMA_PX = 4.0
"""Frames are made smaller until the blur has this size: larger kernels cost more and look the
same (off by 2 of 255 at most). 1920x1080 with a sigma of 38 on a busy machine with 2 cores: 750 ms
at full size, 9 ms this way."""


class PixelFinder(Protocol):
    """Segments the classes of interest; `segmentation.segmenter.Segmenter` is one."""

    def prepare(self, frame_size: tuple[int, int]) -> None:
        """Prepares for frames of this height and width."""
        ...

    def mask(self, image: UInt8Array) -> BoolArray:
        """Returns `(H, W)` of `(H, W, 3)` uint8 RGB: whether a pixel belongs to these classes."""
        ...


class ForegroundFinder(Protocol):
    """Separates tracked objects from their background.

    `SharedFinder` and `segmentation.crop_segmenter.CropSegmenter` are such.
    """

    def prepare(self, frame_size: tuple[int, int]) -> None:
        """Prepares for frames of this height and width."""
        ...

    def opacity(self, image: UInt8Array, boxes: Float32Array) -> UInt8Array:
        """Returns `(H, W)` uint8: 255 in an object, 0 beside it, values in between at soft edges.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            boxes: `(N, 4)` float32 xyxy in pixels of the image: the objects. What is returned
                outside of these boxes does not matter.
        """
        ...


class Backdrop:
    """Changes the background of results; shared by all sinks of a run, each frame is done once.

    Args:
        finder: Separates the objects. Not called where a frame has no track to show.
        style: Style of the background.

    Raises:
        ConfigError: The image of the background cannot be read.
    """

    def __init__(self, finder: ForegroundFinder, style: BackgroundStyle) -> None:
        self._finder, self._style = finder, style
        self._scene: UInt8Array | None = None
        if style.background is Background.IMAGE and style.image is not None:
            self._scene = read_background(style.image)
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
        canvas = self._background(image)
        tracks = _shown(result.tracks, result.run.class_names, style.classes)
        areas = _areas(tracks, image.shape[:2], style.margin)
        if areas:
            found = self._finder.opacity(image, tracks.boxes)
            _paste(canvas, image, found, areas)
        return canvas

    def _background(self, image: UInt8Array) -> UInt8Array:
        """Returns a new image `(H, W, 3)`: what is seen where no object is."""
        style = self._style
        if style.background is Background.BLUR:
            return blurred(image, style.blur * max(image.shape[:2]))
        canvas = np.empty_like(image)
        if self._scene is None:
            canvas[:] = style.color
        else:
            if self._scene.shape != image.shape:
                self._scene = covering(self._scene, image.shape[:2])
            canvas[:] = self._scene
        return canvas


class SharedFinder:
    """A segmenter of whole frames that keeps its last mask, for stages with the same image.

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

    def opacity(self, image: UInt8Array, boxes: Float32Array) -> UInt8Array:
        """Returns `(H, W)` uint8: 255 where a pixel belongs to these classes, 0 elsewhere."""
        del boxes
        return self.mask(image).astype(np.uint8) * np.uint8(255)


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


def _paste(
    canvas: UInt8Array,
    image: UInt8Array,
    found: UInt8Array,
    areas: Sequence[tuple[slice, slice]],
) -> None:
    """Blends an image over a canvas `(H, W, 3)` in some areas, by opacity `(H, W)`, in place."""
    seen = np.zeros_like(found)
    for area in areas:
        seen[area] = found[area]
    rows, columns = (
        slice(min(area[axis].start for area in areas), max(area[axis].stop for area in areas))
        for axis in (0, 1)
    )
    shares = seen[rows, columns].astype(np.float32) / np.float32(255)
    part = np.ascontiguousarray(image[rows, columns])
    below = np.ascontiguousarray(canvas[rows, columns])
    canvas[rows, columns] = cv2.blendLinear(part, below, shares, 1 - shares)


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
