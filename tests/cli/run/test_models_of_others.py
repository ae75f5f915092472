"""Faulty models in `tracker run`: one line on standard error, without library messages."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TRACKER = [sys.executable, "-m", "tracker"]


@pytest.mark.slow
def test_missing_gpu_is_one_line_without_tensorflow_messages(clip: Path, tmp_path: Path) -> None:
    words = ["run", str(clip), "--device", "gpu:99", "--json", str(tmp_path / "out.jsonl")]
    done = subprocess.run([*TRACKER, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("tracker: error: GPU 99 is not available: ")
    assert done.stderr.count("\n") == 1


def test_gpu_runtime_loads_keras_only_when_it_is_created() -> None:
    """If an import loaded TensorFlow, its messages would be printed before they are captured."""
    program = "import sys, tracker.detection.runtimes.keras_xla\nprint('keras' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.slow
def test_network_that_needs_too_much_memory(clip: Path, tmp_path: Path) -> None:
    """In a process of its own, whose libraries may not recover from what they are asked for."""
    onnx = pytest.importorskip("onnx", reason="making ONNX files needs the package onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    times = np.array([1, 1 << 10, 1 << 10, 1 << 20])  # of (1, 3, 64, 64): 2 to the power of 53
    graph = helper.make_graph(
        [
            helper.make_node("Shape", ["images"], ["shape"]),
            helper.make_node("Mul", ["shape", "times"], ["large"]),
            helper.make_node("ConstantOfShape", ["large"], ["zeros"]),
            helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
            helper.make_node("Expand", ["zero", "size"], ["output0"]),
        ],
        "large",
        [helper.make_tensor_value_info("images", kind, ["b", 3, "h", "w"])],
        [helper.make_tensor_value_info("output0", kind, ["b", 6, "n"])],
        [
            onnx.numpy_helper.from_array(times.astype(np.int64), "times"),
            onnx.numpy_helper.from_array(np.array([1, 6, 84], np.int64), "size"),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "x.onnx")
    words = ["run", str(clip), "--detector", str(tmp_path / "x.onnx"), "--imgsz", "64"]
    words += ["--set", "detector.model.layout=yolov8", "--json", str(tmp_path / "out.jsonl")]
    done = subprocess.run([*TRACKER, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "out of memory (network " in done.stderr
    assert done.stderr.rstrip().endswith("or --detector nano")
    assert "Traceback" not in done.stderr
