"""Frames of a recording on a grid of equal steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.track_files.frame_facts import FrameFacts
from tracker.tracking.offline.time_grid import time_grid


def facts(*frames: tuple[int, float | None]) -> list[FrameFacts]:
    return [FrameFacts(number, time_s, None, None, 0, False) for number, time_s in frames]


@pytest.mark.parametrize("fps", [23.976, 25.0, 29.97, 30.0, 60.0])
@pytest.mark.parametrize("decimals", [3, 6])
def test_even_frames_are_steps_for_hours(fps: float, decimals: int) -> None:
    """Stamps of Matroska are rounded to milliseconds; numbers begin where the run did."""
    numbers = np.arange(500, 400_500)
    times = np.round(numbers / fps, decimals).tolist()
    grid = time_grid(facts(*zip(numbers.tolist(), times, strict=True)), fps)
    assert grid is not None
    assert grid.rate == fps
    np.testing.assert_array_equal(grid.places, numbers - 500)
    np.testing.assert_array_equal(grid.places_of(grid.numbers[:9]), np.arange(9))


def test_left_out_dropped_and_paused() -> None:
    grid = time_grid(facts((0, 0.0), (3, 0.1), (6, 0.2), (12, 0.4), (15, 0.5), (16, 30.5)), 10.0)
    assert grid is not None
    assert grid.places.tolist() == [0, 1, 2, 4, 5, 305]
    frames, is_known = grid.frames_at(np.array([0, 3, 4, 305, 306], np.int32))
    assert is_known.tolist() == [True, False, True, True, False]
    assert frames[is_known].tolist() == [0, 12, 16]


def test_a_rate_that_the_header_does_not_know_is_measured() -> None:
    grid = time_grid(facts(*((n, n / 12.5) for n in range(50))), 30.0)
    assert grid is not None
    assert grid.rate == pytest.approx(12.5)


@pytest.mark.parametrize(
    "frames",
    [
        (),
        ((0, 0.0),),
        ((0, None), (1, 0.1)),
        ((0, 0.5), (1, 0.5), (2, 0.5)),
        ((0, 0.0), (1, 1e300), (2, 2e300)),
        ((0, 0.0), (1, 0.01), (2, 1e9)),
    ],
)
def test_without_times_there_is_no_grid(frames: tuple[tuple[int, float | None], ...]) -> None:
    assert time_grid(facts(*frames), 25.0) is None


@given(st.lists(st.floats(-1e5, 1e5), min_size=2, max_size=40))
def test_steps_rise_whatever_the_times(times: list[float]) -> None:
    grid = time_grid(facts(*enumerate(times)), 25.0)
    if grid is not None:
        assert (np.diff(grid.places) > 0).all()
        frames, is_known = grid.frames_at(grid.places)
        assert is_known.all()
        np.testing.assert_array_equal(frames, grid.numbers)
