"""Crops to learn appearance from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker.errors import DataError, SourceError
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH
from tracker.util.arrays import Float32Array, IndexArray, UInt8Array, frozen
from tracker.util.opencv import cv2

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
"""Endings of the files that count as images."""

FEWEST_IDENTITIES = 4
"""Identities with two crops or more: two for training, two for validation."""


@dataclass(frozen=True, slots=True, eq=False)
class CropSet:
    """Images of objects, and which show the same one.

    Attributes:
        crops: `(N, h, w, 3)` uint8 RGB.
        groups: `(N,)` int64; equal numbers mean the same object, or one that looks just so.
        targets: `(N, D)` float32: unit vectors that a teacher gave; `(N, 0)` without a teacher.
        margin: Surroundings on every side, as a share of the object's width and height; 0 if the
            crops end where the objects do.

    Raises:
        DataError: Shapes do not fit, or there is no crop.
    """

    crops: UInt8Array
    groups: IndexArray
    targets: Float32Array
    margin: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.crops)
        if not count:
            raise DataError("crops: expected at least one, got none")
        if self.crops.ndim != 4 or self.crops.shape[3] != 3 or self.crops.dtype != np.uint8:
            raise DataError(
                f"crops: expected uint8 (N, h, w, 3), got {self.crops.dtype} {self.crops.shape}"
            )
        if not 0 <= self.margin < 1:
            raise DataError(f"margin: expected [0, 1), got {self.margin}")
        groups = frozen(self.groups, dtype="int64", shape=(count,), name="groups")
        targets = frozen(self.targets, dtype="float32", shape=(count, None), name="targets")
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "targets", targets)

    def __len__(self) -> int:
        return len(self.crops)

    def select(self, index: IndexArray) -> "CropSet":
        """Returns the crops picked by indices."""
        return CropSet(self.crops[index], self.groups[index], self.targets[index], self.margin)


def read_identities(folder: Path) -> tuple[CropSet, tuple[str, ...]]:
    """Returns the crops of a folder with one sub-folder for each identity, and their names.

    Crops are stretched to the network's input. A sub-folder without images is left out.

    Raises:
        SourceError: The folder is missing or an image cannot be read.
        DataError: There are fewer than two identities with images.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: expected a folder with one sub-folder for each identity")
    listed = {
        part.name: sorted(p for p in part.iterdir() if p.suffix.lower() in IMAGES)
        for part in sorted(folder.iterdir())
        if part.is_dir()
    }
    listed = {name: files for name, files in listed.items() if files}
    if len(listed) < 2:
        raise DataError(
            f"{folder}: expected at least 2 sub-folders with images, one for each identity, got "
            f"{len(listed)}"
        )
    crops = np.stack([_read(file) for files in listed.values() for file in files])
    groups = np.repeat(np.arange(len(listed)), [len(files) for files in listed.values()])
    return CropSet(crops, groups, np.zeros((len(crops), 0), np.float32)), tuple(listed)


def split_identities(data: CropSet, *, share: float, seed: int) -> tuple[CropSet, CropSet]:
    """Returns training and validation crops; no identity is in both.

    Only identities with two crops or more can be held out; at least two of them are.

    Args:
        data: All crops.
        share: Of the identities that can be held out, those that are, in `(0, 1)`.
        seed: Of the choice.

    Raises:
        DataError: Fewer than four identities have two crops or more.
    """
    names, counts = np.unique(data.groups, return_counts=True)
    several = names[counts > 1]
    if len(several) < FEWEST_IDENTITIES:
        raise DataError(
            f"identities: expected at least {FEWEST_IDENTITIES} with two images or more, two for "
            f"training and two for validation, got {len(several)}; crops of labelled images need "
            "a teacher (tracker train crops --teacher), those of tracks do not"
        )
    count = min(max(2, round(share * len(several))), len(several) - 2)
    held = np.random.default_rng(seed).permutation(several)[:count]
    is_held = np.isin(data.groups, held)
    return data.select(np.flatnonzero(~is_held)), data.select(np.flatnonzero(is_held))


def tight_crops(data: CropSet) -> UInt8Array:
    """Returns `(N, 128, 64, 3)` uint8: the objects without surroundings, as detectors cut them."""
    height, width = data.crops.shape[1:3]
    share = data.margin / (1 + 2 * data.margin)
    x, y = round(width * share), round(height * share)
    cut = data.crops[:, y : height - y, x : width - x]
    return np.stack([fitted(crop, (CROP_HEIGHT, CROP_WIDTH)) for crop in cut])


def fitted(crop: UInt8Array, size: Sequence[int]) -> UInt8Array:
    """Returns an image `(h, w, 3)` stretched to a height and width; means of pixels if smaller."""
    height, width = size
    shrinks = crop.shape[0] > height or crop.shape[1] > width
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (width, height), interpolation=mode), np.uint8)


def _read(file: Path) -> UInt8Array:
    data = np.fromfile(file, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise SourceError(f"{file}: expected an image, got something that cannot be decoded")
    return fitted(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)), (CROP_HEIGHT, CROP_WIDTH))
