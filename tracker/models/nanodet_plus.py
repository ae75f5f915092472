"""Weights of a published NanoDet-Plus, put into a network of `integral` to train it further.

NanoDet-Plus (Apache-2.0, github.com/RangiLyu/nanodet) has the same shape; its files hold the
convolutions for BGR, in the order of its graph, and classes and sides of a head as one convolution.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tracker.errors import ModelError
from tracker.models.backbones.shufflenet import PREFIX, STAGES
from tracker.models.integral_shape import (
    BINS,
    INTEGRAL_STRIDES,
    Convolution,
    integral_shape,
)
from tracker.models.yolo_shape import YoloSize
from tracker.util.arrays import Float32Array

_SIDES = 4 * BINS


def put_published_weights(
    network: Any, size: YoloSize, convolutions: Sequence[Convolution]
) -> None:
    """Sets the weights of a network of `build_integral` to those of a NanoDet-Plus.

    Args:
        network: The network; any number of classes.
        size: Its size.
        convolutions: Those of the published graph, in its order.

    Raises:
        ModelError: There are more or fewer, or one has another shape.
    """
    names = _published_order(size)
    if len(convolutions) != len(names):
        raise ModelError(
            f"NanoDet-Plus: expected {len(names)} convolutions, got {len(convolutions)}; is it "
            f"one of the shape of {integral_shape(size).backbone}?"
        )
    for name, (kernel, bias) in zip(names, convolutions, strict=True):
        if name in {f"map_{stride}" for stride in INTEGRAL_STRIDES}:
            classes = len(bias) - _SIDES
            _put(network, f"{name}_class_out", kernel[:classes], bias[:classes])
            _put(network, f"{name}_box_out", kernel[classes:], bias[classes:])
        else:
            bgr = name == f"{PREFIX}_stem"
            _put(network, f"{name}_conv", kernel[:, ::-1] if bgr else kernel, bias)


def _put(network: Any, name: str, kernel: Float32Array, bias: Float32Array) -> None:
    layer = network.get_layer(name)
    axes = (2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (2, 3, 1, 0)
    kernel = kernel.transpose(axes)
    if kernel.shape != tuple(layer.kernel.shape):
        raise ModelError(
            f"NanoDet-Plus: {name}: expected a kernel of shape {tuple(layer.kernel.shape)}, got "
            f"{kernel.shape}"
        )
    layer.set_weights([kernel, bias])


def _published_order(size: YoloSize) -> list[str]:
    """Returns prefixes of the convolutions' names in the order of the published graph."""
    names = [f"{PREFIX}_stem"]
    for stage, (units, _) in enumerate(STAGES[integral_shape(size).backbone]):
        for unit in range(units):
            is_first = unit == 0
            parts = ["side_depth"] if is_first else []
            parts += ["in", "depth", *(["side_point"] if is_first else []), "out"]
            names += [f"{PREFIX}_{stage}_{unit}_{part}" for part in parts]
    names.append("neck_reduce_2")
    for level in (1, 0):
        names += [f"neck_reduce_{level}", *_ghost_order(f"neck_raise_{level}")]
    for level in (1, 2):
        lowered = f"neck_lower_{level}"
        names += [f"{lowered}_down_depth", f"{lowered}_down_point", *_ghost_order(lowered)]
    names += [f"neck_coarse_{i}_{part}" for i in (0, 1) for part in ("depth", "point")]
    # The first convolutions of all heads, then head by head from the coarsest.
    names += [f"map_{stride}_0_{p}" for stride in INTEGRAL_STRIDES for p in ("depth", "point")]
    for stride in INTEGRAL_STRIDES[::-1]:
        names += [f"map_{stride}_1_depth", f"map_{stride}_1_point", f"map_{stride}"]
    return names


def _ghost_order(name: str) -> list[str]:
    modules = [f"{name}_{m}_{part}" for m in ("first", "second") for part in ("primary", "cheap")]
    return [*modules, f"{name}_shortcut_depth", f"{name}_shortcut_point"]
