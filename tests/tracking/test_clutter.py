"""How common weak detections of nothing are: against the definition, worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.detections import Detections
from tracker.tracking.clutter import Clutter
from tracker.tracking.deepsort import DeepSort
from tracker.tracking.settings import DeepSortSettings


def test_nothing_is_known_at_first() -> None:
    # 30 frames with one weak detection each, and a new object in every tenth.
    assert Clutter().cost == pytest.approx(math.log(10))


def test_one_frame() -> None:
    clutter = Clutter()
    clutter.learn(6, 2)
    assert clutter.cost == pytest.approx(math.log((30 * 0.999 + 6) / (3 * 0.999 + 2)))


def test_much_clutter_costs_more_and_none_nothing() -> None:
    noisy, clean = Clutter(), Clutter()
    for _ in range(3000):
        noisy.learn(20, 0)
        clean.learn(0, 1)
    assert noisy.cost == 4.0
    assert clean.cost == 0.0


def test_what_has_ended_is_forgotten() -> None:
    clutter = Clutter()
    for _ in range(1000):
        clutter.learn(20, 1)
    for _ in range(9000):
        clutter.learn(1, 1)
    assert clutter.cost == pytest.approx(0.0, abs=1e-2)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), max_size=50))
def test_it_stays_within_its_bounds(frames: list[tuple[int, int]]) -> None:
    clutter = Clutter()
    for weak, new in frames:
        clutter.learn(weak, new)
        assert 0 <= clutter.cost <= 4


def test_a_million_frames_without_detections_are_no_logarithm_of_zero() -> None:
    clutter = Clutter()
    for _ in range(300_000):
        clutter.learn(0, 0)
    assert clutter.cost == 0.0


def found(*boxes: tuple[float, float, float], score: float) -> Detections:
    """Boxes of 20x60 pixels by their left and top edge, and by how much their score is less."""
    corners = np.array([[x, y, x + 20, y + 60] for x, y, _ in boxes], np.float32).reshape(-1, 4)
    scores = np.array([score - less for *_, less in boxes], np.float32)
    return Detections.create(corners, scores, np.zeros(len(boxes), np.int32))


@pytest.mark.parametrize(("clutter", "is_matched"), [(0, True), (8, False)])
def test_a_weak_detection_aside_is_matched_only_where_such_are_rare(
    clutter: int, is_matched: bool
) -> None:
    """A weak detection appears half an object's width beside its last place."""
    deepsort = DeepSort(DeepSortSettings())
    deepsort.reset(frame_interval_s=0.04)
    weak = tuple((150 + 40.0 * n, 200, 0.7) for n in range(clutter))
    for index in range(100):
        # The clutter is elsewhere in each frame, so that it is no track either.
        moved = tuple((x, 100 + 97 * (index * 7 % 5), less) for x, _, less in weak)
        deepsort.step(found((50, 100, 0.0), *moved, score=0.9))
    tracks = deepsort.step(found((61, 104, 0.5), score=0.9))
    assert bool((tracks.misses[tracks.ids == 1] == 0).any()) == is_matched
