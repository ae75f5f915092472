"""The layer `Pooling`: maxima and means of windows, of the whole image, or of equal parts."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from keras import ops

from tracker.models.ncnn.blob import Blob
from tracker.models.ncnn.kind import MAX_SIDE, LayerKind, expect_rank, known_lengths
from tracker.models.ncnn.padding import Border, same_border
from tracker.models.ncnn.syntax import NcnnLayer
from tracker.models.ncnn.weights import WeightReader

_MAX, _MEAN = 0, 1
_FULL, _, _SAME_UPPER, _SAME_LOWER = range(4)
_AS_INPUT = -233
_MAX_PARTS = 256


def _pooling(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob = inputs[0]
    expect_rank(layer, blob, 3)
    is_max = layer.integer(0, 0, high=_MEAN) == _MAX
    if layer.integer(4, 0, high=1):
        reduce = ops.max if is_max else ops.mean
        return Blob(reduce(blob.channels_last, axis=(1, 2)))
    if layer.integer(7, 0, high=1):
        return Blob(_adaptive(layer, blob, is_max=is_max))
    width = layer.integer(1, 0, low=1, high=MAX_SIDE)
    window = (layer.integer(11, width, low=1, high=MAX_SIDE), width)
    if not min(window):
        raise layer.error("expected a window of at least 1 pixel, got none (parameter 1)")
    step = layer.integer(2, 1, low=1, high=MAX_SIDE)
    strides = (layer.integer(12, step, low=1, high=MAX_SIDE), step)
    border, is_counted = _border(layer, blob, window, strides)
    image = blob.channels_last
    if is_max:
        return Blob(_maxima(image, border, window, strides))
    return Blob(_means(image, border, window, strides, is_counted=is_counted))


def _adaptive(layer: NcnnLayer, blob: Blob, *, is_max: bool) -> Any:
    """Returns maxima or means of as many parts as parameters 8 and 18 say.

    Keras has layers for that; those of version 3.15 end the process on TensorFlow.
    """
    width = layer.integer(8, 0, low=_AS_INPUT, high=_MAX_PARTS)
    sizes = [layer.integer(18, width, low=_AS_INPUT, high=_MAX_PARTS), width]
    for axis in (0, 1):
        if sizes[axis] == _AS_INPUT:
            sizes[axis] = known_lengths(layer, blob, axis + 1)[0]
        if sizes[axis] < 1:
            raise layer.error(f"expected an output of at least 1 pixel, got {sizes[axis]}")
    reduce, image = (ops.max if is_max else ops.mean), blob.channels_last
    if sizes == [1, 1]:
        return reduce(image, axis=(1, 2), keepdims=True)
    for axis, (length, count) in enumerate(
        zip(known_lengths(layer, blob, 1, 2), sizes, strict=True), start=1
    ):
        before = (slice(None),) * axis
        # Parts are rectangles, so that rows and columns can be reduced one after the other.
        bounds = [(n * length // count, -(-(n + 1) * length // count)) for n in range(count)]
        parts = [reduce(image[(*before, slice(*pair))], axis, keepdims=True) for pair in bounds]
        image = ops.concatenate(parts, axis=axis) if count > 1 else parts[0]
    return image


def _border(
    layer: NcnnLayer, blob: Blob, window: tuple[int, int], strides: tuple[int, int]
) -> tuple[Border, bool]:
    """Returns the border, and whether its zeros count in means."""
    mode = layer.integer(5, 0, high=_SAME_LOWER)
    if mode in {_SAME_UPPER, _SAME_LOWER}:
        border = same_border(layer, blob, window, strides, is_upper=mode == _SAME_UPPER)
        return border, True
    left = layer.integer(3, 0, high=MAX_SIDE)
    top = layer.integer(13, left, high=MAX_SIDE)
    right, bottom = layer.integer(14, left, high=MAX_SIDE), layer.integer(15, top, high=MAX_SIDE)
    if mode == _FULL:
        # ceil((n - window) / stride) steps are floor((n + stride - 1 - window) / stride) steps:
        # pixels of the border that no window reaches do no harm.
        bottom, right = bottom + strides[0] - 1, right + strides[1] - 1
    return Border(top, bottom, left, right), layer.integer(6, 0, high=1) == 1


def _maxima(image: Any, border: Border, window: tuple[int, int], strides: tuple[int, int]) -> Any:
    if border.is_same(window, strides):
        return ops.max_pool(image, window, strides, padding="same")
    padded = border.padded(image, float("-inf"))
    return ops.max_pool(padded, window, strides, padding="valid")


def _means(
    image: Any,
    border: Border,
    window: tuple[int, int],
    strides: tuple[int, int],
    *,
    is_counted: bool,
) -> Any:
    means = ops.average_pool(border.padded(image, 0.0), window, strides, padding="valid")
    if is_counted or border == Border(0, 0, 0, 0):
        return means
    inside = border.padded(ops.ones_like(image[..., :1]), 0.0)
    return means / ops.average_pool(inside, window, strides, padding="valid")


KINDS: Mapping[str, LayerKind] = MappingProxyType(
    {"Pooling": LayerKind(_pooling, frozenset({*range(9), *range(11, 16), 18}))}
)
"""Layers by type."""
