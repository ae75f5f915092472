"""The segmentation stage: masks of chosen classes.

The network runs on the whole image, scaled to its input size. It is exported to LiteRT once for
each size and cached; with a warm cache neither Keras nor TensorFlow is loaded.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np

from tracker.errors import ConfigError, ModelError, nearest
from tracker.inference.cache import cache_key, cached, exported_path, library_version
from tracker.inference.litert import available_cores, export_network, open_interpreter
from tracker.models.files.digest import file_digest
from tracker.models.files.segmenter_file import (
    SegmenterHead,
    load_segmenter,
    read_segmenter_description,
)
from tracker.models.yolo_shape import STRIDES
from tracker.segmentation.settings import SegmenterSettings
from tracker.util.arrays import BoolArray, UInt8Array
from tracker.util.opencv import cv2

_FORMAT = 1
"""Incremented whenever the exported graph changes, to invalidate cached files."""

ADVICE = "leave --background out"
"""What to try where LiteRT does not accept a network."""


class Segmenter:
    """Segments chosen classes in whole frames; the network is of `tracker train segmenter`.

    Args:
        path: The `.keras` file.
        settings: Its settings.

    Raises:
        ModelError: The file is missing, damaged, or not a segmenter of this package.
        ConfigError: It does not have a class.

    Example:
        ```python
        people = Segmenter.load("people.keras").mask(frame.image)
        ```
    """

    def __init__(self, path: Path, settings: SegmenterSettings) -> None:
        self._path, self._settings = path, settings
        self._description = read_segmenter_description(path)
        if self._description.head is not SegmenterHead.FCN_8S:
            raise ModelError(
                f"segmenter {path}: expected head {SegmenterHead.FCN_8S.value}, got "
                f"{self._description.head.value}, which takes crops of boxes"
            )
        names = self._description.class_names
        for name in settings.classes:
            if name not in names:
                raise ConfigError(
                    f"segmenter.classes: {path} has {', '.join(names)}, not {name!r}"
                    f"{nearest(name, names)}"
                )
        self._chosen = [names.index(name) for name in settings.classes]
        self._digest = file_digest(path)
        self._frame_size: tuple[int, int] | None = None
        self._input_size = (0, 0)
        self._interpreter: Any = None

    @classmethod
    def load(cls, path: str | PathLike[str], settings: SegmenterSettings | None = None) -> Self:
        """Returns the segmenter of a file; see the class."""
        return cls(Path(path), settings or SegmenterSettings())

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes, by class index."""
        return self._description.class_names

    def prepare(self, frame_size: tuple[int, int]) -> None:
        """Prepares for images of this size; exports the network if it is not cached.

        Args:
            frame_size: Height and width in pixels.

        Raises:
            ModelError: LiteRT does not accept the network.
            DependencyError: LiteRT, or TensorFlow where an export is needed, cannot be loaded.
        """
        if frame_size == self._frame_size:
            return
        size = input_size_for(frame_size, self._settings.input_size or self._description.long_side)
        if size != self._input_size:
            path = exported_path(self._settings.cache_dir, _key(self._digest, size))
            self._interpreter = open_interpreter(
                cached(path, lambda: export_segmenter(self._path, size)),
                threads=self._settings.threads or available_cores(),
                advice=ADVICE,
            )
        self._frame_size, self._input_size = frame_size, size

    def mask(self, image: UInt8Array) -> BoolArray:
        """Returns `(H, W)` bool: the pixels of the chosen classes.

        They are where the probabilities of these classes add up to more than one half.

        Args:
            image: `(H, W, 3)` uint8 RGB.

        Raises:
            ModelError: LiteRT does not accept the network.
            DependencyError: LiteRT, or TensorFlow where an export is needed, cannot be loaded.
        """
        height, width = image.shape[:2]
        self.prepare((height, width))
        rows, columns = self._input_size
        pixels = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR)
        interpreter = self._interpreter
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None])
        interpreter.invoke()
        shares = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
        chosen = np.ascontiguousarray(shares[..., self._chosen].sum(axis=-1))
        share = cv2.resize(chosen, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(share > 0.5)


def input_size_for(frame_size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """Returns height and width of the network's input for a frame.

    The aspect ratio changes slightly, as in training: by less than a quarter unless the frame is
    very elongated.

    Args:
        frame_size: Height and width of the frame in pixels.
        long_side: Long side of the input in pixels, a multiple of 32.

    Example:
        >>> input_size_for((1080, 1920), 320)
        (192, 320)
    """
    unit = STRIDES[-1]
    height, width = (
        max(unit, round(side * long_side / max(frame_size) / unit) * unit) for side in frame_size
    )
    return height, width


def export_segmenter(path: Path, input_size: tuple[int, int]) -> bytes:
    """Returns the `.tflite` of a segmenter: uint8 `(1, h, w, 3)` to probabilities `(1, h, w, C)`.

    Args:
        path: The `.keras` file.
        input_size: Height and width in pixels, multiples of 32.

    Raises:
        ModelError: The file is not a segmenter of this package, or cannot be exported.
        DependencyError: TensorFlow cannot be loaded.
    """
    return export_network(
        lambda: load_segmenter(path, input_size=input_size),
        shape=(1, *input_size, 3),
        outputs=probabilities,
        advice=ADVICE,
    )


def probabilities(scores: Any) -> Any:
    """Returns the probabilities of scores `(..., C)`."""
    import keras

    return keras.ops.softmax(scores, axis=-1)


def _key(digest: str, input_size: Sequence[int]) -> str:
    return cache_key(
        {
            "format": _FORMAT,
            "segmenter": digest,
            "input": list(input_size),
            "versions": [library_version(name) for name in ("ai-edge-litert", "keras")],
            "tensorflow": [library_version(name) for name in ("tensorflow", "tensorflow-cpu")],
        }
    )
