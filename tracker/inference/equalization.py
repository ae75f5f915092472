"""Equal ranges for the channels of an activation, by weights that cancel each other.

An activation has one scale for all channels as integers, so a channel of small values has few steps
left. Between two convolutions with only leaky or plain ReLUs and padding between them, a channel
can be enlarged in the first and reduced in the second without changing the result (arXiv
1906.04721, sec. 4.1; here by the ranges of activations, which calibration images show).
"""

from collections.abc import Mapping

import numpy as np

from tracker.inference.tflite_graph import CONVOLUTIONS, Operator, TfliteGraph
from tracker.util.arrays import Float32Array

_HOMOGENEOUS = ("LEAKY_RELU", "RELU", "PAD")

_MIXING_POWER = 0.25
"""Share of the factor, as a power, where the second convolution mixes channels: its kernels then
also get unequal, and have one scale for each output channel. 0.25 left less error than 0 and 0.5
(an integral detector, 12 training images)."""

_LEAST = 1e-3
"""Channels of less than this share of the largest are enlarged no further."""

_LARGEST_FACTOR = 64.0


def equalized_pairs(graph: TfliteGraph) -> list[tuple[Operator, Operator]]:
    """Returns pairs of convolutions between whose channels factors cancel."""
    pairs = []
    for first in graph.operators:
        if first.kind in CONVOLUTIONS and first.activation in ("NONE", "RELU"):
            second = _next_convolution(graph, first.outputs[0])
            if second is not None:
                pairs.append((first, second))
    return pairs


def equalize(graph: TfliteGraph, peaks: Mapping[int, Float32Array]) -> None:
    """Changes the weights of a graph so that channels have similar ranges.

    Args:
        graph: The graph.
        peaks: Largest absolute value of each channel `(C,)` of the activations between pairs: of
            what the second convolution reads.
    """
    for first, second in equalized_pairs(graph):
        arrays = [graph.weights(i) for i in (*first.inputs[1:3], second.inputs[1])]
        kernel, bias, reader = arrays[0], arrays[1] if len(first.inputs) > 2 else None, arrays[-1]
        if kernel is None or bias is None or reader is None:
            continue
        power = 1.0 if second.kind == "DEPTHWISE_CONV_2D" else _MIXING_POWER
        factors = channel_factors(peaks[second.inputs[0]], power)
        if reader.shape[-1] != len(factors):  # of groups, or a depth multiplier
            continue
        kernel *= factors[:, None, None, None] if first.kind == "CONV_2D" else factors
        bias *= factors
        reader /= factors


def channel_factors(peaks: Float32Array, power: float) -> Float32Array:
    """Returns what each channel is multiplied by.

    Args:
        peaks: Largest absolute value of each channel, `(C,)`.
        power: 1 makes all peaks equal, 0 leaves them.

    Example:
        >>> channel_factors(np.array([1, 4, 0.25], np.float32), 0.5).tolist()
        [2.0, 1.0, 4.0]
    """
    top = float(peaks.max())
    if top <= 0:
        return np.ones_like(peaks)
    factors = (top / np.maximum(peaks, top * _LEAST)) ** power
    return np.minimum(factors, _LARGEST_FACTOR).astype(np.float32)


def _next_convolution(graph: TfliteGraph, index: int) -> Operator | None:
    """Returns the only reader of an activation, past operators that keep factors."""
    while index not in graph.outputs and len(graph.users(index)) == 1:
        (user,) = graph.users(index)
        if user.kind in CONVOLUTIONS:
            return user if user.inputs[0] == index else None
        if user.kind not in _HOMOGENEOUS:
            return None
        index = user.outputs[0]
    return None
