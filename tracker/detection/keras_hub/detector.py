"""A detector on an object-detection preset of KerasHub: RetinaNet and D-FINE.

KerasHub's network and decoding run as one compiled function; the preset's converter scales the
pixels, we bring them to size.

Suppression is ours. KerasHub's layer compares all anchors with all, tile by tile: it took 9.0 s for
one picture with 20,000 anchors (of which 10 scored enough) on 2 cores, and RetinaNet has 120,000.
With `iou=0.5` and `nms_mode=agnostic`, ours leaves what that layer leaves by default.
"""

import logging
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import is_proper
from tracker.detection.batch_by_size import PreparedSizes
from tracker.detection.class_filter import class_mask
from tracker.detection.default_names import Names, default_class_names, given_class_names
from tracker.detection.keras_hub.network import KerasHubNetwork
from tracker.detection.keras_hub.preset import load_keras_hub, load_preset
from tracker.detection.letterbox import LetterboxGeometry, undo_letterbox
from tracker.detection.nms import nms
from tracker.detection.picture_input import PictureInput, picture_batch, picture_geometry
from tracker.detection.runtimes.base import RuntimeKind
from tracker.detection.yolo_detector import DetectorSettings
from tracker.detections import Detections
from tracker.errors import ConfigError, ModelError
from tracker.frames import Frame, VideoInfo
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.checked_call import first_line
from tracker.inference.devices import Device, check_threads, tensorflow_device
from tracker.inference.tensorflow import load_tensorflow
from tracker.models.files.detector_file import CONFIDENCE
from tracker.util.arrays import Float32Array, Int32Array
from tracker.util.stopwatch import Stopwatch

_log = logging.getLogger(__name__)


class _Candidates(NamedTuple):
    boxes: Float32Array
    scores: Float32Array
    classes: Int32Array


class KerasHubDetector:
    """Finds objects with a preset of KerasHub.

    Args:
        network: The network of a task of KerasHub.
        class_names: Names by class index.
        settings: How to run it. `confidence` of `None` is 0.25. `input_size` is for networks that
            take any size.
        digests: SHA-256 by name of what defines the network.

    Raises:
        ConfigError: A setting is out of range, does not suit the network, or names a class that it
            does not know.
        ModelError: The number of names is not the number of classes.
        DeviceError: The GPU that was asked for is not there.
    """

    def __init__(
        self,
        network: KerasHubNetwork,
        class_names: Sequence[str],
        *,
        settings: DetectorSettings,
        digests: Mapping[str, str],
    ) -> None:
        _check_settings(settings)
        if len(class_names) != network.class_count:
            raise ModelError(
                f"class names: expected {network.class_count} as the network has, got "
                f"{len(class_names)}; name the file that belongs to the preset with --names"
            )
        self._tf = load_tensorflow()
        self._device = tensorflow_device(Device.parse(settings.device), threads=settings.threads)
        self._network = network
        self._wanted = network.picture_input(settings.input_size)
        self._class_names = tuple(class_names)
        self._digests = MappingProxyType(dict(digests))
        self._nms = settings.nms(CONFIDENCE)
        self._allowed = class_mask(self._class_names, settings.classes)
        self._functions = PreparedSizes[Any]()
        self._has_warned = False

    @classmethod
    def load(
        cls,
        preset: str | PathLike[str],
        *,
        names: Names | None = None,
        settings: DetectorSettings | None = None,
        offline: bool = False,
    ) -> Self:
        """Returns the detector of a preset; one that is not here yet is downloaded by KerasHub.

        Args:
            preset: A folder that `save_to_preset` wrote, a name such as "dfine_small_coco", or a
                handle "kaggle://..." or "hf://...".
            names: File of class names, one a line, or the names; `None` takes COCO's for 80 or 91
                classes, Pascal VOC's for 20, and `class_0`, `class_1`, ... otherwise.
            settings: How to run it.
            offline: Whether a preset that is neither a folder nor in kagglehub's cache is an
                error, instead of a download.

        Raises:
            ConfigError: A setting is out of range, does not suit the network, or names an unknown
                class.
            ModelError: There is no such preset, it is no object detector, cannot be downloaded or
                loaded, or the names do not fit it.
            DependencyError: KerasHub is not installed, or cannot be loaded.
            DeviceError: The GPU that was asked for is not there.
        """
        settings = settings or DetectorSettings()
        _check_settings(settings)
        given = None if names is None else given_class_names(names)
        load_keras_hub()
        device = tensorflow_device(Device.parse(settings.device), threads=settings.threads)
        tf = load_tensorflow()
        with native_output_logged(), tf.device(device):
            tf.zeros(())  # The first operation makes TensorFlow describe the machine.
        with tf.device(device):
            loaded = load_preset(fspath(preset), offline=offline)
            network = KerasHubNetwork(loaded.task)
        return cls(
            network,
            default_class_names(network.class_count) if given is None else given,
            settings=settings,
            digests=loaded.digests,
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        return self._class_names

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by name of what defines the network; see `keras_hub_preset.preset_digest`."""
        return self._digests

    @property
    def picture_input(self) -> PictureInput:
        """What the network is given, before the preset's own scaling of pixels."""
        return self._wanted

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width in pixels of the network's input since the last `start`, or zeros."""
        return self._functions.last

    @property
    def confidence(self) -> float:
        """Score above which detections are kept."""
        return self._nms.confidence

    def start(self, info: VideoInfo) -> None:
        """Compiles the network for the frame size of a source, and runs it once on grey.

        Earlier sources stay prepared, so `detect` may be given frames of several.

        Raises:
            ModelError: The network fails.
        """
        self._functions.start(self._wanted.size_for((info.height, info.width)), self._compiled)

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns the detections of each frame, cut to it; embeddings are `(N, 0)`.

        A frame of a size that no source announced is fitted into the input that was prepared last.

        Args:
            frames: Any number of frames; those of one input size are one call of the network.
            stopwatch: Where given, gets the seconds of "preprocess", "infer" and "nms".

        Raises:
            DataError: `start` was not called.
            ModelError: The network fails.
        """
        stopwatch = stopwatch or Stopwatch()
        return self._functions.detect(
            frames,
            self._wanted.size_for,
            lambda group, size: self._detect_at(size, group, stopwatch),
        )

    def _detect_at(
        self, size: tuple[int, int], frames: Sequence[Frame], stopwatch: Stopwatch
    ) -> list[Detections]:
        with stopwatch.measure("preprocess"):
            geometries = [
                picture_geometry((frame.height, frame.width), self._wanted, size)
                for frame in frames
            ]
            batch = picture_batch([frame.image for frame in frames], geometries, self._wanted)
        with stopwatch.measure("infer"):
            found = self._candidates(self._functions.of(size), batch)
        with stopwatch.measure("nms"):
            return [self._detections(*pair) for pair in zip(found, geometries, strict=True)]

    def _compiled(self, size: tuple[int, int]) -> Any:
        """Returns the function of an input size, after it ran once."""
        function = self._network.compiled(size)
        grey = np.full((*size, 3), 128, np.uint8)
        geometry = picture_geometry(size, self._wanted, size)
        with native_output_logged():
            self._candidates(function, picture_batch([grey], [geometry], self._wanted))
        return function

    def _candidates(self, function: Any, batch: NDArray[Any]) -> list[_Candidates]:
        try:
            with self._tf.device(self._device):
                outputs = function(self._tf.constant(batch))
            boxes, scores, classes = (output.numpy() for output in outputs)
        except (
            Exception
        ) as error:  # Keras and TensorFlow have no common class for networks that fail.
            raise ModelError(
                f"network of KerasHub: failed on {batch.shape}: {first_line(error)}"
            ) from error
        return [_Candidates(*row) for row in zip(boxes, scores, classes, strict=True)]

    def _detections(self, found: _Candidates, geometry: LetterboxGeometry) -> Detections:
        """Returns what suppression leaves, in pixels of the frame."""
        finite = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)
        if not finite.all():
            self._warn(int((~finite).sum()))
        kept = np.flatnonzero(
            finite & (found.scores > self._nms.confidence) & self._allowed[found.classes]
        )
        # Overlaps are those of whole boxes, as KerasHub compares them, not of what the frame cuts.
        best = nms(found.boxes[kept], found.scores[kept], found.classes[kept], settings=self._nms)
        kept = kept[best]
        boxes = undo_letterbox(found.boxes[kept], geometry)
        inside = is_proper(boxes)
        kept = kept[inside]
        return Detections.create(
            boxes[inside], np.clip(found.scores[kept], 0, 1), found.classes[kept]
        )

    def _warn(self, count: int) -> None:
        # Once: a broken network says so in every frame.
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "detector: %d boxes or scores are not finite and are left out, here and from now "
                "on; is the preset damaged?",
                count,
            )


def _check_settings(settings: DetectorSettings) -> None:
    check_threads(settings.threads)
    if settings.runtime is not RuntimeKind.AUTO:
        raise ConfigError(
            f"runtime {settings.runtime.value}: presets of KerasHub run on TensorFlow; leave "
            "--runtime out"
        )
    settings.refuse_half("a preset of KerasHub")
    if settings.cache_dir is not None:
        raise ConfigError(
            f"cache_dir {settings.cache_dir}: presets of KerasHub are not exported; leave it out "
            "(KAGGLEHUB_CACHE says where downloads are kept)"
        )
