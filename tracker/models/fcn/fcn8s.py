"""Semantic segmentation by a fully convolutional network, FCN-8s (arXiv 1411.4038).

A 1x1 convolution scores the features at stride 32; a transposed convolution upsamples the scores by
two, they are added to the scores at stride 16, the sum is upsampled by two and added to those at
stride 8, and that sum is upsampled by eight (sec. 4.2, fig. 3).
"""

from typing import Any

import keras
import numpy as np

from tracker.errors import ConfigError
from tracker.models.backbones.load import backbone_features
from tracker.models.yolo_shape import SHAPES, STRIDES, YoloSize
from tracker.util.arrays import Float32Array

LOGITS = "map_logits"
"""Name of the output layer."""

# Layer names have the prefix of detector heads, which distinguishes them from the backbone's, and
# the suffix of layers that stay float32 under mixed precision (`training.mixed_precision`).
_EXACT = "class_out"


def build_fcn8s(
    backbone: str,
    class_count: int,
    *,
    input_size: tuple[int, int] | None = None,
    size: YoloSize = YoloSize.SMALL,
) -> Any:
    """Returns the network with new weights: RGB in `[0, 1]` to scores of each pixel before softmax.

    Weights do not depend on the input size: `build_fcn8s(...).set_weights(other.get_weights())`
    moves a network to another one. Transposed convolutions are initialised to bilinear
    interpolation; the two of factor 2 are trainable, the last one is not (sec. 4.3).

    Args:
        backbone: One of `backbones.names.DETECTOR_BACKBONES`.
        class_count: `C`, at least 2: the background counts as a class.
        input_size: Height and width in pixels, multiples of 32; `None` for any multiples.
        size: Widths of "cross-stage"; the other backbones have their own.

    Raises:
        ConfigError: Fewer classes than two, an input size that is no multiple of 32, or an unknown
            backbone.
        DependencyError: The installed Keras release does not have the backbone.
    """
    if class_count < 2:
        raise ConfigError(f"class_count: expected at least 2, got {class_count}")
    if input_size is not None and any(side < 1 or side % STRIDES[-1] for side in input_size):
        raise ConfigError(
            f"input size: expected positive multiples of {STRIDES[-1]}, got {input_size}"
        )
    image = keras.Input((*(input_size or (None, None)), 3), name="image")
    features = backbone_features(image, backbone, shape=SHAPES[size])
    finer, coarser, scores = (
        _scored(x, class_count, name=f"map_{stride}_{_EXACT}")
        for x, stride in zip(features, STRIDES, strict=True)
    )
    raises = []
    for stride, map_ in ((16, coarser), (8, finer)):
        raises.append(_transposed(class_count, 2, name=f"raise_{stride}_{_EXACT}"))
        total = keras.layers.Add(name=f"raise_{stride}_sum_{_EXACT}")
        scores = total([map_, raises[-1](scores)])
    raises.append(_transposed(class_count, STRIDES[0], name=LOGITS))
    network = keras.Model(image, raises[-1](scores), name="fcn8s")
    for layer in raises:
        layer.set_weights([bilinear_kernel(layer.strides[0], class_count)])
    raises[-1].trainable = False
    return network


def bilinear_kernel(factor: int, channels: int) -> Float32Array:
    """Returns the kernel of a transposed convolution that interpolates each channel separately.

    Args:
        factor: Stride of the convolution, even.
        channels: Input and output channels.

    Returns:
        `(2 factor, 2 factor, channels, channels)` float32. Every output pixel inside the image is
        the bilinear interpolation of the four inputs around it; inputs beyond the edges count as 0.
    """
    # Input pixels lie `factor` apart, in the middle of their blocks: half a pixel off the grid.
    distance = np.abs(np.arange(2 * factor) + 0.5 - factor) / factor
    line = (1.0 - distance).astype(np.float32)
    kernel: Float32Array = np.einsum("i,j,kl->ijkl", line, line, np.eye(channels, dtype=np.float32))
    return kernel


def copy_all_but_scores(source: Any, target: Any) -> None:
    """Copies the weights that do not depend on the classes: those of the backbone.

    Args:
        source: A network of `build_fcn8s`.
        target: One of the same backbone and size; the number of classes may differ.
    """
    for layer in target.layers:
        if layer.weights and not layer.name.startswith(("map_", "raise_")):
            layer.set_weights(source.get_layer(layer.name).get_weights())


def _scored(x: Any, class_count: int, *, name: str) -> Any:
    """Returns `(B, h, w, C)`: a score of each class at each position of a feature map."""
    layer = keras.layers.Conv2D(
        class_count,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        name=name,
    )
    return layer(x)


def _transposed(channels: int, factor: int, *, name: str) -> Any:
    return keras.layers.Conv2DTranspose(
        channels, 2 * factor, strides=factor, padding="same", use_bias=False, name=name
    )
