"""The faster of two runtimes, with networks that say how long they take."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tracker.detection.runtimes.fastest import (
    BUDGET_S,
    FastestNetwork,
    Measurement,
    Runnable,
    shortest_call_s,
)
from tracker.errors import ModelError
from tracker.inference.network import TensorSpec
from tracker.inference.stored_names import NOTHING_STORED, StoredFacts

IMAGE = TensorSpec("image", (None, 3, None, None), "float32")
SMALL, LARGE = np.ones((1, 3, 8, 8), np.float32), np.ones((1, 3, 16, 16), np.float32)


@dataclass
class Clock:
    """A clock that only networks advance."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class TimedNetwork:
    """Multiplies its input; a call takes `seconds` by the height of its input."""

    clock: Clock
    seconds: dict[int, float]
    factor: int = 1
    outputs: tuple[TensorSpec, ...] = (TensorSpec("out", (), "float32"),)
    calls: list[tuple[int, ...]] = field(default_factory=list)
    inputs: tuple[TensorSpec, ...] = (IMAGE,)
    digests: dict[str, str] = field(default_factory=lambda: {"x.onnx": "1" * 64})
    stored: StoredFacts = NOTHING_STORED

    def run(self, arrays):
        self.calls.append(arrays[0].shape)
        self.clock.now += self.seconds[arrays[0].shape[2]]
        return [arrays[0] * self.factor]


def pair(clock: Clock, usual: dict[int, float], other: dict[int, float]):
    return TimedNetwork(clock, usual), TimedNetwork(clock, other, factor=2)


def fastest(networks, cache: Path, clock: Clock, threads: int = 1) -> FastestNetwork:
    usual, other = networks
    return FastestNetwork(
        "x.onnx",
        Runnable("onnxruntime", lambda: usual),
        Runnable("openvino", lambda: other),
        measurement=Measurement(threads, cache, clock),
    )


@pytest.mark.parametrize(
    ("usual", "other", "factor"),
    [(0.02, 0.01, 2), (0.01, 0.02, 1), (0.02, 0.019, 1)],
    ids=["faster", "slower", "level"],
)
def test_the_other_runtime_has_to_be_clearly_faster(tmp_path, usual, other, factor):
    clock = Clock()
    network = fastest(pair(clock, {8: usual}, {8: other}), tmp_path, clock)
    np.testing.assert_array_equal(network.run([SMALL])[0], SMALL * factor)


def test_each_input_size_has_its_own_runtime_and_batches_do_not(tmp_path):
    clock = Clock()
    networks = pair(clock, {8: 0.02, 16: 0.02}, {8: 0.01, 16: 0.03})
    network = fastest(networks, tmp_path, clock)
    assert network.run([SMALL])[0].max() == 2
    assert network.run([LARGE])[0].max() == 1
    before = clock.now
    assert network.run([np.repeat(SMALL, 3, axis=0)])[0].max() == 2
    assert clock.now - before == pytest.approx(0.01)


def test_measuring_takes_less_than_a_second(tmp_path):
    clock = Clock()
    fastest(pair(clock, {8: 0.03}, {8: 0.03}), tmp_path, clock).run([SMALL])
    assert clock.now < 1.0


def test_a_slow_network_is_measured_once(tmp_path):
    clock = Clock()
    usual, other = pair(clock, {8: 5.0}, {8: 3.0})
    fastest((usual, other), tmp_path, clock).run([SMALL])
    # One warms up; the last is the call itself.
    assert (len(usual.calls), len(other.calls)) == (2, 3)


def test_the_times_are_kept_by_network_and_threads(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    clock = Clock()
    fastest(pair(clock, {8: 0.02}, {8: 0.01}), tmp_path, clock).run([SMALL])
    (kept,) = tmp_path.rglob("*.json")
    assert "runtime openvino (onnxruntime 20.0 ms, openvino 10.0 ms; measured now)" in caplog.text
    again = pair(clock, {8: 0.01}, {8: 0.02})
    assert fastest(again, tmp_path, clock).run([SMALL])[0].max() == 2
    assert f"measured earlier: {kept}" in caplog.text
    assert again[0].calls == []
    assert fastest(again, tmp_path, clock, threads=2).run([SMALL])[0].max() == 1
    assert len(list(tmp_path.rglob("*.json"))) == 2


def test_a_runtime_that_cannot_run_the_network_is_left_out(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    clock = Clock()
    usual = TimedNetwork(clock, {8: 0.02})

    def refuse():
        raise ModelError("x.onnx: no such operation")

    network = FastestNetwork(
        "x.onnx",
        Runnable("onnxruntime", lambda: usual),
        Runnable("openvino", refuse),
        measurement=Measurement(1, tmp_path, clock),
    )
    assert network.run([SMALL])[0].max() == 1
    assert "openvino cannot run it; measured now" in caplog.text


def test_a_runtime_with_other_outputs_is_left_out(tmp_path):
    clock = Clock()
    usual, other = pair(clock, {8: 0.02}, {8: 0.01})
    other.outputs = (TensorSpec("boxes", (), "float32"),)
    assert fastest((usual, other), tmp_path, clock).run([SMALL])[0].max() == 1


def test_kept_times_that_are_damaged_are_measured_again(tmp_path):
    clock = Clock()
    fastest(pair(clock, {8: 0.02}, {8: 0.01}), tmp_path, clock).run([SMALL])
    (kept,) = tmp_path.rglob("*.json")
    kept.write_text(json.dumps({"onnxruntime": 1}))
    assert fastest(pair(clock, {8: 0.02}, {8: 0.01}), tmp_path, clock).run([SMALL])[0].max() == 2


def test_the_shortest_call_without_the_first():
    clock = Clock()
    times = iter([0.01, 0.05, 0.02, BUDGET_S])

    def call():
        clock.now += next(times)

    assert shortest_call_s(call, clock) == pytest.approx(0.02)


def test_a_first_call_that_compiles_does_not_count():
    clock = Clock()
    times = iter([10.0, 0.7])

    def call():
        clock.now += next(times)

    assert shortest_call_s(call, clock) == pytest.approx(0.7)
