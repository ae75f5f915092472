"""Smooth delivery of HLS frames, on a clock that only waits advance."""

import threading

import pytest

from tracker.sources.live.hls_smoothing import Pacer


class Clock(threading.Event):
    """Ends no wait, but moves its time on by it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        self.now_s += timeout or 0.0
        return False


@pytest.fixture
def clock() -> Clock:
    return Clock()


def due(clock: Clock, pacer: Pacer, times_s: list[float]) -> list[float]:
    """Returns how late after its place in the stream each frame is."""
    return [pacer.wait(time_s)[0] - 100 - time_s for time_s in times_s]


def test_a_piece_that_comes_at_once_is_spread(clock: Clock) -> None:
    pacer = Pacer(clock, clock=clock)
    assert due(clock, pacer, [0.0, 0.1, 0.2, 0.3]) == pytest.approx([0.0] * 4)
    assert clock.waits == pytest.approx([0.1] * 3)


def test_a_delay_is_recovered_at_five_percent(clock: Clock) -> None:
    pacer = Pacer(clock, clock=clock)
    due(clock, pacer, [0.0, 0.1])
    clock.now_s += 1.1  # the next frame is a second late
    late = due(clock, pacer, [0.1 * n for n in range(2, 300)])
    assert late[0] == pytest.approx(1.0)
    assert late[100] == pytest.approx(1.0 - 100 * 0.1 * 0.05)
    assert late[-1] == pytest.approx(0.0, abs=1e-9)


def test_two_delays_do_not_add_up(clock: Clock) -> None:
    pacer = Pacer(clock, clock=clock)
    due(clock, pacer, [0.0])
    for begin in (0, 3000):
        clock.now_s += 9.0
        assert due(clock, pacer, [0.1 * (begin + 1)])[0] == pytest.approx(9.0, abs=0.11)
        late = due(clock, pacer, [0.1 * (begin + n) for n in range(2, 3001)])
        assert late[-1] == pytest.approx(0.0, abs=1e-9)


def test_gaps_left_by_the_server_are_not_waited_for(clock: Clock) -> None:
    pacer = Pacer(clock, clock=clock)
    due(clock, pacer, [0.0, 0.1])
    before = clock.now_s
    pacer.wait(8.1)
    assert clock.now_s == before
    pacer.wait(8.2)
    assert clock.now_s == pytest.approx(before + 0.1)
