"""Recorded frames at a camera's pace, on a clock that only the tests move."""

import threading
from fractions import Fraction

import pytest

from tracker.errors import SourceError
from tracker.sources.live.simulated import PacedSource, Repeat, SystemClock
from tracker.testing import ScriptedSource


class HandClock:
    """Starts at 100 s and advances only by `wait` and `pass_by`."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return 1e9 + self.seconds

    def wait(self, seconds: float, stop: threading.Event) -> None:
        self.waits.append(seconds)
        self.seconds += seconds

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds


def test_no_frames_end_at_once() -> None:
    clock = HandClock()
    source = ScriptedSource(0)
    repeat = Repeat(5, lambda: ScriptedSource(0))
    assert list(PacedSource(source, repeat=repeat, clock=clock)) == []
    assert clock.waits == []


def test_frames_come_when_they_are_due() -> None:
    clock = HandClock()
    paced = PacedSource(ScriptedSource(3), clock=clock)
    frames = list(paced)
    assert [f.index for f in frames] == [0, 1, 2]
    assert [f.time_s for f in frames] == [0.0, 0.04, 0.08]
    assert [f.captured_s for f in frames] == [100.0, 100.04, 100.08]
    assert [f.wall_time_s for f in frames] == pytest.approx([1e9 + 100 + n / 25 for n in range(3)])
    assert clock.waits == pytest.approx([0.04, 0.04])
    assert [int(f.image[0, 0, 0]) for f in frames] == [0, 1, 2]


def test_info_is_live() -> None:
    info = PacedSource(ScriptedSource(3), speed=2).info
    assert info.is_live
    assert (info.fps, info.time_base, info.frame_count) == (50, Fraction(1, 1_000_000), 3)
    assert (info.width, info.height, info.audio_path, info.start_s) == (64, 48, None, 0.0)
    assert PacedSource(ScriptedSource(3), repeat=Repeat(1, ScriptedSource)).info.frame_count is None


@pytest.mark.parametrize(("speed", "step_s"), [(0.5, 0.08), (1, 0.04), (4, 0.01)])
def test_speed_makes_times_shorter(speed: float, step_s: float) -> None:
    clock = HandClock()
    frames = list(PacedSource(ScriptedSource(4), speed=speed, clock=clock))
    assert [f.time_s for f in frames] == pytest.approx([n * step_s for n in range(4)])
    assert clock.seconds == pytest.approx(100 + 3 * step_s)


def test_a_late_reader_gets_old_frames_and_the_schedule_stands() -> None:
    clock = HandClock()
    latencies = []
    for frame in PacedSource(ScriptedSource(5), clock=clock):
        assert frame.captured_s is not None
        latencies.append(clock.now() - frame.captured_s)
        if frame.index == 1:
            clock.pass_by(0.1)  # two and a half frames
    assert latencies == pytest.approx([0, 0, 0.06, 0.02, 0], abs=1e-9)


def test_numbers_and_times_count_from_the_first_frame() -> None:
    source = ScriptedSource(4, indices=[10, 13, 16, 19])  # as with a start and a stride
    frames = list(PacedSource(source, clock=HandClock()))
    assert [f.index for f in frames] == [0, 3, 6, 9]
    assert [f.time_s for f in frames] == pytest.approx([0, 0.12, 0.24, 0.36])


def test_repeating_fills_the_time() -> None:
    clock = HandClock()
    played = [ScriptedSource(3)]
    played[0].skipped = 2

    def reopen() -> ScriptedSource:
        played.append(ScriptedSource(3))
        played[-1].skipped = 1
        return played[-1]

    paced = PacedSource(played[0], repeat=Repeat(0.3, reopen), clock=clock)
    frames = list(paced)
    # 25 frames a second: numbers 0 to 7 are due before 0.3 s.
    assert [f.index for f in frames] == list(range(8))
    assert [f.time_s for f in frames] == pytest.approx([n / 25 for n in range(8)])
    assert [int(f.image[0, 0, 0]) for f in frames] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert [source.closed for source in played] == [True, True, False]
    assert paced.skipped == 4
    paced.close()
    assert played[-1].closed


def test_a_short_time_cuts_the_material() -> None:
    repeat = Repeat(0.1, lambda: pytest.fail("there was enough"))
    frames = list(PacedSource(ScriptedSource(100), repeat=repeat, clock=HandClock()))
    assert len(frames) == 3


def test_closing_ends_the_iteration() -> None:
    inner = ScriptedSource(100)
    with PacedSource(inner, clock=HandClock()) as paced:
        for frame in paced:
            if frame.index == 2:
                paced.close()
    assert (inner.closed, inner.delivered) == (True, 3)
    paced.close()


def test_closing_ends_a_wait_of_another_thread() -> None:
    paced = PacedSource(ScriptedSource(2, fps=Fraction(1, 1000)))
    frames = iter(paced)
    next(frames)
    rest: list[object] = []
    thread = threading.Thread(target=lambda: rest.extend(frames))
    thread.start()  # it would wait for a quarter of an hour
    paced.close()
    thread.join(10)
    assert not thread.is_alive()
    assert rest == []


def test_closing_while_the_material_is_opened_anew() -> None:
    second = ScriptedSource(3)

    def reopen() -> ScriptedSource:
        paced.close()  # as another thread would
        return second

    paced = PacedSource(ScriptedSource(3), repeat=Repeat(10, reopen), clock=HandClock())
    assert len(list(paced)) == 3
    assert second.closed


def test_the_systems_clock_counts_ages_as_the_pipeline_does() -> None:
    (frame,) = PacedSource(ScriptedSource(1))
    assert frame.captured_s is not None
    assert 0 <= SystemClock().now() - frame.captured_s < 10


@pytest.mark.parametrize("speed", [0, -1, 1001, float("nan")])
def test_speeds_out_of_range_are_refused(speed: float) -> None:
    with pytest.raises(SourceError, match=r"scripted: speed: expected 0\.001 to 1000, got"):
        PacedSource(ScriptedSource(1), speed=speed)


def test_repeat_seconds_not_above_zero_are_refused() -> None:
    with pytest.raises(SourceError, match="seconds above 0, got 0"):
        Repeat(0, lambda: ScriptedSource(1))
