"""Freezes backbone layers, permanently or in the first epochs."""

from collections.abc import Iterable
from typing import Any

import keras

from tracker.errors import ConfigError
from tracker.models.backbones.load import backbone_layers
from tracker.models.backbones.names import BackboneChoice, near


def freeze_for_good(network: Any, choice: BackboneChoice) -> None:
    """Makes the frozen layers non-trainable.

    A batch norm that does not learn also keeps its statistics, in training as in use.

    Args:
        network: Of `build_yolo` or `build_reid`; is changed.
        choice: Says which layers.

    Raises:
        ConfigError: The backbone has no layer of the name.
    """
    layers = backbone_layers(network)
    names = [layer.name for layer in layers]
    until = choice.frozen_until
    if until is not None and until not in names:
        raise ConfigError(
            f"network.frozen_until: {choice.name} has no layer {until!r}{near(until, names)}"
        )
    frozen = layers[: names.index(until) + 1] if until is not None else []
    if choice.norms_are_frozen:
        frozen += [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    set_learning(frozen, learning=False)


def learning_backbone(network: Any) -> list[Any]:
    """Returns the trainable layers of a network's backbone."""
    return [layer for layer in backbone_layers(network) if layer.trainable]


def set_learning(layers: Iterable[Any], *, learning: bool) -> None:
    """Sets layers trainable or not; a compiled model has to be compiled again.

    Args:
        layers: Are changed.
        learning: Whether they learn.
    """
    for layer in layers:
        layer.trainable = learning
