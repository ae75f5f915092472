"""The embedder that uses features of the detector's own network.

The network's first layers run a second time for that, on LiteRT; no crop is cut, so the time hardly
depends on the number of detections. These layers separate people from cars, not one person from
another: AUC on PETS09-S2L1, TUD-Campus and TUD-Stadtmitte is 0.69, 0.77, 0.70 with `small`, where
embedder builtin has 0.91, 0.87, 0.88.
"""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from tracker.detections import Detections
from tracker.errors import ConfigError, ModelError
from tracker.frames import Frame
from tracker.inference.cache import cache_key, cached, exported_path, library_version
from tracker.inference.devices import check_threads
from tracker.inference.litert import available_cores, export_network, open_interpreter
from tracker.models.files.detector_file import HeadStyle, load_detector, read_description
from tracker.models.files.digest import file_digest
from tracker.models.yolo_shape import STRIDES
from tracker.util.arrays import Float32Array, Float64Array, UInt8Array
from tracker.util.opencv import cv2
from tracker.util.vectors import unit_vectors

PARTS = 3
"""Parts of a box, one above another. Measured with `small` when it knew six classes: one has AUC
0.70, 0.78, 0.74, three 0.75, 0.81, 0.74, four 0.76, 0.79, 0.74 on the three sequences above."""

_LAYERS = {
    HeadStyle.ANCHOR_FREE: "lateral0_relu",
    HeadStyle.INTEGRAL: "neck_reduce_0_act",
}
"""Features at stride 8, the first of the neck. Measured with `nano` of six classes, it has AUC 0.05
to 0.1 above all layers after it."""

_STRIDE, _MULTIPLE = STRIDES[0], STRIDES[-1]

_PADDING = 128
"""Grey level around the frame, as detectors are trained."""

_FORMAT = 1
"""Raised whenever the exported graph changes: old cached files are then not found any more."""

_ADVICE = "use embedder builtin"


class DetectorFeatures:
    """Embeds detections by features of a detector of this package.

    The mean of a frame's features is subtracted first: what all of the frame has in common does not
    tell objects apart.

    Args:
        model: The `.tflite` of `export_features`.
        long_side: Long side in pixels of the network's input, a multiple of 32.
        threads: CPU threads; `None` = one for each core that this process may use.
        digests: SHA-256 by file name of the files that define the network.

    Raises:
        ConfigError: Fewer threads than one, or a long side that does not fit.
        ModelError: LiteRT does not accept the model.
        DependencyError: LiteRT cannot be loaded.
    """

    def __init__(
        self,
        model: bytes,
        *,
        long_side: int,
        digests: Mapping[str, str],
        threads: int | None = None,
    ) -> None:
        check_threads(threads, "embedder.threads")
        if long_side < _MULTIPLE or long_side % _MULTIPLE:
            raise ConfigError(
                f"input size: expected a positive multiple of {_MULTIPLE}, got {long_side}"
            )
        self._model = model
        self._long_side = long_side
        self._threads = threads or available_cores()
        self._digests = MappingProxyType(dict(digests))
        self._size = (_MULTIPLE, _MULTIPLE)
        self._interpreter = self._opened()
        channels = int(self._interpreter.get_output_details()[0]["shape"][-1])
        self._dimension = PARTS * channels

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        long_side: int | None = None,
        threads: int | None = None,
        cache_dir: Path | None = None,
    ) -> Self:
        """Returns the embedder of a detector that `tracker train detector` wrote.

        Its first layers are exported on first use and kept in the cache; with a warm cache neither
        Keras nor TensorFlow is loaded.

        Args:
            path: The `.keras` file.
            long_side: Long side in pixels of the network's input; `None` takes the file's.
            threads: CPU threads; `None` = one for each core that this process may use.
            cache_dir: Folder of exported networks; `None` takes the platform's.

        Raises:
            ConfigError: Fewer threads than one, or a long side that is no multiple of 32.
            ModelError: The file is missing, damaged, or no detector of this package.
            DependencyError: LiteRT, or TensorFlow where an export is needed, cannot be loaded.
        """
        path = Path(path)
        description, digest = read_description(path), file_digest(path)
        stored = exported_path(cache_dir, _key(digest))
        return cls(
            cached(stored, lambda: export_features(path)),
            long_side=description.long_side if long_side is None else long_side,
            threads=threads,
            digests={path.name: digest},
        )

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by file name of the files that define the network."""
        return self._digests

    @property
    def dimension(self) -> int:
        """`D`, values of an embedding."""
        return self._dimension

    def embed(self, frame: Frame, detections: Detections) -> Detections:
        """Returns the detections, in their order, with embeddings `(N, D)`.

        Raises:
            ModelError: The network gives values that are not finite.
        """
        if not len(detections):
            return detections.with_embeddings(np.empty((0, self._dimension), np.float32))
        pixels, content = _input(frame.image, self._long_side)
        features = self._features(pixels)
        cells = np.array([content[1] / frame.width, content[0] / frame.height] * 2) / _STRIDE
        rows, columns = (-(-side // _STRIDE) for side in content)
        return detections.with_embeddings(
            described(features[:rows, :columns], detections.boxes * cells)
        )

    def _features(self, pixels: UInt8Array) -> Float32Array:
        """Returns `(h, w, C)` of an input `(8 h, 8 w, 3)`."""
        if pixels.shape[:2] != self._size:
            self._size = (pixels.shape[0], pixels.shape[1])
            self._interpreter = self._opened()
        interpreter = self._interpreter
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None])
        interpreter.invoke()
        place = interpreter.get_output_details()[0]["index"]
        features: Float32Array = interpreter.get_tensor(place)[0]
        return features

    def _opened(self) -> Any:
        shape = (1, *self._size, 3)
        return open_interpreter(
            self._model, threads=self._threads, advice=_ADVICE, input_shape=shape
        )


def export_features(path: Path) -> bytes:
    """Returns the `.tflite` of a detector's first layers: uint8 `(1, H, W, 3)` to features.

    Args:
        path: The `.keras` file.

    Raises:
        ModelError: The file is no detector of this package, or cannot be exported.
        DependencyError: TensorFlow cannot be loaded.
    """

    def build() -> Any:
        import keras

        network, layer = load_detector(path), _LAYERS[read_description(path).style]
        return keras.Model(network.input, network.get_layer(layer).output)

    return export_network(
        build, shape=(1, None, None, 3), outputs=lambda features: features, advice=_ADVICE
    )


def described(features: Float32Array, boxes: Float64Array) -> Float32Array:
    """Returns `(N, PARTS * C)` unit vectors of what differs in boxes from all of the frame.

    Args:
        features: `(h, w, C)`, of the frame alone.
        boxes: `(N, 4)` xyxy in cells.

    Raises:
        ModelError: The features are not finite.
    """
    if not np.isfinite(features).all():
        raise ModelError(
            "embedder detector: expected finite features, got NaN or infinity; its weights are "
            "damaged, train it again"
        )
    vectors = pooled(features, boxes) - features.mean(axis=(0, 1))
    return unit_vectors(vectors.reshape(len(boxes), -1))


def pooled(features: Float32Array, boxes: Float64Array) -> Float32Array:
    """Returns `(N, PARTS, C)`: the mean of features over the parts of boxes, one above another.

    Cells that a part covers in part count by their share. A part that is outside, or smaller than
    a cell, counts as one of a cell's size around its middle, moved inside.

    Args:
        features: `(h, w, C)`.
        boxes: `(N, 4)` xyxy in cells.
    """
    height, width, channels = features.shape
    edges = np.linspace(boxes[:, 1], boxes[:, 3], PARTS + 1, axis=1)
    rows = _shares(edges[:, :-1], edges[:, 1:], height)
    columns = _shares(boxes[:, 0], boxes[:, 2], width)
    by_rows = rows.reshape(-1, height) @ features.reshape(height, -1)
    by_rows = by_rows.reshape(len(boxes), PARTS, width, channels)
    means: Float32Array = np.einsum("npwc,nw->npc", by_rows, columns)
    return means


def _shares(starts: Float64Array, ends: Float64Array, count: int) -> Float32Array:
    """Returns `(..., count)`: how much of the spans `(...)` lies in each cell; sums are 1."""
    starts, ends = np.clip(starts, 0, count), np.clip(ends, 0, count)
    middle = np.clip((starts + ends) / 2, 0.5, count - 0.5)
    narrow = ends - starts < 1
    starts = np.where(narrow, middle - 0.5, starts)[..., None]
    ends = np.where(narrow, middle + 0.5, ends)[..., None]
    cells = np.arange(count)
    covered = np.clip(np.minimum(ends, cells + 1) - np.maximum(starts, cells), 0, None)
    shares: Float64Array = covered / covered.sum(axis=-1, keepdims=True)
    return shares.astype(np.float32)


def _input(image: UInt8Array, long_side: int) -> tuple[UInt8Array, tuple[int, int]]:
    """Returns the network's input, the frame in its top left corner, and the frame's size there."""
    scale = long_side / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    sides = (-(-side // _MULTIPLE) * _MULTIPLE for side in (height, width))
    pixels = np.full((*sides, 3), _PADDING, np.uint8)
    pixels[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return pixels, (height, width)


def _key(digest: str) -> str:
    return cache_key(
        {
            "format": _FORMAT,
            "features": digest,
            "layers": list(_LAYERS.values()),
            "versions": [library_version(name) for name in ("ai-edge-litert", "keras")],
            "tensorflow": [library_version(name) for name in ("tensorflow", "tensorflow-cpu")],
        }
    )
