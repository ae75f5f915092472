import numpy as np
import pytest

from tracker.detection.nms import NmsSettings
from tracker.detection.runtimes.base import (
    RuntimeRequest,
    choose_runtime,
    may_have_gpu,
)
from tracker.errors import ConfigError
from tracker.inference.devices import Device
from tracker.inference.litert import available_cores
from tracker.inference.runtime_kind import RuntimeKind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", Device("auto")),
        ("cpu", Device("cpu")),
        ("gpu", Device("gpu", 0)),
        ("gpu:3", Device("gpu", 3)),
    ],
)
def test_device(text, expected):
    assert Device.parse(text) == expected


@pytest.mark.parametrize("text", ["", "tpu", "gpu:", "gpu:-1", "cpu:1", "GPU", "gpu:x"])
def test_unknown_device(text):
    with pytest.raises(ConfigError, match="expected auto, cpu, gpu or gpu:N"):
        Device.parse(text)


@pytest.mark.parametrize(
    ("kind", "device", "expected"),
    [
        (RuntimeKind.XLA, "cpu", RuntimeKind.XLA),
        (RuntimeKind.LITERT, "auto", RuntimeKind.LITERT),
        (RuntimeKind.AUTO, "cpu", RuntimeKind.LITERT),
        (RuntimeKind.AUTO, "gpu", RuntimeKind.XLA),
        (RuntimeKind.OPENVINO, "cpu", RuntimeKind.OPENVINO),
    ],
)
def test_choice(kind, device, expected):
    assert choose_runtime(kind, Device.parse(device)) is expected


@pytest.mark.parametrize("kind", [RuntimeKind.LITERT, RuntimeKind.OPENVINO])
def test_runtimes_of_cpus_refuse_a_gpu(kind):
    with pytest.raises(ConfigError, match=f"runtime {kind.value}: .* use runtime xla"):
        choose_runtime(kind, Device("gpu"))


def test_networks_of_this_package_do_not_run_on_onnx_runtime():
    with pytest.raises(ConfigError, match="expected auto, litert, xla or openvino"):
        choose_runtime(RuntimeKind.ONNX_RUNTIME, Device("cpu"))


def test_no_device_file_no_gpu(tmp_path):
    (tmp_path / "nvidia-caps").mkdir()
    assert not may_have_gpu(tmp_path)


def test_at_least_one_core():
    assert available_cores() >= 1


def test_no_threads(block_network):
    with pytest.raises(ConfigError, match="threads"):
        RuntimeRequest(block_network, (64, 96), NmsSettings(), np.ones(2, bool), threads=0)
