"""`MeanVarianceNormalization` without NaN, against the formula of the standard."""

from pathlib import Path

import numpy as np
import pytest

from tracker.inference.onnx_network import OnnxNetwork
from tracker.inference.onnx_repair import repaired_onnx

onnx = pytest.importorskip("onnx")


def write(
    path: Path, *, opset: int, operation: str = "MeanVarianceNormalization", **attributes: object
) -> Path:
    from onnx import TensorProto, helper

    shape = ["n", 2, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node(operation, ["x"], ["y"], **attributes)],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("opset", [9, 13, 18])
def test_a_channel_of_one_value_becomes_zero(tmp_path: Path, opset: int) -> None:
    network = OnnxNetwork(write(tmp_path / "norm.onnx", opset=opset))
    x = np.random.default_rng(0).normal(3, 2, (2, 2, 4, 5)).astype(np.float32)
    x[:, 1] = 0.7
    (y,) = network.run([x])
    expected = (x - x.mean(axis=(0, 2, 3), keepdims=True)) / x.std(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_allclose(y[:, 0], expected[:, 0], atol=1e-5)
    # What float32 leaves of the mean of equal values is divided by 1e-9: no more than a few units.
    assert np.isfinite(y[:, 1]).all()


def test_files_without_the_operation_are_unchanged(tmp_path: Path) -> None:
    assert repaired_onnx(write(tmp_path / "relu.onnx", opset=13, operation="Relu")) is None
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(b"MeanVarianceNormalization and nothing else")
    assert repaired_onnx(torn) is None


@pytest.mark.parametrize("opset", [13, 18])
def test_axes_that_name_none_are_left_to_the_library(tmp_path: Path, opset: int) -> None:
    path = write(tmp_path / "norm.onnx", opset=opset, axes=[0])
    model = onnx.load(str(path))
    del model.graph.node[0].attribute[0].ints[:]
    onnx.save(model, str(path))
    assert repaired_onnx(path) is None
