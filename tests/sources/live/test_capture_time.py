import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.sources.live.capture_time import CaptureTimes


def captured(frames: list[tuple[float, float]]) -> list[float]:
    """Returns the times of capture of frames with these stamps and arrivals."""
    times = CaptureTimes()
    return [times.at(stamp, arrived) for stamp, arrived in frames]


def test_one_frame_was_taken_when_it_arrived() -> None:
    assert captured([(7.0, 100.0)]) == [100.0]


def test_a_constant_delay_cannot_be_measured() -> None:
    frames = [(n / 10, 100 + n / 10) for n in range(50)]
    assert captured(frames) == pytest.approx([arrived for _, arrived in frames], abs=1e-9)


def test_a_growing_delay_is_measured_in_full() -> None:
    # Each frame arrives 0.2 s after the last, but was taken 0.1 s after it.
    found = captured([(n / 10, 100 + n / 5) for n in range(11)])
    assert 102 - found[-1] == pytest.approx(1.0, abs=102e-6 * 2)


def test_a_late_frame_is_older_by_its_delay() -> None:
    found = captured([(0.0, 100.0), (0.1, 100.1), (0.2, 100.5), (0.3, 100.5)])
    assert found == pytest.approx([100.0, 100.1, 100.2, 100.3], abs=1e-4)


def test_the_last_frame_of_a_burst_corrects_the_ages_from_then_on() -> None:
    found = captured([(0.0, 100.0), (0.1, 100.0), (0.2, 100.0), (0.3, 100.1), (0.4, 100.2)])
    assert found == pytest.approx([100.0, 100.0, 100.0, 100.1, 100.2], abs=1e-4)


def test_a_slow_clock_of_the_camera_adds_nothing() -> None:
    # Its seconds last 50 ppm longer: after an hour it is 0.18 s behind.
    frames = [(n * (1 - 50e-6), 100.0 + n) for n in range(3600)]
    for at, (_, arrived) in zip(captured(frames), frames, strict=True):
        assert arrived - at < 1e-3


@pytest.mark.parametrize("stamp", [0.1, 0.0, -5.0, 60.0])
def test_equal_falling_or_jumping_stamps_restart_the_estimate(stamp: float) -> None:
    assert captured([(0.0, 100.0), (0.1, 101.0), (stamp, 101.5)])[-1] == 101.5


@given(
    steps=st.lists(
        st.tuples(st.floats(0.001, 1), st.floats(0, 1)),
        min_size=1,
        max_size=50,
    )
)
def test_never_after_the_arrival_and_never_before_the_last_one(
    steps: list[tuple[float, float]],
) -> None:
    times = CaptureTimes()
    stamp, arrived, last = 0.0, 1000.0, 0.0
    for forward, later in steps:
        stamp, arrived = stamp + forward, arrived + later
        at = times.at(stamp, arrived)
        assert last - 1e-9 <= at <= arrived
        last = at
