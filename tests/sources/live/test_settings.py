"""Settings of live sources."""

import itertools
import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import ConfigError
from tracker.sources.live.reconnect import attempts
from tracker.sources.live.settings import FramePolicy, LiveSettings, Reconnect, RtspTransport


def test_the_defaults() -> None:
    settings = LiveSettings()
    assert (settings.policy, settings.rtsp_transport) == (FramePolicy.AUTO, RtspTransport.TCP)
    assert (settings.stall_s, settings.open_timeout_s) == (10, 10)
    assert settings.reconnect == Reconnect(None, 0.5, 30.0, 2.0, 0.2)


def test_no_attempt_no_wait() -> None:
    assert list(Reconnect(attempts=0).delays(np.random.default_rng(0))) == []


def test_waits_double_up_to_the_longest() -> None:
    delays = Reconnect(jitter=0).delays(np.random.default_rng(0))
    assert list(itertools.islice(delays, 9)) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


@given(
    st.floats(0.01, 10), st.floats(1, 4), st.floats(0, 0.99), st.integers(0, 40), st.integers(0, 9)
)
def test_waits_keep_their_distance(
    first: float, factor: float, jitter: float, count: int, seed: int
) -> None:
    reconnect = Reconnect(count, first, 20.0, factor, jitter)
    delays = list(reconnect.delays(np.random.default_rng(seed)))
    assert len(delays) == count
    for number, delay in enumerate(delays):
        nominal = min(first * factor**number, 20.0)
        assert (1 - jitter) * nominal <= delay * 1.000001
        assert delay <= (1 + jitter) * nominal * 1.000001


def test_jitter_is_drawn_from_the_generator() -> None:
    first, again, other = (
        list(Reconnect(attempts=5).delays(np.random.default_rng(seed))) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"attempts": -1}, r"source\.live\.reconnect\.attempts: .*got -1"),
        ({"first_s": 0.0}, r"source\.live\.reconnect\.first_s: .*> 0, up to 86400, got 0"),
        ({"first_s": math.nan}, r"source\.live\.reconnect\.first_s"),
        (
            {"first_s": 40.0},
            r"source\.live\.reconnect\.longest_s: .*which is 40, up to 86400, got 30",
        ),
        ({"longest_s": math.inf}, r"source\.live\.reconnect\."),
        ({"factor": 0.9}, r"source\.live\.reconnect\.factor: .*from 1 to 1000, got 0\.9"),
        ({"jitter": 1.0}, r"source\.live\.reconnect\.jitter: .*got 1"),
        ({"jitter": -0.1}, r"source\.live\.reconnect\.jitter"),
    ],
)
def test_bad_waits(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Reconnect(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["stall_s", "open_timeout_s"])
@pytest.mark.parametrize("value", [0.0, -1.0, 86401.0, math.inf, math.nan])
def test_bad_limits(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"source\.live\.{key}: expected seconds > 0"):
        LiveSettings(**{key: value})  # type: ignore[arg-type]


def test_attempts_are_counted_and_end() -> None:
    reconnect = Reconnect(attempts=3, first_s=0.001, longest_s=0.001)
    assert list(attempts(reconnect, threading.Event())) == [1, 2, 3]


def test_closing_ends_the_waiting_at_once() -> None:
    closed = threading.Event()
    closed.set()
    assert list(attempts(Reconnect(first_s=30.0), closed)) == []


def test_a_source_that_had_lasted_is_tried_at_once() -> None:
    patient = Reconnect(attempts=2, first_s=30.0)
    assert next(attempts(patient, threading.Event(), lasted_s=30.0)) == 1  # without a wait
    closed = threading.Event()
    closed.set()
    assert list(attempts(patient, closed, lasted_s=30.0)) == []
    quick = Reconnect(attempts=2, first_s=0.001, jitter=0.0)
    assert list(attempts(quick, threading.Event(), lasted_s=1.0)) == [1, 2]
    assert list(attempts(Reconnect(attempts=0), threading.Event(), lasted_s=1.0)) == []
