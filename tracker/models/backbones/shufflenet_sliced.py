"""ShuffleNetV2 for inference without channel shuffles: the same function, about a tenth faster.

A shuffle interleaves two halves, and the next unit transforms the upper half of the result. LiteRT
moves every value for that. But an upper half of an interleaving is made of contiguous channels of
the tensors that were interleaved, so slices and one concatenation bring the same channels together,
in another order; the kernels that read them have their input channels in that order instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from tracker.models.backbones.shufflenet import (
    PREFIX,
    STAGES,
    first_unit,
    inner_branch,
    stem,
)
from tracker.models.layers import ChannelSlice
from tracker.util.arrays import Int64Array

_Channel = tuple[int, int]
"""Number of a tensor of the stage, and channel in it."""


@dataclass(slots=True)
class SlicedFeatures:
    """Features with permuted channels, and what that means for the layers that read them.

    Attributes:
        levels: Features at strides 8, 16 and 32; channel `k` is channel `orders[level][k]` of what
            `shufflenet_features` returns.
        orders: Permutation of the channels of each level.
        kernels: Permutation of the input channels of each convolution of the backbone that reads
            permuted channels, by the layer's name.
    """

    levels: list[Any] = field(default_factory=list)
    orders: list[Int64Array] = field(default_factory=list)
    kernels: dict[str, Int64Array] = field(default_factory=dict)


def sliced_features(image: Any, name: str) -> SlicedFeatures:
    """Returns the features of `shufflenet_features` with permuted channels, without shuffles.

    Layers with weights have the same names, shapes and order as there.

    Args:
        image: `(B, H, W, 3)` RGB in `[0, 1]`.
        name: Key of `STAGES`.
    """
    found = SlicedFeatures()
    x = stem(image)
    order: Int64Array | None = None
    for stage, (units, channels) in enumerate(STAGES[name]):
        prefix = f"{PREFIX}_{stage}"
        if order is not None:
            # A depthwise convolution keeps the order, so the one after it reads it, too.
            for part in ("side_depth", "side_point", "in"):
                found.kernels[f"{prefix}_0_{part}_conv"] = order
        half = channels // 2
        tensors = list(first_unit(x, half, name=f"{prefix}_0"))
        logical = _interleaved([(0, c) for c in range(half)], [(1, c) for c in range(half)])
        for unit in range(1, units):
            kept, worked = logical[:half], logical[half:]
            inner, order = _gathered(tensors, worked, name=f"{prefix}_{unit}_work")
            found.kernels[f"{prefix}_{unit}_in_conv"] = order
            tensors.append(inner_branch(inner, half, name=f"{prefix}_{unit}"))
            new = [(len(tensors) - 1, c) for c in range(half)]
            logical = _interleaved(kept, new)
        x, order = _gathered(tensors, logical, name=f"{prefix}_out")
        found.levels.append(x)
        found.orders.append(order)
    return found


def _interleaved(first: list[_Channel], second: list[_Channel]) -> list[_Channel]:
    return [channel for pair in zip(first, second, strict=True) for channel in pair]


def _gathered(
    tensors: Sequence[Any], wanted: Sequence[_Channel], *, name: str
) -> tuple[Any, Int64Array]:
    """Returns the wanted channels as one tensor, and which one each of its channels is."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    parts = [
        _slice(tensors[tensor], low, high, name=f"{name}_{tensor}_{low}")
        for tensor, low, high in _ranges([wanted[index] for index in order])
    ]
    joined = keras.layers.Concatenate(name=name)(parts) if len(parts) > 1 else parts[0]
    return joined, np.array(order, np.int64)


def _ranges(channels: Sequence[_Channel]) -> list[tuple[int, int, int]]:
    """Returns tensor, first and last channel plus one of each contiguous range."""
    ranges: list[tuple[int, int, int]] = []
    for tensor, channel in channels:
        if ranges and ranges[-1][0] == tensor and ranges[-1][2] == channel:
            ranges[-1] = (tensor, ranges[-1][1], channel + 1)
        else:
            ranges.append((tensor, channel, channel + 1))
    return ranges


def _slice(x: Any, low: int, high: int, *, name: str) -> Any:
    if high - low == x.shape[-1]:
        return x
    return ChannelSlice(low, high, name=name)(x)


def copy_permuted(network: Any, source: Any, kernels: Mapping[str, Int64Array]) -> None:
    """Copies all weights by layer name, with the input channels of some convolutions permuted.

    Args:
        network: Gets the weights.
        source: A network whose layers with weights have the same names.
        kernels: Permutation of the input channels by layer name.
    """
    for layer in network.layers:
        weights = source.get_layer(layer.name).get_weights() if layer.weights else []
        if layer.name in kernels:
            kernel, *bias = weights
            order = kernels[layer.name]
            # The output channels of a depthwise convolution are in the order of its input.
            is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            weights = [kernel[:, :, order], *(b[order] if is_depthwise else b for b in bias)]
        layer.set_weights(weights)
