"""The range of each activation as integers, by the error that it leaves on calibration images.

The extremes of an activation are rare: a range that holds them all has coarse steps for all the
other values. Of ranges from the extremes inwards, the one with the least error is taken. Where a
leaky ReLU follows, errors of negative values count by its slope, which lets the range end far
above the least value. Tensors whose values are only moved have one range together, so that moving
them needs no conversion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tracker.inference.tflite_graph import TfliteGraph
from tracker.util.arrays import Float32Array, Float64Array

_MOVING = (
    *("CONCATENATION", "DEPTH_TO_SPACE", "MAX_POOL_2D", "MIRROR_PAD", "PAD", "RESHAPE"),
    *("SLICE", "STRIDED_SLICE", "TRANSPOSE"),
)

_ERROR_POWER = 2.5
"""Errors count by this power: 2 cuts the strong responses to objects too much, 3 keeps too many
extremes (an integral detector, 12 training images: errors of boxes 158, 147 and 170, in 1/1000 of
a cell)."""

_SHARES = (1.0, 0.93, 0.86, 0.8, 0.74, 0.68, 0.6, 0.52, 0.45, 0.38)
_SHARES_BELOW = (*_SHARES, 0.3, 0.22, 0.15, 0.1, 0.05, 0.02)
"""Parts of the largest and of the least value at which a range may end."""

_STEPS = 255
_BINS = 600


@dataclass(frozen=True, slots=True)
class Observed:
    """Values of an activation on calibration images.

    Attributes:
        samples: Some of the values, `(N,)`.
        low: The least value, at most 0.
        high: The largest value, at least 0.
    """

    samples: Float32Array
    low: float
    high: float


def set_ranges(graph: TfliteGraph, observed: Mapping[int, Observed]) -> None:
    """Sets the range of every activation of a graph.

    Args:
        graph: The graph.
        observed: Values of all its activations by index.
    """
    for group in moved_together(graph):
        makers = [index for index in group if graph.makers[index].kind not in _MOVING] or group
        joined = _joined([observed[index] for index in makers])
        low, high = best_range(joined, slope=_slope(graph, group))
        for index in group:
            graph.set_range(index, low, high)


def moved_together(graph: TfliteGraph) -> list[list[int]]:
    """Returns the activations of a graph in groups that share values."""
    groups = {index: [index] for index in graph.activations()}
    for op in graph.operators:
        if op.kind in _MOVING:
            found = [groups[index] for index in (*op.inputs, *op.outputs) if index in groups]
            first = found[0] if found else []
            for other in found:
                if other is not first:
                    first.extend(other)
                    groups.update(dict.fromkeys(other, first))
    return list({id(group): group for group in groups.values()}.values())


def best_range(observed: Observed, *, slope: float = 1.0) -> tuple[float, float]:
    """Returns the ends of the range with the least error; 0 lies in it.

    Args:
        observed: The values.
        slope: What negative values are multiplied by afterwards: 1 unless a leaky ReLU follows.
    """
    bounds = (observed.low, observed.high)
    if observed.low >= observed.high:
        return bounds
    counts, edges = np.histogram(observed.samples, bins=_BINS, range=bounds)
    values = ((edges[1:] + edges[:-1]) / 2)[counts > 0]
    counts = counts[counts > 0].astype(np.float64)
    ranges = [
        (below * observed.low, above * observed.high)
        for below in (_SHARES_BELOW if observed.low < 0 else _SHARES[:1])
        for above in (_SHARES if observed.high > 0 else _SHARES[:1])
    ]
    return min(ranges, key=lambda ends: _error(values, counts, ends, slope))


def _error(
    values: Float64Array, counts: Float64Array, ends: tuple[float, float], slope: float
) -> float:
    """Returns the error by rounding to steps of a range and by clipping to it."""
    weights = np.where(values < 0, slope, 1.0)
    rounding = (ends[1] - ends[0]) / _STEPS / np.sqrt(12)
    clipping = np.abs(values - np.clip(values, *ends))
    errors = (clipping * weights) ** _ERROR_POWER + (rounding * weights) ** _ERROR_POWER
    return float((errors * counts).sum())


def _joined(parts: Sequence[Observed]) -> Observed:
    return Observed(
        np.concatenate([part.samples for part in parts]),
        min(part.low for part in parts),
        max(part.high for part in parts),
    )


def _slope(graph: TfliteGraph, group: Sequence[int]) -> float:
    """Returns the slope of the leaky ReLU that alone reads an activation, else 1."""
    users = graph.users(group[0])
    if len(group) == 1 and len(users) == 1 and users[0].kind == "LEAKY_RELU":
        return users[0].slope
    return 1.0
