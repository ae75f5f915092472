"""Times of streams."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tracker.sources.live.stream_clock import StreamClock

MS = Fraction(1, 1000)


def clock() -> StreamClock:
    return StreamClock(MS, Fraction(25))


def test_stamps_count_from_the_first_and_arrivals_do_not() -> None:
    times = clock()
    stamps = [Fraction(7000 + 40 * n, 1000) for n in range(4)]
    arrivals = [100.0, 100.09, 100.091, 100.12]  # the network's jitter
    seconds = [times.seconds(s, a) for s, a in zip(stamps, arrivals, strict=True)]
    assert seconds == [0, 0.04, 0.08, 0.12]


def test_without_stamps_arrivals_count() -> None:
    times = clock()
    assert [times.seconds(None, a) for a in (5.0, 5.1, 5.1, 5.35)] == [0, 0.1, 0.101, 0.351]


def test_neither_live_nor_stamped_is_the_nominal_rate() -> None:
    times = clock()
    assert [times.seconds(None, None) for _ in range(3)] == [0, 0.04, 0.08]


def test_a_file_s_clock_that_jumps_back_goes_on_one_frame_later() -> None:
    times = clock()
    stamps = [Fraction(1), Fraction(2), Fraction(0), Fraction(1)]
    assert [times.seconds(s, None) for s in stamps] == [0, 1, 1.04, 2.04]


def test_a_frame_that_comes_out_late_does_not_move_those_after_it() -> None:
    times = clock()
    # A decoder shows 0.08 before 0.04 where the data between them are damaged.
    stamps = [Fraction(n, 100) for n in (0, 8, 4, 12, 16)]
    assert [times.seconds(s, None) for s in stamps] == [0, 0.08, 0.12, 0.121, 0.16]


def test_after_many_frames_before_the_latest_the_clock_was_set_back() -> None:
    times = clock()
    stamps = [Fraction(n, 25) for n in (0, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)]
    expected = [n / 25 for n in (0, *range(9, 21))]
    assert [times.seconds(s, None) for s in stamps] == expected


def test_jumping_or_equal_stamps_are_not_used() -> None:
    times = clock()
    assert times.seconds(Fraction(1), 10.0) == 0
    assert times.seconds(Fraction(5000), 10.05) == 0.05  # the camera's clock was set
    assert times.seconds(Fraction(5001, 1), 10.06) == 1.05  # what was left out of a playlist
    assert times.seconds(Fraction(5001, 1), 10.16) == 1.15
    assert times.seconds(Fraction(1), 10.26) == 1.25


def test_over_a_reconnection_the_real_gap_counts() -> None:
    times = clock()
    assert times.seconds(Fraction(100), 10.0) == 0
    assert times.seconds(Fraction(10004, 100), 10.05) == 0.04
    times.reconnected()
    assert times.seconds(Fraction(3), 17.25) == 7.24  # 7.2 s after the last arrival
    assert times.seconds(Fraction(304, 100), 17.25) == 7.28


@given(
    st.lists(
        st.tuples(st.none() | st.integers(-100_000, 100_000), st.integers(0, 5000), st.booleans()),
        min_size=2,
    )
)
def test_times_always_rise_and_never_run_away(
    steps: list[tuple[int | None, int, bool]],
) -> None:
    times, now_ms, last = clock(), 0, -1.0
    for stamp_ms, pause_ms, is_new in steps:
        now_ms += pause_ms
        if is_new:
            times.reconnected()
        stamp = None if stamp_ms is None else Fraction(stamp_ms, 1000)
        time_s = times.seconds(stamp, now_ms / 1000)
        assert time_s > last
        if last >= 0:
            assert time_s - last <= pause_ms / 1000 + 10.01
        last = time_s
