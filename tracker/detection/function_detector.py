"""Detectors that users write, made into what the pipelines run.

Input: a function of an image, or an object with `detect(frames)`. Output: a `TimedDetector`. An
answer of the wrong form is one clear line that names the function or the class.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tracker.detections import (
    AnyDetector,
    DetectFunction,
    Detections,
    Detector,
    TimedDetector,
    digests_of,
)
from tracker.errors import ConfigError, DataError
from tracker.frames import Frame, VideoInfo
from tracker.util.callable_name import callable_name
from tracker.util.stopwatch import Stopwatch

DEFAULT_CLASS_NAMES = ("object",)
"""Class names of a detector that names none: all that it finds is of one class."""

_ANSWERS = "Detections or a tuple (boxes, scores, classes)"


class FunctionDetector:
    """A detector made of a function that finds the objects in one image.

    Args:
        function: Takes the RGB image `(H, W, 3)` uint8, which is read-only, and returns
            `Detections`, or boxes `(N, 4)` xyxy in pixels, scores `(N,)` in `[0, 1]` and classes
            `(N,)`.
        class_names: Names of the classes, by class index.

    Raises:
        ConfigError: It is no function, or a class has no name.

    Example:
        >>> import numpy as np
        >>> detector = FunctionDetector(lambda image: ([[0, 0, 8, 8]], [0.9], [1]), ["dog", "cat"])
        >>> frame = Frame(np.zeros((24, 32, 3), np.uint8), 0, 0.0, "example")
        >>> detector.detect([frame])[0].classes.tolist()
        [1]
    """

    def __init__(
        self, function: DetectFunction, class_names: Sequence[str] = DEFAULT_CLASS_NAMES
    ) -> None:
        if not callable(function):
            raise ConfigError(f"detector: expected a function, got {_described(function)}")
        self._function = function
        self._name = f"detector {callable_name(function)}"
        self._class_names = _checked_names(class_names, self._name)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        return self._class_names

    @property
    def digests(self) -> Mapping[str, str]:
        """No model file that is known, no digests."""
        return {}

    def start(self, info: VideoInfo) -> None:
        """Does nothing: a function is ready."""

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns the detections of each frame; the time of the function counts as "infer".

        Raises:
            DataError: The function returned anything else, or a class without a name.
        """
        stopwatch = stopwatch or Stopwatch()
        with stopwatch.measure("infer"):
            answers = [self._function(frame.image) for frame in frames]
        return [checked_answer(answer, self._name, self._class_names) for answer in answers]


class ObjectDetector:
    """A detector made of an object of which only `detect` is required.

    Args:
        detector: Has `detect(frames)`, or `detect(frames, stopwatch)`; and may have `class_names`,
            `digests` and `start`.
        class_names: Names of the classes; `None` for those of the detector.
    """

    def __init__(
        self, detector: Detector | TimedDetector, class_names: Sequence[str] | None = None
    ) -> None:
        self._detector = detector
        self._name = f"detector {callable_name(detector)}"
        self._takes_stopwatch = _takes_stopwatch(detector.detect)
        self._given = None if class_names is None else _checked_names(class_names, self._name)
        self._class_names = self.class_names

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        if self._given is not None:
            return self._given
        if isinstance(self._detector, _NamesClasses):
            return _checked_names(self._detector.class_names, self._name)
        return DEFAULT_CLASS_NAMES

    @property
    def digests(self) -> Mapping[str, str]:
        """Those of the object."""
        return digests_of(self._detector)

    def start(self, info: VideoInfo) -> None:
        """Prepares the object for a source, if it has a method `start`."""
        if isinstance(self._detector, _Starts):
            self._detector.start(info)
        self._class_names = self.class_names

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns the detections of each frame.

        Raises:
            DataError: The object returned anything else, for another number of frames, or a class
                without a name.
        """
        stopwatch = stopwatch or Stopwatch()
        detect: Callable[..., Any] = self._detector.detect
        if self._takes_stopwatch:
            answers = detect(frames, stopwatch)
        else:
            with stopwatch.measure("infer"):
                answers = detect(frames)
        if not isinstance(answers, list | tuple) or len(answers) != len(frames):
            raise DataError(
                f"{self._name}: expected a list with the detections of {len(frames)} frames, got "
                f"{_described(answers)}"
            )
        return [checked_answer(answer, self._name, self._class_names) for answer in answers]


def as_detector(detector: AnyDetector, class_names: Sequence[str] | None = None) -> TimedDetector:
    """Returns what a pipeline runs for anything that is a detector.

    One that has all of `TimedDetector` is returned as it is.

    Args:
        detector: A function of an image, or an object with `detect`.
        class_names: Names of its classes; `None` where it names them itself.

    Raises:
        ConfigError: It is neither, or names are given to a detector that has its own.
    """
    if isinstance(detector, type):
        raise ConfigError(
            f"detector: expected a detector, got the class {detector.__name__}; make one with "
            f"{detector.__name__}(...)"
        )
    if isinstance(detector, _Detects):
        if isinstance(detector, TimedDetector) and _takes_stopwatch(detector.detect):
            if class_names is not None:
                raise ConfigError(
                    f"names: detector {callable_name(detector)} names its classes itself; leave "
                    "them out"
                )
            return detector
        return ObjectDetector(detector, class_names)
    if callable(detector):
        return FunctionDetector(
            detector, DEFAULT_CLASS_NAMES if class_names is None else class_names
        )
    hint = '; name models in tracker.track(detector="...")' if isinstance(detector, str) else ""
    raise ConfigError(
        "detector: expected a function of an image, or an object with detect(frames), got "
        f"{_described(detector)}{hint}"
    )


def checked_answer(answer: object, name: str, class_names: Sequence[str]) -> Detections:
    """Returns what a user's detector found in one frame.

    Args:
        answer: What it returned.
        name: What messages call it.
        class_names: Names of the classes.

    Raises:
        DataError: The answer is of another form, or has a class without a name.
    """
    found = answer if isinstance(answer, Detections) else _from_tuple(answer, name)
    if len(found) and found.classes.max() >= len(class_names):
        raise DataError(
            f"{name}: class {found.classes.max()} has no name among the {len(class_names)} class "
            "names; "
            "name them with FunctionDetector(function, class_names) or tracker.track(names=...)"
        )
    return found


def _from_tuple(answer: object, name: str) -> Detections:
    if not isinstance(answer, tuple) or len(answer) != 3:
        raise DataError(f"{name}: expected {_ANSWERS}, got {_described(answer)}")
    try:
        return Detections.create(*answer)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


def _described(value: object) -> str:
    if value is None:
        return "None"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str | int | float):
        return repr(value)[:60]
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__}" + ("" if shape is None else f" of shape {tuple(shape)}")


def _checked_names(names: Sequence[str], what: str) -> tuple[str, ...]:
    named = () if isinstance(names, str) else tuple(names)
    if not named or not all(isinstance(name, str) and name for name in named):
        raise ConfigError(f"{what}: expected class names as a list of text, got {names!r}")
    return named


def _takes_stopwatch(detect: Callable[..., Any]) -> bool:
    """Returns whether a method takes the stopwatch besides the frames."""
    try:
        parameters = list(inspect.signature(detect).parameters.values())
    except (TypeError, ValueError):  # Compiled code may not tell.
        return False
    if any(parameter.name == "stopwatch" for parameter in parameters):
        return True
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in parameters if p.kind in positional and p.default is p.empty]
    return len(required) > 1


@runtime_checkable
class _Detects(Protocol):
    def detect(self, frames: Sequence[Frame]) -> Sequence[Detections]: ...


@runtime_checkable
class _NamesClasses(Protocol):
    @property
    def class_names(self) -> tuple[str, ...]: ...


@runtime_checkable
class _Starts(Protocol):
    def start(self, info: VideoInfo) -> None: ...
