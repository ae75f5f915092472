"""ShuffleNetV2 1x as an ONNX graph with random weights, as figure 3 of arXiv 1807.11164 has it.

The order of the convolutions and the leaky ReLU are those of NanoDet's files.
"""

from pathlib import Path
from typing import Any

import numpy as np

FEATURES = ("features_8", "features_16", "features_32")
UNITS = (4, 8, 4)
CHANNELS = (116, 232, 464)


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.values: dict[str, np.ndarray] = {}
        self._rng = np.random.default_rng(0)

    def add(self, kind: str, *given: str, made: str = "", **attributes: Any) -> str:
        from onnx import helper

        made = made or f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(given), [made], **attributes))
        return made

    def constant(self, value: np.ndarray) -> str:
        name = f"value{len(self.values)}"
        self.values[name] = value
        return name

    def convolution(
        self, x: str, filters: int, inputs: int, *, side: int = 1, strides: int = 1, group: int = 1
    ) -> str:
        shape = (filters, inputs // group, side, side)
        deviation = np.sqrt(2 / (shape[1] * side**2))
        kernel = self._rng.normal(0, deviation, shape).astype(np.float32)
        bias = self._rng.normal(0, 0.1, filters).astype(np.float32)
        return self.add(
            "Conv", x, self.constant(kernel), self.constant(bias),
            strides=[strides] * 2, pads=[side // 2] * 4, group=group,
        )  # fmt: skip

    def depthwise(self, x: str, channels: int, strides: int) -> str:
        return self.convolution(x, channels, channels, side=3, strides=strides, group=channels)

    def pointwise(self, x: str, filters: int, inputs: int) -> str:
        return self.activated(self.convolution(x, filters, inputs))

    def activated(self, x: str) -> str:
        return self.add("LeakyRelu", x, alpha=0.1)

    def part(self, x: str, start: int, end: int) -> str:
        places = (np.array([value], np.int64) for value in (start, end, 1))
        return self.add("Slice", x, *map(self.constant, places))

    def unit(self, x: str, inputs: int, channels: int, *, is_first: bool, made: str) -> str:
        half = channels // 2
        if is_first:
            side = self.pointwise(self.depthwise(x, inputs, 2), half, inputs)
            inner, strides = self.pointwise(x, half, inputs), 2
        else:
            side = self.part(x, 0, half)
            inner, strides = self.pointwise(self.part(x, half, channels), half, half), 1
        inner = self.pointwise(self.depthwise(inner, half, strides), half, half)
        joined = self.add("Concat", side, inner, axis=1)
        size = self.add("Shape", joined)
        sides = self.add("Slice", size, *(self.constant(np.array([v])) for v in (2, 4)))
        two = self.add("Concat", self.constant(np.array([1, 2, half])), sides, axis=0)
        one = self.add("Concat", self.constant(np.array([1, channels])), sides, axis=0)
        turned = self.add("Transpose", self.add("Reshape", joined, two), perm=[0, 2, 1, 3, 4])
        return self.add("Reshape", turned, one, made=made)


def write_shufflenet(path: Path) -> Path:
    """Writes the network: BGR, normalised as NanoDet's, as `images`; the outputs are `FEATURES`."""
    import onnx
    from onnx import helper, numpy_helper

    graph = _Graph()
    x = graph.activated(graph.convolution("images", 24, 3, side=3, strides=2))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    inputs = 24
    for feature, units, channels in zip(FEATURES, UNITS, CHANNELS, strict=True):
        for index in range(units):
            made = feature if index == units - 1 else ""
            x = graph.unit(x, inputs, channels, is_first=index == 0, made=made)
            inputs = channels

    def declared(name: str, channels: int, *sides: str) -> Any:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, channels, *sides])

    made = helper.make_graph(
        graph.nodes,
        "shufflenet",
        [declared("images", 3, "height", "width")],
        [
            declared(name, channels, f"h{channels}", f"w{channels}")
            for name, channels in zip(FEATURES, CHANNELS, strict=True)
        ],
        [numpy_helper.from_array(value, name) for name, value in graph.values.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path
