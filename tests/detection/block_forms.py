"""The block network of `conftest` in the forms that others publish theirs in, outputs as YOLOv8's.

One column `(cx, cy, w, h, red, green)` for each cell of 8x8 pixels of an image of 96x64.
"""

from pathlib import Path

import numpy as np

from tests.detection.conftest import block_convolution

HEIGHT, WIDTH, CELL = 64, 96, 8
COUNT = HEIGHT // CELL * (WIDTH // CELL)


def cell_boxes() -> np.ndarray:
    """Returns `(4, N)`: centres and sizes of the cells in pixels."""
    y, x = np.indices((HEIGHT // CELL, WIDTH // CELL), np.float32).reshape(2, -1)
    side = np.full(COUNT, CELL, np.float32)
    return np.stack([(x + 0.5) * CELL, (y + 0.5) * CELL, side, side])


def write_onnx(path: Path, *, batch: int | str = 1, channels: int = 3, opset: int = 17) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kernel, bias = block_convolution()
    kernel = np.ascontiguousarray(kernel[..., 4:].transpose(3, 2, 0, 1))
    values = {
        "kernel": np.repeat(kernel[:, :1], 4, axis=1) if channels == 4 else kernel,
        "bias": bias[4:],
        "boxes": cell_boxes()[None],
        "flat": np.array([0, 3, -1], np.int64),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "end": np.array([3], np.int64),
        "channel": np.array([1], np.int64),
        "zero": np.zeros((1, 4, 1), np.float32),
    }

    def node(operation, *names, **attributes):
        return helper.make_node(operation, list(names[:-1]), [names[-1]], **attributes)

    nodes = [
        node("Conv", "images", "kernel", "bias", "map", strides=[CELL, CELL]),
        node("Reshape", "map", "flat", "cells"),
        node("Sigmoid", "cells", "shares"),
        node("Slice", "shares", "first", "second", "channel", "objectness"),
        node("Slice", "shares", "second", "end", "channel", "classes"),
        node("Mul", "objectness", "classes", "scores"),
        # As many boxes as images: their shares times 0, plus the boxes.
        node("Mul", "objectness", "zero", "nothing"),
        node("Add", "nothing", "boxes", "placed"),
        node("Concat", "placed", "scores", "output0", axis=1),
    ]
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "blocks",
        [helper.make_tensor_value_info("images", kind, [batch, channels, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info("output0", kind, [batch, 6, COUNT])],
        [numpy_helper.from_array(np.ascontiguousarray(v), name) for name, v in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, str(path))
    return path


def block_function(*, batch: int | None = 1):
    """Returns the network as a function of TensorFlow; boxes are shares of the image's sides."""
    import tensorflow as tf

    kernel, bias = block_convolution()
    sides = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float32)
    boxes = cell_boxes()[None] / sides[:, None]

    def network(images):
        shares = tf.nn.conv2d(images, kernel[..., 4:], strides=CELL, padding="VALID") + bias[4:]
        shares = tf.transpose(tf.sigmoid(tf.reshape(shares, (-1, COUNT, 3))), (0, 2, 1))
        placed = tf.zeros_like(shares[:, :1]) + boxes
        return {"output_0": tf.concat([placed, shares[:, :1] * shares[:, 1:]], axis=1)}

    spec = tf.TensorSpec((batch, HEIGHT, WIDTH, 3), name="images")
    return tf.function(network, input_signature=[spec])


def write_tflite(path: Path) -> Path:
    import tensorflow as tf

    function = block_function().get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    path.write_bytes(converter.convert())
    return path


def write_saved_model(folder: Path) -> Path:
    import tensorflow as tf

    module = tf.Module()
    module.serve = block_function(batch=None)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder
