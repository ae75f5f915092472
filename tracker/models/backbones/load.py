"""Backbones by name: from an image in `[0, 1]` to features at strides 8, 16 and 32.

This package's cross-stage blocks, EfficientNet-Lite, ShuffleNetV2, and the networks of
keras.applications, each with its own preprocessing as layers of the graph. Nothing is downloaded
here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import keras

from tracker.errors import ConfigError, DependencyError
from tracker.models.backbones.blocks import convolution, cross_stage, pyramid_pooling
from tracker.models.backbones.efficientnet_lite import efficientnet_lite_features
from tracker.models.backbones.names import (
    APPLICATIONS,
    CROSS_STAGE,
    DETECTOR_BACKBONES,
    LITE,
    SHUFFLENETS,
    near,
)
from tracker.models.backbones.shufflenet import shufflenet_features
from tracker.models.yolo_shape import YoloShape

_AFTER = ("lateral", "raise", "lower", "neck_", "map_", "stripes", "flat", "project", "unit")
"""Prefixes of the layer names of necks and heads."""

# Mean and standard deviation of ImageNet's pixels, RGB in [0, 1], as keras.applications has them.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class _Scaling:
    """Preprocessing from `[0, 1]` to a network's own range: `scale * pixel + offset`."""

    scale: Any
    offset: Any


_TO_ONE = _Scaling(2.0, -1.0)
_BY_CHANNEL = _Scaling(
    [1 / d for d in _DEVIATION], [-m / d for m, d in zip(_MEAN, _DEVIATION, strict=True)]
)
# EfficientNetB0 to B7 divide by 255 themselves.
_BY_CHANNEL_255 = _Scaling(
    [255 / d for d in _DEVIATION], [-255 * m / d for m, d in zip(_MEAN, _DEVIATION, strict=True)]
)
_OWN_SCALING_OFF = {"include_preprocessing": False}


@dataclass(frozen=True, slots=True)
class _Family:
    """Where the networks of a family in keras.applications are cut.

    Attributes:
        names: Pattern of the family's network names.
        levels: Patterns of layer names; the last match is the output at stride 8 and at stride 16.
            At stride 32 it is the network's last layer.
        scaling: Preprocessing.
        options: Keyword arguments of the function that builds the network.
    """

    names: str
    levels: tuple[str, str]
    scaling: _Scaling
    options: Mapping[str, Any] = field(default_factory=dict)


# Layers that Keras numbers itself have the names that `_renumber_names` gives. Where blocks end in
# a sum, the features are the sum; ResNetV2's are normalized and activated before use.
_FAMILIES = (
    _Family("resnet*v2", ("conv3_block*_preact_relu", "conv4_block*_preact_relu"), _TO_ONE),
    _Family("mobilenetv2", ("block_5_add", "block_12_add"), _TO_ONE),
    _Family(
        "mobilenetv3small",
        ("expanded_conv_2_add", "expanded_conv_7_add"),
        _TO_ONE,
        _OWN_SCALING_OFF,
    ),
    _Family(
        "mobilenetv3large",
        ("expanded_conv_5_add", "expanded_conv_11_add"),
        _TO_ONE,
        _OWN_SCALING_OFF,
    ),
    _Family("efficientnetb*", ("block3?_add", "block5?_add"), _BY_CHANNEL_255),
    _Family("efficientnetv2b*", ("block3?_add", "block5?_add"), _BY_CHANNEL, _OWN_SCALING_OFF),
    # Blocks 3 and 12. Two 'valid' convolutions at the start take 3 of H / 2 pixels; the poolings
    # after them round up, so that maps of H = 32 k have H / 8, H / 16 and H / 32 rows all the same.
    _Family("xception", ("add_1", "add_10"), _TO_ONE),
    _Family("densenet121", ("pool3_conv", "pool4_conv"), _BY_CHANNEL),
    # The sums after the blocks of stages 2 (3 + 3 blocks) and 3 (9 more).
    _Family("convnexttiny", ("add_5", "add_14"), _BY_CHANNEL, _OWN_SCALING_OFF),
)


def backbone_features(image: Any, name: str, *, shape: YoloShape | None = None) -> list[Any]:
    """Returns features at strides 8, 16 and 32, each from the last layer of its stride.

    Args:
        image: `(B, H, W, 3)` RGB in `[0, 1]`; height and width are multiples of 32, or variable.
        name: One of `DETECTOR_BACKBONES`.
        shape: Widths and depths of "cross-stage"; the others have their own.

    Raises:
        ConfigError: The name is unknown, or "cross-stage" has no shape.
        DependencyError: The installed Keras release does not have the network.
    """
    if name == CROSS_STAGE and shape is not None:
        return _cross_stage_features(image, shape)
    if name in LITE:
        return efficientnet_lite_features(image, name)
    if name in SHUFFLENETS:
        return shufflenet_features(image, name)
    if name in APPLICATIONS:
        return _application_features(image, name)
    raise ConfigError(f"backbone: cannot be built: {name!r}{near(name, DETECTOR_BACKBONES)}")


def backbone_layers(network: Any) -> list[Any]:
    """Returns the layers before the neck or the pooling, in topological order.

    Args:
        network: Of `build_yolo` or `build_reid`, with any backbone.
    """
    return [
        layer
        for layer in network.layers
        if not isinstance(layer, keras.layers.InputLayer) and not layer.name.startswith(_AFTER)
    ]


def application(name: str, *, weights: str | None = None) -> Any:
    """Returns a network of keras.applications without its top, for images of any size.

    Its layers are named as in the backbone; the preprocessing is that of Keras.

    Args:
        name: Key of `APPLICATIONS`.
        weights: `None` for random weights; "imagenet" lets Keras download the published ones.

    Raises:
        DependencyError: The installed Keras release does not have the network.
    """
    network = _build(name)(include_top=False, weights=weights, input_shape=(None, None, 3))
    _renumber_names(network.operations)
    return network


def _application_features(image: Any, name: str) -> list[Any]:
    (family,) = (family for family in _FAMILIES if fnmatchcase(name, family.names))
    scaling = family.scaling
    scaled = keras.layers.Rescaling(scaling.scale, offset=scaling.offset, name="backbone_scale")(
        image
    )
    # EfficientNetB0 to B7 contain a `Normalization` whose values come with the published weights.
    # Here it keeps mean 0 and variance 1, the identity: see `backbones.weights`.
    network = _build(name)(
        include_top=False, weights=None, input_tensor=scaled, **dict(family.options)
    )
    _renumber_names(network.operations)
    levels = [_last(network.operations, pattern) for pattern in family.levels]
    return [*(level.output for level in levels), network.output]


def _build(name: str) -> Any:
    try:
        return getattr(keras.applications, APPLICATIONS[name])
    except AttributeError as error:
        raise DependencyError(
            f"backbone {name}: Keras {keras.__version__} has no such network; expected a newer one"
        ) from error


def _renumber_names(operations: Sequence[Any]) -> None:
    """Renumbers automatically named layers from 0; Keras counts over all networks of a process."""
    counts: dict[str, int] = {}
    for operation in operations:
        base = _snake_case(type(operation).__name__)
        is_input = isinstance(operation, keras.layers.InputLayer)
        if not is_input and re.fullmatch(rf"{base}(_\d+)?", operation.name):
            number = counts.get(base, 0)
            counts[base] = number + 1
            operation.name = f"{base}_{number}" if number else base


def _snake_case(name: str) -> str:
    """Returns the name of a class as Keras writes it in the names of its instances."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _last(operations: Sequence[Any], pattern: str) -> Any:
    return [operation for operation in operations if fnmatchcase(operation.name, pattern)][-1]


def _cross_stage_features(image: Any, shape: YoloShape) -> list[Any]:
    x = convolution(image, shape.stem, strides=2, name="stem")
    features = []
    for stage, (filters, depth) in enumerate(zip(shape.stages, shape.depths, strict=True)):
        x = convolution(x, filters, strides=2, name=f"stage{stage}_down")
        if depth:
            x = cross_stage(x, filters, depth=depth, name=f"stage{stage}")
        features.append(x)
    features[-1] = pyramid_pooling(x, shape.stages[-1], name="pooling")
    return features[1:]
