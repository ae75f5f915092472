"""Darknet layers as layers of a Keras model, with the weights of a weights file."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import keras

from tracker.models.darknet.sections import (
    Activation,
    Convolution,
    DarknetCfg,
    Detection,
    Dropout,
    Layer,
    MaxPool,
    Reorg,
    Route,
    Shortcut,
    Upsample,
)
from tracker.models.darknet.shapes import LayerShape, input_shape
from tracker.models.darknet.weights import ConvolutionWeights
from tracker.models.layers import ChannelGroup, DarknetReorg, Mish, PaddedMaxPool

_LEAKY_SLOPE = 0.1
# darknet's own value on CPUs and OpenCV's. Measured on five yolo-fastest models against OpenCV
# 4.14: largest difference of a raw map 3e-5 with 1e-6, 2e-2 with 1e-5.
_BATCH_NORM_EPSILON = 1e-6
_ACTIVATION_LAYERS: Mapping[Activation, Callable[..., Any]] = MappingProxyType(
    {
        Activation.LEAKY: partial(keras.layers.LeakyReLU, negative_slope=_LEAKY_SLOPE),
        Activation.MISH: Mish,
        Activation.SWISH: partial(keras.layers.Activation, "silu"),
        Activation.RELU: keras.layers.ReLU,
        Activation.RELU6: partial(keras.layers.ReLU, max_value=6.0),
        Activation.LOGISTIC: partial(keras.layers.Activation, "sigmoid"),
    }
)

Padding = tuple[tuple[int, int], tuple[int, int]]
"""Border in pixels: `((top, bottom), (left, right))`."""


def build_darknet(cfg: DarknetCfg, shapes: Sequence[LayerShape], *, height: int, width: int) -> Any:
    """Returns the `keras.Model` of a cfg, with random weights.

    Args:
        cfg: The network.
        shapes: Output shape of each layer at this input size.
        height: Input height in pixels.
        width: Input width in pixels.
    """
    image = keras.Input((height, width, 3), name="image")
    tensors: list[Any] = []
    outputs: list[Any] = []
    for index, layer in enumerate(cfg.layers):
        before = tensors[-1] if tensors else image
        shape = input_shape(shapes, index, height=height, width=width)
        tensor = _apply(layer, index, before=before, tensors=tensors, shape=shape)
        tensors.append(tensor)
        if isinstance(layer, Detection):
            outputs.append(tensor)
    return keras.Model(image, outputs, name="darknet")


def _apply(
    layer: Layer, index: int, *, before: Any, tensors: Sequence[Any], shape: LayerShape
) -> Any:
    """Returns the output tensor of a layer; `shape` is that of `before`."""
    match layer:
        case Convolution():
            return _convolution(layer, index, before, shape)
        case MaxPool():
            return _maxpool(layer, index, before, shape)
        case Route():
            return _route(layer, index, tensors)
        case Shortcut():
            parts = [before, *(tensors[source] for source in layer.layers)]
            total = keras.layers.Add(name=f"shortcut_{index}")(parts)
            return _activate(layer.activation, f"shortcut_{index}", total)
        case Dropout():
            return before
    return _reshaping(layer, index)(before)


def _reshaping(layer: Upsample | Reorg | Detection, index: int) -> Any:
    match layer:
        case Upsample():
            return keras.layers.UpSampling2D(layer.stride, name=f"upsample_{index}")
        case Reorg():
            return DarknetReorg(layer.stride, name=f"reorg_{index}")
        case Detection():
            return keras.layers.Identity(name=f"{layer.head.kind.value}_{index}")


def _route(layer: Route, index: int, tensors: Sequence[Any]) -> Any:
    parts = [tensors[source] for source in layer.layers]
    if layer.groups > 1:
        parts = [
            ChannelGroup(layer.groups, layer.group_id, name=f"route_{index}_group_{k}")(part)
            for k, part in enumerate(parts)
        ]
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate(name=f"route_{index}")(parts)


def _convolution(layer: Convolution, index: int, before: Any, shape: LayerShape) -> Any:
    name = f"conv_{index}"
    strides = (layer.stride_y, layer.stride_x)
    reach = layer.dilation * (layer.size - 1) + 1
    # darknet widens the border with the dilation.
    border = layer.padding * layer.dilation
    padding = _darknet_padding(shape, reach=reach, strides=strides, sides=(border, border))
    mode = "same" if padding == _same_padding(shape, reach=reach, strides=strides) else "valid"
    if mode == "valid" and padding != ((0, 0), (0, 0)):
        before = keras.layers.ZeroPadding2D(padding, name=f"{name}_pad")(before)
    tensor = _kernel_layer(layer, shape.channels, name=name, padding=mode)(before)
    if layer.batch_normalize:
        tensor = keras.layers.BatchNormalization(epsilon=_BATCH_NORM_EPSILON, name=f"{name}_bn")(
            tensor
        )
    return _activate(layer.activation, name, tensor)


def _kernel_layer(layer: Convolution, channels: int, *, name: str, padding: str) -> Any:
    arguments = {
        "kernel_size": layer.size,
        "strides": (layer.stride_y, layer.stride_x),
        "padding": padding,
        "dilation_rate": layer.dilation,
        "use_bias": not layer.batch_normalize,
        "name": name,
    }
    if _is_depthwise(layer, channels):
        return keras.layers.DepthwiseConv2D(depth_multiplier=layer.filters // channels, **arguments)
    return keras.layers.Conv2D(layer.filters, groups=layer.groups, **arguments)


def _is_depthwise(layer: Convolution, channels: int) -> bool:
    # TensorFlow's depthwise convolution needs equal strides; other cases are grouped convolutions.
    return layer.groups == channels > 1 and layer.stride_y == layer.stride_x


def _maxpool(layer: MaxPool, index: int, before: Any, shape: LayerShape) -> Any:
    name = f"maxpool_{index}"
    strides = (layer.stride_y, layer.stride_x)
    # Integer division: an odd pixel of padding goes to the bottom and to the right.
    sides = (layer.padding // 2, layer.padding - layer.padding // 2)
    padding = _darknet_padding(shape, reach=layer.size, strides=strides, sides=sides)
    if padding == _same_padding(shape, reach=layer.size, strides=strides):
        return keras.layers.MaxPooling2D(layer.size, strides, padding="same", name=name)(before)
    return PaddedMaxPool(layer.size, strides, padding, name=name)(before)


def _darknet_padding(
    shape: LayerShape, *, reach: int, strides: tuple[int, int], sides: tuple[int, int]
) -> Padding:
    """Returns the part of darknet's padding that windows cover.

    darknet has `(length + before + after - reach) // stride + 1` windows; where the division has a
    remainder, the last pixels of the padding are never read.
    """

    def axis(length: int, stride: int) -> tuple[int, int]:
        count = (length + sum(sides) - reach) // stride + 1
        return sides[0], max((count - 1) * stride + reach - length - sides[0], 0)

    return axis(shape.height, strides[0]), axis(shape.width, strides[1])


def _same_padding(shape: LayerShape, *, reach: int, strides: tuple[int, int]) -> Padding:
    """Returns the padding of padding="same": as much as `ceil(length / stride)` windows need."""

    def axis(length: int, stride: int) -> tuple[int, int]:
        total = max((-(-length // stride) - 1) * stride + reach - length, 0)
        return total // 2, total - total // 2

    return axis(shape.height, strides[0]), axis(shape.width, strides[1])


def _activate(activation: Activation, name: str, tensor: Any) -> Any:
    if activation is Activation.LINEAR:
        return tensor
    return _ACTIVATION_LAYERS[activation](name=f"{name}_{activation.value}")(tensor)


def assign_weights(model: Any, weights: Mapping[int, ConvolutionWeights]) -> None:
    """Copies weights into a model.

    Args:
        model: From `build_darknet`; changed in place.
        weights: Weights of the convolutions by layer index.
    """
    for index, arrays in weights.items():
        layer = model.get_layer(f"conv_{index}")
        size = arrays.kernel.shape[-1]
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            # Filter f belongs to input channel f // multiplier, in darknet as in Keras.
            split = arrays.kernel.reshape(-1, layer.depth_multiplier, size, size)
            kernel = split.transpose(2, 3, 0, 1)
        else:
            kernel = arrays.kernel.transpose(2, 3, 1, 0)
        if not arrays.scales.size:
            layer.set_weights([kernel, arrays.biases])
            continue
        layer.set_weights([kernel])
        model.get_layer(f"conv_{index}_bn").set_weights(
            [arrays.scales, arrays.biases, arrays.means, arrays.variances]
        )
