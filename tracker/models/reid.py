"""Appearance embedding networks; by default a small residual one.

Input: crops, float32 `(B, 128, 64, 3)` RGB in `[0, 1]`. Output: unit vectors `(B, 128)`; the more
similar two objects, the larger the dot product. The default: residual blocks (arXiv 1512.03385) of
plain 3x3 and 1x1 convolutions. The features are average-pooled in four horizontal stripes (as in
arXiv 1711.09349), which separates head, body and legs.
"""

from typing import Any

import keras

from tracker.models.backbones.blocks import convolution
from tracker.models.backbones.load import backbone_features
from tracker.models.backbones.names import RESIDUAL
from tracker.models.reid_shape import CROP_HEIGHT, CROP_WIDTH, DIMENSION

_PATCH, _WIDTHS = 4, (32, 64, 128)
_STRIPES = 4


def build_reid(dimension: int = DIMENSION, *, backbone: str = RESIDUAL) -> Any:
    """Returns the network with new weights.

    Args:
        dimension: `D`, length of an embedding, at least 1.
        backbone: One of `backbones.names.REID_BACKBONES`. "residual" has 0.34 M parameters and 20 M
            multiplications per crop. The others contribute their features at stride 32.

    Raises:
        ConfigError: The backbone is unknown.
        DependencyError: The installed Keras release does not have the backbone.
    """
    image = keras.Input((CROP_HEIGHT, CROP_WIDTH, 3), name="image")
    if backbone == RESIDUAL:
        x = _own_features(image)
    else:
        x = backbone_features(image, backbone)[-1]
    height, width = x.shape[1:3]
    x = keras.layers.AveragePooling2D((height // _STRIPES, width), name="stripes")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(dimension, name="project")(x)
    return keras.Model(image, keras.layers.UnitNormalization(name="unit")(x), name="reid")


def _own_features(image: Any) -> Any:
    """Returns `(B, 8, 4, 128)`."""
    # Non-overlapping patches: convolutions at full resolution would take half of the training time,
    # and people are seldom large enough to need them.
    x = convolution(image, _WIDTHS[0], kernel_size=_PATCH, strides=_PATCH, name="stem")
    x = _bottleneck(x, name="stage_0")
    x = convolution(x, _WIDTHS[1], strides=2, name="stage_1_in")
    x = _residual(x, name="stage_1")
    x = convolution(x, _WIDTHS[2], strides=2, name="stage_2_in")
    for part in "ab":
        x = _bottleneck(x, name=f"stage_2_{part}")
    return x


def _residual(x: Any, *, name: str) -> Any:
    inner = convolution(x, x.shape[-1], name=f"{name}_0")
    inner = convolution(inner, x.shape[-1], name=f"{name}_1")
    return keras.layers.Add(name=f"{name}_add")([x, inner])


def _bottleneck(x: Any, *, name: str) -> Any:
    filters = x.shape[-1]
    inner = convolution(x, filters // 2, kernel_size=1, name=f"{name}_0")
    inner = convolution(inner, filters // 2, name=f"{name}_1")
    inner = convolution(inner, filters, kernel_size=1, name=f"{name}_2")
    return keras.layers.Add(name=f"{name}_add")([x, inner])
