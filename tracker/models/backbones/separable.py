"""Depthwise and 1x1 convolutions with leaky ReLU: the parts of ShuffleNetV2 and the ghost pyramid.

Without batch norms, which are folded into the convolutions of published networks.
"""

from typing import Any

import keras

_SLOPE = 0.1


def depthwise(x: Any, kernel_size: int, *, name: str, strides: int = 1) -> Any:
    """Returns `(B, H / strides, W / strides, C)`, sides rounded up: a depthwise convolution.

    Kernels are centred on every `strides`-th pixel, as in PyTorch.

    Args:
        x: `(B, H, W, C)`.
        kernel_size: Side of the kernel, odd.
        name: Prefix of the layers' names.
        strides: Step in pixels.
    """
    if strides > 1:  # Keras's `same` would start at another pixel where the side is even.
        x = keras.layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
    return keras.layers.DepthwiseConv2D(
        kernel_size,
        strides=strides,
        padding="same" if strides == 1 else "valid",
        depthwise_initializer="he_normal",
        name=f"{name}_conv",
    )(x)


def pointwise(x: Any, filters: int, *, name: str, activate: bool = True) -> Any:
    """Returns `(B, H, W, filters)`: a 1x1 convolution.

    Args:
        x: `(B, H, W, C)`.
        filters: Output channels.
        name: Prefix of the layers' names.
        activate: Whether a leaky ReLU follows.
    """
    x = keras.layers.Conv2D(filters, 1, kernel_initializer="he_normal", name=f"{name}_conv")(x)
    return leaky(x, name) if activate else x


def leaky(x: Any, name: str) -> Any:
    """Returns the leaky ReLU of `x`.

    Args:
        x: `(B, H, W, C)`.
        name: Prefix of the layer's name.
    """
    return keras.layers.LeakyReLU(_SLOPE, name=f"{name}_act")(x)
