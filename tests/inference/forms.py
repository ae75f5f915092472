"""One small network in all forms that `open_network` opens, and the same in NumPy.

It takes images `(B, H, W, 3)` float32 and gives "map" `(B, H/2, W/2, 6)`, sides rounded up, and
"vector" `(B, 5)`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

OPEN = (None, None, None, 3)


@dataclass(frozen=True)
class Weights:
    """Kernels `(height, width, in, out)` and biases of two convolutions, then `(6, 5)`, bias."""

    first: np.ndarray
    first_bias: np.ndarray
    second: np.ndarray
    second_bias: np.ndarray
    dense: np.ndarray
    dense_bias: np.ndarray

    def as_list(self):
        return [
            *(self.first, self.first_bias, self.second, self.second_bias),
            *(self.dense, self.dense_bias),
        ]


def random_weights(seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(3, 3, 3, 4), (4,), (3, 3, 4, 6), (6,), (6, 5), (5,)]
    return Weights(*(rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes))


def expected(weights, images):
    """Returns map and vector in float64; convolutions are sums over shifted images."""
    x = _convolution(images.astype(np.float64), weights.first, weights.first_bias, stride=2)
    x = _convolution(x, weights.second, weights.second_bias, stride=1)
    return x, x.mean(axis=(1, 2)) @ weights.dense + weights.dense_bias


def _convolution(x, kernel, bias, *, stride):
    # TensorFlow's "same": as much padding as the last step needs, the odd pixel after.
    out = [-(-side // stride) for side in x.shape[1:3]]
    pads = [max(0, (n - 1) * stride + 3 - side) for n, side in zip(out, x.shape[1:3], strict=True)]
    x = np.pad(x, [(0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
    total = bias.astype(np.float64)
    for row in range(3):
        for column in range(3):
            ends = [
                offset + (n - 1) * stride + 1 for offset, n in zip((row, column), out, strict=True)
            ]
            seen = x[:, row : ends[0] : stride, column : ends[1] : stride]
            total = total + seen @ kernel[row, column].astype(np.float64)
    return np.maximum(total, 0)


def keras_model(weights):
    import keras

    image = keras.Input(OPEN[1:], name="image")
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image)
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    vector = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, {"map": x, "vector": vector})
    model.set_weights(weights.as_list())
    return model


def write_saved_model(model, folder: Path) -> Path:
    import tensorflow as tf

    module = tf.Module()
    module.model = model
    module.serve = tf.function(model, input_signature=[tf.TensorSpec(OPEN, name="image")])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder


def write_tflite(weights, path: Path, *, shape=OPEN, images=None) -> Path:
    """Writes a `.tflite`; with calibration images, fully quantized to integers."""
    import tensorflow as tf

    def network(image):
        x = tf.nn.conv2d(image, weights.first, strides=2, padding="SAME")
        x = tf.nn.relu(x + weights.first_bias)
        x = tf.nn.conv2d(x, weights.second, strides=1, padding="SAME")
        x = tf.nn.relu(x + weights.second_bias)
        vector = tf.reduce_mean(x, axis=[1, 2]) @ weights.dense + weights.dense_bias
        return {"map": x, "vector": vector}

    spec = tf.TensorSpec(shape, name="image")
    function = tf.function(network, input_signature=[spec]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    if images is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
    path.write_bytes(converter.convert())
    return path


def write_onnx(weights, path: Path, *, batch="batch", opset=17) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def node(operation, *names, **attributes):
        return helper.make_node(operation, list(names[:-1]), [names[-1]], **attributes)

    nodes = [
        node("Transpose", "image", "nchw", perm=[0, 3, 1, 2]),
        node("Conv", "nchw", "first", "first_bias", "a", auto_pad="SAME_UPPER", strides=[2, 2]),
        node("Relu", "a", "b"),
        node("Conv", "b", "second", "second_bias", "c", auto_pad="SAME_UPPER"),
        node("Relu", "c", "d"),
        node("Transpose", "d", "map", perm=[0, 2, 3, 1]),
        node("GlobalAveragePool", "d", "e"),
        node("Flatten", "e", "f"),
        node("Gemm", "f", "dense", "dense_bias", "vector"),
    ]
    values = {
        **{name: getattr(weights, name) for name in weights.__dataclass_fields__},
        "first": weights.first.transpose(3, 2, 0, 1),
        "second": weights.second.transpose(3, 2, 0, 1),
    }
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", kind, [batch, "h", "w", 3])],
        [
            helper.make_tensor_value_info("vector", kind, [batch, 5]),
            helper.make_tensor_value_info("map", kind, [batch, "y", "x", 6]),
        ],
        [numpy_helper.from_array(np.ascontiguousarray(v), name) for name, v in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, str(path))
    return path
