"""The same elements in other shapes: `Reshape`, `Permute`, `ShuffleChannel` and their like."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from tracker.models.layers import ChannelShuffle
from tracker.models.ncnn.blob import Blob
from tracker.models.ncnn.kind import (
    LayerKind,
    checked_axes,
    expect_rank,
    known_lengths,
    shape_text,
)
from tracker.models.ncnn.syntax import NcnnLayer
from tracker.models.ncnn.weights import WeightReader

_MAX_GROUPS = 4096
_MAX_FACTOR = 64
_MAX_RANK = 3
_DROPPED, _REMAINING, _COPIED = -233, -1, 0

_ORDERS: Mapping[int, tuple[tuple[int, ...], ...]] = MappingProxyType(
    {
        1: ((0,),),
        2: ((0, 1), (1, 0)),
        3: ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)),
    }
)
"""Axes of the result of `Permute` by rank and by its parameter 0, as axes of its input."""


def _permute(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    orders = _ORDERS[inputs[0].rank]
    return inputs[0].permuted(orders[layer.integer(0, 0, high=len(orders) - 1)])


def _flatten(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    return Blob(keras.layers.Reshape((_REMAINING,))(inputs[0].ncnn_order))


def _reshape(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob = inputs[0]
    if layer.integer(3, 0) or layer.integer(11, _DROPPED, low=_DROPPED) != _DROPPED:
        raise layer.error("parameters 3 (permute) and 11 (depth) are not supported")
    sizes = [layer.integer(key, _DROPPED, low=_DROPPED) for key in (2, 1, 0)]
    given = [size for size in sizes if size != _DROPPED]
    if not given or _DROPPED in sizes[len(sizes) - len(given) :]:
        raise layer.error(f"expected width, height and channels from the last on, got {sizes}")
    copied = (1, 1, 1, *blob.shape)[-len(given) :]
    target: list[int] = []
    for size, length in zip(given, copied, strict=True):
        if size == _COPIED and length is None:
            known_lengths(layer, blob, *range(blob.rank))
        target.append(length or _REMAINING if size == _COPIED else size)
    if target.count(_REMAINING) > 1 or min(target) < _REMAINING:
        raise layer.error(f"expected sizes, at most one of them -1, got {given}")
    return Blob(keras.layers.Reshape(tuple(target))(blob.ncnn_order), is_ncnn_order=True)


def _squeeze(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob = inputs[0]
    axes = checked_axes(layer, layer.integers(3), blob.rank)
    if not axes:
        flags = [layer.integer(key, 0, high=1) for key in (2, 1, 0)][-blob.rank :]
        axes = tuple(axis for axis, flag in enumerate(flags) if flag)
    single = [axis for axis in axes if blob.shape[axis] == 1][: blob.rank - 1]
    if not single:
        return blob
    return Blob(ops.squeeze(blob.ncnn_order, tuple(axis + 1 for axis in single)), True)


def _expand(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob, given = inputs[0], layer.integers(3)
    rank = blob.rank + len(given)
    if not given or rank > _MAX_RANK:
        raise layer.error(
            f"expected axes (parameter 3) up to rank {_MAX_RANK}, got {given} for "
            f"{shape_text(blob)}"
        )
    axes = tuple(axis + 1 for axis in checked_axes(layer, given, rank))
    return Blob(ops.expand_dims(blob.ncnn_order, axes), is_ncnn_order=True)


def _shuffle(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob, groups = inputs[0], layer.integer(0, 1, low=1, high=_MAX_GROUPS)
    expect_rank(layer, blob, 3)
    (channels,) = known_lengths(layer, blob, 0)
    if channels % groups:
        raise layer.error(f"expected channels in {groups} groups, got {channels}")
    is_reverse = layer.integer(1, 0, high=1) == 1
    return Blob(ChannelShuffle(channels // groups if is_reverse else groups)(blob.channels_last))


def _pixel_shuffle(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob, factor = inputs[0], layer.integer(0, 1, low=1, high=_MAX_FACTOR)
    expect_rank(layer, blob, 3)
    (channels,) = known_lengths(layer, blob, 0)
    if channels % (factor * factor):
        raise layer.error(f"expected a multiple of {factor * factor} channels, got {channels}")
    image = blob.channels_last
    if factor == 1:
        return blob
    if layer.integer(1, 0, high=1) == 0:
        image = _reordered(image, channels // factor**2, factor**2)
    return Blob(ops.depth_to_space(image, factor, data_format="channels_last"))


def _reorg(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob, stride = inputs[0], layer.integer(0, 1, low=1, high=_MAX_FACTOR)
    expect_rank(layer, blob, 3)
    (channels,) = known_lengths(layer, blob, 0)
    image = blob.channels_last
    places = [(y, x) for y in range(stride) for x in range(stride)]
    joined = _interleaved(image, places, stride)
    if layer.integer(1, 0, high=1) == 0:
        joined = _reordered(joined, stride**2, channels)
    return Blob(joined)


def _focus(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    """Returns YOLOX's first layer: each 2x2 pixels as channels, column by column."""
    expect_rank(layer, inputs[0], 3)
    places = [(0, 0), (1, 0), (0, 1), (1, 1)]
    return Blob(_interleaved(inputs[0].channels_last, places, 2))


def _interleaved(image: Any, places: Sequence[tuple[int, int]], stride: int) -> Any:
    """Returns every `stride`-th pixel from each place on, side by side in the channels."""
    parts = [image[:, y::stride, x::stride] for y, x in places]
    return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]


def _reordered(image: Any, outer: int, inner: int) -> Any:
    """Returns channels of index `a * inner + b` at index `b * outer + a`."""
    order = [a * inner + b for b in range(inner) for a in range(outer)]
    return ops.take(image, order, axis=-1)


KINDS: Mapping[str, LayerKind] = MappingProxyType(
    {
        "ExpandDims": LayerKind(_expand, frozenset({3})),
        "Flatten": LayerKind(_flatten),
        "Permute": LayerKind(_permute, frozenset({0})),
        "PixelShuffle": LayerKind(_pixel_shuffle, frozenset({0, 1})),
        "Reorg": LayerKind(_reorg, frozenset({0, 1})),
        "Reshape": LayerKind(_reshape, frozenset({0, 1, 2, 3, 11})),
        "ShuffleChannel": LayerKind(_shuffle, frozenset({0, 1})),
        "Squeeze": LayerKind(_squeeze, frozenset({0, 1, 2, 3})),
        "YoloV5Focus": LayerKind(_focus),
    }
)
"""Layers by type."""
