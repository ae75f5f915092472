"""Normalisations and factors for each channel, `PReLU` and `Softmax`.

The channels of a blob of rank 2 or 1 are its first axis.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import ops

from tracker.models.ncnn.arithmetic import combined, too_old
from tracker.models.ncnn.blob import Blob
from tracker.models.ncnn.keras_layers import Affine
from tracker.models.ncnn.kind import LayerKind, checked_axis, expect_rank, shape_text
from tracker.models.ncnn.syntax import NcnnLayer
from tracker.models.ncnn.weights import WeightReader
from tracker.util.arrays import Float32Array

_FROM_INPUT = -233


def _channel_shape(layer: NcnnLayer, blob: Blob, count: int) -> tuple[int, ...]:
    """Returns the shape of values for each channel that broadcasts against the blob's tensor.

    Raises:
        ModelError: The blob has another number of channels.
    """
    if blob.shape[0] != count:
        raise layer.error(f"expected {count} channels, got {shape_text(blob)}")
    shape = [1] * blob.rank
    shape[blob.tensor_axis(0) - 1] = count
    return tuple(shape)


def _affine(layer: NcnnLayer, blob: Blob, scale: Float32Array, bias: Float32Array) -> Blob:
    shape = _channel_shape(layer, blob, len(scale))
    affine = Affine(shape)
    affine.set_weights([scale.reshape(shape), bias.reshape(shape)])
    return blob.mapped(affine)


def _batch_norm(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    count, epsilon = layer.integer(0, 0, low=1), layer.number(1)
    slope, mean, variance, bias = (
        weights.floats(count, layer).astype(np.float64) for _ in range(4)
    )
    if not (variance + epsilon > 0).all():
        raise layer.error(f"expected positive variances, got {(variance + epsilon).min():g}")
    scale = slope / np.sqrt(variance + epsilon)
    return _affine(
        layer, inputs[0], scale.astype(np.float32), (bias - mean * scale).astype(np.float32)
    )


def _scale(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    count = layer.integer(0, 0, low=_FROM_INPUT)
    has_bias = layer.integer(1, 0, high=1) == 1
    if count == _FROM_INPUT:
        if len(inputs) != 2 or has_bias:
            raise layer.error("expected the scale as a second input, and no bias")
        return combined(layer, ops.multiply, *inputs)
    if len(inputs) != 1 or count < 1:
        raise layer.error(f"expected one input and its factors, got {count} factors")
    scale = weights.floats(count, layer)
    bias = weights.floats(count, layer) if has_bias else np.zeros(count, np.float32)
    return _affine(layer, inputs[0], scale, bias)


def _bias(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    expect_rank(layer, inputs[0], 3)
    bias = weights.floats(layer.integer(0, 0, low=1), layer)
    return _affine(layer, inputs[0], np.ones_like(bias), bias)


def _prelu(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    count = layer.integer(0, 0, low=1)
    slopes, blob = weights.floats(count, layer), inputs[0]
    if count == 1:
        return blob.mapped(lambda x: ops.leaky_relu(x, float(slopes[0])))
    shape = _channel_shape(layer, blob, count)
    shared = [axis for axis, length in enumerate(shape, start=1) if length == 1]
    prelu = keras.layers.PReLU(shared_axes=shared)
    result = blob.mapped(prelu)
    prelu.set_weights([slopes.reshape(shape)])
    return result


def _instance_norm(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob, count, epsilon = inputs[0], layer.integer(0, 0), layer.number(1, 0.001)
    expect_rank(layer, blob, 3)
    image = blob.channels_last
    mean, variance = ops.moments(image, axes=(1, 2), keepdims=True)
    result = Blob((image - mean) * ops.rsqrt(variance + epsilon))
    if not layer.integer(2, 1, high=1):
        return result
    scale, bias = weights.floats(count, layer), weights.floats(count, layer)
    return _affine(layer, result, scale, bias)


def _normalize(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob, count = inputs[0], layer.integer(3, 0, low=1)
    expect_rank(layer, blob, 3)
    # ncnn's documents say 0 for parameter 4; the program takes 1.
    across_space, across_channels = layer.integer(0, 0, high=1), layer.integer(4, 1, high=1)
    axes = (*([1, 2] if across_space else []), *([3] if across_channels else []))
    if not axes:
        raise layer.error("expected parameters 0 or 4 to be 1, got neither")
    scale = weights.floats(count, layer)
    if layer.integer(1, 0, high=1):
        scale = np.repeat(scale[:1], blob.shape[0] or 0)
    image = blob.channels_last
    total = ops.sum(ops.square(image), axis=axes, keepdims=True)
    result = Blob(image * _inverse_root(layer, total))
    return _affine(layer, result, scale, np.zeros_like(scale))


def _inverse_root(layer: NcnnLayer, total: Any) -> Any:
    """Returns `1 / sqrt(total)`, kept finite in the way of Caffe, PyTorch or TensorFlow."""
    epsilon, mode = layer.number(2, 0.0001), layer.integer(9, 0, high=2)
    if mode == 1:
        return 1 / ops.maximum(ops.sqrt(total), epsilon)
    return ops.rsqrt(total + epsilon if mode == 0 else ops.maximum(total, epsilon))


def _softmax(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob = inputs[0]
    axis = checked_axis(layer, 0, blob.rank)
    if layer.integer(0, 0, low=-3) != 0 and not layer.integer(1, 0, high=1):
        raise too_old(layer, "parameter 1 is not 1")
    return blob.mapped(lambda x: ops.softmax(x, axis=blob.tensor_axis(axis)))


KINDS: Mapping[str, LayerKind] = MappingProxyType(
    {
        "BatchNorm": LayerKind(_batch_norm, frozenset({0, 1})),
        "Bias": LayerKind(_bias, frozenset({0})),
        "InstanceNorm": LayerKind(_instance_norm, frozenset({0, 1, 2})),
        "Normalize": LayerKind(_normalize, frozenset({0, 1, 2, 3, 4, 9})),
        "PReLU": LayerKind(_prelu, frozenset({0})),
        "Scale": LayerKind(_scale, frozenset({0, 1}), 1, 2),
        "Softmax": LayerKind(_softmax, frozenset({0, 1})),
    }
)
"""Layers by type."""
