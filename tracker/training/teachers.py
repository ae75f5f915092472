"""Teachers: detectors of any make that say what is in a picture, for labels of unlabelled ones.

Comes in: pictures `(H, W, 3)` uint8 RGB. Goes out: `Detections` in their pixels, by the names that
this package uses. ONNX models run on ONNX Runtime (extra `onnx`), which is loaded on first use.
"""

import importlib
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tracker.arrays import Float32Array, UInt8Array
from tracker.boxes import is_proper
from tracker.detection.default_names import COCO_NAMES
from tracker.detection.letterbox import letterbox, letterbox_geometry, undo_letterbox
from tracker.detection.nms import NmsSettings, nms
from tracker.detections import Detections
from tracker.errors import DependencyError, ModelError
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

    Its outputs are class scores `(cells, 80)` and, for each side of a box, a distribution over the
    distances 0 to 7 in strides (generalised focal loss, arXiv 2006.04388), at strides 8, 16, 32.

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
        boxes, scores = decode_nanodet(_run(self._session, (pixels - self._MEAN) / self._STD))
        return _candidates(undo_letterbox(boxes, geometry), scores)


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
        (output,) = _run(self._session, pixels[..., ::-1].astype(np.float32) / np.float32(255))
        boxes, scores = decode_fastestdet(output[0])
        frame = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        return _candidates(np.clip(boxes, 0, 1) * frame, scores)


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


def onnx_session(path: str | PathLike[str], *, threads: int) -> Any:
    """Returns an ONNX Runtime session on the CPU.

    Raises:
        ModelError: The file cannot be loaded.
        DependencyError: ONNX Runtime is not installed.
    """
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise DependencyError(
            f"ONNX models need the package onnxruntime: {error}; "
            "pip install 'tracker-pipeline[onnx]'"
        ) from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # Old exporters' files cause a hundred warnings.
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # The library raises classes of its own, without a common base.
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: ONNX Runtime cannot load it: {reason}") from error


def decode_nanodet(outputs: Sequence[Float32Array]) -> tuple[Float32Array, Float32Array]:
    """Returns boxes `(N, 4)` xyxy in pixels of the square input, and scores `(N, C)`.

    Args:
        outputs: For each stride 8, 16, 32 class scores `([1,] cells, C)` in `[0, 1]` and
            distributions `([1,] cells, 32)`, in any order; more cells mean a finer stride.

    Raises:
        ModelError: The outputs are others.
    """
    flat = [output.reshape(-1, output.shape[-1]) for output in outputs]
    sides = sorted((o for o in flat if o.shape[1] == 4 * _BINS), key=len, reverse=True)
    scores = sorted((o for o in flat if o.shape[1] != 4 * _BINS), key=len, reverse=True)
    if [len(o) for o in sides] != [len(o) for o in scores] or len(sides) != len(_STRIDES):
        raise ModelError(
            f"NanoDet: expected scores and {4 * _BINS} box values for three strides, got outputs "
            f"of shapes {[output.shape for output in outputs]}"
        )
    boxes = [_nanodet_boxes(*pair) for pair in zip(sides, _STRIDES, strict=True)]
    return np.concatenate(boxes), np.concatenate(scores)


_STRIDES = (8, 16, 32)
_BINS = 8


def _nanodet_boxes(logits: Float32Array, stride: int) -> Float32Array:
    logits = logits.reshape(-1, 4, _BINS)
    share = np.exp(logits - logits.max(axis=-1, keepdims=True))
    share /= share.sum(axis=-1, keepdims=True)
    left, top, right, bottom = (share @ np.arange(_BINS, dtype=np.float32)).T * stride
    side = round(len(logits) ** 0.5)
    y, x = (np.indices((side, side), dtype=np.float32).reshape(2, -1) + 0.5) * stride
    return np.stack([x - left, y - top, x + right, y + bottom], axis=1).astype(np.float32)


def decode_fastestdet(output: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Returns boxes `(N, 4)` xyxy as fractions of the picture, and scores `(N, C)`.

    A cell holds objectness, centre and size of one box, and class shares. The README's score is
    `objectness ** 0.6 * class ** 0.4`.

    Args:
        output: `(5 + C, h, w)` float32; objectness and shares in `[0, 1]`.
    """
    height, width = output.shape[1:]
    cells = output.reshape(len(output), -1)
    y, x = np.indices((height, width), dtype=np.float32).reshape(2, -1)
    centre = np.stack([(x + np.tanh(cells[1])) / width, (y + np.tanh(cells[2])) / height], axis=1)
    half = 0.5 / (1 + np.exp(-cells[3:5].T))
    scores = cells[0, :, None] ** 0.6 * cells[5:].T ** 0.4
    boxes = np.hstack([centre - half, centre + half])
    return boxes.astype(np.float32), scores.astype(np.float32)


def _candidates(boxes: Float32Array, scores: Float32Array) -> Detections:
    """Returns what survives suppression of boxes `(N, 4)` with scores `(N, C)`."""
    cells, classes = np.nonzero(scores > CANDIDATES.confidence)
    boxes, scores, classes = boxes[cells], scores[cells, classes], classes.astype(np.int32)
    proper = is_proper(boxes)
    found = Detections.create(boxes[proper], np.minimum(scores[proper], 1), classes[proper])
    return found.select(nms(found.boxes, found.scores, found.classes, settings=CANDIDATES))


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


def _run(session: Any, pixels: Float32Array) -> list[Float32Array]:
    batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
    return list(session.run(None, {session.get_inputs()[0].name: batch}))
