"""Activations and other functions of one element, as layers and fused into convolutions."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from keras import ops

from tracker.models.layers import Mish
from tracker.models.ncnn.blob import Blob
from tracker.models.ncnn.kind import LayerKind, elementwise
from tracker.models.ncnn.syntax import NcnnLayer

Function = Callable[[Any], Any]

_FLOAT_MAX = 3.4028234663852886e38
_SIXTH = 1 / 6
_SIXTH_TOLERANCE = 1e-6
"""Files have six or seven digits of 1/6."""

FUSED_TYPE, FUSED_PARAMS = 9, 10
"""Parameters of a layer with a fused activation: its type, and the activation's parameters."""


def with_fused_activation(layer: NcnnLayer, blob: Blob) -> Blob:
    """Returns a blob after the activation that is fused into a layer.

    Args:
        layer: The layer, with its activation in parameters 9 and 10.
        blob: The layer's output.

    Raises:
        ModelError: The activation is unknown, or lacks parameters.
    """
    kind = layer.integer(FUSED_TYPE, 0)
    values = layer.numbers(FUSED_PARAMS)
    if kind not in _FUSED:
        raise layer.error(f"activation {kind}: expected one of {', '.join(map(str, _FUSED))}")
    count, function = _FUSED[kind]
    if len(values) < count:
        raise layer.error(f"activation {kind}: expected {count} parameters, got {len(values)}")
    return blob if kind == 0 else blob.mapped(lambda x: function(x, *values[:count]))


def _leaky(x: Any, slope: float) -> Any:
    return ops.relu(x) if slope == 0 else ops.leaky_relu(x, slope)


def _hard_sigmoid(x: Any, alpha: float, beta: float) -> Any:
    if abs(alpha - _SIXTH) < _SIXTH_TOLERANCE and beta == 0.5:
        return ops.hard_sigmoid(x)
    return ops.clip(x * alpha + beta, 0.0, 1.0)


def _hard_swish(x: Any, alpha: float, beta: float) -> Any:
    if abs(alpha - _SIXTH) < _SIXTH_TOLERANCE and beta == 0.5:
        return ops.hard_silu(x)
    return x * ops.clip(x * alpha + beta, 0.0, 1.0)


def _mish(x: Any) -> Any:
    return Mish()(x)


_FUSED: Mapping[int, tuple[int, Callable[..., Any]]] = MappingProxyType(
    {
        0: (0, lambda x: x),
        1: (0, ops.relu),
        2: (1, _leaky),
        3: (2, ops.clip),
        4: (0, ops.sigmoid),
        5: (0, _mish),
        6: (2, _hard_swish),
    }
)
"""Number of parameters and function of each fused activation."""


def _relu(layer: NcnnLayer) -> Function:
    slope = layer.number(0)
    return lambda x: _leaky(x, slope)


def _clip(layer: NcnnLayer) -> Function:
    low, high = layer.number(0, -_FLOAT_MAX), layer.number(1, _FLOAT_MAX)
    if low > high:
        raise layer.error(f"expected bounds in ascending order, got {low:g} and {high:g}")
    return lambda x: ops.clip(x, low, high)


def _elu(layer: NcnnLayer) -> Function:
    alpha = layer.number(0, 0.1)
    return lambda x: ops.elu(x, alpha)


def _selu(layer: NcnnLayer) -> Function:
    alpha, factor = layer.number(0, 1.67326324), layer.number(1, 1.050700987)
    return lambda x: ops.elu(x, alpha) * factor


def _hard(function: Callable[[Any, float, float], Any]) -> Callable[[NcnnLayer], Function]:
    def of_layer(layer: NcnnLayer) -> Function:
        alpha, beta = layer.number(0, 0.2), layer.number(1, 0.5)
        return lambda x: function(x, alpha, beta)

    return of_layer


def _gelu(layer: NcnnLayer) -> Function:
    is_fast = layer.integer(0, 0, high=1) == 1
    return lambda x: ops.gelu(x, approximate=is_fast)


def _exponential(layer: NcnnLayer) -> Function:
    base, scale, shift = layer.number(0, -1.0), layer.number(1, 1.0), layer.number(2)
    if base == -1:
        return lambda x: ops.exp(x * scale + shift)
    return lambda x: ops.power(base, x * scale + shift)


def _logarithm(layer: NcnnLayer) -> Function:
    base, scale, shift = layer.number(0, -1.0), layer.number(1, 1.0), layer.number(2)
    if base == -1:
        return lambda x: ops.log(x * scale + shift)
    return lambda x: ops.log(x * scale + shift) / ops.log(base)


def _power(layer: NcnnLayer) -> Function:
    power, scale, shift = layer.number(0, 1.0), layer.number(1, 1.0), layer.number(2)
    return lambda x: ops.power(x * scale + shift, power)


def _threshold(layer: NcnnLayer) -> Function:
    threshold = layer.number(0)
    return lambda x: ops.cast(x > threshold, "float32")


def _dropout(layer: NcnnLayer) -> Function:
    scale = layer.number(0, 1.0)
    return lambda x: x if scale == 1 else x * scale


def _plain(function: Function) -> LayerKind:
    return elementwise(lambda layer: function)


_UNARY: tuple[Function, ...] = (
    *(ops.abs, ops.negative, ops.floor, ops.ceil, ops.square, ops.sqrt, ops.rsqrt, ops.exp),
    *(ops.log, ops.sin, ops.cos, ops.tan, ops.arcsin, ops.arccos, ops.arctan, ops.reciprocal),
    *(ops.tanh, ops.log10, ops.round, ops.trunc),
)
"""Functions of `UnaryOp` by its parameter 0."""


def _unary(layer: NcnnLayer) -> Function:
    return _UNARY[layer.integer(0, 0, high=len(_UNARY) - 1)]


KINDS: Mapping[str, LayerKind] = MappingProxyType(
    {
        "AbsVal": _plain(ops.abs),
        "BNLL": _plain(ops.softplus),
        "Clip": elementwise(_clip, 0, 1),
        "Dropout": elementwise(_dropout, 0),
        "ELU": elementwise(_elu, 0),
        "Exp": elementwise(_exponential, 0, 1, 2),
        "GELU": elementwise(_gelu, 0),
        "HardSigmoid": elementwise(_hard(_hard_sigmoid), 0, 1),
        "HardSwish": elementwise(_hard(_hard_swish), 0, 1),
        "Log": elementwise(_logarithm, 0, 1, 2),
        "Mish": _plain(_mish),
        "Power": elementwise(_power, 0, 1, 2),
        "ReLU": elementwise(_relu, 0),
        "SELU": elementwise(_selu, 0, 1),
        "Sigmoid": _plain(ops.sigmoid),
        "Softplus": _plain(ops.softplus),
        "Swish": _plain(ops.silu),
        "TanH": _plain(ops.tanh),
        "Threshold": elementwise(_threshold, 0),
        "UnaryOp": elementwise(_unary, 0),
    }
)
"""Layers by type."""
