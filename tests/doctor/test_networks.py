"""The networks of this package run and are timed."""

from collections.abc import Iterator

import pytest

from tracker.doctor.check import Check, Status
from tracker.doctor.networks import (
    appearance_checks,
    detector_checks,
    inference_ms,
    segmenter_checks,
)
from tracker.errors import ConfigError


def results() -> Iterator[Check]:
    yield from detector_checks("nano-int8")
    yield from appearance_checks()
    yield from segmenter_checks()


def test_each_runs_and_has_a_time() -> None:
    checks = list(results())
    assert [check.name for check in checks] == [
        *("detector nano-int8", "appearance network", "segmenter"),
    ]
    for check in checks:
        assert check.status is Status.OK
        assert check.milliseconds is not None
        assert check.detail.startswith(f"{check.milliseconds:.1f} ms")


def test_six_calls_of_which_the_first_is_not_counted() -> None:
    calls = []
    assert inference_ms(lambda: calls.append(1)) < 1000
    assert len(calls) == 6


def test_an_unknown_network() -> None:
    with pytest.raises(ConfigError, match="expected one of nano, small"):
        detector_checks("tiny")
