"""A small anchor-free, fully convolutional YOLO-style detector.

Input: float32 `(B, H, W, 3)` RGB in `[0, 1]`. Output: three raw maps `(B, H / s, W / s, 4 + C)`, s
= 8, 16, 32. Backbone: by name, see `backbones`. Neck: a top-down and bottom-up feature pyramid
(arXiv 1803.01534) that adds instead of concatenating. Head: one branch for boxes, one for classes
(arXiv 2107.08430), a 3x3 convolution each.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tracker.errors import ConfigError
from tracker.models.backbones.blocks import convolution
from tracker.models.backbones.load import backbone_features
from tracker.models.backbones.names import CROSS_STAGE
from tracker.models.yolo_shape import SHAPES, STRIDES, YoloSize

OUTPUT_NAMES = tuple(f"map_{stride}" for stride in STRIDES)
"""Names of the output layers."""

_CLASS_OUT = "_class_out"

_PRIOR = 0.01
"""Initial score of every class (arXiv 1708.02002, sec. 3.3)."""

_DISTANCE_BIAS = 1.0
"""Initial boxes extend softplus(1) = 1.3 cells to each side."""


def build_yolo(
    size: YoloSize,
    class_count: int,
    *,
    input_size: tuple[int, int] | None = None,
    backbone: str = CROSS_STAGE,
    features: Callable[[Any], list[Any]] | None = None,
) -> Any:
    """Returns the network with new weights; its outputs are a list of maps in the order of heads.

    Weights do not depend on the input size: `build_yolo(...).set_weights(other.get_weights())`
    moves a network to another one.

    Args:
        size: Size of the network.
        class_count: `C`.
        input_size: Height and width in pixels, multiples of 32; `None` for any.
        backbone: One of `backbones.names.DETECTOR_BACKBONES`; except for "cross-stage", the size
            applies to neck and heads only.
        features: Returns the features of an image at strides 8, 16 and 32; `None` for those of the
            backbone.

    Raises:
        ConfigError: There is no class, the input size is not a multiple of 32, or the backbone is
            unknown.
        DependencyError: The installed Keras release does not have the backbone.
    """
    if class_count < 1:
        raise ConfigError(f"class_count: expected at least 1, got {class_count}")
    if input_size is not None and any(side < 1 or side % STRIDES[-1] for side in input_size):
        raise ConfigError(
            f"input size: expected positive multiples of {STRIDES[-1]}, got {input_size}"
        )
    shape = SHAPES[size]
    image = keras.Input((*(input_size or (None, None)), 3), name="image")
    levels = features(image) if features else backbone_features(image, backbone, shape=shape)
    levels = _neck(levels, shape.neck)
    maps = [
        _head(level, shape.head, class_count, name=name)
        for level, name in zip(levels, OUTPUT_NAMES, strict=True)
    ]
    return keras.Model(image, maps, name=f"yolo_{size.value}")


def copy_features(source: Any, target: Any) -> None:
    """Copies all weights except those of the last class layers, which depend on the classes.

    Args:
        source: A network of `build_yolo`.
        target: One of the same size and backbone; the number of classes may differ.
    """
    for layer in target.layers:
        if not layer.name.endswith(_CLASS_OUT):
            layer.set_weights(source.get_layer(layer.name).get_weights())


def _neck(features: list[Any], filters: int) -> list[Any]:
    """Returns fused features at the same strides with `filters` channels."""
    levels = [
        convolution(x, filters, kernel_size=1, name=f"lateral{level}")
        for level, x in enumerate(features)
    ]
    for level in (1, 0):
        raised = keras.layers.UpSampling2D(2, name=f"raise{level}")(levels[level + 1])
        added = keras.layers.Add(name=f"raise{level}_add")([levels[level], raised])
        levels[level] = convolution(added, filters, name=f"raise{level}")
    for level in (1, 2):
        lowered = convolution(levels[level - 1], filters, strides=2, name=f"lower{level}_down")
        added = keras.layers.Add(name=f"lower{level}_add")([levels[level], lowered])
        levels[level] = convolution(added, filters, name=f"lower{level}")
    return levels


def _head(x: Any, filters: int, class_count: int, *, name: str) -> Any:
    """Returns the raw map `(B, h, w, 4 + C)`."""
    outputs = []
    for branch, channels, bias in (
        ("box", 4, _DISTANCE_BIAS),
        ("class", class_count, -math.log((1.0 - _PRIOR) / _PRIOR)),
    ):
        inner = convolution(x, filters, name=f"{name}_{branch}")
        last = keras.layers.Conv2D(
            channels,
            1,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=keras.initializers.Constant(bias),
            name=f"{name}_{branch}_out",
        )
        outputs.append(last(inner))
    return keras.layers.Concatenate(name=name)(outputs)


def multiply_adds(model: Any) -> int:
    """Returns the multiplications of all convolutions of a model with a fixed input size.

    Raises:
        ConfigError: The input size of the model is not fixed.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            _, height, width, _ = layer.output.shape
            if height is None or width is None:
                raise ConfigError(f"{model.name}: expected a fixed input size, got any")
            total += int(np.prod(layer.kernel.shape)) * height * width
    return total
