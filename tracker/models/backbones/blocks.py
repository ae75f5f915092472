"""Building blocks of this package's convolutional networks, as functions on Keras tensors.

Plain 3x3 and 1x1 convolutions only: depthwise ones need fewer multiplications, but TensorFlow
trains them slowly on CPUs. ReLU, because LiteRT fuses it into the convolution at no cost.
"""

from typing import Any

import keras

_BATCH_NORM_MOMENTUM = 0.97
"""Momentum of batch norms. For trainings of a few thousand steps 0.99 is too slow."""


def convolution(x: Any, filters: int, *, name: str, kernel_size: int = 3, strides: int = 1) -> Any:
    """Returns `(B, H / strides, W / strides, filters)`: convolution, batch norm, ReLU.

    Args:
        x: `(B, H, W, C)`.
        filters: Output channels.
        name: Prefix of the layers' names.
        kernel_size: Side of the kernel.
        strides: Step in pixels.
    """
    x = keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = keras.layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def cross_stage(x: Any, filters: int, *, depth: int, name: str) -> Any:
    """Returns `(B, H, W, filters)`: residual pairs on half the channels, concatenated.

    Cross-stage partial network (arXiv 1911.11929), with the outputs of all pairs concatenated at
    the end as in ELAN (arXiv 2211.04800).

    Args:
        x: `(B, H, W, C)`.
        filters: Output channels, even.
        depth: Number of residual pairs of 3x3 convolutions.
        name: Prefix of the layers' names.
    """
    half = filters // 2
    parts = [convolution(x, half, kernel_size=1, name=f"{name}_{side}") for side in "ab"]
    for index in range(depth):
        inner = convolution(parts[-1], half, name=f"{name}_{index}_0")
        inner = convolution(inner, half, name=f"{name}_{index}_1")
        parts.append(keras.layers.Add(name=f"{name}_{index}_add")([parts[-1], inner]))
    joined = keras.layers.Concatenate(name=f"{name}_join")(parts)
    return convolution(joined, filters, kernel_size=1, name=f"{name}_out")


def pyramid_pooling(x: Any, filters: int, *, name: str) -> Any:
    """Returns `(B, H, W, filters)`: max pooling over windows of 5, 9 and 13 pixels.

    Spatial pyramid pooling (arXiv 1406.4729) by one small window, applied one to three times.

    Args:
        x: `(B, H, W, C)`.
        filters: Output channels, even.
        name: Prefix of the layers' names.
    """
    parts = [convolution(x, filters // 2, kernel_size=1, name=f"{name}_in")]
    for index in range(3):
        pool = keras.layers.MaxPooling2D(5, strides=1, padding="same", name=f"{name}_pool_{index}")
        parts.append(pool(parts[-1]))
    joined = keras.layers.Concatenate(name=f"{name}_join")(parts)
    return convolution(joined, filters, kernel_size=1, name=f"{name}_out")
