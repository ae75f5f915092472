"""The sliding classifier as a detector: frames in, detections in pixels of the frames out.

Overlapping windows see an object more than once; suppression keeps the best (OverFeat, arXiv
1312.6229, sec. 4; it merges boxes, we do not).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tracker.boxes import clip, is_proper
from tracker.detection.batch_by_size import detect_by_size
from tracker.detection.class_filter import class_mask
from tracker.detection.default_names import default_class_names
from tracker.detection.letterbox import letterbox, to_frame
from tracker.detection.nms import NmsMode, NmsSettings, nms
from tracker.detection.sliding_windows import decode_windows, window_geometry
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError, ModelError
from tracker.frames import Frame, VideoInfo
from tracker.inference.captured_stderr import native_output_logged
from tracker.inference.devices import Device, tensorflow_device
from tracker.models.files.class_names import read_class_names
from tracker.models.files.digest import file_digest
from tracker.util.arrays import Float32Array, Int32Array
from tracker.util.stopwatch import Stopwatch

if TYPE_CHECKING:
    from tracker.models.fcn.convert import WindowNetwork

_MOST_SCALE = 8.0

_Found = tuple[Float32Array, Float32Array, Int32Array]


@dataclass(frozen=True, slots=True)
class FcnSettings:
    """How a sliding classifier is run.

    Attributes:
        scales: Sizes at which a frame is processed, as multiples of its own, each in (0, 8]. The
            window is fixed: 0.5 finds objects twice as large as 1 does.
        confidence: Detections are kept if their score is greater than this, in `[0, 1]`.
        iou: A detection is suppressed if it overlaps a better one by more than this, in `[0, 1]`.
        max_detections: At most this many a frame, the best ones.
        classes: Names of the classes to keep; `None` keeps all.
        nms_mode: Which detections can suppress each other.
        device: `auto`, `cpu`, `gpu` or `gpu:N`.
        threads: CPU threads of TensorFlow; `None` leaves it the choice.

    Raises:
        ConfigError: A value is out of its range.
    """

    scales: tuple[float, ...] = (1.0,)
    confidence: float = 0.25
    iou: float = 0.45
    max_detections: int = 300
    classes: tuple[str, ...] | None = None
    nms_mode: NmsMode = NmsMode.PER_CLASS
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        check_scales(self.scales)
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"threads: expected at least 1, got {self.threads}")

    @property
    def nms(self) -> NmsSettings:
        """What suppression keeps."""
        return NmsSettings(self.confidence, self.iou, self.max_detections, self.nms_mode)


class FcnDetector:
    """Finds objects by a classifier that slides over the frame.

    Args:
        network: From `models.fcn.fully_convolutional`; its images are RGB in `[0, 255]`.
        class_names: Names by class index.
        settings: How to run it.
        digests: SHA-256 by file name of the files that define the network.

    Raises:
        ConfigError: A setting is out of range, or names a class that the network does not know.
        ModelError: The number of names is not the number of classes, or the network does not take
            three channels.
        DependencyError: TensorFlow cannot be loaded.
        DeviceError: The requested GPU is not available.
    """

    def __init__(
        self,
        network: "WindowNetwork",
        class_names: Sequence[str],
        *,
        settings: FcnSettings | None = None,
        digests: Mapping[str, str] | None = None,
    ) -> None:
        from tracker.inference.tensorflow import load_tensorflow

        settings = settings or FcnSettings()
        if len(class_names) != network.class_count:
            raise ModelError(
                f"class names: expected {network.class_count} as the network has, got "
                f"{len(class_names)}; is this the names file that belongs to the weights?"
            )
        if network.channels != 3:
            raise ModelError(
                f"window classifier: expected 3 channels, red, green and blue, got "
                f"{network.channels}; train one on colour images"
            )
        self._network = network
        self._class_names = tuple(class_names)
        self._scales = settings.scales
        self._nms = settings.nms
        self._allowed = class_mask(self._class_names, settings.classes)
        self._digests = MappingProxyType(dict(digests or {}))
        self._tf = load_tensorflow()
        self._device = tensorflow_device(Device.parse(settings.device))
        self._function: Any = None

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        names: str | PathLike[str] | None = None,
        settings: FcnSettings | None = None,
    ) -> Self:
        """Returns the detector of a window classifier that plain `model.save()` wrote.

        Args:
            path: The `.keras` file; see `models.fcn.fully_convolutional` for what it has to be.
            names: Class names, one a line; `None` takes COCO's for 80 classes, Pascal VOC's for
                20, and `class_0`, `class_1`, ... otherwise.
            settings: How to run it.

        Raises:
            ConfigError: A setting is out of range, or names an unknown class.
            ModelError: A file is missing or malformed, the model cannot slide, or the names do not
                fit it.
            DependencyError: TensorFlow cannot be loaded.
            DeviceError: The requested GPU is not available.
        """
        settings = settings or FcnSettings()
        known = None if names is None else read_class_names(names)
        digests = {Path(path).name: file_digest(path)}
        from tracker.inference.tensorflow import load_tensorflow

        tf = load_tensorflow()
        # Before Keras, which starts TensorFlow's threads.
        device = tensorflow_device(Device.parse(settings.device), threads=settings.threads)
        from tracker.models.fcn.convert import fully_convolutional
        from tracker.models.fcn.window_file import load_window_classifier

        try:
            with native_output_logged(), tf.device(device):
                network = fully_convolutional(load_window_classifier(path))
        except ModelError as error:
            named = str(path) in str(error)
            raise ModelError(str(error) if named else f"{path}: {error}") from error
        return cls(
            network,
            default_class_names(network.class_count) if known is None else known,
            settings=settings,
            digests=digests,
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        return self._class_names

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 by file name of the files that define the network."""
        return self._digests

    @property
    def confidence(self) -> float:
        """Score above which detections are kept."""
        return self._nms.confidence

    def start(self, info: VideoInfo) -> None:
        """Prepares the network; it takes frames of any size, so once for all sources.

        The first run at a new size plans its memory: it is done here for the source's size.
        """
        if self._function is None:
            self._function = self._compile()
        blank = np.zeros((info.height, info.width, 3), dtype=np.uint8)
        frame = Frame(image=blank, index=0, time_s=0.0, source=info.source)
        self.detect([frame], Stopwatch())

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns the detections of each frame, cut to it; embeddings are `(N, 0)`.

        Args:
            frames: Any number of frames; those of one size are one call of the network a scale.
            stopwatch: Where given, gets the seconds of "preprocess", "infer" and "nms".

        Raises:
            DataError: `start` was not called.
        """
        stopwatch = stopwatch or Stopwatch()
        if self._function is None:
            raise DataError("detector: expected start(info) before detect, got no such call")
        sizes = [(frame.height, frame.width) for frame in frames]
        return detect_by_size(frames, sizes, lambda group, size: self._detect_at(group, stopwatch))

    def _detect_at(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[Detections]:
        """Returns the detections of frames of one size."""
        levels = [self._level(frames, scale, stopwatch) for scale in self._scales]
        with stopwatch.measure("nms"):
            size = (frames[0].width, frames[0].height)
            return [self._detections(found, size) for found in zip(*levels, strict=True)]

    def _compile(self) -> Any:
        """Returns the function of pixels uint8 `(B, h, w, 3)`; one serves all sizes."""
        tf, network = self._tf, self._network.network

        def run(pixels: Any) -> Any:
            outputs = network(tf.cast(pixels, tf.float32), training=False)
            return {name: tf.cast(output, tf.float32) for name, output in outputs.items()}

        spec = tf.TensorSpec((None, None, None, 3), tf.uint8, name="pixels")
        with native_output_logged():
            return tf.function(run, input_signature=[spec])

    def _level(self, frames: Sequence[Frame], scale: float, stopwatch: Stopwatch) -> list[_Found]:
        """Returns whole boxes in pixels of the frame, scores and classes, for each frame."""
        window, stride = self._network.window, self._network.stride
        size = (frames[0].height, frames[0].width)
        geometry = window_geometry(size, scale, window=window, stride=stride)
        with stopwatch.measure("preprocess"):
            batch = np.stack([letterbox(frame.image, geometry) for frame in frames])
        with stopwatch.measure("infer"), self._tf.device(self._device):
            outputs = self._function(self._tf.constant(batch))
            maps = {name: output.numpy() for name, output in outputs.items()}
        found = []
        with stopwatch.measure("nms"):
            for row in range(len(frames)):
                boxes, scores, classes = decode_windows(
                    {name: values[row] for name, values in maps.items()},
                    window=window,
                    stride=stride,
                )
                keep = (scores > self._nms.confidence) & self._allowed[classes] & is_proper(boxes)
                found.append((to_frame(boxes[keep], geometry), scores[keep], classes[keep]))
        return found

    def _detections(self, found: Sequence[_Found], size: tuple[int, int]) -> Detections:
        """Returns what suppression leaves of all scales of a frame of this width and height."""
        boxes, scores, classes = (np.concatenate(parts) for parts in zip(*found, strict=True))
        # Overlaps are those of whole boxes, as the network gives them; the frame cuts them after.
        kept = nms(boxes, scores, classes, settings=self._nms)
        cut = clip(boxes[kept], width=size[0], height=size[1])
        inside = is_proper(cut)
        kept, cut = kept[inside], cut[inside]
        # Rounding may carry a score past 1 by its last bit.
        return Detections.create(cut, np.minimum(scores[kept], 1), classes[kept])


def check_scales(scales: Sequence[float]) -> None:
    """Checks the sizes at which frames are processed.

    Raises:
        ConfigError: There is none, one twice, or one out of (0, 8].
    """
    if not scales or len(set(scales)) != len(scales):
        raise ConfigError(f"scales: expected different numbers, at least one, got {list(scales)}")
    for scale in scales:
        if not (math.isfinite(scale) and 0 < scale <= _MOST_SCALE):
            raise ConfigError(f"scales: expected numbers in (0, {_MOST_SCALE:g}], got {scale}")
