"""ONNX files whose text is no UTF-8, and files that ONNX Runtime refuses."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tracker.errors import ModelError
from tracker.inference.onnx_network import OnnxNetwork


def relu(path: Path) -> bytes:
    """Writes a network with class names, and returns its bytes."""
    sides = [1, 3, 8, 8]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in ("xin", "y"))
    graph = helper.make_graph([helper.make_node("Relu", ["xin"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    entry = model.metadata_props.add()
    entry.key, entry.value = "names", "{0: 'cafe', 1: 'bar'}"
    onnx.save(model, str(path))
    return path.read_bytes()


def test_metadata_in_latin_1_are_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.onnx"
    content = relu(path)
    assert OnnxNetwork(path).stored.class_names == ("cafe", "bar")
    path.write_bytes(content.replace(b"cafe", b"caf\xe9"))
    assert OnnxNetwork(path).stored.class_names is None
    assert "its metadata are not used, expected UTF-8" in caplog.text


def test_names_of_inputs_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(relu(path).replace(b"xin", b"x\xffn"))
    with pytest.raises(ModelError) as caught:
        OnnxNetwork(path)
    assert "\n" not in str(caught.value)


def test_a_refused_file_prints_nothing_to_standard_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(relu(path).replace(b"Relu", b"Rule"))
    with pytest.raises(ModelError, match="ONNX Runtime cannot load it: ") as caught:
        OnnxNetwork(path)
    assert len(str(caught.value)) < 600
    assert capfd.readouterr().out == ""


def test_names_that_are_no_text_are_left_to_onnx_runtime(tmp_path: Path) -> None:
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, 8, 8]) for n in ("x", "y1"))
    node = helper.make_node("MeanVarianceNormalization", ["x"], ["y1"], axes=[0, 2, 3])
    graph = helper.make_graph([node], "g", [x], [y])
    opset = [helper.make_opsetid("", 13)]
    content = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    path = tmp_path / "a.onnx"
    path.write_bytes(content.replace(b"y1", b"\xf91"))
    with pytest.raises(ModelError) as caught:
        OnnxNetwork(path)
    assert "\n" not in str(caught.value)
