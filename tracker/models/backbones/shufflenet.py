"""ShuffleNetV2 without its classifier, as a backbone with features at strides 8, 16 and 32.

Units that split the channels, transform one half and shuffle (arXiv 1807.11164), with leaky ReLU,
as in NanoDet's published networks. Those were trained for detection on COCO, not only for image
classification. Batch norms are folded into the convolutions, as in those files.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras

from tracker.models.backbones.separable import depthwise, leaky, pointwise
from tracker.models.layers import ChannelGroup, ChannelShuffle

PREFIX = "shufflenet"
"""Prefix of all layer names."""

STAGES: Mapping[str, tuple[tuple[int, int], ...]] = MappingProxyType(
    {
        "shufflenet-v2-1x": ((4, 116), (8, 232), (4, 464)),
        "shufflenet-v2-1.5x": ((4, 176), (8, 352), (4, 704)),
    }
)
"""Units and channels at strides 8, 16 and 32, by name (arXiv 1807.11164, table 5)."""

_STEM = 24

# Mean and standard deviation of ImageNet's pixels, RGB in [0, 1]; NanoDet's files have them in BGR.
_MEAN = (123.675 / 255, 116.28 / 255, 103.53 / 255)
_DEVIATION = (58.395 / 255, 57.12 / 255, 57.375 / 255)


def shufflenet_features(image: Any, name: str) -> list[Any]:
    """Returns features at strides 8, 16 and 32, each from the last layer of its stride.

    Args:
        image: `(B, H, W, 3)` RGB in `[0, 1]`; height and width are multiples of 32, or variable.
        name: Key of `STAGES`.
    """
    x = stem(image)
    features = []
    for stage, (units, channels) in enumerate(STAGES[name]):
        for unit in range(units):
            x = _unit(x, channels // 2, is_first=unit == 0, name=f"{PREFIX}_{stage}_{unit}")
        features.append(x)
    return features


def stem(image: Any) -> Any:
    """Returns `(B, H / 4, W / 4, 24)`, from RGB `(B, H, W, 3)` in `[0, 1]`."""
    x = keras.layers.Rescaling(
        [1 / d for d in _DEVIATION],
        offset=[-m / d for m, d in zip(_MEAN, _DEVIATION, strict=True)],
        name=f"{PREFIX}_scale",
    )(image)
    x = keras.layers.ZeroPadding2D(1, name=f"{PREFIX}_stem_pad")(x)
    x = keras.layers.Conv2D(_STEM, 3, strides=2, name=f"{PREFIX}_stem_conv")(x)
    x = leaky(x, f"{PREFIX}_stem")
    # Padding as in PyTorch: windows of 3 centred on every second pixel; Keras's `same` starts at 0.
    x = keras.layers.MaxPooling2D(3, strides=1, padding="same", name=f"{PREFIX}_pool")(x)
    return keras.layers.MaxPooling2D(1, strides=2, name=f"{PREFIX}_pool_half")(x)


def _unit(x: Any, half: int, *, is_first: bool, name: str) -> Any:
    """Returns `(B, H, W, 2 * half)`; the first unit of a stage halves height and width."""
    if is_first:
        side, inner = first_unit(x, half, name=name)
    else:
        side = ChannelGroup(2, 0, name=f"{name}_keep")(x)
        inner = ChannelGroup(2, 1, name=f"{name}_work")(x)
        inner = inner_branch(inner, half, name=name)
    joined = keras.layers.Concatenate(name=f"{name}_join")([side, inner])
    return ChannelShuffle(2, name=f"{name}_shuffle")(joined)


def first_unit(x: Any, half: int, *, name: str) -> tuple[Any, Any]:
    """Returns both branches `(B, H / 2, W / 2, half)` of the first unit of a stage.

    Args:
        x: `(B, H, W, C)`.
        half: Channels of a branch.
        name: Prefix of the layers' names.
    """
    side = depthwise(x, 3, strides=2, name=f"{name}_side_depth")
    side = pointwise(side, half, name=f"{name}_side_point")
    return side, inner_branch(x, half, name=name, strides=2)


def inner_branch(x: Any, half: int, *, name: str, strides: int = 1) -> Any:
    """Returns `(B, H / strides, W / strides, half)`: the branch that transforms its input.

    Args:
        x: `(B, H, W, C)`.
        half: Output channels.
        name: Prefix of the layers' names.
        strides: Step in pixels.
    """
    x = pointwise(x, half, name=f"{name}_in")
    x = depthwise(x, 3, strides=strides, name=f"{name}_depth")
    return pointwise(x, half, name=f"{name}_out")


def convolution_names(name: str) -> list[str]:
    """Returns the names of the convolutions of `shufflenet_features`, in NanoDet's order.

    Args:
        name: Key of `STAGES`.
    """
    names = [f"{PREFIX}_stem_conv"]
    for stage, (units, _) in enumerate(STAGES[name]):
        for unit in range(units):
            sides = ("side_depth", "side_point") if unit == 0 else ()
            parts = (*sides, "in", "depth", "out")
            names += [f"{PREFIX}_{stage}_{unit}_{part}_conv" for part in parts]
    return names


def put_onnx_weights(network: Any, name: str, weights: Sequence[tuple[Any, Any]]) -> None:
    """Sets the weights of the layers of `shufflenet_features` to those of a NanoDet.

    Args:
        network: A model with these layers.
        name: Key of `STAGES`.
        weights: Kernel `(out, in, h, w)` and bias `(out,)` of the convolutions of a NanoDet, in the
            order of its graph, for BGR; those after the backbone are ignored.

    Raises:
        ValueError: There are too few, or one has another shape.
    """
    names = convolution_names(name)
    if len(weights) < len(names):
        raise ValueError(f"expected at least {len(names)} convolutions, got {len(weights)}")
    for layer_name, (published, bias) in zip(names, weights, strict=False):
        layer, kernel = network.get_layer(layer_name), published.transpose(2, 3, 1, 0)
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel = kernel.transpose(0, 1, 3, 2)
        elif layer_name == names[0]:
            kernel = kernel[:, :, ::-1]  # from BGR to RGB
        layer.set_weights([kernel, bias])
