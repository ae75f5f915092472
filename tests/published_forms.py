"""Networks in the forms of published ones, small enough to derive their results by hand.

Those of detectors see the mean of a cell of pixels. The ONNX files need the package `onnx`.
"""

from pathlib import Path
from typing import Any

import numpy as np

SIZE = (64, 96)
"""Height and width in pixels of the input of the ONNX networks."""

SSD_SIDE = 96
"""Height and width in pixels of the input of the SSD."""

SSD_CELL = 32
"""Side in pixels of a cell of the SSD."""

_FASTESTDET_CELL = 16
_NANODET_BLUE = (103.53, 57.375)
"""Mean and deviation by which NanoDet's blue channel is normalised."""
_SSD_OBJECTS = 10


def write_fastestdet(path: Path) -> Path:
    """Writes a FastestDet with COCO's 80 classes.

    A cell of 16x16 pixels is a person with the score `mean blue ** 0.6` (pixels from 0 to 1); its
    box is centred in the cell and as wide as a quarter of the image and as high as half of it.
    """
    cell = _FASTESTDET_CELL
    kernel = np.zeros((85, 3, cell, cell), np.float32)
    kernel[0, 0] = 1 / cell**2
    bias = np.zeros(85, np.float32)
    # Half a cell from its corner: tanh. The sides: sigmoid. The class person: as it is.
    bias[1:6] = np.arctanh(0.5), np.arctanh(0.5), np.log(1 / 3), 0, 1
    height, width = (side // cell for side in SIZE)
    nodes = [("Conv", ["images", "kernel", "bias"], "cells", {"strides": [cell, cell]})]
    return _write_onnx(
        path, nodes, {"cells": [1, 85, height, width]}, {"kernel": kernel, "bias": bias}
    )


def write_nanodet(path: Path) -> Path:
    """Writes a NanoDet with COCO's 80 classes, for pixels normalised as NanoDet's are.

    A cell of 8x8 pixels is a person with the mean of blue, from 0 to 1, as its score. The box
    reaches 8 pixels to the left and right of the centre of the cell, 16 up and down. The two
    coarser maps find nothing.
    """
    nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
    outputs: dict[str, list[int]] = {}
    values: dict[str, np.ndarray] = {"flat": np.array([0, 0, -1], np.int64)}
    mean, deviation = _NANODET_BLUE
    for stride in (8, 16, 32):
        kernel = np.zeros((112, 3, stride, stride), np.float32)
        bias = np.zeros(112, np.float32)
        if stride == 8:
            kernel[0, 0] = deviation / 255 / stride**2
            bias[0] = mean / 255
        # Almost all of a side's share at 1 stride (left, right) or at 2 (top, bottom).
        bias[80:].reshape(4, 8)[[0, 1, 2, 3], [1, 2, 1, 2]] = 20
        count = SIZE[0] * SIZE[1] // stride**2
        for name, part in (("scores", slice(80)), ("sides", slice(80, None))):
            end = f"{name}_{stride}"
            values |= {f"kernel_{end}": kernel[part], f"bias_{end}": bias[part]}
            nodes += [
                ("Conv", ["images", f"kernel_{end}", f"bias_{end}"], f"map_{end}",
                 {"strides": [stride, stride]}),
                ("Reshape", [f"map_{end}", "flat"], f"rows_{end}", {}),
                ("Transpose", [f"rows_{end}"], end, {"perm": [0, 2, 1]}),
            ]  # fmt: skip
            outputs[end] = [1, count, len(bias[part])]
    return _write_onnx(path, nodes, outputs, values)


def _write_onnx(
    path: Path,
    nodes: list[tuple[str, list[str], str, dict[str, Any]]],
    outputs: dict[str, list[int]],
    values: dict[str, np.ndarray],
) -> Path:
    import onnx
    from onnx import helper, numpy_helper

    def declared(name: str, shape: list[int]) -> Any:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [helper.make_node(kind, given, [made], **more) for kind, given, made, more in nodes],
        "test",
        [declared("images", [1, 3, *SIZE])],
        [declared(name, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.ascontiguousarray(v), name) for name, v in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def write_ssd(path: Path) -> Path:
    """Writes an SSD with its own suppression for LiteRT: uint8 images of 96x96, two classes.

    A cell of 32x32 pixels is of class 0 with the score `sigmoid(10 * red - 5)` and of class 1 with
    that of green (means from 0 to 1); its box is the cell. Scores below 0.5 are not reported.
    """
    from ai_edge_litert import schema_py_generated as schema

    file = _LiteRtFile(schema)
    cells = SSD_SIDE // SSD_CELL
    kernel = np.zeros((3, SSD_CELL, SSD_CELL, 3), np.float32)
    kernel[1, :, :, 0] = kernel[2, :, :, 1] = 10 / 255 / SSD_CELL**2
    given = file.tensor("image", (1, SSD_SIDE, SSD_SIDE, 3), np.uint8)
    pixels = file.tensor("pixels", (1, SSD_SIDE, SSD_SIDE, 3))
    file.add("CAST", [given], [pixels], schema.CastOptionsT())
    convolution = schema.Conv2DOptionsT()
    convolution.padding = schema.Padding.VALID
    convolution.strideH = convolution.strideW = SSD_CELL
    # Class 0 of the map is the background, which the suppression leaves out.
    weights = [file.constant("kernel", kernel), file.constant("bias", np.full(3, -5, np.float32))]
    logits = file.tensor("logits", (1, cells, cells, 3))
    file.add("CONV_2D", [pixels, *weights], [logits], convolution)
    shares = file.tensor("shares", (1, cells, cells, 3))
    file.add("LOGISTIC", [logits], [shares])
    scores = file.tensor("scores", (1, cells**2, 3))
    file.add("RESHAPE", [shares, file.constant("shape", np.int32([1, cells**2, 3]))], [scores])
    y, x = np.indices((cells, cells), np.float32).reshape(2, -1)
    side = np.ones(cells**2, np.float32)
    anchors = np.stack([y + 0.5, x + 0.5, side, side], axis=1) / np.float32(cells)
    moves = file.constant("moves", np.zeros((1, cells**2, 4), np.float32))
    shapes = ((1, _SSD_OBJECTS, 4), (1, _SSD_OBJECTS), (1, _SSD_OBJECTS), (1,))
    results = [
        file.tensor(f"TFLite_Detection_PostProcess{end}", shape)
        for end, shape in zip(("", ":1", ":2", ":3"), shapes, strict=True)
    ]
    file.add_suppression([moves, scores, file.constant("anchors", anchors)], results)
    path.write_bytes(file.content([given], results))
    return path


class _LiteRtFile:
    """Builds a `.tflite` file from tensors and operations, without TensorFlow."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._buffers = [schema.BufferT()]  # the first one is empty by definition
        self._codes: list[Any] = []

    def tensor(self, name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> int:
        """Adds a tensor and returns its index."""
        kinds = self._schema.TensorType
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(shape), 0
        tensor.type = {"float32": kinds.FLOAT32, "uint8": kinds.UINT8, "int32": kinds.INT32}[
            np.dtype(dtype).name
        ]
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def constant(self, name: str, value: np.ndarray) -> int:
        """Adds a tensor with a value and returns its index."""
        index = self.tensor(name, value.shape, value.dtype)
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(value.tobytes(), np.uint8)
        self._graph.tensors[index].buffer = len(self._buffers)
        self._buffers.append(buffer)
        return index

    def add(self, kind: str, given: list[int], made: list[int], options: Any = None) -> Any:
        """Adds an operation of a name in `BuiltinOperator` and returns it."""
        code = self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        operator = self._schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = len(self._codes), given, made
        if options is not None:
            operator.builtinOptions = options
            name = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, name)
        self._codes.append(code)
        self._graph.operators.append(operator)
        return operator

    def add_suppression(self, given: list[int], made: list[int]) -> None:
        """Adds `TFLite_Detection_PostProcess` for two classes beside the background."""
        from flatbuffers import flexbuffers

        options = {
            "max_detections": _SSD_OBJECTS, "max_classes_per_detection": 1, "num_classes": 2,
            "nms_score_threshold": 0.5, "nms_iou_threshold": 0.5,
            "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0,
        }  # fmt: skip
        operator = self.add("CUSTOM", given, made)
        self._codes[-1].customCode = "TFLite_Detection_PostProcess"
        operator.customOptions = np.frombuffer(flexbuffers.Dumps(options), np.uint8)

    def content(self, inputs: list[int], outputs: list[int]) -> bytes:
        """Returns the content of the file."""
        import flatbuffers

        self._graph.inputs, self._graph.outputs = inputs, outputs
        model = self._schema.ModelT()
        model.version, model.subgraphs = 3, [self._graph]
        model.buffers, model.operatorCodes = self._buffers, self._codes
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())
