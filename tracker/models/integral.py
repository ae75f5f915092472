"""The network of the built-in detectors, in the shape of NanoDet-Plus.

ShuffleNetV2, a pyramid of ghost blocks, integral boxes. Input: float32 `(B, H, W, 3)` RGB in
`[0, 1]`, sides multiples of 32. Output: four raw maps `(B, h, w, 4 * 8 + C)` at strides 8, 16, 32
and 64, decoded by `heads.IntegralHead`. Each level has a head of its own: two separable
convolutions, then boxes and classes by one 1x1 convolution each (generalised focal loss, arXiv
2006.04388). Written from the papers and from NanoDet-Plus's model card (Apache-2.0,
github.com/RangiLyu/nanodet).
"""

import math
from collections.abc import Callable
from typing import Any

import keras

from tracker.errors import ConfigError
from tracker.models.backbones.load import backbone_features
from tracker.models.ghost_pan import ghost_pan, separable
from tracker.models.integral_shape import BINS, INTEGRAL_STRIDES, integral_shape
from tracker.models.yolo_shape import YoloSize

Features = Callable[[Any], list[Any]]
"""From an image `(B, H, W, 3)` in `[0, 1]` to features at strides 8, 16 and 32."""

_MULTIPLE = 32

_PRIOR = 0.01
"""Initial score of every class (arXiv 1708.02002, sec. 3.3)."""


def build_integral(
    size: YoloSize,
    class_count: int,
    *,
    input_size: tuple[int, int] | None = None,
    features: Features | None = None,
) -> Any:
    """Returns the network with new weights; its outputs are a list of maps in the order of heads.

    Weights do not depend on the input size.

    Args:
        size: Size of the network.
        class_count: `C`.
        input_size: Height and width in pixels, multiples of 32; `None` for any.
        features: Returns the features of an image at strides 8, 16 and 32; `None` for those of the
            size's backbone.

    Raises:
        ConfigError: There is no class, or the input size is not a multiple of 32.
    """
    if class_count < 1:
        raise ConfigError(f"class_count: expected at least 1, got {class_count}")
    if input_size is not None and any(side < 1 or side % _MULTIPLE for side in input_size):
        raise ConfigError(
            f"input size: expected positive multiples of {_MULTIPLE}, got {input_size}"
        )
    shape = integral_shape(size)
    image = keras.Input((*(input_size or (None, None)), 3), name="image")
    levels = features(image) if features else backbone_features(image, shape.backbone)
    levels = ghost_pan(levels, shape.neck)
    maps = [
        _head(level, shape.neck, class_count, name=f"map_{stride}")
        for level, stride in zip(levels, INTEGRAL_STRIDES, strict=True)
    ]
    return keras.Model(image, maps, name=f"integral_{size.value}")


def _head(x: Any, filters: int, class_count: int, *, name: str) -> Any:
    """Returns the raw map `(B, h, w, 4 * 8 + C)`."""
    for index in range(2):
        x = separable(x, filters, name=f"{name}_{index}")
    boxes = keras.layers.Conv2D(
        4 * BINS,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        name=f"{name}_box_out",
    )(x)
    classes = keras.layers.Conv2D(
        class_count,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=keras.initializers.Constant(-math.log((1.0 - _PRIOR) / _PRIOR)),
        name=f"{name}_class_out",
    )(x)
    return keras.layers.Concatenate(name=name)([boxes, classes])
