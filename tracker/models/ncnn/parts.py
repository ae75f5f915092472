"""Parts of blobs and joined blobs: `Concat`, `Slice`, `Crop`, and copies."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from keras import ops

from tracker.models.ncnn.blob import Blob
from tracker.models.ncnn.keras_layers import CropToReference
from tracker.models.ncnn.kind import (
    MAX_SIDE,
    LayerKind,
    checked_axes,
    checked_axis,
    expect_rank,
    known_lengths,
    shape_text,
)
from tracker.models.ncnn.syntax import NcnnLayer
from tracker.models.ncnn.weights import WeightReader

_REST = -233
_ALL = slice(None)


def _copies(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> list[Blob]:
    return [inputs[0]] * len(layer.outputs)


def _noop(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> list[Blob]:
    return list(inputs)


def _concat(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    first = inputs[0]
    if {blob.rank for blob in inputs} != {first.rank}:
        shapes = ", ".join(map(shape_text, inputs))
        raise layer.error(f"expected inputs of one rank, got {shapes}")
    axis = first.tensor_axis(checked_axis(layer, 0, first.rank))
    tensors = [blob.ncnn_order if first.is_ncnn_order else blob.channels_last for blob in inputs]
    if len(tensors) == 1:
        return first
    return Blob(ops.concatenate(tensors, axis=axis), first.is_ncnn_order)


def _slice(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> list[Blob]:
    blob = inputs[0]
    axis = checked_axis(layer, 1, blob.rank)
    bounds = _slice_bounds(layer, blob, axis)
    length = blob.shape[axis]
    ends = [length if end is None else end for _, end in bounds]
    if any(end is not None and end <= start for (start, _), end in zip(bounds, ends, strict=True)):
        raise layer.error(f"expected parts of at least one element of {shape_text(blob)}")
    if length is not None and any(end is not None and end > length for end in ends):
        raise layer.error(f"expected parts of {shape_text(blob)}, got bounds {ends}")
    before = [_ALL] * blob.tensor_axis(axis)
    return [Blob(blob.tensor[(*before, slice(*pair))], blob.is_ncnn_order) for pair in bounds]


def _slice_bounds(layer: NcnnLayer, blob: Blob, axis: int) -> list[tuple[int, int | None]]:
    """Returns the bounds of each part; the end of the last is `None` where it is that of all."""
    indices = layer.integers(2)
    if indices:
        length = known_lengths(layer, blob, axis)[0] if min(indices) < 0 else 0
        starts = [0, *(index + length if index < 0 else index for index in indices)]
        return list(zip(starts, [*starts[1:], None], strict=True))
    bounds: list[tuple[int, int | None]] = []
    start, sizes = 0, layer.integers(0)
    for place, size in enumerate(sizes):
        left = len(sizes) - place
        if size != _REST:
            bounds.append((start, start + size))
            start += size
        elif left == 1:
            bounds.append((start, None))
        else:
            part = (known_lengths(layer, blob, axis)[0] - start) // left
            bounds.append((start, start + part))
            start += part
    return bounds


def _crop(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob = inputs[0]
    if len(inputs) == 2:
        return _crop_to_reference(layer, blob, inputs[1])
    starts, ends = layer.integers(9), layer.integers(10)
    if starts:
        axes = layer.integers(11) or tuple(range(len(starts)))
        if not len(starts) == len(ends) == len(axes):
            raise layer.error(f"expected as many ends and axes as starts, got {starts}, {ends}")
        counted = checked_axes(layer, axes, blob.rank)
        windows = {
            axis: (start, None if end == _REST else end)
            for axis, start, end in zip(counted, starts, ends, strict=True)
        }
    else:
        windows = _windows(layer, blob)
    return _cut(layer, blob, windows)


def _windows(layer: NcnnLayer, blob: Blob) -> dict[int, tuple[int, int | None]]:
    """Returns the bounds by axis that offsets and sizes of `Crop` mean."""
    names = ("w", "h", "c")[: blob.rank]
    windows: dict[int, tuple[int, int | None]] = {}
    for place, _ in enumerate(names):
        offset, after = (layer.integer(key + place, 0, high=MAX_SIDE) for key in (0, 6))
        size = layer.integer(3 + place, 0, low=_REST, high=MAX_SIDE)
        if size == _REST:
            end = -after if after else None
        else:
            end = offset + size
        windows[blob.rank - 1 - place] = (offset, end)
    return windows


def _cut(layer: NcnnLayer, blob: Blob, windows: Mapping[int, tuple[int, int | None]]) -> Blob:
    index = [_ALL] * (blob.rank + 1)
    for axis, bounds in windows.items():
        length = blob.shape[axis]
        if length is not None and len(range(*slice(*bounds).indices(length))) == 0:
            raise layer.error(f"expected a window in {shape_text(blob)}, got {bounds}")
        index[blob.tensor_axis(axis)] = slice(*bounds)
    return Blob(blob.tensor[tuple(index)], blob.is_ncnn_order)


def _crop_to_reference(layer: NcnnLayer, blob: Blob, reference: Blob) -> Blob:
    expect_rank(layer, blob, 3)
    expect_rank(layer, reference, 3)
    left, top, first = (layer.integer(key, 0, high=MAX_SIDE) for key in (0, 1, 2))
    window = CropToReference(top, left)([blob.channels_last, reference.channels_last])
    (channels,) = known_lengths(layer, reference, 0)
    return _cut(layer, Blob(window), {0: (first, first + channels)})


KINDS: Mapping[str, LayerKind] = MappingProxyType(
    {
        "Concat": LayerKind(_concat, frozenset({0}), 1, None),
        "Crop": LayerKind(_crop, frozenset(range(12)), 1, 2),
        "Noop": LayerKind(_noop, frozenset(), 0, None),
        "Slice": LayerKind(_slice, frozenset({0, 1, 2})),
        "Split": LayerKind(_copies),
    }
)
"""Layers by type."""
