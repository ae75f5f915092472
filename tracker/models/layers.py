"""Keras layers for the darknet operations that Keras lacks, on tensors `(B, H, W, C)`.

All are written in `keras.ops`, so they run on every backend of Keras, and can be saved as `.keras`.
"""

from typing import Any

import keras
from keras import ops

_PACKAGE = "tracker"
# Above 20 the activation is the identity to float32 precision; exp(2 * 20) is far from overflow.
_MISH_LIMIT = 20.0


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Mish(keras.layers.Layer):  # type: ignore[misc]
    """`x * tanh(log(1 + exp(x)))` (arXiv 1908.08681), with one exponential.

    With `e = exp(x)`, `tanh(log(1 + e)) = (e^2 + 2e) / (e^2 + 2e + 2)`. `keras.activations.mish`
    costs EXP, LOG and TANH in LiteRT, and its `log(1 + e)` loses digits for negative `x`.
    """

    def call(self, inputs: Any) -> Any:
        """Returns the activated tensor, of the same shape."""
        exponential = ops.exp(ops.minimum(inputs, _MISH_LIMIT))
        ratio = exponential * (exponential + 2.0)
        return inputs * (ratio / (ratio + 2.0))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the input."""
        return input_shape


@keras.saving.register_keras_serializable(package=_PACKAGE)
class PaddedMaxPool(keras.layers.Layer):  # type: ignore[misc]
    """Max pooling with padding of minus infinity.

    Args:
        pool_size: Side of the square window in pixels.
        strides: Steps `(y, x)` in pixels.
        padding: Padding in pixels, `((top, bottom), (left, right))`.
    """

    def __init__(
        self,
        pool_size: int,
        strides: tuple[int, int],
        padding: tuple[tuple[int, int], tuple[int, int]],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = tuple(strides)
        self.padding = tuple(tuple(pair) for pair in padding)

    def call(self, inputs: Any) -> Any:
        """Returns `(B, H', W', C)`."""
        border = ((0, 0), *self.padding, (0, 0))
        padded = ops.pad(inputs, border, constant_values=float("-inf"))
        return ops.max_pool(padded, self.pool_size, self.strides, padding="valid")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class ChannelGroup(keras.layers.Layer):  # type: ignore[misc]
    """One of several equal slices of the channels.

    Args:
        groups: Number of slices; divides the channels.
        group_id: Which slice, from 0.
    """

    def __init__(self, groups: int, group_id: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = groups
        self.group_id = group_id

    def call(self, inputs: Any) -> Any:
        """Returns `(B, H, W, C / groups)`."""
        count = inputs.shape[-1] // self.groups
        return inputs[..., self.group_id * count : (self.group_id + 1) * count]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "groups": self.groups, "group_id": self.group_id}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class ChannelSlice(keras.layers.Layer):  # type: ignore[misc]
    """Some contiguous channels.

    Args:
        low: The first one.
        high: The last one plus 1.
    """

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.low, self.high = low, high

    def call(self, inputs: Any) -> Any:
        """Returns `(B, H, W, high - low)`."""
        return inputs[..., self.low : self.high]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "low": self.low, "high": self.high}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class DarknetReorg(keras.layers.Layer):  # type: ignore[misc]
    """`stride * stride` pixels become channels, in the order of darknet's `[reorg]`.

    darknet reads its `(C, H, W)` buffer as `(C / s^2, H * s, W * s)`, moves pixels to channels
    there, and reads the result as `(C * s^2, H / s, W / s)`. That is not space-to-depth, but every
    YOLOv2 was trained with it.

    Args:
        stride: `s`; divides height and width, and its square divides the channels.
    """

    def __init__(self, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stride = stride

    def call(self, inputs: Any) -> Any:
        """Returns `(B, H / s, W / s, C * s * s)`."""
        s = self.stride
        _, height, width, channels = inputs.shape
        x = ops.transpose(inputs, (0, 3, 1, 2))
        x = ops.reshape(x, (-1, channels // (s * s), height, s, width, s))
        x = ops.transpose(x, (0, 3, 5, 1, 2, 4))
        x = ops.reshape(x, (-1, channels * s * s, height // s, width // s))
        return ops.transpose(x, (0, 2, 3, 1))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "stride": self.stride}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class ChannelShuffle(keras.layers.Layer):  # type: ignore[misc]
    """Interleaves the channels of equal groups: first of each, second of each, ...

    Args:
        groups: Number of groups; divides the channels.
    """

    def __init__(self, groups: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = groups

    def call(self, inputs: Any) -> Any:
        """Returns `(B, H, W, C)`."""
        channels = inputs.shape[-1]
        height, width = ops.shape(inputs)[1:3]
        x = ops.reshape(inputs, (-1, height, width, self.groups, channels // self.groups))
        return ops.reshape(ops.swapaxes(x, 3, 4), (-1, height, width, channels))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "groups": self.groups}
