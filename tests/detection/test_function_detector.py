"""Detectors that users write: functions and small objects, and each wrong answer of theirs."""

import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tracker.detection.class_filter import FilteredDetector
from tracker.detection.function_detector import (
    FunctionDetector,
    ObjectDetector,
    as_detector,
)
from tracker.detections import Detections
from tracker.errors import ConfigError, DataError
from tracker.frames import Frame, VideoInfo
from tracker.util.callable_name import callable_name
from tracker.util.stopwatch import Stopwatch

INFO = VideoInfo("made", 16, 12, fps=Fraction(25), time_base=Fraction(1, 25))
BOXES = [[1.0, 2.0, 5.0, 9.0], [0.0, 0.0, 4.0, 4.0]]


def frames(count: int = 1) -> list[Frame]:
    return [
        Frame(np.full((12, 16, 3), index, np.uint8), index, index / 25, "made")
        for index in range(count)
    ]


def find_two(image: np.ndarray) -> tuple[list[list[float]], list[float], list[int]]:
    return BOXES, [0.25, 0.75], [0, 1]


class OneMethod:
    """Has what a detector needs, and nothing else."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [Detections.create(BOXES[:1], [0.5]) for _ in frames]


class Complete(OneMethod):
    """Names its classes at the start of a source, and counts its own time."""

    def __init__(self) -> None:
        self.class_names: tuple[str, ...] = ("none yet",)
        self.digests = {"weights.bin": "0" * 64}

    def start(self, info: VideoInfo) -> None:
        self.class_names = (info.source, "other")

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        (stopwatch or Stopwatch()).add("nms", 2.0)
        return super().detect(frames)


class Returns:
    """Returns the same, whatever the frames are."""

    def __init__(self, answer: Any) -> None:
        self.detect = lambda frames: answer


def test_a_function_that_finds_nothing() -> None:
    detector = FunctionDetector(lambda image: ([], [], []))
    assert len(detector.detect(frames())[0]) == 0
    assert detector.detect([]) == []


def test_what_a_function_returns_is_sorted_by_score() -> None:
    found = FunctionDetector(find_two, ["cat", "dog"]).detect(frames(2))
    assert len(found) == 2
    assert found[1].boxes.tolist() == [BOXES[1], BOXES[0]]
    assert found[1].scores.tolist() == [0.75, 0.25]
    assert found[1].classes.tolist() == [1, 0]


def test_a_function_gets_the_image_of_each_frame() -> None:
    levels: list[int] = []

    def look(image: np.ndarray) -> Detections:
        levels.append(int(image[0, 0, 0]))
        return Detections.create(BOXES[:1], [0.5])

    stopwatch = Stopwatch()
    found = FunctionDetector(look).detect(frames(3), stopwatch)
    assert levels == [0, 1, 2]
    assert [len(each) for each in found] == [1, 1, 1]
    assert list(stopwatch.seconds) == ["infer"]


def test_arrays_of_any_number_type_will_do() -> None:
    def look(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.array(BOXES, np.float64), np.array([0.5, 0.25]), np.array([1, 0], np.uint8)

    found = FunctionDetector(look, ["cat", "dog"]).detect(frames())[0]
    assert found.classes.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "expected Detections or a tuple .boxes, scores, classes., got None"),
        ([BOXES, [0.5, 0.5], [0, 0]], "expected Detections or a tuple .*, got a list of 3"),
        ((BOXES, [0.5, 0.5]), "got a tuple of 2"),
        (np.zeros((2, 6)), r"got a ndarray of shape \(2, 6\)"),
        ((BOXES, [0.5], [0, 0]), "scores.*expected"),
        ((BOXES, [0.5, 50.0], [0, 0]), r"scores: expected \[0, 1\], got 50.0 in row 1"),
        (
            (np.ones((4, 2)), [0.5, 0.5], [0, 0]),
            r"boxes: expected shape \(N, 4\) .*, got \(4, 2\)",
        ),
        (([[5, 5, 1, 1]], [0.5], [0]), "expected finite xyxy boxes"),
        ((BOXES, [0.5, 0.5], [0, 0.5]), "classes: expected integers, got float64"),
        ((BOXES, [0.5, 0.5], [0, np.nan]), "classes: expected integers"),
        ((BOXES, [0.5, 0.5], ["cat", "dog"]), "find_things: "),
        (([[1, 2, 3, 4], [1, 2]], [0.5, 0.5], [0, 0]), "find_things: "),
        ((BOXES, [0.5, 0.5], [0, 7]), "class 7 has no name among the 2 class names"),
        ((BOXES, [0.5, 0.5], [-1, 1]), "classes: expected class ids of 0 to 65535, got -1"),
        (Detections.create(BOXES, [0.5, 0.5], [0, 2]), "class 2 has no name"),
    ],
)
def test_a_wrong_answer_names_the_function_in_one_line(answer: Any, message: str) -> None:
    def find_things(image: np.ndarray) -> Any:
        return answer

    detector = FunctionDetector(find_things, ["cat", "dog"])
    with pytest.raises(DataError, match=message) as caught:
        detector.detect(frames())
    assert str(caught.value).startswith("detector function find_things: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names", ["cat", [], [""], [3]])
def test_class_names_are_a_list_of_text(names: Any) -> None:
    with pytest.raises(ConfigError, match="function find_two: expected class names"):
        FunctionDetector(find_two, names)


def test_an_object_needs_one_method() -> None:
    stopwatch = Stopwatch()
    detector = as_detector(OneMethod())
    detector.start(INFO)
    assert detector.class_names == ("object",)
    assert detector.digests == {}
    assert detector.detect(frames(2), stopwatch)[1].boxes.tolist() == BOXES[:1]
    assert list(stopwatch.seconds) == ["infer"]
    assert as_detector(OneMethod(), ["person"]).class_names == ("person",)


def test_a_complete_detector_is_used_as_it_is() -> None:
    detector = Complete()
    assert as_detector(detector) is detector
    with pytest.raises(ConfigError, match="object Complete names its classes itself"):
        as_detector(detector, ["person"])


def test_what_an_object_tells_of_itself_is_used() -> None:
    stopwatch = Stopwatch()
    detector = ObjectDetector(Complete())
    detector.start(INFO)
    assert detector.class_names == ("made", "other")
    assert detector.digests == {"weights.bin": "0" * 64}
    detector.detect(frames(), stopwatch)
    assert stopwatch.seconds == {"nms": 2.0}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "expected a list with the detections of 2 frames, got None"),
        ([Detections.empty()], "the detections of 2 frames, got a list of 1"),
        (Detections.empty(), "the detections of 2 frames, got a Detections"),
        ([None, None], "expected Detections or a tuple"),
    ],
)
def test_a_wrong_answer_names_the_class(answer: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"detector object Returns: .*{message}"):
        as_detector(Returns(answer)).detect(frames(2), Stopwatch())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("small", "got 'small'; name models in tracker.track"),
        (7, "expected a function of an image, or an object with detect.frames., got 7"),
        (OneMethod, r"got the class OneMethod; make one with OneMethod\(...\)"),
    ],
)
def test_what_is_no_detector(wrong: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        as_detector(wrong)


class Called:
    def __call__(self, image: np.ndarray) -> Detections:
        return Detections.create(BOXES[:1], [0.5])


def test_names_of_functions_and_objects() -> None:
    assert callable_name(find_two) == "function find_two"
    assert callable_name(functools.partial(find_two)) == "function find_two"
    assert callable_name(OneMethod().detect) == "function detect"
    assert callable_name(Called()) == "object Called"
    assert len(as_detector(Called()).detect(frames(), Stopwatch())[0]) == 1


def test_some_classes_of_a_detector_are_kept() -> None:
    kept = FilteredDetector(FunctionDetector(find_two, ["cat", "dog"]), ["dog"])
    kept.start(INFO)
    assert kept.class_names == ("cat", "dog")
    assert kept.digests == {}
    found = kept.detect(frames())[0]
    assert found.classes.tolist() == [1]
    assert found.boxes.tolist() == [BOXES[1]]
    with pytest.raises(ConfigError, match="does not know 'dgo'; did you mean 'dog'"):
        FilteredDetector(FunctionDetector(find_two, ["cat", "dog"]), ["dgo"])
