"""A LiteRT graph whose float weights and calibrated ranges can be changed in place.

Nothing moves within the file: only values of weights, and the bounds that calibration left with the
activations, are overwritten.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracker.util.arrays import Float32Array

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


@dataclass(frozen=True, slots=True)
class Operator:
    """One operation of a graph.

    Attributes:
        kind: Its name in LiteRT, such as `CONV_2D`.
        inputs: Indices of its input tensors; -1 where an optional one is absent.
        outputs: Indices of its output tensors.
        slope: Of a `LEAKY_RELU` for negative values, else 0.
        activation: Name of the fused activation of a convolution, such as `RELU6`, else `NONE`.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    slope: float
    activation: str


class TfliteGraph:
    """The main graph of a `.tflite`.

    Args:
        content: The file, which is copied.
    """

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._content = bytearray(content)
        self._model: Any = schema.Model.GetRootAs(self._content, 0)
        self._graph: Any = self._model.Subgraphs(0)
        self.operators = [
            _operator(schema, self._model, self._graph.Operators(index))
            for index in range(self._graph.OperatorsLength())
        ]
        self.inputs: list[int] = self._graph.InputsAsNumpy().tolist()
        self.outputs: list[int] = self._graph.OutputsAsNumpy().tolist()
        self.makers = {index: op for op in self.operators for index in op.outputs}
        self._users: dict[int, list[Operator]] = {}
        for op in self.operators:
            for index in op.inputs:
                self._users.setdefault(index, []).append(op)
        self._float = schema.TensorType.FLOAT32
        self._buffer_uses = Counter(
            self._graph.Tensors(index).Buffer()
            for op in self.operators
            for index in op.inputs
            if index >= 0
        )

    def content(self) -> bytes:
        """Returns the file as it is now."""
        return bytes(self._content)

    def name(self, index: int) -> str:
        """Returns the name of a tensor."""
        return str(self._graph.Tensors(index).Name().decode())

    def users(self, index: int) -> list[Operator]:
        """Returns the operators that read a tensor."""
        return self._users.get(index, [])

    def weights(self, index: int) -> Float32Array | None:
        """Returns a constant as a writable view; `None` for other types and activations.

        Also `None` for values that several tensors share, since a change would concern them all.
        """
        if index < 0:
            return None
        tensor = self._graph.Tensors(index)
        values = self._model.Buffers(tensor.Buffer()).DataAsNumpy()
        is_shared = self._buffer_uses[tensor.Buffer()] > 1
        if isinstance(values, int) or tensor.Type() != self._float or is_shared:
            return None
        view: Float32Array = values.view(np.float32).reshape(tensor.ShapeAsNumpy())
        return view

    def activations(self) -> list[int]:
        """Returns the float tensors that calibration gave a range."""
        return [
            index
            for op in self.operators
            for index in op.outputs
            if self._graph.Tensors(index).Type() == self._float and self._bounds(index) is not None
        ]

    def set_range(self, index: int, low: float, high: float) -> None:
        """Sets the range of an activation that `activations` returns."""
        bounds = self._bounds(index)
        assert bounds is not None, f"tensor {index} was not calibrated"
        bounds[0][0], bounds[1][0] = low, high

    def _bounds(self, index: int) -> tuple[Float32Array, Float32Array] | None:
        found = self._graph.Tensors(index).Quantization()
        if found is None or found.MinLength() != 1 or found.MaxLength() != 1:
            return None
        return found.MinAsNumpy(), found.MaxAsNumpy()


def _operator(schema: Any, model: Any, op: Any) -> Operator:
    code = model.OperatorCodes(op.OpcodeIndex())
    # Files written before there were 128 kinds have the kind in the old field only.
    kind = _name(schema.BuiltinOperator, max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
    table, slope, activation = op.BuiltinOptions(), 0.0, "NONE"
    if kind == "LEAKY_RELU":
        leaky = schema.LeakyReluOptions()
        leaky.Init(table.Bytes, table.Pos)
        slope = float(leaky.Alpha())
    if kind in CONVOLUTIONS:
        is_full = kind == "CONV_2D"
        conv = schema.Conv2DOptions() if is_full else schema.DepthwiseConv2DOptions()
        conv.Init(table.Bytes, table.Pos)
        activation = _name(schema.ActivationFunctionType, conv.FusedActivationFunction())
    inputs, outputs = op.InputsAsNumpy(), op.OutputsAsNumpy()
    return Operator(kind, _indices(inputs), _indices(outputs), slope, activation)


def _indices(found: Any) -> tuple[int, ...]:
    """Returns a vector of the schema, which is 0 where it is empty."""
    return () if isinstance(found, int) else tuple(found.tolist())


def _name(names: type, number: int) -> str:
    return next(key for key, value in vars(names).items() if value == number)
