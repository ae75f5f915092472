"""A detector on a third-party network: any runtime, any known layout.

Values that are not finite never leave it.
"""

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import is_proper
from tracker.detection.batch_by_size import PreparedSizes
from tracker.detection.class_filter import class_mask
from tracker.detection.image_input import ImageInput, image_batch, image_geometry
from tracker.detection.layouts.base import Candidates, Decoder
from tracker.detection.letterbox import LetterboxGeometry, to_frame, undo_letterbox
from tracker.detection.nms import nms
from tracker.detection.yolo_detector import DetectorSettings
from tracker.detections import Detections
from tracker.errors import ConfigError, ModelError
from tracker.frames import Frame, VideoInfo
from tracker.inference.network import Network
from tracker.masks import paste_masks
from tracker.models.files.detector_file import CONFIDENCE
from tracker.util.arrays import BoolArray, Float32Array
from tracker.util.stopwatch import Stopwatch

_log = logging.getLogger(__name__)


class ModelDetector:
    """Detects objects with a third-party network.

    Args:
        network: The network, ready to run.
        layout: What its outputs mean.
        wanted: The input that it expects.
        class_names: Names by class index.
        settings: How to run it. `confidence` of `None` is 0.25; `iou` and `nms_mode` do nothing
            where the network suppresses itself.

    Raises:
        ConfigError: A setting is out of range, names a class that the network does not know, or
            an input size that it cannot take.
        ModelError: The number of names is not the number of classes.
    """

    def __init__(
        self,
        network: Network,
        *,
        layout: Decoder,
        wanted: ImageInput,
        class_names: Sequence[str],
        settings: DetectorSettings,
    ) -> None:
        count = layout.class_count(network.outputs)
        if count is not None and count != len(class_names):
            raise ModelError(
                f"class names: expected {count} as the network has, got {len(class_names)}; name "
                "the file that belongs to the model with --names"
            )
        self._network = network
        self._layout = layout
        self._wanted = _sized(wanted, settings.input_size)
        self._class_names = tuple(class_names)
        self._nms = settings.nms(CONFIDENCE)
        self._allowed = class_mask(self._class_names, settings.classes)
        self._digests = MappingProxyType(dict(network.digests))
        self._sizes = PreparedSizes[None]()
        self._has_warned = False

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        return self._class_names

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by file name of the files that define the network."""
        return self._digests

    @property
    def layout_name(self) -> str:
        """What the outputs are taken for."""
        return self._layout.name

    @property
    def image_input(self) -> ImageInput:
        """What the network is given."""
        return self._wanted

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width in pixels of the network's input since the last `start`, or zeros."""
        return self._sizes.last

    @property
    def confidence(self) -> float:
        """Score above which detections are kept."""
        return self._nms.confidence

    def start(self, info: VideoInfo) -> None:
        """Runs the network once on grey, so that one that does not work is found out at once.

        Earlier sources stay prepared, so `detect` may be given frames of several.

        Raises:
            ModelError: The network fails, or its outputs are not of the layout.
        """
        self._sizes.start(self._wanted.size_for((info.height, info.width)), self._prove)

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns the detections of each frame, cut to it; embeddings are `(N, 0)`.

        A frame of a size that no source announced is fitted into the input that was prepared last.

        Args:
            frames: Any number of frames; those of one input size are one call of the network where
                it takes a batch.
            stopwatch: Where given, gets the seconds of "preprocess", "infer" and "nms".

        Raises:
            DataError: `start` was not called.
            ModelError: The network fails, or its outputs are not of the layout.
        """
        stopwatch = stopwatch or Stopwatch()
        return self._sizes.detect(
            frames,
            self._wanted.size_for,
            lambda group, size: self._detect_at(size, group, stopwatch),
        )

    def _detect_at(
        self, size: tuple[int, int], frames: Sequence[Frame], stopwatch: Stopwatch
    ) -> list[Detections]:
        with stopwatch.measure("preprocess"):
            batch, geometries = self._prepared([frame.image for frame in frames], size)
        with stopwatch.measure("infer"):
            found = self._candidates(self._outputs(batch, size), size, count=len(batch))
        with stopwatch.measure("nms"):
            return [self._detections(*pair) for pair in zip(found, geometries, strict=True)]

    def _prove(self, size: tuple[int, int]) -> None:
        """Runs the network once at an input size."""
        grey = np.full((*size, 3), 128, np.uint8)
        outputs = self._outputs(self._prepared([grey], size)[0], size)
        self._candidates(outputs, size, count=1)
        if _is_nothing_but_nan(outputs):
            # Layouts that list what was found would give no row at all, and no hint.
            self._warn("all that the network gives is NaN")

    def _prepared(
        self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]
    ) -> tuple[NDArray[Any], list[LetterboxGeometry]]:
        geometries = [
            image_geometry((image.shape[0], image.shape[1]), self._wanted, size) for image in images
        ]
        return image_batch(images, geometries, self._wanted), geometries

    def _outputs(self, batch: NDArray[Any], size: tuple[int, int]) -> list[NDArray[Any]]:
        extra = self._layout.extra_inputs(self._network.inputs, input_size=size, count=len(batch))
        return self._network.run([batch, *extra])

    def _candidates(
        self, outputs: Sequence[NDArray[Any]], size: tuple[int, int], *, count: int
    ) -> list[Candidates]:
        found = self._layout.decode(
            outputs,
            self._network.outputs,
            input_size=size,
            least_score=self._nms.confidence,
        )
        if len(found) != count:
            raise ModelError(
                f"layout {self._layout.name}: expected the outputs of {count} images, "
                f"got {len(found)}; --set detector.model.layout=NAME names another"
            )
        return found

    def _detections(self, found: Candidates, geometry: LetterboxGeometry) -> Detections:
        finite = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)
        if found.masks is not None:
            finite &= np.isfinite(found.masks).all(axis=(1, 2))
        if not finite.all():
            self._warn(f"{(~finite).sum()} boxes, scores or masks are not finite and are left out")
        # Overlaps are those of whole boxes, as the network gives them; the frame cuts them after.
        whole = np.where(finite[:, None], found.boxes, 0)
        kept = finite & is_proper(whole) & (found.scores > self._nms.confidence)
        kept &= self._is_allowed(found, finite)
        index = np.flatnonzero(kept)
        index = index[self._winners(whole[index], found, index)]
        boxes = undo_letterbox(whole[index], geometry)
        inside = is_proper(boxes)
        boxes, index = boxes[inside], index[inside]
        masks = None
        if found.masks is not None:
            placed = to_frame(found.boxes[index], geometry)
            width_height = geometry.frame_size[::-1]
            masks = paste_masks(found.masks[index], placed, frame_size=width_height)
        return Detections.create(
            boxes,
            np.clip(found.scores[index], 0, 1),
            found.classes[index],
            masks=masks,
        )

    def _winners(
        self, boxes: Float32Array, found: Candidates, index: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Returns which of the candidates at `index` stay."""
        if self._layout.is_suppressed:
            best = np.argsort(-found.scores[index], kind="stable")
            return best[: self._nms.max_detections]
        return nms(boxes, found.scores[index], found.classes[index], settings=self._nms)

    def _is_allowed(self, found: Candidates, finite: BoolArray) -> BoolArray:
        classes = found.classes
        known = (classes >= 0) & (classes < len(self._class_names))
        relevant = finite & (found.scores > self._nms.confidence)
        if not known[relevant].all():
            wrong = int(classes[relevant & ~known][0])
            raise ModelError(
                f"layout {self._layout.name}: expected classes 0 to {len(self._class_names) - 1}, "
                f"got {wrong}; do the class names belong to the model?"
            )
        return known & self._allowed[np.where(known, classes, 0)]

    def _warn(self, what: str) -> None:
        # Once: a broken network would repeat it in every frame.
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "detector: %s, here and from now on; is the model damaged, or its input another "
                "than %s?",
                what,
                self._wanted,
            )


def _is_nothing_but_nan(outputs: Sequence[NDArray[Any]]) -> bool:
    numbers = [array for array in outputs if np.issubdtype(array.dtype, np.floating) and array.size]
    return bool(numbers) and all(np.isnan(array).all() for array in numbers)


def _sized(wanted: ImageInput, long_side: int | None) -> ImageInput:
    """Returns the input at the long side that the user chose."""
    if long_side is None:
        return wanted
    if wanted.size is not None:
        if long_side == max(wanted.size):
            return wanted
        raise ConfigError(
            f"input size {long_side}: the network takes {wanted.size[1]}x{wanted.size[0]} only; "
            "leave --imgsz out"
        )
    return wanted.at_long_side(long_side)
