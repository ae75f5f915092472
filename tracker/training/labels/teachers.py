"""Teachers: detectors that label images which have no labels."""

import bisect
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Protocol

import numpy as np

from tracker.detection.input_choice import FRAME_SIDES
from tracker.detection.model_detector import ModelDetector
from tracker.detection.nms import NmsSettings, nms
from tracker.detection.sliced import SlicedDetector, innermost
from tracker.detection.yolo_detector import YoloDetector
from tracker.detections import Detections, TimedDetector
from tracker.errors import ConfigError, nearest
from tracker.frames import Frame, VideoInfo
from tracker.util.arrays import UInt8Array
from tracker.util.stopwatch import Stopwatch

CANDIDATES = NmsSettings(confidence=0.05, iou=0.5, max_detections=100)
"""What a teacher hands on: weak candidates too, because agreement among teachers lifts them."""

# Short side by long side of the images that a network for any size is prepared for, and their long
# sides in pixels: one below, between and above the two at which built-in detectors change theirs.
_SHAPES = (Fraction(3, 5), Fraction(3, 4), Fraction(1))
_LONG_SIDES = (640, 1280, 1920)


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


class DetectorTeacher:
    """Any detector as a teacher, for images of all sizes.

    A network for any size is prepared for few shapes of images, each of which an image takes that
    fits into it: preparing one may take seconds.

    Args:
        load: Returns the detector; called once for each shape.
        name: The teacher's name.
        classes: Names of the classes that it labels; `None` for all that it has.
        candidates: What it hands on. Networks that suppress themselves, such as DEIMv2, leave
            duplicates of low score, which would lower the mean score of a cluster.

    Raises:
        ConfigError: The detector lacks a class.
    """

    def __init__(
        self,
        load: Callable[[], TimedDetector],
        name: str,
        *,
        classes: Sequence[str] | None = None,
        candidates: NmsSettings = CANDIDATES,
    ) -> None:
        self.name, self._candidates = name, candidates
        self._load = load
        first = load()
        self._unused: TimedDetector | None = first
        self._is_single = not _has_shapes(first)
        self._is_sized = input_side(first) is not None
        self._detectors: dict[tuple[int, int], TimedDetector] = {}
        known = first.class_names
        self.class_names = known if classes is None else tuple(classes)
        for wanted in self.class_names:
            if wanted not in known:
                raise ConfigError(f"classes: it has no {wanted!r}{nearest(wanted, known)}")
        numbers = [self.class_names.index(n) if n in self.class_names else -1 for n in known]
        self._numbers = np.array(numbers, np.int32)

    def detect(self, image: UInt8Array) -> Detections:
        """Returns the detections in an image `(H, W, 3)` uint8 RGB, in its pixels."""
        height, width = image.shape[:2]
        shape = (0, 0) if self._is_single else _shape_for((height, width), sized=self._is_sized)
        detector = self._detector_for(shape)
        if not self._is_single and not isinstance(detector, SlicedDetector):
            height, width = shape
        info = VideoInfo("teacher", width, height, fps=Fraction(1), time_base=Fraction(1))
        detector.start(info)
        frame = Frame(image, index=0, time_s=0.0, source="teacher")
        (found,) = detector.detect([frame], Stopwatch())
        classes = self._numbers[found.classes]
        wanted = classes >= 0
        found = Detections.create(found.boxes[wanted], found.scores[wanted], classes[wanted])
        return found.select(
            nms(found.boxes, found.scores, found.classes, settings=self._candidates)
        )

    def _detector_for(self, shape: tuple[int, int]) -> TimedDetector:
        if shape not in self._detectors:
            self._detectors[shape] = self._unused or self._load()
            self._unused = None
        return self._detectors[shape]


class MirroredTeacher:
    """A teacher that is given each image mirrored, left for right.

    Args:
        teacher: The teacher of unmirrored images.
        name: Its name; `None` takes that of the teacher and `-flip`.
    """

    def __init__(self, teacher: Teacher, name: str | None = None) -> None:
        self._teacher = teacher
        self.name = f"{teacher.name}-flip" if name is None else name
        self.class_names = teacher.class_names

    def detect(self, image: UInt8Array) -> Detections:
        """Returns the detections in an image `(H, W, 3)` uint8 RGB, in its pixels."""
        found = self._teacher.detect(np.ascontiguousarray(image[:, ::-1]))
        boxes = found.boxes.copy()
        boxes[:, [0, 2]] = image.shape[1] - found.boxes[:, [2, 0]]
        return Detections.create(boxes, found.scores, found.classes)


def input_side(detector: TimedDetector) -> int | None:
    """Returns the long side in pixels of a detector's input; `None` where images decide it."""
    inner = innermost(detector)
    if isinstance(inner, YoloDetector):
        return inner.long_side
    if not isinstance(inner, ModelDetector):
        return None
    wanted = inner.image_input
    size = wanted.size or wanted.native_size
    return wanted.long_side if size is None else max(size)


def takes_any_size(detector: TimedDetector) -> bool:
    """Returns whether a detector's network can be run at sizes other than its own."""
    inner = innermost(detector)
    if isinstance(inner, ModelDetector):
        return inner.image_input.size is None
    return isinstance(inner, YoloDetector)


def _has_shapes(detector: TimedDetector) -> bool:
    """Returns whether the shape of an image decides the shape of the network's input."""
    inner = innermost(detector)
    if isinstance(inner, ModelDetector):
        return (inner.image_input.size or inner.image_input.native_size) is None
    return isinstance(inner, YoloDetector)


def _shape_for(size: tuple[int, int], *, sized: bool) -> tuple[int, int]:
    """Returns height and width of the first of the prepared shapes that holds an image's.

    Args:
        size: Height and width of the image in pixels.
        sized: Whether the long side of the network's input is known; otherwise it depends on the
            image's.
    """
    short, long = sorted(size)
    shape = next(shape for shape in _SHAPES if Fraction(short, long) <= shape)
    side = _LONG_SIDES[0 if sized else bisect.bisect_left(FRAME_SIDES, long)]
    prepared = (int(side * shape), side)
    return prepared if size[0] <= size[1] else prepared[::-1]
