"""Teachers: detectors of any make that say what is in an image, for labels of unlabelled ones.

ONNX models run on ONNX Runtime (extra `onnx`), which is loaded on first use.
"""

from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tracker.boxes import is_proper
from tracker.detection.default_names import COCO_NAMES
from tracker.detection.layouts.base import Candidates, Layout
from tracker.detection.layouts.fastestdet import FastestDet
from tracker.detection.layouts.nanodet import NanoDet
from tracker.detection.letterbox import letterbox, letterbox_geometry, undo_letterbox
from tracker.detection.nms import NmsSettings, nms
from tracker.detections import Detections
from tracker.inference.network import TensorSpec
from tracker.inference.onnx_network import onnx_session
from tracker.util.arrays import Float32Array, UInt8Array
from tracker.util.opencv import cv2

CANDIDATES = NmsSettings(confidence=0.05, iou=0.5, max_detections=100)
"""What a teacher hands on: weak candidates too, because agreement among teachers lifts them."""


class Teacher(Protocol):
    """Detects objects in an image."""

    @property
    def name(self) -> str:
        """A name that is valid as a folder name, one for each configuration."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        ...

    def detect(self, image: UInt8Array) -> Detections:
        """Returns the detections in an image `(H, W, 3)` uint8 RGB, in its pixels."""
        ...


class NanoDetTeacher:
    """NanoDet (Apache-2.0, github.com/RangiLyu/nanodet, first generation), a COCO detector.

    Args:
        path: ONNX file.
        threads: CPU threads.

    Raises:
        ModelError: The file cannot be loaded, or has other outputs.
        DependencyError: ONNX Runtime is not installed.
    """

    _MEAN = np.array([103.53, 116.28, 123.675], np.float32)  # of BGR, as it was trained
    _STD = np.array([57.375, 57.12, 58.395], np.float32)

    def __init__(self, path: str | PathLike[str], *, threads: int = 1) -> None:
        self._session = onnx_session(path, threads=threads)
        self._size = _input_size(self._session)
        self.name = f"{Path(path).stem}-{self._size[1]}"
        self.class_names = COCO_NAMES

    def detect(self, image: UInt8Array) -> Detections:
        """Returns the detections in an image `(H, W, 3)` uint8 RGB, in its pixels."""
        geometry = letterbox_geometry((image.shape[0], image.shape[1]), self._size)
        pixels = letterbox(image, geometry)[..., ::-1].astype(np.float32)
        found = _candidates(self._session, (pixels - self._MEAN) / self._STD, NanoDet())
        return _detections(found, undo_letterbox(found.boxes, geometry))


class FastestDetTeacher:
    """FastestDet (BSD-3-Clause, github.com/dog-qiuqiu/FastestDet), a COCO detector.

    Args:
        path: ONNX file.
        threads: CPU threads.

    Raises:
        ModelError: The file cannot be loaded.
        DependencyError: ONNX Runtime is not installed.
    """

    def __init__(self, path: str | PathLike[str], *, threads: int = 1) -> None:
        self._session = onnx_session(path, threads=threads)
        self._size = _input_size(self._session)
        self.name = f"{Path(path).stem}-{self._size[1]}"
        self.class_names = COCO_NAMES

    def detect(self, image: UInt8Array) -> Detections:
        """Returns the detections in an image `(H, W, 3)` uint8 RGB, in its pixels."""
        height, width = self._size
        pixels = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        pixels = pixels[..., ::-1].astype(np.float32) / np.float32(255)
        found = _candidates(self._session, pixels, FastestDet())
        unit = np.array([width, height] * 2, np.float32)
        frame = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        return _detections(found, np.clip(found.boxes / unit, 0, 1) * frame)


def _detections(found: Candidates, boxes: Float32Array) -> Detections:
    """Returns what survives suppression of candidates whose boxes `(N, 4)` in the image are."""
    kept = is_proper(boxes) & (found.scores > CANDIDATES.confidence)
    detections = Detections.create(
        boxes[kept], np.minimum(found.scores[kept], 1), found.classes[kept]
    )
    index = nms(detections.boxes, detections.scores, detections.classes, settings=CANDIDATES)
    return detections.select(index)


def _input_size(session: Any) -> tuple[int, int]:
    shape = session.get_inputs()[0].shape
    return int(shape[2]), int(shape[3])


def _candidates(session: Any, pixels: Float32Array, layout: Layout) -> Candidates:
    """Returns the candidates of a network for pixels `(h, w, 3)` of its input."""
    batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
    outputs = session.run(None, {session.get_inputs()[0].name: batch})
    specs = [TensorSpec(node.name, tuple(node.shape), "float32") for node in session.get_outputs()]
    (found,) = layout.decode(
        outputs,
        specs,
        input_size=(pixels.shape[0], pixels.shape[1]),
        least_score=CANDIDATES.confidence,
    )
    return found
