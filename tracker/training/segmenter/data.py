"""Images whose every pixel has a class: folders of masks, COCO JSON with outlines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import av
import numpy as np

from tracker.errors import DataError, SourceError
from tracker.sources.containers import open_container
from tracker.training.datasets import read_image
from tracker.util.arrays import Int64Array, UInt8Array, frozen
from tracker.util.opencv import cv2
from tracker.util.paths import unreadable_text

IGNORE = 255
"""Pixels of this value count neither as one class nor as another."""

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
"""Endings of images' names."""

# Where a PNG tells its bits a pixel and its kind of colour, and the kinds.
_DEPTH_AT, _COLOUR_AT, _GREY, _PALETTE = 24, 25, 0, 3


@dataclass(frozen=True, slots=True, eq=False)
class SegmentSample:
    """One image and the class of each pixel.

    Attributes:
        image: `(H, W, 3)` uint8 RGB.
        mask: `(H, W)` uint8, index into the dataset's class names, or `IGNORE`.

    Raises:
        DataError: Their sizes differ.
    """

    image: UInt8Array
    mask: UInt8Array

    def __post_init__(self) -> None:
        image = frozen(self.image, dtype="uint8", shape=(None, None, 3), name="image")
        mask = frozen(self.mask, dtype="uint8", shape=image.shape[:2], name="mask")
        object.__setattr__(self, "image", image)
        object.__setattr__(self, "mask", mask)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.mask.shape
        return height, width


class SegmentDataset(Protocol):
    """Samples by number; the same number always gives the same sample."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> SegmentSample: ...


class MaskFolder:
    """A folder of images, each with a PNG of the same name in the folder `masks` beside it.

    Args:
        images: The folder; the last `images` of its path becomes `masks` for the other.
        class_names: Names by class index.

    Raises:
        SourceError: A folder or a mask is missing.
    """

    def __init__(self, images: Path, class_names: Sequence[str]) -> None:
        masks = _masks_beside(images)
        for folder in (images, masks):
            if not folder.is_dir():
                raise SourceError(f"{folder}: no such folder")
        paths = sorted(path for path in images.iterdir() if path.suffix.lower() in IMAGES)
        if not paths:
            raise SourceError(f"{images}: expected images in it, found none")
        self._pairs = [(path, masks / f"{path.stem}.png") for path in paths]
        for path, mask in self._pairs:
            if not mask.is_file():
                raise SourceError(f"{path}: has no mask; expected {mask}")
        self._names = tuple(class_names)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int, /) -> SegmentSample:
        """Returns a sample.

        Raises:
            SourceError: A file cannot be read.
            DataError: Image and mask differ in size, or a pixel has a class without a name.
        """
        path, mask_path = self._pairs[index]
        image, mask = read_image(path), read_mask(mask_path)
        if mask.shape != image.shape[:2]:
            height, width = image.shape[:2]
            raise DataError(
                f"{mask_path}: expected {width}x{height} pixels as {path.name} has, got "
                f"{mask.shape[1]}x{mask.shape[0]}"
            )
        strange = mask[(mask >= len(self._names)) & (mask != IGNORE)]
        if strange.size:
            raise DataError(
                f"{mask_path}: class {strange.max()} has no name, there are {len(self._names)}, "
                f"counted from 0: {', '.join(self._names[:10])} ({IGNORE} is to be ignored)"
            )
        return SegmentSample(image, mask)


class Joined:
    """Several datasets as one, one after the other.

    Args:
        datasets: One or more.
    """

    def __init__(self, datasets: Sequence[SegmentDataset]) -> None:
        self._datasets = tuple(datasets)
        self._ends = np.cumsum([len(dataset) for dataset in datasets])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int, /) -> SegmentSample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        which = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[which - 1]) if which else 0
        return self._datasets[which][index - start]


class CachedSegments:
    """A dataset whose images are decoded once, downscaled, and kept in memory.

    Args:
        dataset: The dataset.
        long_side: Images are downscaled to this long side in pixels, never upscaled.
        max_bytes: Memory limit; further images are decoded each time.
    """

    def __init__(
        self, dataset: SegmentDataset, *, long_side: int, max_bytes: int = 2 << 30
    ) -> None:
        self._dataset, self._long_side, self._bytes_left = dataset, long_side, max_bytes
        self._samples: dict[int, SegmentSample] = {}

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int, /) -> SegmentSample:
        # Two threads may decode the same sample with the same result, so no lock is needed.
        sample = self._samples.get(index)
        if sample is None:
            sample = self._dataset[index]
            scale = self._long_side / max(sample.size)
            if scale < 1:
                height, width = (max(1, round(side * scale)) for side in sample.size)
                sample = resized(sample, width=width, height=height)
            size = sample.image.nbytes + sample.mask.nbytes
            if size <= self._bytes_left:
                self._bytes_left -= size
                self._samples[index] = sample
        return sample


def resized(sample: SegmentSample, *, width: int, height: int) -> SegmentSample:
    """Returns the sample at another size in pixels; classes are never mixed."""
    smaller = height * width < sample.mask.size
    image = cv2.resize(
        sample.image,
        (width, height),
        interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
    )
    mask = cv2.resize(sample.mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return SegmentSample(np.asarray(image, np.uint8), np.asarray(mask, np.uint8))


def count_pixels(dataset: SegmentDataset, class_count: int) -> Int64Array:
    """Returns `(C,)` how many pixels each class has, after reading and checking all samples.

    Args:
        dataset: The samples.
        class_count: `C`.

    Raises:
        SourceError: A file cannot be read.
        DataError: A sample is malformed.
    """
    counts = np.zeros(256, np.int64)
    for index in range(len(dataset)):
        counts += np.bincount(dataset[index].mask.ravel(), minlength=256)
    return counts[:class_count]


def read_mask(path: Path) -> UInt8Array:
    """Returns `(H, W)` uint8 of a PNG with a class index a pixel: grey, or by a palette.

    Raises:
        SourceError: It is missing or cannot be decoded.
        DataError: It is no PNG, or its pixels are colours.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {unreadable_text(path, error)}") from error
    if not data.startswith(b"\x89PNG") or len(data) <= _COLOUR_AT:
        raise DataError(f"{path}: expected a PNG with a class index a pixel, got another file")
    colour, depth = data[_COLOUR_AT], data[_DEPTH_AT]
    if colour == _PALETTE:
        return _palette_indices(path)
    if colour != _GREY or depth != 8:
        raise DataError(
            f"{path}: expected a PNG with 8 bits of class index a pixel, grey or by a palette, got "
            f"{f'{depth} bits of grey' if colour == _GREY else 'colours'}"
        )
    mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if mask is None:
        raise SourceError(f"{path}: expected a PNG, got something that cannot be decoded")
    return np.asarray(mask, np.uint8)


def _palette_indices(path: Path) -> UInt8Array:
    """Returns what a PNG holds before its palette makes colours of it, which OpenCV does."""
    try:
        with open_container(str(path)) as container:
            # PyAV gives indices and palette.
            indices, _ = next(container.decode(video=0)).to_ndarray()
    except (av.FFmpegError, StopIteration, ValueError) as error:
        raise SourceError(
            f"{path}: expected a PNG, got something that cannot be decoded"
        ) from error
    return np.array(indices, np.uint8)


def _masks_beside(images: Path) -> Path:
    parts = images.absolute().parts
    if "images" not in parts:
        raise SourceError(f"{images}: expected a part of its path named 'images', got none")
    last = len(parts) - 1 - parts[::-1].index("images")
    return Path(*parts[:last], "masks", *parts[last + 1 :])
