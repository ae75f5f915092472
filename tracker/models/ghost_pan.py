"""A feature pyramid of ghost blocks: few channels, one depthwise convolution for every 1x1.

Top-down and bottom-up as in the path aggregation network (arXiv 1803.01534), concatenating; each
block is a ghost bottleneck (arXiv 1911.11907, fig. 3): half of its channels are computed, the other
half are depthwise convolutions of them. One more level, of stride 64, is added below. Without batch
norms: these are folded into the convolutions, as in ShuffleNetV2 here.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tracker.models.backbones.separable import depthwise, leaky, pointwise

_KERNEL = 5


def ghost_pan(features: Sequence[Any], filters: int) -> list[Any]:
    """Returns `(B, h, w, filters)` at strides 8, 16, 32 and 64.

    Args:
        features: Features at strides 8, 16 and 32 of an input whose sides are multiples of 32.
        filters: Channels of every level, even.
    """
    levels = [
        pointwise(x, filters, name=f"neck_reduce_{level}") for level, x in enumerate(features)
    ]
    reduced = levels[2]
    for level in (1, 0):
        raised = keras.layers.UpSampling2D(
            2, interpolation="bilinear", name=f"neck_raise_{level}_up"
        )(levels[level + 1])
        levels[level] = _ghost([raised, levels[level]], filters, name=f"neck_raise_{level}")
    for level in (1, 2):
        lowered = separable(levels[level - 1], filters, strides=2, name=f"neck_lower_{level}_down")
        levels[level] = _ghost([lowered, levels[level]], filters, name=f"neck_lower_{level}")
    coarse = [
        separable(x, filters, strides=2, name=f"neck_coarse_{index}")
        for index, x in enumerate((reduced, levels[2]))
    ]
    return [*levels, keras.layers.Add(name="neck_coarse")(coarse)]


def separable(x: Any, filters: int, *, name: str, strides: int = 1) -> Any:
    """Returns `(B, H / strides, W / strides, filters)`, sides rounded up: depthwise 5x5, then 1x1.

    Args:
        x: `(B, H, W, C)`.
        filters: Output channels.
        name: Prefix of the layers' names.
        strides: Step in pixels.
    """
    x = depthwise(x, _KERNEL, strides=strides, name=f"{name}_depth")
    return pointwise(leaky(x, f"{name}_depth"), filters, name=f"{name}_point")


def _ghost(parts: list[Any], filters: int, *, name: str) -> Any:
    """Returns `(B, H, W, filters)`: two ghost modules beside a separable shortcut, added."""
    x = keras.layers.Concatenate(name=f"{name}_in")(parts)
    inner = _ghost_module(x, filters, name=f"{name}_first", activate=True)
    inner = _ghost_module(inner, filters, name=f"{name}_second", activate=False)
    shortcut = depthwise(x, _KERNEL, name=f"{name}_shortcut_depth")
    shortcut = pointwise(shortcut, filters, name=f"{name}_shortcut_point", activate=False)
    return keras.layers.Add(name=f"{name}_add")([inner, shortcut])


def _ghost_module(x: Any, filters: int, *, name: str, activate: bool) -> Any:
    """Returns `(B, H, W, filters)`: a 1x1 convolution, and a depthwise 3x3 of its result."""
    primary = pointwise(x, filters // 2, name=f"{name}_primary", activate=activate)
    cheap = depthwise(primary, 3, name=f"{name}_cheap")
    cheap = leaky(cheap, f"{name}_cheap") if activate else cheap
    return keras.layers.Concatenate(name=f"{name}_join")([primary, cheap])
