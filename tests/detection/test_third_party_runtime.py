"""Which runtime a network of others gets, and what is refused."""

from pathlib import Path

import pytest

from tracker.detection.runtimes.fastest import FastestNetwork
from tracker.detection.third_party_runtime import (
    on_fastest_runtime,
    open_third_party,
    runtimes_of,
)
from tracker.detection.yolo_detector import DetectorSettings
from tracker.errors import ConfigError
from tracker.inference.runtime_kind import RuntimeKind

AUTO, ONNX, OPENVINO = RuntimeKind.AUTO, RuntimeKind.ONNX_RUNTIME, RuntimeKind.OPENVINO


@pytest.mark.parametrize(
    ("path", "asked", "expected"),
    [
        ("x.onnx", ONNX, (ONNX,)),
        ("x.onnx", OPENVINO, (OPENVINO,)),
        ("x.xml", AUTO, (OPENVINO,)),
        ("x.tflite", AUTO, (RuntimeKind.LITERT,)),
        ("x.tflite", RuntimeKind.LITERT, (RuntimeKind.LITERT,)),
        ("folder", AUTO, ()),
        ("https://x/y", AUTO, ()),
    ],
)
def test_the_format_and_the_user_choose(path, asked, expected):
    assert runtimes_of(path, DetectorSettings(runtime=asked)) == expected


def test_auto_has_a_choice_where_both_are_installed():
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("openvino", reason="needs the extra openvino")
    assert runtimes_of("x.onnx", DetectorSettings(device="cpu")) == (ONNX, OPENVINO)
    assert runtimes_of("x.onnx", DetectorSettings(device="gpu")) == (ONNX,)


@pytest.mark.parametrize(
    ("path", "asked", "message"),
    [
        ("x.onnx", RuntimeKind.XLA, "x.onnx runs on onnxruntime or openvino; leave --runtime out"),
        ("x.xml", ONNX, "x.xml runs on openvino; leave --runtime out"),
        ("x.tflite", OPENVINO, "x.tflite runs on litert; leave --runtime out"),
        ("folder", OPENVINO, "folder runs on TensorFlow; leave --runtime out"),
    ],
)
def test_a_runtime_for_another_format(path, asked, message):
    with pytest.raises(ConfigError, match=f"^runtime {asked.value}: {message}$"):
        runtimes_of(path, DetectorSettings(runtime=asked))


def test_only_openvino_has_16_bits():
    assert runtimes_of("x.xml", DetectorSettings(half=True)) == (OPENVINO,)
    for asked in (AUTO, ONNX):
        with pytest.raises(ConfigError, match=r"half: x.onnx has no 16-bit .* runtime openvino"):
            runtimes_of("x.onnx", DetectorSettings(half=True, runtime=asked))


def test_a_gpu_does_not_run_openvino():
    settings = DetectorSettings(runtime=OPENVINO, device="gpu")
    with pytest.raises(ConfigError, match="runtime openvino runs on the CPU here, got device gpu"):
        open_third_party("x.onnx", settings)


def test_the_faster_runtime_runs_a_network(tmp_path: Path):
    onnx = pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("openvino", reason="needs the extra openvino")
    import numpy as np

    shape = ["batch", 3, "height", "width"]
    spec = [onnx.helper.make_tensor_value_info(name, 1, shape) for name in ("x", "y")]
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "relu", spec[:1], spec[1:])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), str(tmp_path / "x.onnx")
    )
    settings = DetectorSettings(threads=1, device="cpu", cache_dir=tmp_path / "cache")
    usual = open_third_party(tmp_path / "x.onnx", settings)
    network = on_fastest_runtime(usual, tmp_path / "x.onnx", settings)
    assert isinstance(network, FastestNetwork)
    assert (network.inputs, network.outputs) == (usual.inputs, usual.outputs)
    given = np.linspace(-1, 1, 96, dtype=np.float32).reshape(2, 3, 4, 4)
    np.testing.assert_array_equal(network.run([given])[0], np.maximum(given, 0))
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 1
