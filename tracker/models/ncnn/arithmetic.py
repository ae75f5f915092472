"""Arithmetic of several blobs, and sums, means and extrema along axes."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from types import MappingProxyType
from typing import Any

from keras import ops

from tracker.models.ncnn.blob import Blob
from tracker.models.ncnn.kind import LayerKind, checked_axes, shape_text
from tracker.models.ncnn.syntax import NcnnLayer
from tracker.models.ncnn.weights import WeightReader

_BINARY: tuple[Callable[[Any, Any], Any], ...] = (
    *(ops.add, ops.subtract, ops.multiply, ops.divide, ops.maximum, ops.minimum, ops.power),
    lambda a, b: ops.subtract(b, a),
    lambda a, b: ops.divide(b, a),
    lambda a, b: ops.power(b, a),
    ops.arctan2,
    lambda a, b: ops.arctan2(b, a),
)
"""Functions of `BinaryOp` by its parameter 0."""


def _binary(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    function = _BINARY[layer.integer(0, 0, high=len(_BINARY) - 1)]
    if layer.integer(1, 0, high=1):
        if len(inputs) != 1:
            raise layer.error(f"expected one input beside the number, got {len(inputs)}")
        number = layer.number(2)
        # A tensor of rank 0: some operations take no Python number.
        return inputs[0].mapped(lambda x: function(x, ops.convert_to_tensor(number, "float32")))
    if len(inputs) != 2:
        raise layer.error(f"expected two inputs, got {len(inputs)}")
    return combined(layer, function, *inputs)


def combined(
    layer: NcnnLayer, function: Callable[[Any, Any], Any], first: Blob, second: Blob
) -> Blob:
    """Returns a function of two blobs, after ncnn's rules of broadcasting.

    Blobs of the same rank broadcast along axes of length 1. A vector belongs to the first axis of
    the other blob if it has its length, else to the last; a matrix to the first two axes.

    Args:
        layer: The layer, for messages.
        function: Returns a tensor of two tensors.
        first: Its first argument.
        second: Its second argument.

    Raises:
        ModelError: The shapes do not fit.
    """
    if first.rank == second.rank:
        if first.is_ncnn_order and second.is_ncnn_order:
            return Blob(function(first.tensor, second.tensor), is_ncnn_order=True)
        return Blob(function(first.channels_last, second.channels_last))
    if first.rank < second.rank:
        return Blob(function(_raised(layer, first, second), second.channels_last))
    return Blob(function(first.channels_last, _raised(layer, second, first)))


def _raised(layer: NcnnLayer, small: Blob, large: Blob) -> Any:
    """Returns the tensor of a blob with axes of length 1 for those that the other has more."""
    tensor = small.tensor
    if small.rank == 2:
        return ops.expand_dims(ops.transpose(tensor, (0, 2, 1)), 2)
    (length,) = small.shape
    if length not in {1, large.shape[0], large.shape[-1]}:
        raise layer.error(f"{shape_text(small)} does not broadcast to {shape_text(large)}")
    is_first = length == large.shape[0]
    if large.rank == 2:
        return ops.expand_dims(tensor, 2 if is_first else 1)
    return ops.expand_dims(tensor, (1, 2) if is_first else (1, 3))


_PRODUCT, _SUM, _MAXIMUM = range(3)


def _eltwise(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    kind, factors = layer.integer(0, 0, high=_MAXIMUM), layer.numbers(1)
    if len({blob.shape for blob in inputs}) > 1:
        shapes = ", ".join(map(shape_text, inputs))
        raise layer.error(f"expected inputs of one shape, got {shapes}")
    tensors = [blob.channels_last for blob in inputs]
    if kind == _SUM and factors:
        if len(factors) != len(tensors):
            raise layer.error(f"expected {len(tensors)} factors, got {len(factors)}")
        tensors = [x * factor for x, factor in zip(tensors, factors, strict=True)]
    function = {_PRODUCT: ops.multiply, _SUM: ops.add, _MAXIMUM: ops.maximum}[kind]
    return Blob(reduce(function, tensors))


def _log_sum(x: Any, **axes: Any) -> Any:
    return ops.log(ops.sum(x, **axes))


def _sum_of(function: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda x, **axes: ops.sum(function(x), **axes)


def _norm(x: Any, **axes: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(x), **axes))


_REDUCTIONS: tuple[Callable[..., Any], ...] = (
    *(ops.sum, _sum_of(ops.abs), _sum_of(ops.square), ops.mean, ops.max, ops.min, ops.prod),
    *(_sum_of(ops.abs), _norm, _log_sum, ops.logsumexp),
)
"""Functions of `Reduction` by its parameter 0."""


def _reduction(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    function = _REDUCTIONS[layer.integer(0, 0, high=len(_REDUCTIONS) - 1)]
    blob, given, factor = inputs[0], layer.integers(3), layer.number(2, 1.0)
    takes_all = layer.integer(1, 1, high=1) == 1 or not given
    if not takes_all and not layer.integer(5, 0, high=1):
        raise too_old(layer, "its axes count the batch (parameter 5 is not 1)")
    axes = tuple(range(blob.rank)) if takes_all else checked_axes(layer, given, blob.rank)
    keeps = layer.integer(4, 0, high=1) == 1
    result = function(blob.ncnn_order, axis=tuple(axis + 1 for axis in axes), keepdims=keeps)
    if factor != 1:
        result = result * factor
    if not keeps and len(axes) == blob.rank:
        result = ops.expand_dims(result, 1)
    return Blob(result, is_ncnn_order=True)


def too_old(layer: NcnnLayer, why: str) -> Exception:
    """Returns the error of a file that ncnn's present versions refuse as well.

    Args:
        layer: The layer.
        why: What is missing in its parameters.
    """
    return layer.error(f"the file is of an old version of ncnn: {why}; convert the model again")


KINDS: Mapping[str, LayerKind] = MappingProxyType(
    {
        "BinaryOp": LayerKind(_binary, frozenset({0, 1, 2}), 1, 2),
        "Eltwise": LayerKind(_eltwise, frozenset({0, 1}), 1, None),
        "Reduction": LayerKind(_reduction, frozenset({0, 1, 2, 3, 4, 5})),
    }
)
"""Layers by type."""
