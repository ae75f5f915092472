"""YOLO networks as teachers: darknet's, and detectors of our own."""

from collections.abc import Callable
from fractions import Fraction
from os import PathLike
from pathlib import Path

from tracker.detection.yolo_detector import DetectorSettings, YoloDetector
from tracker.detections import Detections
from tracker.frames import Frame, VideoInfo
from tracker.models.files.detector_file import read_description
from tracker.models.files.read import weights_beside
from tracker.training.labels.teachers import CANDIDATES
from tracker.util.arrays import UInt8Array
from tracker.util.stopwatch import Stopwatch


class DarknetTeacher:
    """A darknet YOLO network, run at one long side.

    Args:
        cfg: darknet cfg file; its weights lie beside it, named alike.
        long_side: Long side of the network's input in pixels; `None` takes its own.
        names: Class names; `None` takes the usual ones for their number.
        threads: CPU threads.

    Raises:
        ModelError: A file is missing or malformed, or the files do not fit each other.
        ConfigError: The network cannot take this long side.
    """

    def __init__(
        self,
        cfg: str | PathLike[str],
        *,
        long_side: int | None = None,
        names: str | PathLike[str] | None = None,
        threads: int = 1,
    ) -> None:
        path, settings = Path(cfg), _settings(long_side, threads)
        weights = weights_beside(path)
        self._network = _AnyShape(
            lambda: YoloDetector.load(path, weights=weights, names=names, settings=settings)
        )
        self.class_names = self._network.class_names
        self.name = path.stem if long_side is None else f"{path.stem}-{long_side}"

    def detect(self, image: UInt8Array) -> Detections:
        """Returns the detections in an image `(H, W, 3)` uint8 RGB, in its pixels."""
        return self._network.detect(image)


class KerasTeacher:
    """A detector that `tracker train detector` wrote, run at one long side.

    Args:
        path: `.keras` file.
        long_side: Long side of the network's input in pixels; `None` takes that of its training.
        threads: CPU threads.

    Raises:
        ModelError: The file is missing, damaged, or no detector of this package.
        ConfigError: The network cannot take this long side.
    """

    def __init__(
        self, path: str | PathLike[str], *, long_side: int | None = None, threads: int = 1
    ) -> None:
        if long_side is None:
            long_side = read_description(path).long_side
        settings = _settings(long_side, threads)
        self._network = _AnyShape(lambda: YoloDetector.load_keras(path, settings=settings))
        self.class_names = self._network.class_names
        self.name = f"{Path(path).stem}-{long_side}"

    def detect(self, image: UInt8Array) -> Detections:
        """Returns the detections in an image `(H, W, 3)` uint8 RGB, in its pixels."""
        return self._network.detect(image)


class _AnyShape:
    """A network for images of all shapes, which share five inputs: each has to be compiled.

    Args:
        load: Gives a detector that was not started.
    """

    # Short side by long side of the inputs; an image takes the first that holds it.
    _SHAPES = (Fraction(3, 5), Fraction(3, 4), Fraction(1))

    def __init__(self, load: Callable[[], YoloDetector]) -> None:
        self._load = load
        self._detectors: dict[tuple[int, int], YoloDetector] = {}
        self.class_names = load().class_names

    def detect(self, image: UInt8Array) -> Detections:
        """Returns the detections in an image `(H, W, 3)` uint8 RGB, in its pixels."""
        height, width = image.shape[:2]
        ratio = Fraction(min(height, width), max(height, width))
        shape = next(shape for shape in self._SHAPES if ratio <= shape)
        size = (shape.denominator * 96, shape.numerator * 96)
        if height > width:
            size = size[::-1]
        if size not in self._detectors:
            detector = self._load()
            detector.start(VideoInfo("teacher", *size, fps=Fraction(1), time_base=Fraction(1)))
            self._detectors[size] = detector
        frame = Frame(image, index=0, time_s=0.0, source="teacher")
        return self._detectors[size].detect([frame], Stopwatch())[0]


def _settings(long_side: int | None, threads: int) -> DetectorSettings:
    return DetectorSettings(
        confidence=CANDIDATES.confidence,
        iou=CANDIDATES.iou,
        max_detections=CANDIDATES.max_detections,
        input_size=long_side,
        threads=threads,
    )
