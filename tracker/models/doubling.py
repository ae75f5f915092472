"""Doubled height and width, in operations that need no shape.

Keras doubles pixels by shapes that it computes, which LiteRT takes for unknown where the input size
is open: all after it would run without its fast kernels. Moving depth to space needs no shape.
"""

from typing import Any

import numpy as np
from keras import ops


def doubled_nearest(image: Any) -> Any:
    """Returns `(B, 2 h, 2 w, C)` of `(B, h, w, C)`: each pixel four times."""
    return _interleaved([image] * 4)


def doubled_bilinear(image: Any) -> Any:
    """Returns `(B, 2 h, 2 w, C)` of `(B, h, w, C)`, interpolated between the centres of pixels.

    A new pixel lies a quarter from one old pixel and three quarters from its neighbour: four
    depthwise convolutions, whose results are interleaved. Outside the image are its border's
    pixels.
    """
    padded = ops.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric")
    sides = np.array([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]], np.float32)
    quarters = []
    for row in sides:
        for column in sides:
            kernel = np.outer(row, column)[:, :, None, None].repeat(image.shape[-1], axis=2)
            quarters.append(ops.depthwise_conv(padded, kernel, strides=1, padding="valid"))
    return _interleaved(quarters)


def _interleaved(quarters: list[Any]) -> Any:
    """Returns an image of 2x2 pixels, row by row, for each pixel of four images."""
    return ops.depth_to_space(ops.concatenate(quarters, axis=-1), 2, data_format="channels_last")
