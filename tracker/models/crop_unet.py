"""Segmentation of crops: a ShuffleNetV2 encoder and a decoder with skip connections.

As in U-Net (arXiv 1505.04597), features are upsampled by two, step by step, and joined with those
of the encoder at the same resolution, here by a sum. The encoder ends at stride 16, where its
receptive field covers a crop of 128 pixels. A transposed convolution raises scores from stride 2
to every pixel.
"""

from typing import Any

import keras

from tracker.errors import ConfigError
from tracker.models.backbones.blocks import convolution
from tracker.models.backbones.names import SHUFFLENETS, check_backbone
from tracker.models.backbones.shufflenet import PREFIX, shufflenet_features

# Prefixes of layer names as in detector heads, which distinguish them from the backbone's.
_DEEPEST, _DECODER = 64, ((8, 48), (4, 32), (2, 16))
"""Channels at stride 16, and at each stride of the decoder."""


def build_crop_unet(backbone: str, class_count: int) -> Any:
    """Returns the network with new weights: RGB in `[0, 1]` to scores of each pixel before softmax.

    Height and width of the crops are multiples of 16. With "shufflenet-v2-1x" and two classes it
    has 0.33 million parameters.

    Args:
        backbone: One of `backbones.names.SHUFFLENETS`.
        class_count: `C`, at least 2: the background counts as a class.

    Raises:
        ConfigError: Fewer classes than two, or another backbone.
    """
    if class_count < 2:
        raise ConfigError(f"class_count: expected at least 2, got {class_count}")
    check_backbone(backbone, SHUFFLENETS)
    image = keras.Input((None, None, 3), name="image")
    fine, deep = shufflenet_features(image, backbone)[:2]
    stem = keras.Model(image, fine)
    skips = (
        fine,
        *(stem.get_layer(f"{PREFIX}_{name}").output for name in ("pool_half", "stem_act")),
    )
    x = convolution(deep, _DEEPEST, kernel_size=1, name="lateral_16")
    for (stride, width), skip in zip(_DECODER, skips, strict=True):
        x = _joined(x, skip, width, name=str(stride))
    scores = keras.layers.Conv2DTranspose(
        class_count, 4, strides=2, padding="same", name="map_logits"
    )(x)
    return keras.Model(image, scores, name="crop_unet")


def _joined(x: Any, skip: Any, width: int, *, name: str) -> Any:
    """Returns `(B, 2 h, 2 w, width)`: `x` upsampled by two, with the encoder's features added."""
    x = convolution(x, width, kernel_size=1, name=f"raise_{name}")
    x = keras.layers.UpSampling2D(2, interpolation="bilinear", name=f"raise_{name}_twice")(x)
    side = convolution(skip, width, kernel_size=1, name=f"lateral_{name}")
    x = keras.layers.Add(name=f"raise_{name}_sum")([x, side])
    return convolution(x, width, name=f"neck_{name}")
