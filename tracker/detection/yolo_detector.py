"""The YOLO detector: frames in, detections in pixels of the frames out.

Loading reads the files only; `start` prepares the network for the frame size of a source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import BeforeValidator

from tracker.detection.batch_by_size import PreparedSizes
from tracker.detection.class_filter import class_mask
from tracker.detection.default_names import Names, default_class_names, given_class_names
from tracker.detection.detections_from_network import in_frame, letterboxed
from tracker.detection.input_choice import automatic_long_side
from tracker.detection.letterbox import check_long_side, minimal_input_size
from tracker.detection.network_files import network_of_export, network_of_keras
from tracker.detection.nms import NmsMode, NmsSettings
from tracker.detection.runtimes.base import (
    DetectionRuntime,
    RuntimeRequest,
    YoloNetwork,
    check_half,
    choose_runtime,
)
from tracker.detections import Detections
from tracker.errors import ConfigError, ModelError, nearest
from tracker.frames import Frame, VideoInfo
from tracker.inference.devices import Device
from tracker.inference.runtime_kind import RuntimeKind
from tracker.models.files.digest import file_digest
from tracker.registry.builtin import DETECTORS, detector_files
from tracker.util.check_types import check_finite, check_types
from tracker.util.stopwatch import Stopwatch

# "auto" stands for `None` in files and on the command line.
_AUTO_SIZE = BeforeValidator(lambda value: None if value == "auto" else value)


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """How a detector is run.

    Attributes:
        confidence: Detections are kept if their score is greater than this, in `[0, 1]`; `None`
            takes the network's own: what its file says, else 0.25.
        iou: A detection is suppressed if it overlaps a better one by more than this, in `[0, 1]`.
        max_detections: At most this many a frame, the best ones.
        input_size: Long side of the network's input in pixels, a multiple of its stride; `None`
            (`auto` in files and on the command line) takes the network's own, and for built-in
            networks the one that `input_choice` gives for the frame size.
        classes: Names of the classes to keep; `None` keeps all.
        nms_mode: Which detections can suppress each other.
        runtime: What runs the network.
        device: `auto`, `cpu`, `gpu` or `gpu:N`.
        threads: CPU threads; `None` = one for each core that this process may use.
        cache_dir: Folder of exported networks; `None` takes the platform's.
        half: Whether the network computes in 16 bits: float16 with runtime XLA, which GPUs do
            faster; bfloat16 with runtime OpenVINO, which CPUs with AMX do faster.
    """

    confidence: float | None = None
    iou: float = 0.45
    max_detections: int = 300
    input_size: Annotated[int | None, _AUTO_SIZE] = None
    classes: tuple[str, ...] | None = None
    nms_mode: NmsMode = NmsMode.PER_CLASS
    runtime: RuntimeKind = RuntimeKind.AUTO
    device: str = "auto"
    threads: int | None = None
    cache_dir: Path | None = None
    half: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        check_finite(self)

    def nms(self, confidence: float) -> NmsSettings:
        """Returns what suppression keeps.

        Args:
            confidence: The network's own.
        """
        chosen = confidence if self.confidence is None else self.confidence
        return NmsSettings(chosen, self.iou, self.max_detections, self.nms_mode)

    def refuse_half(self, what: str) -> None:
        """Checks that 16 bits are not asked of what is run as it is.

        Args:
            what: The network or detector, for the message.

        Raises:
            ConfigError: It is.
        """
        if self.half:
            raise ConfigError(
                f"detector.network.half: {what} has no 16-bit form here; expected a detector of "
                "this package or a darknet .cfg on a GPU, or runtime openvino; leave half out"
            )


class YoloDetector:
    """Finds objects with a YOLO network.

    Args:
        network: The network.
        class_names: Names by class index.
        settings: How to run it.
        digests: SHA-256 by file name of the files that define the network.

    Raises:
        ConfigError: A setting is out of range, or names a class that the network does not know.
        ModelError: The number of names is not the number of classes.
    """

    def __init__(
        self,
        network: YoloNetwork,
        class_names: Sequence[str],
        *,
        settings: DetectorSettings,
        digests: Mapping[str, str],
    ) -> None:
        if len(class_names) != network.class_count:
            raise ModelError(
                f"class names: expected {network.class_count} as the network has, got "
                f"{len(class_names)}; is this the names file that belongs to the weights?"
            )
        self._network = network
        self._class_names = tuple(class_names)
        self._settings = settings
        self._digests = MappingProxyType(dict(digests))
        self._nms = settings.nms(network.confidence)
        self._device = Device.parse(settings.device)
        self._allowed = class_mask(self._class_names, settings.classes)
        chosen = settings.input_size
        check_long_side(network.long_side if chosen is None else chosen, stride=network.stride)
        self._runtimes = PreparedSizes[DetectionRuntime]()

    @classmethod
    def load(
        cls,
        cfg: str | PathLike[str],
        *,
        weights: str | PathLike[str],
        names: Names | None = None,
        settings: DetectorSettings | None = None,
    ) -> Self:
        """Returns the detector of a darknet cfg file and its weights.

        Args:
            cfg: darknet cfg file.
            weights: darknet weights file.
            names: File of class names, one a line, or the names; `None` takes COCO's for 80
                classes, Pascal VOC's for 20, and `class_0`, `class_1`, ... otherwise.
            settings: How to run it.

        Raises:
            ConfigError: A setting is out of range, or names an unknown class.
            ModelError: A file is missing or malformed, or the files do not fit each other.
        """
        from tracker.models.darknet.cfg import network_settings, read_darknet_cfg

        parsed = read_darknet_cfg(cfg)
        known = network_settings(parsed)
        cfg_digest, weights_digest = file_digest(cfg), file_digest(weights)

        def build(input_size: tuple[int, int]) -> Any:
            from tracker.models.darknet.load import load_darknet

            return load_darknet(cfg, weights, input_size=input_size).model

        network = YoloNetwork(
            heads=parsed.heads,
            class_count=known.class_count,
            stride=known.stride,
            long_side=max(known.height, known.width),
            digest=f"{cfg_digest}:{weights_digest}",
            build=build,
        )
        return cls(
            network,
            default_class_names(known.class_count) if names is None else given_class_names(names),
            settings=settings or DetectorSettings(),
            digests={Path(cfg).name: cfg_digest, Path(weights).name: weights_digest},
        )

    @classmethod
    def load_keras(
        cls, path: str | PathLike[str], *, settings: DetectorSettings | None = None
    ) -> Self:
        """Returns the detector of a `.keras` file that `tracker train detector` wrote.

        Args:
            path: The file; it knows its class names and its input size.
            settings: How to run it.

        Raises:
            ConfigError: A setting is out of range, or names an unknown class.
            ModelError: The file is missing, damaged, or no detector of this package.
        """
        network, class_names = network_of_keras(path)
        return cls(
            network,
            class_names,
            settings=settings or DetectorSettings(),
            digests={Path(path).name: network.digest},
        )

    @classmethod
    def load_exported(
        cls,
        path: str | PathLike[str],
        *,
        keras: str | PathLike[str] | None = None,
        settings: DetectorSettings | None = None,
    ) -> Self:
        """Returns the detector of a `.tflite` file that `tracker export` wrote.

        Args:
            path: The file; it knows its class names and its input size.
            keras: The `.keras` file that it was made of, which a GPU needs.
            settings: How to run it.

        Raises:
            ConfigError: A setting is out of range, or names an unknown class.
            ModelError: The file is missing, cut short, or no export of this package.
        """
        network, class_names = network_of_export(path, keras)
        return cls(
            network,
            class_names,
            settings=settings or DetectorSettings(),
            digests={Path(path).name: network.digest},
        )

    @classmethod
    def load_builtin(cls, name: str = "small", *, settings: DetectorSettings | None = None) -> Self:
        """Returns a detector of this package.

        Args:
            name: One of `builtin.DETECTORS`.
            settings: How to run it.

        Raises:
            ConfigError: There is no detector of this name, a setting is out of range, or names an
                unknown class.
        """
        if name not in DETECTORS:
            raise ConfigError(
                f"detector: expected one of {', '.join(DETECTORS)}, got {name!r}"
                f"{nearest(name, DETECTORS)}"
            )
        files = detector_files(name)
        network, class_names = network_of_export(files.exported, files.keras)
        return cls(
            replace(network, long_side_for=automatic_long_side),
            class_names,
            settings=settings or DetectorSettings(),
            digests={files.exported.name: network.digest},
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
    def input_size(self) -> tuple[int, int]:
        """Height and width in pixels of the network's input since the last `start`, or zeros."""
        return self._runtimes.last

    @property
    def long_side(self) -> int | None:
        """Long side in pixels of the network's input; `None` where the frame size decides it."""
        network, chosen = self._network, self._settings.input_size
        if chosen is not None:
            return chosen
        return network.long_side if network.long_side_for is None else None

    @property
    def confidence(self) -> float:
        """Score above which detections are kept."""
        return self._nms.confidence

    def start(self, info: VideoInfo) -> None:
        """Prepares the network for the frame size of a source; once for each input size.

        Earlier sources stay prepared, so `detect` may be given frames of several.

        Raises:
            ModelError: The weights do not fit the cfg, or cannot be exported.
            DeviceError: The requested device is not available.
            DependencyError: A library that the runtime needs cannot be loaded.
        """
        self._runtimes.start(self._size_for((info.height, info.width)), self._make_runtime)

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns the detections of each frame, cut to it; embeddings are `(N, 0)`.

        A frame of a size that no source announced is fitted into the input that was prepared last.

        Args:
            frames: Any number of frames; those of one input size are one call of the network where
                the runtime can.
            stopwatch: Where given, gets the seconds of "preprocess", "infer" and, with LiteRT,
                "nms".

        Raises:
            DataError: `start` was not called.
        """
        stopwatch = stopwatch or Stopwatch()
        return self._runtimes.detect(
            frames, self._size_for, lambda group, size: self._detect_at(size, group, stopwatch)
        )

    def _size_for(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        network, long_side = self._network, self._settings.input_size
        if long_side is None:
            choose = network.long_side_for
            long_side = network.long_side if choose is None else choose(frame_size)
        return minimal_input_size(
            frame_size, long_side, stride=network.stride, stretch=network.stretch
        )

    def _detect_at(
        self, size: tuple[int, int], frames: Sequence[Frame], stopwatch: Stopwatch
    ) -> list[Detections]:
        with stopwatch.measure("preprocess"):
            batch, geometries = letterboxed(frames, size, stretch=self._network.stretch)
        found = self._runtimes.of(size).run(batch, stopwatch)
        return [in_frame(*pair) for pair in zip(found, geometries, strict=True)]

    def _make_runtime(self, input_size: tuple[int, int]) -> DetectionRuntime:
        settings = self._settings
        request = RuntimeRequest(
            network=self._network,
            input_size=input_size,
            nms=self._nms,
            allowed=self._allowed,
            threads=settings.threads,
            half=settings.half,
        )
        kind = choose_runtime(settings.runtime, self._device)
        if settings.half:
            check_half(kind)
        if kind is RuntimeKind.LITERT:
            from tracker.detection.runtimes.litert import LiteRtRuntime

            return LiteRtRuntime(request, cache_dir=settings.cache_dir)
        if kind is RuntimeKind.OPENVINO:
            from tracker.detection.runtimes.openvino import OpenVinoRuntime

            return OpenVinoRuntime(request, cache_dir=settings.cache_dir)
        from tracker.detection.runtimes.keras_xla import KerasXlaRuntime

        return KerasXlaRuntime(request, device=self._device)
