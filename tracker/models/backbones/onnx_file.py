"""Reads weights from ONNX files without running them."""

from pathlib import Path
from typing import Any

from tracker.errors import DependencyError, ModelError
from tracker.util.arrays import Float32Array


def read_onnx_convolutions(path: Path) -> list[tuple[Float32Array, Float32Array]]:
    """Returns kernel `(out, in, h, w)` and bias `(out,)` of each convolution, in order.

    Args:
        path: An `.onnx` file with its weights inside.

    Raises:
        ModelError: The file is not ONNX, or a convolution has no constant kernel and bias.
        DependencyError: The package `onnx` is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise DependencyError(
            f"weights from .onnx files need the package onnx: {error}; "
            "pip install 'tracker-pipeline[onnx]'"
        ) from error
    try:
        graph: Any = onnx.load(str(path)).graph
    except Exception as error:  # protobuf raises its own classes
        reason = (str(error).splitlines() or ["no message"])[0]
        raise ModelError(f"{path}: expected an ONNX file: {reason}") from error
    constants = {constant.name: constant for constant in graph.initializer}
    found = []
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        if len(node.input) != 3 or not set(node.input[1:]) <= set(constants):
            raise ModelError(f"{path}: {node.name}: expected a constant kernel and bias, got none")
        kernel, bias = (numpy_helper.to_array(constants[name]) for name in node.input[1:])
        found.append((kernel.astype("float32"), bias.astype("float32")))
    return found
