"""Frames of several sizes: groups, order, and what stays prepared."""

from collections.abc import Sequence

import numpy as np
import pytest

from tracker.detection.batch_by_size import MOST_SIZES, PreparedSizes, detect_by_size
from tracker.detections import Detections
from tracker.errors import DataError
from tracker.frames import Frame


def frame(index: int) -> Frame:
    return Frame(np.zeros((4, 4, 3), np.uint8), index, 0.0, "made")


def numbered(index: int) -> Detections:
    """A detection whose box tells the frame's number."""
    return Detections.create([[0, 0, index + 1, 1]], [0.5])


def test_no_frames() -> None:
    def detect(group: Sequence[Frame], size: str) -> list[Detections]:
        raise AssertionError("nothing to detect")

    assert detect_by_size([], [], detect) == []


def test_frames_of_one_size_go_together_and_come_back_in_order() -> None:
    calls: list[tuple[str, list[int]]] = []

    def detect(group: Sequence[Frame], size: str) -> list[Detections]:
        calls.append((size, [one.index for one in group]))
        return [numbered(one.index) for one in group]

    found = detect_by_size([frame(n) for n in range(5)], ["a", "b", "a", "c", "b"], detect)
    assert calls == [("a", [0, 2]), ("b", [1, 4]), ("c", [3])]
    assert [int(one.boxes[0, 2]) - 1 for one in found] == list(range(5))


def test_too_few_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        detect_by_size([frame(0), frame(1)], ["a", "a"], lambda group, size: [numbered(0)])


def test_nothing_is_prepared_before_the_start() -> None:
    assert PreparedSizes[int]().last == (0, 0)


def test_nothing_is_detected_before_the_start() -> None:
    with pytest.raises(DataError, match=r"expected start\(info\) before detect"):
        PreparedSizes[int]().detect([frame(0)], lambda size: size, lambda group, size: [])


def test_a_frame_of_a_size_that_is_not_prepared_gets_the_last_one() -> None:
    calls: list[tuple[int, int]] = []

    def detect(group: Sequence[Frame], size: tuple[int, int]) -> list[Detections]:
        calls.append(size)
        return [numbered(one.index) for one in group]

    sizes = PreparedSizes[int]()
    sizes.start((8, 8), lambda size: 0)
    sizes.start((4, 4), lambda size: 0)
    wanted = iter([(8, 8), (16, 16)])
    sizes.detect([frame(0), frame(1)], lambda size: next(wanted), detect)
    assert calls == [(8, 8), (4, 4)]


def test_each_size_is_prepared_once() -> None:
    sizes, made = PreparedSizes[int](), []

    def prepare(size: tuple[int, int]) -> int:
        made.append(size)
        return size[0]

    for size in ((32, 64), (64, 64), (32, 64)):
        sizes.start(size, prepare)
        assert sizes.last == size
    assert made == [(32, 64), (64, 64)]
    assert sizes.of((64, 64)) == 64
    assert sizes.nearest((64, 64)) == (64, 64)
    assert sizes.nearest((96, 64)) == (32, 64)  # never started: the last one


def test_what_was_started_longest_ago_makes_room() -> None:
    sizes, made = PreparedSizes[None](), []
    for side in range(1, MOST_SIZES + 1):
        sizes.start((side, 1), made.append)
    sizes.start((1, 1), made.append)  # again: now the second is the oldest
    sizes.start((99, 1), made.append)
    assert sizes.nearest((1, 1)) == (1, 1)
    assert sizes.nearest((2, 1)) == (99, 1)
    assert len(made) == MOST_SIZES + 1


def test_a_size_that_fails_is_not_prepared() -> None:
    sizes = PreparedSizes[None]()

    def fail(size: tuple[int, int]) -> None:
        raise RuntimeError("no")

    for _ in range(2):  # The second time it is tried again.
        with pytest.raises(RuntimeError):
            sizes.start((32, 32), fail)
        assert sizes.last == (0, 0)
