"""Convolutions, transposed convolutions and matrix products.

ncnn stores kernels as `(num_output, num_input / group, kernel_h, kernel_w)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from tracker.models.ncnn.activation import FUSED_PARAMS, FUSED_TYPE, with_fused_activation
from tracker.models.ncnn.blob import Blob
from tracker.models.ncnn.kind import LayerKind, expect_rank, shape_text
from tracker.models.ncnn.padding import Border, is_keras_same, read_border
from tracker.models.ncnn.syntax import NcnnLayer
from tracker.models.ncnn.weights import WeightReader, widened
from tracker.util.arrays import Float32Array

_MAX_STEP = 4096
_REQUANTIZED = 100
"""Scale terms above this have the scale of the output as well."""
_PER_GROUP, _PER_LAYER = 1, 2
"""Scale terms of a depthwise convolution: a scale for each group, or one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kernel:
    """Weights of a layer.

    Attributes:
        values: `(F, num_input / group, kernel_h, kernel_w)`.
        bias: `(F,)`; zeros without a bias.
        group: Number of groups.
        stride: Steps `(y, x)`.
        dilation: `(y, x)`.
    """

    values: Float32Array
    bias: Float32Array
    group: int
    stride: tuple[int, int]
    dilation: tuple[int, int]

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width in pixels that one output covers."""
        (height, width), (rows, columns) = self.values.shape[2:], self.dilation
        return rows * (height - 1) + 1, columns * (width - 1) + 1

    @property
    def dilated(self) -> Float32Array:
        """The values with zeros between them, `(F, num_input / group, *extent)`."""
        wide = np.zeros((*self.values.shape[:2], *self.extent), np.float32)
        wide[:, :, :: self.dilation[0], :: self.dilation[1]] = self.values
        return wide


def _convolution(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    if layer.integer(19, 0):
        raise layer.error("weights that another layer computes (parameter 19) are not supported")
    kernel = _read_kernel(layer, weights)
    blob = inputs[0]
    if blob.rank == 1:
        return with_fused_activation(layer, Blob(_vector_product(layer, blob, kernel)))
    expect_rank(layer, blob, 3)
    channels = kernel.values.shape[1] * kernel.group
    if blob.shape[0] != channels:
        raise layer.error(f"expected {channels} input channels, got {shape_text(blob)}")
    image, value = blob.channels_last, layer.number(18)
    if value == 0 and is_keras_same(layer, blob, kernel.extent, kernel.stride):
        return with_fused_activation(layer, Blob(_convolved(image, kernel, padding="same")))
    padded = read_border(layer, blob, kernel.extent, kernel.stride).padded(image, value)
    return with_fused_activation(layer, Blob(_convolved(padded, kernel, padding="valid")))


def _vector_product(layer: NcnnLayer, blob: Blob, kernel: _Kernel) -> Any:
    """Returns a 1x1 convolution of a vector, such as one after global pooling."""
    filters = kernel.values.shape[0]
    if kernel.values.shape[2:] != (1, 1) or kernel.group != 1:
        raise layer.error(f"expected an input of rank 3, got {shape_text(blob)}")
    return _dense(layer, blob.tensor, kernel.values.reshape(filters, -1), kernel.bias)


def _convolved(image: Any, kernel: _Kernel, *, padding: str) -> Any:
    filters, channels_per_group = kernel.values.shape[:2]
    values, dilation = kernel.values, kernel.dilation
    if max(dilation) > 1 and max(kernel.stride) > 1:
        # Keras has no convolution with both.
        values, dilation = kernel.dilated, (1, 1)
    arguments = {
        "kernel_size": values.shape[2:],
        "strides": kernel.stride,
        "padding": padding,
        "dilation_rate": dilation,
    }
    # TensorFlow's depthwise convolution needs equal steps and dilations.
    is_square = kernel.stride[0] == kernel.stride[1] and dilation[0] == dilation[1]
    if channels_per_group == 1 and kernel.group > 1 and is_square:
        multiplier = filters // kernel.group
        layer = keras.layers.DepthwiseConv2D(depth_multiplier=multiplier, **arguments)
        split = values.reshape(kernel.group, multiplier, *values.shape[2:])
        return _with_weights(layer, image, split.transpose(2, 3, 0, 1), kernel.bias)
    layer = keras.layers.Conv2D(filters, groups=kernel.group, **arguments)
    return _with_weights(layer, image, values.transpose(2, 3, 1, 0), kernel.bias)


def _deconvolution(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    if layer.integer(20, 0) or layer.integer(21, 0):
        raise layer.error("a fixed output size (parameters 20, 21) is not supported")
    kernel = _read_kernel(layer, weights)
    blob = inputs[0]
    expect_rank(layer, blob, 3)
    if blob.shape[0] != kernel.values.shape[1] * kernel.group:
        expected = kernel.values.shape[1] * kernel.group
        raise layer.error(f"expected {expected} input channels, got {shape_text(blob)}")
    border = read_border(layer, blob, kernel.extent, kernel.stride)
    right = layer.integer(18, 0, high=_MAX_STEP)
    bottom = layer.integer(19, right, high=_MAX_STEP)
    # Keras gives max(extent, stride) pixels for the last input pixel, ncnn extent.
    surplus = [max(s - e, 0) for s, e in zip(kernel.stride, kernel.extent, strict=True)]
    cut = Border(border.top, border.bottom + surplus[0], border.left, border.right + surplus[1])
    transposed = keras.layers.Conv2DTranspose(
        kernel.values.shape[0], kernel.extent, strides=kernel.stride, use_bias=False
    )
    full = _with_weights(transposed, blob.channels_last, _dense_kernel(kernel))
    grown = Border(0, bottom, 0, right).padded(full, 0.0)
    return with_fused_activation(layer, Blob(cut.cropped(grown) + kernel.bias))


def _dense_kernel(kernel: _Kernel) -> Float32Array:
    """Returns `(extent_h, extent_w, F, num_input)` of a transposed convolution.

    Groups become blocks of a kernel that is zero elsewhere: TensorFlow has no transposed
    convolution with groups.
    """
    filters, inputs = kernel.values.shape[:2]
    wide = np.zeros((*kernel.extent, filters, inputs * kernel.group), np.float32)
    rows = filters // kernel.group
    for group in range(kernel.group):
        block = kernel.dilated[group * rows : (group + 1) * rows].transpose(2, 3, 0, 1)
        wide[:, :, group * rows : (group + 1) * rows, group * inputs : (group + 1) * inputs] = block
    return wide


def _read_kernel(layer: NcnnLayer, weights: WeightReader) -> _Kernel:
    """Returns the weights of a layer, after checking that they fit its parameters."""
    filters = layer.integer(0, 0, low=1)
    width = layer.integer(1, 0, low=1, high=_MAX_STEP)
    height = layer.integer(11, width, low=1, high=_MAX_STEP)
    size = layer.integer(6, 0, low=1)
    group = layer.integer(7, 1, low=1)
    has_groups = layer.type.endswith("DepthWise")
    if not has_groups and group != 1:
        raise layer.error(f"expected one group, got {group}; groups are for {layer.type}DepthWise")
    if not (filters and width) or filters % group or size % (filters * width * height):
        raise layer.error(
            f"expected weights for {filters} filters of {width}x{height} in {group} groups, got "
            f"{size} weights"
        )
    stride = layer.integer(3, 1, low=1, high=_MAX_STEP)
    dilation = layer.integer(2, 1, low=1, high=_MAX_STEP)
    stored = weights.tagged(size, layer)
    bias = weights.floats(filters, layer) if layer.integer(5, 0, high=1) else None
    scales = _read_scales(layer, weights, filters=filters, group=group if has_groups else None)
    return _Kernel(
        widened(stored.reshape(filters, -1, height, width), scales, layer),
        np.zeros(filters, np.float32) if bias is None else bias,
        group,
        (layer.integer(13, stride, low=1, high=_MAX_STEP), stride),
        (layer.integer(12, dilation, low=1, high=_MAX_STEP), dilation),
    )


def _read_scales(
    layer: NcnnLayer, weights: WeightReader, *, filters: int, group: int | None
) -> Sequence[float] | Float32Array:
    """Returns `(filters,)` scales of int8 weights, or `()`, and skips those of inputs and outputs.

    Args:
        layer: The layer.
        weights: The file, after the bias.
        filters: Number of filters.
        group: Groups of a depthwise convolution, whose filters share a scale; `None` of others.
    """
    term = layer.integer(8, 0, high=2 * _REQUANTIZED)
    if not term:
        return ()
    kind = term % _REQUANTIZED
    if kind not in {_PER_GROUP, _PER_LAYER}:
        raise layer.error(f"parameter 8: expected 0, 1, 2, 101 or 102, got {term}")
    count = filters if group is None else group if kind == _PER_GROUP else 1
    scales = weights.scales(count, layer)
    weights.scales(2 if term > _REQUANTIZED else 1, layer)
    return np.repeat(scales, filters // count)


def _inner_product(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    filters = layer.integer(0, 0, low=1)
    size = layer.integer(2, 0, low=1)
    if not filters or size % filters or not size:
        raise layer.error(f"expected weights for {filters} outputs, got {size} weights")
    stored = weights.tagged(size, layer)
    bias = weights.floats(filters, layer) if layer.integer(1, 0, high=1) else None
    scales = _read_scales(layer, weights, filters=filters, group=None)
    matrix = widened(stored.reshape(filters, -1), scales, layer)
    blob, length = inputs[0], size // filters
    if blob.rank == 2 and blob.shape[1] == length:
        vectors = blob.tensor
    else:
        known = [n for n in blob.shape if n is not None]
        if len(known) == blob.rank and np.prod(known) != length:
            raise layer.error(f"expected {length} inputs, got {shape_text(blob)}")
        vectors = keras.layers.Reshape((length,))(blob.ncnn_order)
    result = _dense(layer, vectors, matrix, np.zeros(filters, "f4") if bias is None else bias)
    return with_fused_activation(layer, Blob(result))


def _dense(layer: NcnnLayer, vectors: Any, matrix: Float32Array, bias: Float32Array) -> Any:
    if vectors.shape[-1] != matrix.shape[1]:
        raise layer.error(f"expected {matrix.shape[1]} inputs, got {vectors.shape[-1]}")
    return _with_weights(keras.layers.Dense(len(matrix)), vectors, matrix.T, bias)


def _with_weights(layer: Any, inputs: Any, *weights: Float32Array) -> Any:
    """Returns a Keras layer's output, after setting its weights."""
    # Random values would be replaced at once.
    for name in ("kernel_initializer", "depthwise_initializer"):
        if hasattr(layer, name):
            setattr(layer, name, keras.initializers.Zeros())
    output = layer(inputs)
    layer.set_weights([np.ascontiguousarray(values) for values in weights])
    return output


_GEOMETRY = (0, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16)
_CONVOLUTION = frozenset({*_GEOMETRY, 7, 8, FUSED_TYPE, FUSED_PARAMS, 18, 19})
_DECONVOLUTION = frozenset({*_GEOMETRY, 7, FUSED_TYPE, FUSED_PARAMS, 18, 19, 20, 21})

KINDS: Mapping[str, LayerKind] = MappingProxyType(
    {
        "Convolution": LayerKind(_convolution, _CONVOLUTION),
        "ConvolutionDepthWise": LayerKind(_convolution, _CONVOLUTION),
        "Deconvolution": LayerKind(_deconvolution, _DECONVOLUTION),
        "DeconvolutionDepthWise": LayerKind(_deconvolution, _DECONVOLUTION),
        "InnerProduct": LayerKind(
            _inner_product, frozenset({0, 1, 2, 8, FUSED_TYPE, FUSED_PARAMS})
        ),
    }
)
"""Layers by type."""
