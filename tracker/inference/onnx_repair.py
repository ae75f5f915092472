"""Rewrites ONNX operations that ONNX Runtime computes wrongly, in memory.

`MeanVarianceNormalization` divides by zero in ONNX Runtime where a channel has a single value, and
gives NaN (github.com/microsoft/onnxruntime/issues/10228); person-reidentification-retail-0267 has
such channels in every crop. The standard's own definition adds 1e-9 to the deviation.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import DependencyError, ModelError
from tracker.util.paths import unreadable_text

_BROKEN = "MeanVarianceNormalization"
_EPSILON = "tracker_epsilon"
_EPSILON_VALUE = 1e-9
_DEFAULT_AXES = (0, 2, 3)


def repaired_onnx(path: Path) -> bytes | None:
    """Returns the content of a file with such operations replaced; `None` if it has none.

    Raises:
        DependencyError: It has some, and the package `onnx` is not installed.
        ModelError: It cannot be read.
    """
    try:
        if _BROKEN.encode() not in path.read_bytes():
            return None
    except OSError as error:
        raise ModelError(f"{path}: {unreadable_text(path, error)}") from error
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise DependencyError(
            f"{path}: its {_BROKEN} needs the package onnx: {error}; "
            "pip install 'tracker-pipeline[onnx]'"
        ) from error
    try:
        model = onnx.load(str(path))
    except Exception:  # protobuf raises its own classes; ONNX Runtime reports what is wrong
        return None
    domains = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    try:
        nodes = [
            part
            for node in model.graph.node
            for part in _replacement_nodes(node, max(domains, default=1))
        ]
    except (UnicodeDecodeError, IndexError, ValueError):  # no text, no input, no axes
        return None  # as above
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    epsilon = numpy_helper.from_array(np.array(_EPSILON_VALUE, np.float32), _EPSILON)
    model.graph.initializer.append(epsilon)
    content: bytes = model.SerializeToString()
    return content


def _replacement_nodes(node: Any, version: int) -> Iterator[Any]:
    """Yields the node, or `(x - mean) / (sqrt(mean((x - mean)^2)) + 1e-9)` in its place."""
    from onnx import helper

    if node.op_type != _BROKEN:
        yield node
        return
    given = [list(a.ints) for a in node.attribute if a.name == "axes"]
    axes = given[0] if given else list(_DEFAULT_AXES)
    x, y = node.input[0], node.output[0]
    # From version 18 on the axes of a mean are an input.
    over: list[str] = [f"{y}_axes"]
    options: dict[str, Any] = {"keepdims": 1}
    if version < 18:
        over, options = [], {"axes": axes, "keepdims": 1}
    else:
        yield helper.make_node("Constant", [], over, value_ints=axes)
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("ReduceMean", [x, *over], "mean", options),
        ("Sub", [x, f"{y}_mean"], "centred", {}),
        ("Mul", [f"{y}_centred", f"{y}_centred"], "square", {}),
        ("ReduceMean", [f"{y}_square", *over], "variance", options),
        ("Sqrt", [f"{y}_variance"], "deviation", {}),
        ("Add", [f"{y}_deviation", _EPSILON], "divisor", {}),
    ]
    for kind, names, to, attributes in steps:
        yield helper.make_node(kind, names, [f"{y}_{to}"], **attributes)
    yield helper.make_node("Div", [f"{y}_centred", f"{y}_divisor"], [y])
