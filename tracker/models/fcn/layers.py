"""Converts the layers of a window classifier to layers that slide over an image.

A layer can slide if it depends on a neighbourhood only and works alike at every position:
convolutions, pooling, and operations on single values or on the channels of one position. Layers
that depend on the whole window at once (global pooling inside the extractor, attention, reshaping)
cannot. Types have to be Keras's own: a subclass may do anything.
"""

from enum import Enum
from typing import Any

import keras
import numpy as np
from keras import layers

from tracker.errors import ModelError
from tracker.models.fcn.shape import (
    ELEMENTWISE_LAYERS,
    GLOBAL_POOLING_LAYERS,
    NEIGHBOURHOOD_LAYERS,
    PLACE_LAYERS,
)


class Stage(Enum):
    """Position of a tensor in a window classifier, with its shape after conversion."""

    MAP = "before Flatten"
    """Feature map, `(B, h, w, channels)`."""
    FLAT = "between Flatten and the first Dense"
    """The same map; the next Dense becomes a convolution as large as a window's map."""
    CELL = "after the first Dense or global pooling"
    """One vector for each window, `(B, rows, columns, units)`."""


_FUNCTIONS = ("Activation", "ReLU", "LeakyReLU", "ELU")
_FOR_TRAINING = tuple(name for name in ELEMENTWISE_LAYERS if name not in _FUNCTIONS)
_ADVICE = "docs/fcn.md lists the layers that can slide"


def convert(layer: Any, stage: Stage, *, map_size: tuple[int, int]) -> Any:
    """Returns the converted layer, not yet built.

    Args:
        layer: A layer of a window classifier, neither a nested model nor Flatten.
        stage: Stage of its inputs.
        map_size: Height and width of the feature map of one window; used for `FLAT` and for global
            pooling.

    Raises:
        ModelError: The layer cannot slide.
    """
    kind = type(layer).__name__ if type(layer) is getattr(layers, type(layer).__name__, 0) else None
    if stage is Stage.MAP and kind in GLOBAL_POOLING_LAYERS:
        return _pooling(layer, map_size)
    if stage is not Stage.MAP and kind == "Dense":
        return _convolution(layer, map_size if stage is Stage.FLAT else (1, 1))
    allowed = {
        Stage.MAP: (*NEIGHBOURHOOD_LAYERS, *PLACE_LAYERS, *ELEMENTWISE_LAYERS, "Dense", "PReLU"),
        Stage.FLAT: ELEMENTWISE_LAYERS,
        Stage.CELL: (*PLACE_LAYERS, *ELEMENTWISE_LAYERS),
    }[stage]
    if kind not in allowed:
        raise ModelError(
            f"layer {layer.name!r}: a {type(layer).__name__} {stage.value} cannot slide over an "
            f"image; {_reason(layer, stage)}"
        )
    config = layer.get_config()
    _check_format(layer, config)
    if "axis" in config:
        config["axis"] = _channel_axis(layer, config["axis"], stage)
    if stage is Stage.FLAT and final_activation(layer, None) == "softmax":
        raise ModelError(
            f"layer {layer.name!r}: a softmax {stage.value} needs the whole window and cannot "
            f"slide over an image; {_ADVICE}"
        )
    return type(layer).from_config(config)


def new_weights(layer: Any, converted: Any) -> list[Any]:
    """Returns the layer's weights in the shapes of the converted, built layer."""
    if isinstance(layer, layers.Dense) and isinstance(converted, layers.Conv2D):
        # Flatten's order is row, column, channel, as that of a kernel's axes.
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        values = [np.reshape(kernel, converted.kernel.shape)]
        return [*values, keras.ops.convert_to_numpy(layer.bias)] if layer.use_bias else values
    weights: list[Any] = layer.get_weights()
    return weights


def final_activation(layer: Any, before: str | None) -> str | None:
    """Returns the name of the last activation that was applied to a layer's output.

    Args:
        layer: The layer.
        before: That of its input; layers that are the identity at inference keep it.
    """
    if isinstance(layer, layers.Softmax):
        return "softmax"
    if isinstance(layer, layers.Activation):
        name = str(keras.activations.serialize(layer.activation))
        return before if name == "linear" else name
    if isinstance(layer, layers.Dense):
        return str(keras.activations.serialize(layer.activation))
    return before if type(layer).__name__ in _FOR_TRAINING else None


def _convolution(layer: Any, size: tuple[int, int]) -> Any:
    if layer.quantization_mode is not None:
        raise ModelError(
            f"layer {layer.name!r}: expected weights in floating point, got "
            f"{layer.quantization_mode}; save the model before it is quantized"
        )
    return layers.Conv2D(
        layer.units,
        size,
        padding="valid",
        data_format="channels_last",
        activation=layer.activation,
        use_bias=layer.use_bias,
        dtype=layer.dtype_policy,
        name=layer.name,
    )


def _pooling(layer: Any, size: tuple[int, int]) -> Any:
    """Returns a layer that pools over each window's part of the map."""
    _check_format(layer, layer.get_config())
    average = isinstance(layer, layers.GlobalAveragePooling2D)
    made = layers.AveragePooling2D if average else layers.MaxPooling2D
    return made(
        size,
        strides=1,
        padding="valid",
        data_format="channels_last",
        dtype=layer.dtype_policy,
        name=layer.name,
    )


def _check_format(layer: Any, config: dict[str, Any]) -> None:
    if config.get("data_format", "channels_last") != "channels_last":
        raise ModelError(
            f"layer {layer.name!r}: expected data_format channels_last, got "
            f"{config['data_format']}; build the model again with it"
        )
    if isinstance(layer, layers.PReLU) and not {1, 2} <= set(config["shared_axes"] or ()):
        raise ModelError(
            f"layer {layer.name!r}: a PReLU with separate slopes at every position cannot slide "
            "over an image; build it with shared_axes=[1, 2]"
        )


def _channel_axis(layer: Any, axis: Any, stage: Stage) -> Any:
    """Returns -1, in a list where the layer had one, if the axis is that of the channels."""
    last = 3 if stage is Stage.MAP else 1
    if (list(axis) if isinstance(axis, list | tuple) else [axis]) in ([-1], [last]):
        return [-1] if isinstance(axis, list | tuple) else -1
    raise ModelError(
        f"layer {layer.name!r}: expected it to work along the channels, axis -1, got {axis}: it "
        f"would mix positions and cannot slide over an image; {_ADVICE}"
    )


def _reason(layer: Any, stage: Stage) -> str:
    if isinstance(layer, layers.BatchNormalization):
        return "put it before Flatten or after the first Dense"
    if not isinstance(layer, layers.Layer):
        return "write it as a layer, for example keras.layers.Rescaling"
    if stage is Stage.CELL and isinstance(layer, layers.Conv2D | layers.Reshape):
        return "if it belongs to squeeze-and-excitation, use an extractor without"
    if stage is Stage.MAP and isinstance(layer, layers.Reshape):
        return "use keras.layers.Flatten"
    return _ADVICE
