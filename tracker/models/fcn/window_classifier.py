"""A classifier and box regressor of single windows, to train with plain Keras.

`fcn.convert` makes it fully convolutional, `--detector fcn` runs it on video.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from tracker.errors import ConfigError
from tracker.models.fcn.shape import BOX, BOX_VALUES, CLASS, OBJECTNESS

Extractor = Callable[[Any], Any]
"""Turns pixels, a Keras tensor float32 `(B, height, width, 3)` RGB in `[0, 255]`, into a feature
map `(B, h, w, channels)`."""

_FILTERS = (16, 32, 64, 96)


def build_window_classifier(
    class_count: int,
    *,
    window: tuple[int, int] = (64, 64),
    hidden: Sequence[int] = (128,),
    extractor: Extractor | None = None,
    dropout: float = 0.0,
) -> Any:
    """Returns the network with new weights, not compiled.

    Its input is float32 `(B, height, width, 3)` RGB in `[0, 255]`, its outputs a dict: "class"
    `(B, C)`, softmax, but sigmoid for one class, as the softmax of one number is always 1;
    "objectness" `(B, 1)`, sigmoid: whether there is an object of any class; "box" `(B, 4)`,
    sigmoid: centre x, centre y, width, height in fractions of the window.

    Args:
        class_count: `C`, at least 1.
        window: Height and width of a window in pixels.
        hidden: Units of each Dense layer (with ReLU) between the feature map and the outputs.
        extractor: Function from pixels to the feature map; `None` for `small_extractor`. It
            includes the preprocessing of pixels, so that the saved model is complete: `lambda
            pixels: MobileNetV2(input_shape=pixels.shape[1:], include_top=False,
            weights=None)(Rescaling(1 / 127.5, offset=-1)(pixels))`.
        dropout: Share of a hidden layer's values that training drops, in `[0, 1)`.

    Raises:
        ConfigError: A value is out of range, or the window is too small for the extractor.
    """
    _check(class_count, window, hidden, dropout)
    image = keras.Input((*window, 3), name="image")
    features = (small_extractor if extractor is None else extractor)(image)
    if len(features.shape) != 4 or not all(features.shape[1:]):
        raise ConfigError(
            "extractor: expected it to return a feature map (batch, height, width, channels), got "
            f"{tuple(features.shape)}; leave the top of a classifier out"
        )
    x = layers.Flatten(name="flat")(features)
    for number, units in enumerate(hidden):
        x = layers.Dense(units, activation="relu", name=f"hidden_{number}")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout_{number}")(x)
    outputs = {
        CLASS: layers.Dense(
            class_count, activation="softmax" if class_count > 1 else "sigmoid", name=CLASS
        )(x),
        OBJECTNESS: layers.Dense(1, activation="sigmoid", name=OBJECTNESS)(x),
        BOX: layers.Dense(BOX_VALUES, activation="sigmoid", name=BOX)(x),
    }
    return keras.Model(image, outputs, name="window_classifier")


def small_extractor(pixels: Any) -> Any:
    """Returns the feature map of a small extractor: four 3x3 convolutions with a stride of 2.

    Its total stride is 16. It uses no padding, so the fully convolutional network gives exactly the
    results of classifying window by window. Windows have to be at least 31 pixels wide and high.

    Args:
        pixels: Keras tensor float32 `(B, height, width, 3)` RGB in `[0, 255]`.

    Raises:
        ConfigError: The window is too small.
    """
    if min(pixels.shape[1:3]) < 31:
        raise ConfigError(
            f"window: expected at least 31x31 pixels for the small extractor, got "
            f"{pixels.shape[1]}x{pixels.shape[2]}"
        )
    x = layers.Rescaling(1 / 255, name="scale")(pixels)
    for number, filters in enumerate(_FILTERS):
        x = layers.Conv2D(
            filters,
            3,
            strides=2,
            activation="relu",
            kernel_initializer="he_normal",
            data_format="channels_last",
            name=f"extract_{number}",
        )(x)
    return x


def _check(
    class_count: int, window: tuple[int, int], hidden: Sequence[int], dropout: float
) -> None:
    for name, values in (("class_count", (class_count,)), ("window", window), ("hidden", hidden)):
        if any(value < 1 for value in values):
            raise ConfigError(f"{name}: expected at least 1, got {', '.join(map(str, values))}")
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout: expected a number in [0, 1), got {dropout}")
