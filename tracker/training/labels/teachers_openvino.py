"""OpenVINO's single-shot detectors as teachers."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from tracker.boxes import is_proper
from tracker.detections import Detections
from tracker.errors import ModelError
from tracker.training.labels.openvino_images import OpenVinoImageNetwork
from tracker.training.labels.teachers import CANDIDATES
from tracker.util.arrays import Float32Array, UInt8Array
from tracker.util.opencv import cv2

_ROW = 7
"""Values of a row of the output: image, label, score, left, top, right, bottom."""


class OpenVinoSsdTeacher:
    """A detector that ends in an SSD layer `(1, 1, N, 7)`, such as pedestrian-detection-adas-0002.

    Args:
        path: `.xml` file; the `.bin` of the same name lies beside it.
        names: Names of labels 1, 2, ...; objects of labels without a name are left out.
        threads: CPU threads.

    Raises:
        ModelError: A file is missing or cannot be read, or it is no such detector.
        DependencyError: OpenVINO is not installed.
    """

    def __init__(
        self, path: str | PathLike[str], *, names: Sequence[str] = ("person",), threads: int = 1
    ) -> None:
        self._network = OpenVinoImageNetwork(path, threads=threads)
        shape = self._network.output_shape
        if len(shape) != 4 or shape[-1] != _ROW:
            raise ModelError(
                f"{path}: expected a detector with an output (1, 1, N, {_ROW}), got {shape}; "
                "networks of appearance are teachers of `tracker train crops`"
            )
        self.name = f"{Path(path).stem}-{self._network.size[1]}"
        self.class_names = tuple(names)

    def detect(self, image: UInt8Array) -> Detections:
        """Returns the detections in an image `(H, W, 3)` uint8 RGB, in its pixels."""
        height, width = self._network.size
        pixels = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        rows = self._network.run(np.asarray(pixels, np.uint8))
        size = (image.shape[0], image.shape[1])
        return decode_ssd(rows, size, class_count=len(self.class_names))


def decode_ssd(output: Float32Array, size: tuple[int, int], *, class_count: int) -> Detections:
    """Returns the detections of an SSD layer, in pixels; label 1 has class 0.

    Args:
        output: `(..., 7)` rows of image, label, score, left, top, right, bottom; sides as
            fractions. The first row with a negative image ends the list.
        size: Height and width of the image in pixels.
        class_count: Labels above it are left out.
    """
    rows = output.reshape(-1, _ROW)
    rows = rows[: int(np.argmax(rows[:, 0] < 0))] if (rows[:, 0] < 0).any() else rows
    label, score = rows[:, 1], rows[:, 2]
    boxes = np.clip(rows[:, 3:], 0, 1) * np.array([size[1], size[0]] * 2, np.float32)
    kept = (label >= 1) & (label <= class_count) & (score > CANDIDATES.confidence)
    kept &= is_proper(boxes)
    scores = np.minimum(score[kept], 1)
    return Detections.create(boxes[kept], scores, label[kept].astype(np.int32) - 1)
