"""Segmentation of tracked objects, each in a crop of its box.

A small network on the boxes sees people far away as large as near ones, and costs nothing where
nobody is. The built-in one is a `.tflite`: neither Keras nor TensorFlow is loaded.
"""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from tracker.errors import ConfigError, ModelError, nearest
from tracker.inference.cache import cache_key, cached, exported_path, library_version
from tracker.inference.litert import Precision, export_network
from tracker.inference.litert_batches import BatchedNetwork
from tracker.models.files.digest import file_digest
from tracker.models.files.segmenter_file import (
    SEGMENTER_FILE,
    SegmenterDescription,
    SegmenterHead,
    load_segmenter,
    read_segmenter_description,
)
from tracker.models.files.tflite import SUFFIX, read_exported, write_exported
from tracker.registry.builtin import segmenter_files
from tracker.segmentation.segmenter import ADVICE, probabilities
from tracker.segmentation.settings import SegmenterSettings
from tracker.util.arrays import Float32Array, Float64Array, Int64Array, UInt8Array
from tracker.util.opencv import cv2

MARGIN = 0.15
"""Enlargement of a box on each side, as a share of its size: boxes are often tight, and context
tells the object from what is beside it."""

_MOST_CROPS = 16
"""Objects of a frame that are segmented: the largest. These many take about 50 ms of CPU time; the
others are small, and their boxes are kept as they are."""

_THREADS = 1
"""Threads by default. The detector computes the next frame meanwhile: on 2 busy cores a run with
seven people made 20 frames a second with one thread here, 18 with two."""

_CONTRAST = 4.0
"""Probabilities from 0.375 to 0.625 become soft edges; beyond them pixels are opaque or not."""

_FORMAT = 1
"""Incremented whenever the exported graph changes, to invalidate cached files."""


class CropNetwork(Protocol):
    """Gives the classes of the pixels of crops; `inference.litert_batches.BatchedNetwork` does."""

    def run(self, images: UInt8Array, /) -> Float32Array:
        """Returns probabilities `(N, S, S, C)` float32 of `(N, S, S, 3)` uint8 RGB."""
        ...


class CropSegmenter:
    """Separates tracked objects from their background with a network on crops of their boxes.

    Args:
        network: The network.
        description: Its description, with the head "crop-u-net".
        settings: Its settings.

    Raises:
        ConfigError: It does not have a class, or an input size is set.

    Example:
        ```python
        opacity = CropSegmenter.load_builtin().opacity(frame.image, result.tracks.boxes)
        ```
    """

    def __init__(
        self, network: CropNetwork, description: SegmenterDescription, settings: SegmenterSettings
    ) -> None:
        names, side = description.class_names, description.long_side
        for name in settings.classes:
            if name not in names:
                raise ConfigError(
                    f"segmenter.classes: this segmenter has {', '.join(names)}, not {name!r}"
                    f"{nearest(name, names)}"
                )
        if settings.input_size is not None:
            raise ConfigError(
                f"segmenter.input_size: expected none, as this segmenter takes crops of {side} "
                f"pixels, got {settings.input_size}"
            )
        self._chosen = [names.index(name) for name in settings.classes]
        self._side, self._network = side, network

    @classmethod
    def load(cls, path: str | PathLike[str], settings: SegmenterSettings | None = None) -> Self:
        """Returns the segmenter of a `.keras` or `.tflite` file; see the class.

        Raises:
            ModelError: The file is missing, damaged, or no segmenter of crops of this package, or
                LiteRT does not accept it.
            DependencyError: LiteRT, or TensorFlow where an export is needed, cannot be loaded.
        """
        path, settings = Path(path), settings or SegmenterSettings()
        if path.suffix == SUFFIX:
            exported = read_exported(path, what="segmenter")
            description, model = SEGMENTER_FILE.parse(path, exported.text), exported.model
        else:
            description = read_segmenter_description(path)
            _check_head(path, description)
            stored = exported_path(settings.cache_dir, _key(path))
            model = cached(stored, lambda: _exported_graph(path, Precision.FLOAT32))
        network = BatchedNetwork(
            model,
            image_shape=(description.long_side, description.long_side, 3),
            threads=settings.threads or _THREADS,
            advice=ADVICE,
        )
        return cls(network, description, settings)

    @classmethod
    def load_builtin(cls, settings: SegmenterSettings | None = None) -> Self:
        """Returns the segmenter of people of this package; see the class."""
        return cls.load(segmenter_files().exported, settings)

    def prepare(self, frame_size: tuple[int, int]) -> None:
        """Does nothing: frames of any size are taken."""

    def opacity(self, image: UInt8Array, boxes: Float32Array) -> UInt8Array:
        """Returns `(H, W)` uint8: 255 in an object, 0 beside it, values in between at its edges.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            boxes: `(N, 4)` float32 xyxy in pixels of the image. Of many, the largest are
                segmented, and all of the others' boxes is opaque.
        """
        found = np.zeros(image.shape[:2], np.uint8)
        areas = _pixels(boxes, MARGIN, image.shape[:2])
        sizes = (areas[:, 2] - areas[:, 0]) * (areas[:, 3] - areas[:, 1])
        order = np.argsort(-sizes, kind="stable")
        order = order[sizes[order] > 0]
        for x1, y1, x2, y2 in _pixels(boxes[order[_MOST_CROPS:]], 0.0, image.shape[:2]).tolist():
            found[y1:y2, x1:x2] = 255
        areas = areas[order[:_MOST_CROPS]]
        crops = np.array(
            [_squared(image[y1:y2, x1:x2], self._side) for x1, y1, x2, y2 in areas.tolist()],
            np.uint8,
        ).reshape(-1, self._side, self._side, 3)
        shares = self._network.run(crops)[..., self._chosen].sum(axis=-1)
        levels = np.clip((shares - 0.5) * _CONTRAST + 0.5, 0, 1) * 255
        for level, (x1, y1, x2, y2) in zip(levels.astype(np.uint8), areas.tolist(), strict=True):
            part = cv2.resize(level, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
            np.maximum(found[y1:y2, x1:x2], part, out=found[y1:y2, x1:x2])
        return found


def export_segmenter_file(
    path: Path, out: Path, *, precision: Precision, calibration: Iterable[UInt8Array] = ()
) -> None:
    """Writes the `.tflite` of a segmenter of crops.

    Args:
        path: The `.keras` file.
        out: Where to; its name ends in `.tflite`.
        precision: How numbers are stored and computed.
        calibration: Crops `(H, W, 3)` uint8 RGB of any size, for `INT8`.

    Raises:
        ModelError: The file is no segmenter of crops of this package, or cannot be exported.
        OutputError: The export cannot be written.
        DependencyError: TensorFlow cannot be loaded.
    """
    description = read_segmenter_description(path)
    _check_head(path, description)
    graph = _exported_graph(path, precision, calibration)
    write_exported(out, graph, SEGMENTER_FILE.text(description))


def _exported_graph(
    path: Path, precision: Precision, calibration: Iterable[UInt8Array] = ()
) -> bytes:
    side = read_segmenter_description(path).long_side
    return export_network(
        lambda: load_segmenter(path),
        shape=(None, side, side, 3),
        outputs=probabilities,
        advice=ADVICE,
        precision=precision,
        calibration=(_squared(crop, side)[None] for crop in calibration),
    )


def _check_head(path: Path, description: SegmenterDescription) -> None:
    if description.head is not SegmenterHead.CROP_UNET:
        raise ModelError(
            f"segmenter {path}: expected head {SegmenterHead.CROP_UNET.value}, got "
            f"{description.head.value}, which takes whole frames and is used as .keras"
        )


def _squared(part: UInt8Array, side: int) -> UInt8Array:
    """Returns `(side, side, 3)`: a part of an image, stretched to a square."""
    # Means where detail has to go, interpolation where pixels are missing: most boxes are shrunk
    # along one axis and enlarged along the other, which one call of OpenCV does worse.
    width, height = min(side, part.shape[1]), min(side, part.shape[0])
    small = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def _pixels(boxes: Float32Array, margin: float, size: tuple[int, ...]) -> Int64Array:
    """Returns `(N, 4)` int64 xyxy: enlarged boxes in whole pixels within an image."""
    wide: Float64Array = boxes.astype(np.float64)
    grown = margin * np.tile(wide[:, 2:] - wide[:, :2], 2) * [-1, -1, 1, 1]
    limit = [size[1], size[0]] * 2
    return np.clip(np.rint(wide + grown), 0, limit).astype(np.int64)


def _key(path: Path) -> str:
    return cache_key(
        {
            "format": _FORMAT,
            "crop segmenter": file_digest(path),
            "versions": [library_version(name) for name in ("ai-edge-litert", "keras")],
            "tensorflow": [library_version(name) for name in ("tensorflow", "tensorflow-cpu")],
        }
    )
