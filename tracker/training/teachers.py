"""Teachers: detectors of any make that say what is in a picture, for labels of unlabelled ones.

Comes in: pictures `(H, W, 3)` uint8 RGB. Goes out: `Detections` in their pixels, by the names that
this package uses. ONNX models run on ONNX Runtime (extra `onnx`), which is loaded on first use.
"""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tracker.arrays import Float32Array, UInt8Array
from tracker.boxes import is_proper
from tracker.detection.default_names import COCO_NAMES
from tracker.detection.layouts.base import Candidates, Layout
from tracker.detection.layouts.fastestdet import FastestDet
from tracker.detection.layouts.nanodet import NanoDet
from tracker.detection.letterbox import letterbox, letterbox_geometry, undo_letterbox
from tracker.detection.nms import NmsSettings, nms
from tracker.detections import Detections
from tracker.inference.onnx_network import onnx_session
from tracker.inference.tensors import TensorSpec
from tracker.opencv import cv2

CANDIDATES = NmsSettings(confidence=0.05, iou=0.5, max_detections=100)
"""What a teacher hands on: weak candidates too, because agreement among teachers lifts them."""


class Teacher(Protocol):
    """Says what is in a picture."""

    @property
    def name(self) -> str:
        """A name that is fit for a folder, one for each way of running."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        ...

    def detect(self, image: UInt8Array) -> Detections:
        """Returns what is in a picture `(H, W, 3)` uint8 RGB, in its pixels."""
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
        """Returns what is in a picture `(H, W, 3)` uint8 RGB, in its pixels."""
        geometry = letterbox_geometry((image.shape[0], image.shape[1]), self._size)
        pixels = letterbox(image, geometry)[..., ::-1].astype(np.float32)
        found = _found(self._session, (pixels - self._MEAN) / self._STD, NanoDet())
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
        """Returns what is in a picture `(H, W, 3)` uint8 RGB, in its pixels."""
        height, width = self._size
        pixels = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        pixels = pixels[..., ::-1].astype(np.float32) / np.float32(255)
        found = _found(self._session, pixels, FastestDet())
        unit = np.array([width, height] * 2, np.float32)
        frame = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        return _detections(found, np.clip(found.boxes / unit, 0, 1) * frame)


class Mirrored:
    """A teacher that is shown the mirrored picture.

    Args:
        teacher: The teacher.
    """

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher
        self.name = f"{teacher.name}-mirrored"
        self.class_names = teacher.class_names

    def detect(self, image: UInt8Array) -> Detections:
        """Returns what is in a picture `(H, W, 3)` uint8 RGB, in its pixels."""
        found = self._teacher.detect(np.ascontiguousarray(image[:, ::-1]))
        boxes = found.boxes.copy()
        boxes[:, [0, 2]] = image.shape[1] - found.boxes[:, [2, 0]]
        return replace(found, boxes=boxes)


class Tiled:
    """A teacher that is shown overlapping tiles of the picture, so that small things are larger.

    Boxes that a tile's inner border cuts are left out: another tile shows them whole, or the
    teacher that sees the whole picture does.

    Args:
        teacher: The teacher.
        columns: Tiles side by side.
        rows: Tiles one above another.
        overlap: Share of a tile that it has in common with the next, in `[0, 1)`.
    """

    def __init__(
        self, teacher: Teacher, *, columns: int = 2, rows: int = 1, overlap: float = 0.25
    ) -> None:
        self._teacher = teacher
        self._grid = (columns, rows)
        self._overlap = overlap
        self.name = f"{teacher.name}-tiles{columns}x{rows}"
        self.class_names = teacher.class_names

    def detect(self, image: UInt8Array) -> Detections:
        """Returns what is in a picture `(H, W, 3)` uint8 RGB, in its pixels."""
        height, width = image.shape[:2]
        parts = [Detections.empty()]
        for top, bottom in _spans(height, self._grid[1], self._overlap):
            for left, right in _spans(width, self._grid[0], self._overlap):
                found = self._teacher.detect(np.ascontiguousarray(image[top:bottom, left:right]))
                boxes = found.boxes + np.array([left, top] * 2, np.float32)
                tile = np.array([left, top, right, bottom], np.float32)
                inner = tile != np.array([0, 0, width, height], np.float32)
                cut = (np.abs(boxes - tile) < _CUT_PX) & inner
                parts.append(replace(found, boxes=boxes).select(~cut.any(axis=1)))
        return _merged(parts)


_CUT_PX = 4.0
"""A box this close to the border of a tile is taken to go on beyond it."""


def _detections(found: Candidates, boxes: Float32Array) -> Detections:
    """Returns what survives suppression of candidates whose boxes `(N, 4)` in the picture are."""
    kept = is_proper(boxes) & (found.scores > CANDIDATES.confidence)
    detections = Detections.create(
        boxes[kept], np.minimum(found.scores[kept], 1), found.classes[kept]
    )
    index = nms(detections.boxes, detections.scores, detections.classes, settings=CANDIDATES)
    return detections.select(index)


def _merged(parts: Sequence[Detections]) -> Detections:
    found = Detections.create(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.classes for part in parts]),
    )
    return found.select(nms(found.boxes, found.scores, found.classes, settings=CANDIDATES))


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    """Returns start and end of overlapping spans that cover a length."""
    span = length / (count - (count - 1) * overlap)
    starts = [n * span * (1 - overlap) for n in range(count)]
    return [(round(start), min(length, round(start + span))) for start in starts]


def _input_size(session: Any) -> tuple[int, int]:
    shape = session.get_inputs()[0].shape
    return int(shape[2]), int(shape[3])


def _found(session: Any, pixels: Float32Array, layout: Layout) -> Candidates:
    """Returns what a network says about pixels `(h, w, 3)` of its input."""
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
