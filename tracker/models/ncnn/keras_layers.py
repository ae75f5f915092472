"""Keras layers for the ncnn operations whose results depend on shapes that are open until run time.

All are written in `keras.ops` and can be saved as `.keras`.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tracker.models.doubling import doubled_bilinear, doubled_nearest

_PACKAGE = "tracker"
_CUBIC = -0.75
"""ncnn's parameter of cubic interpolation, as in PyTorch."""


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Affine(keras.layers.Layer):  # type: ignore[misc]
    """`x * scale + bias`.

    Args:
        shape: Shape of scale and of bias, which broadcasts against the input without its batch.
    """

    def __init__(self, shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.scale = self.add_weight(shape=self.shape, initializer="ones", name="scale")
        self.bias = self.add_weight(shape=self.shape, initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """Returns a tensor of the shape of the input."""
        return inputs * self.scale + self.bias

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "shape": self.shape}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Constant(keras.layers.Layer):  # type: ignore[misc]
    """The same values for each image of a batch; the input tells only the batch size.

    Args:
        shape: Shape of the values, without the batch.
    """

    def __init__(self, shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.value = self.add_weight(shape=self.shape, initializer="zeros", name="value")

    def call(self, inputs: Any) -> Any:
        """Returns `(B, *shape)`."""
        return ops.broadcast_to(self.value, (ops.shape(inputs)[0], *self.shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns `(B, *shape)`."""
        return (input_shape[0], *self.shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "shape": self.shape}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class CropToReference(keras.layers.Layer):  # type: ignore[misc]
    """A window of the first input, as high and wide as the second.

    Args:
        top: First row of the window.
        left: First column.
    """

    def __init__(self, top: int, left: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.top = top
        self.left = left

    def call(self, inputs: Any) -> Any:
        """Returns `(B, h2, w2, c)` of `(B, h, w, c)` and `(B, h2, w2, c2)`."""
        image, reference = inputs
        height, width = ops.shape(reference)[1:3]
        return image[:, self.top : self.top + height, self.left : self.left + width]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns `(B, h2, w2, c)`."""
        image, reference = input_shape
        return (image[0], *reference[1:3], image[3])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "top": self.top, "left": self.left}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Doubling(keras.layers.Layer):  # type: ignore[misc]
    """`Interpolation` of twice the height and width, which LiteRT does faster.

    Args:
        mode: `nearest`, or `bilinear` between the centres of pixels.
    """

    def __init__(self, mode: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mode = mode

    def call(self, inputs: Any) -> Any:
        """Returns `(B, 2 h, 2 w, c)` of `(B, h, w, c)`."""
        return doubled_nearest(inputs) if self.mode == "nearest" else doubled_bilinear(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns `(B, 2 h, 2 w, c)`, with `None` for lengths that are open."""
        sides = (None if length is None else 2 * length for length in input_shape[1:3])
        return (input_shape[0], *sides, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Interpolation(keras.layers.Layer):  # type: ignore[misc]
    """Resizes height and width as ncnn does.

    Coordinates outside the image are those of its border. The size is that of the second input
    where there is one, else `size`, else `scale` times the input, rounded down.

    Args:
        mode: `nearest`, `bilinear` or `bicubic`.
        scale: Factors `(y, x)`.
        size: Height and width in pixels, or `None`.
        align_corners: Whether the centres of the corner pixels stay where they are, instead of
            the corners of the image; of no effect with `nearest`.
    """

    def __init__(
        self,
        mode: str,
        *,
        scale: Sequence[float] = (1.0, 1.0),
        size: Sequence[int] | None = None,
        align_corners: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mode = mode
        self.scale = tuple(scale)
        self.size = None if size is None else tuple(size)
        self.align_corners = align_corners

    def call(self, inputs: Any) -> Any:
        """Returns `(B, h2, w2, c)` of `(B, h, w, c)`, or of it and a tensor of that size."""
        image, *reference = inputs if isinstance(inputs, list | tuple) else [inputs]
        for axis in (1, 2):
            length = ops.shape(image)[axis]
            step = None
            if reference:
                wanted = ops.shape(reference[0])[axis]
            elif self.size is not None:
                wanted = self.size[axis - 1]
            else:
                wanted = ops.cast(ops.cast(length, "float32") * self.scale[axis - 1], "int32")
                step = 1 / self.scale[axis - 1]
            image = self._resized(image, axis, length, wanted, step)
        return image

    def _resized(self, image: Any, axis: int, length: Any, wanted: Any, step: float | None) -> Any:
        """Returns the image with `wanted` pixels along an axis."""
        old, new = ops.cast(length, "float32"), ops.cast(wanted, "float32")
        place = ops.arange(wanted, dtype="float32")
        stride = old / new if step is None else step
        if self.mode == "nearest":
            return _taken(image, axis, ops.floor(place * stride), old)
        if self.align_corners:
            place = place * ((old - 1) / ops.maximum(new - 1, 1))
        else:
            place = (place + 0.5) * stride - 0.5
        first = ops.floor(place)
        shape = [-1 if n == axis else 1 for n in range(4)]
        total = 0.0
        for offset, weight in _taps(self.mode, place - first):
            total += _taken(image, axis, first + offset, old) * ops.reshape(weight, shape)
        return total

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns `(B, h2, w2, c)`, with `None` for lengths that are open."""
        if isinstance(input_shape[0], list | tuple):
            image, reference = input_shape
            return (image[0], *reference[1:3], image[3])
        size = self.size or [
            None if length is None else int(length * scale)
            for length, scale in zip(input_shape[1:3], self.scale, strict=True)
        ]
        return (input_shape[0], *size, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "mode": self.mode,
            "scale": self.scale,
            "size": self.size,
            "align_corners": self.align_corners,
        }


def _taken(image: Any, axis: int, index: Any, length: Any) -> Any:
    """Returns the pixels at indices along an axis; those outside are the border's."""
    return ops.take(image, ops.cast(ops.clip(index, 0.0, length - 1), "int32"), axis=axis)


def _taps(mode: str, share: Any) -> list[tuple[int, Any]]:
    """Returns the neighbours of a place and their weights; `share` is its distance to the first."""
    if mode == "bilinear":
        return [(0, 1 - share), (1, share)]
    near, far = share, 1 - share
    return [
        (-1, _cubic_outer(near + 1)),
        (0, _cubic_inner(near)),
        (1, _cubic_inner(far)),
        (2, _cubic_outer(far + 1)),
    ]


def _cubic_inner(x: Any) -> Any:
    """Returns Keys' kernel at distances of 0 to 1."""
    return ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1


def _cubic_outer(x: Any) -> Any:
    """Returns Keys' kernel at distances of 1 to 2."""
    return ((_CUBIC * x - 5 * _CUBIC) * x + 8 * _CUBIC) * x - 4 * _CUBIC
