"""Builds Keras models from ncnn's `.param` and `.bin` files.

The model takes images `(B, H, W, C)`, in a list if it has several inputs; height and width are open
unless the file has them in its `Input` layer. It returns, for each blob that no layer takes, by its
name in a dictionary, a tensor with ncnn's axes after the batch: `(B, w)`, `(B, h, w)` or
`(B, c, h, w)`.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras

from tracker.errors import TrackerError, nearest
from tracker.models.ncnn import (
    activation,
    arithmetic,
    convolution,
    interpolation,
    normalization,
    padding,
    parts,
    pooling,
    rearrange,
)
from tracker.models.ncnn.blob import Blob
from tracker.models.ncnn.keras_layers import Constant
from tracker.models.ncnn.kind import MAX_SIDE, LayerKind
from tracker.models.ncnn.syntax import NcnnLayer, NcnnParam, read_ncnn_param
from tracker.models.ncnn.weights import WeightReader, read_ncnn_weights, widened
from tracker.util.short_repr import short_repr
from tracker.util.text import one_line

KINDS: Mapping[str, LayerKind] = MappingProxyType(
    {
        **activation.KINDS,
        **arithmetic.KINDS,
        **convolution.KINDS,
        **interpolation.KINDS,
        **normalization.KINDS,
        **padding.KINDS,
        **parts.KINDS,
        **pooling.KINDS,
        **rearrange.KINDS,
    }
)
"""Layers by type; `Input` and `MemoryData` are built here."""

_INPUT, _CONSTANT = "Input", "MemoryData"
_SIZES = (2, 1, 0)
"""Parameters of channels, height and width, in ncnn's order of axes."""
_HINTS = frozenset({30, 31})
"""Parameters of every layer that change nothing: shapes that ncnn's optimizer noted."""
_IMAGE_CHANNELS = 3
_MAX_CHANNELS = 65536


def load_ncnn(param_path: str | PathLike[str], bin_path: str | PathLike[str] | None = None) -> Any:
    """Returns the `keras.Model` of a network; see the top of this module for inputs and outputs.

    Args:
        param_path: The `.param` file, in text form.
        bin_path: The `.bin` file; `None` for the one of the same name beside it.

    Raises:
        ModelError: A file is missing or malformed, they do not fit each other, or a layer is not
            supported.
    """
    param = read_ncnn_param(param_path)
    return load_parsed(
        param, Path(param_path).with_suffix(".bin") if bin_path is None else bin_path
    )


def load_parsed(param: NcnnParam, bin_path: str | PathLike[str]) -> Any:
    """Returns the `keras.Model` of a parsed `.param` and a `.bin` file; see `load_ncnn`.

    Raises:
        ModelError: The `.bin` is missing or does not fit, or a layer is not supported.
    """
    check_types(param)
    weights = read_ncnn_weights(bin_path)
    model = build_ncnn(param, weights)
    weights.check_end()
    return model


def check_types(param: NcnnParam) -> None:
    """Checks that every layer is of a known type, with known parameters.

    Raises:
        ModelError: One is not.
    """
    known = {*KINDS, _INPUT, _CONSTANT}
    for layer in param.layers:
        if layer.type not in known:
            raise layer.error(
                f"layers of type {short_repr(layer.type)} are not supported"
                f"{nearest(layer.type, known)}; supported: {', '.join(sorted(known))}"
            )
        if layer.type not in KINDS:
            continue
        kind = KINDS[layer.type]
        unknown = sorted(layer.params.keys() - kind.params - _HINTS)
        if unknown:
            raise layer.error(f"parameter {unknown[0]} is not supported")
        count, most = len(layer.inputs), kind.most_inputs
        if count < kind.least_inputs or (most is not None and count > most):
            wanted = f"{kind.least_inputs} to {'any number of' if most is None else most}"
            raise layer.error(f"expected {wanted} inputs, got {count}")


def build_ncnn(param: NcnnParam, weights: WeightReader) -> Any:
    """Returns the Keras model of parsed layers.

    Args:
        param: The layers, of known types.
        weights: The `.bin` file, at its start; it is read up to the last layer's weights.

    Raises:
        ModelError: The weights do not fit the layers, or the layers each other.
    """
    images = {
        name: _input(param, layer, name)
        for layer in param.layers
        if layer.type == _INPUT
        for name in layer.outputs
    }
    blobs = dict(images)
    first = next(iter(images.values()))
    for layer in param.layers:
        if layer.type == _INPUT:
            continue
        outputs = _outputs(layer, [blobs[name] for name in layer.inputs], weights, first)
        if len(outputs) != len(layer.outputs):
            raise layer.error(f"expected {len(outputs)} outputs, got {len(layer.outputs)} names")
        blobs.update(zip(layer.outputs, outputs, strict=True))
    results = {name: keras.layers.Identity()(blobs[name].ncnn_order) for name in param.output_names}
    taken = [blob.channels_last for blob in images.values()]
    return keras.Model(taken[0] if len(taken) == 1 else taken, results, name="ncnn")


def _outputs(
    layer: NcnnLayer, inputs: Sequence[Blob], weights: WeightReader, first: Blob
) -> Sequence[Blob]:
    """Returns the output blobs of a layer; whatever Keras raises becomes a `ModelError`."""
    try:
        if layer.type == _CONSTANT:
            return [_constant(layer, weights, first)]
        result = KINDS[layer.type].build(layer, inputs, weights)
    except (TrackerError, MemoryError):
        raise
    except Exception as error:  # Keras and TensorFlow raise many classes of errors.
        text = one_line(str(error) or type(error).__name__)
        raise layer.error(f"cannot be built: {short_repr(text)[1:-1]}") from error
    return [result] if isinstance(result, Blob) else result


def _input(param: NcnnParam, layer: NcnnLayer, name: str) -> Blob:
    """Returns the blob of an input, with the lengths that the file tells."""
    channels, height, width = (
        layer.integer(key, 0, high=_MAX_CHANNELS if key == 2 else MAX_SIDE) for key in _SIZES
    )
    if layer.integer(11, 0):
        raise layer.error("an input with a depth (parameter 11) is not supported")
    if width and not channels:
        shape = (height, width) if height else (width,)
        return Blob(keras.Input(shape))
    channels = channels or _image_channels(param, name)
    return Blob(keras.Input((height or None, width or None, channels)))


def _image_channels(param: NcnnParam, name: str) -> int:
    """Returns the channels of an image whose first convolution tells them, else 3."""
    names, factor = {name}, 1
    for layer in param.layers:
        if not names & set(layer.inputs):
            continue
        if layer.type.startswith("Convolution"):
            width = layer.integer(1)
            area = layer.integer(0) * width * layer.integer(11, width)
            weights = layer.integer(6) * layer.integer(7, 1)
            return max(weights // max(area, 1) // factor, 1)
        if layer.type not in {"Split", "YoloV5Focus", "Padding", "Noop"}:
            break
        names.update(layer.outputs)
        factor *= 4 if layer.type == "YoloV5Focus" else 1
    return _IMAGE_CHANNELS


def _constant(layer: NcnnLayer, weights: WeightReader, first: Blob) -> Blob:
    """Returns the blob of a `MemoryData` layer: the same values for each image of the batch."""
    sizes = [layer.integer(key, 0) for key in _SIZES]
    shape = tuple(size for size in sizes if size)
    if not shape or 0 in sizes[len(sizes) - len(shape) :] or layer.integer(11, 0):
        raise layer.error(f"expected width, height and channels from the last on, got {sizes}")
    count = 1
    for size in shape:
        count *= size
    is_plain = layer.integer(21, 1, high=1) == 1
    read = weights.floats if is_plain else weights.tagged
    values = widened(read(count, layer), (), layer)
    constant = Constant(shape)
    constant.set_weights([values.reshape(shape)])
    return Blob(constant(first.tensor), is_ncnn_order=True)
