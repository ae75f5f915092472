"""The layer `Interp`: resizing by factors, to a size, or to the size of another blob."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from keras import ops

from tracker.models.ncnn.blob import Blob
from tracker.models.ncnn.keras_layers import Doubling, Interpolation
from tracker.models.ncnn.kind import MAX_SIDE, LayerKind, expect_rank
from tracker.models.ncnn.syntax import NcnnLayer
from tracker.models.ncnn.weights import WeightReader

_MODES = {1: "nearest", 2: "bilinear", 3: "bicubic"}
_MAX_SCALE = 64.0
_DOUBLE = (2.0, 2.0)


def _interp(layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader) -> Blob:
    blob, mode = inputs[0], _MODES.get(layer.integer(0, 0))
    if mode is None:
        raise layer.error(f"resize type: expected 1, 2 or 3, got {layer.integer(0, 0)}")
    image = _as_image(layer, blob)
    resize = _resize(layer, mode, has_reference=len(inputs) == 2)
    if len(inputs) == 2:
        expect_rank(layer, inputs[1], 3)
        return Blob(resize([image, inputs[1].channels_last]))
    return Blob(resize(image))


def _as_image(layer: NcnnLayer, blob: Blob) -> Any:
    """Returns the tensor of an image; a vector is one of a single pixel."""
    if blob.rank == 1:
        return ops.expand_dims(blob.tensor, (1, 2))
    expect_rank(layer, blob, 3)
    return blob.channels_last


def _resize(layer: NcnnLayer, mode: str, *, has_reference: bool) -> Any:
    """Returns the Keras layer that resizes."""
    corners = layer.integer(6, 0, high=1) == 1
    if bool(layer.integer(5, 0, high=1)) != has_reference:
        raise layer.error("expected a second input exactly with parameter 5 = 1")
    if has_reference:
        return Interpolation(mode, align_corners=corners)
    height, width = (layer.integer(key, 0, high=MAX_SIDE) for key in (3, 4))
    if height and width:
        return Interpolation(mode, size=(height, width), align_corners=corners)
    scale = layer.number(1, 1.0), layer.number(2, 1.0)
    if not all(0 < factor <= _MAX_SCALE for factor in scale):
        raise layer.error(f"expected factors above 0 and up to {_MAX_SCALE:g}, got {scale}")
    if scale == _DOUBLE and (mode == "nearest" or (mode == "bilinear" and not corners)):
        return Doubling(mode)
    return Interpolation(mode, scale=scale, align_corners=corners)


KINDS: Mapping[str, LayerKind] = MappingProxyType(
    {"Interp": LayerKind(_interp, frozenset(range(7)), 1, 2)}
)
"""Layers by type."""
