"""What the configurations of several trainings have in common.

Loads no Keras.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic_core import to_jsonable_python

from tracker.errors import ConfigError
from tracker.models.backbones.names import (
    CROSS_STAGE,
    DETECTOR_BACKBONES,
    NONE,
    BackboneChoice,
    check_backbone,
)
from tracker.models.yolo_shape import STRIDES, YoloSize
from tracker.util.check_types import check_finite, check_types


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The network of a detector or segmenter.

    Attributes:
        size: Size of the network; with a backbone other than "cross-stage", of its neck and heads.
        backbone: Name of the backbone, see `models.backbones.names.DETECTOR_BACKBONES`.
        weights: Path of a `.keras` file of the same size and backbone to start from; `None` for
            random weights.
        backbone_weights: Initial weights of the backbone alone: `none`, `imagenet` or a path, see
            `BackboneChoice`.
        frozen_until: Name of a layer of the backbone: it and those before it stay frozen.
        frozen_norms: Whether the backbone's batch norms stay frozen, statistics included; `None`
            freezes them if `backbone_weights` is not `none`.
        input_size: Side in pixels of the training images, a multiple of 32.

    Raises:
        ConfigError: A value is out of range, the backbone is unknown, or the settings of its
            weights contradict each other.
    """

    size: YoloSize = YoloSize.NANO
    backbone: str = CROSS_STAGE
    weights: str | None = None
    backbone_weights: str = NONE
    frozen_until: str | None = None
    frozen_norms: bool | None = None
    input_size: int = 320

    def __post_init__(self) -> None:
        check_types(self)
        check_backbone(self.backbone, DETECTOR_BACKBONES)
        self.choice()
        if self.input_size < STRIDES[-1] or self.input_size % STRIDES[-1]:
            raise ConfigError(
                f"input_size: expected a positive multiple of {STRIDES[-1]}, got {self.input_size}"
            )
        check_finite(self)

    def choice(self) -> BackboneChoice:
        """Returns the backbone, its initial weights, and which of its layers stay frozen."""
        return BackboneChoice(
            self.backbone,
            weights=self.backbone_weights,
            frozen_until=self.frozen_until,
            frozen_norms=self.frozen_norms,
            whole=self.weights,
        )


def check_seed_and_freezing(seed: int, freeze_epochs: int, backbone: BackboneChoice) -> None:
    """Checks what every training's configuration has.

    Args:
        seed: Seed of all random draws.
        freeze_epochs: Epochs in which the backbone stays frozen.
        backbone: The backbone and its initial weights.

    Raises:
        ConfigError: The seed is negative, or a backbone with random weights would be frozen.
    """
    if seed < 0:
        raise ConfigError(f"seed: expected at least 0, got {seed}")
    if freeze_epochs and not backbone.is_trained:
        raise ConfigError(
            "training.freeze_epochs: a backbone with random weights cannot be frozen; expected "
            "weights to start from, such as --weights FILE.keras or --backbone-weights"
        )


def check_classes(classes: tuple[str, ...] | None) -> None:
    """Checks the class names that a user chose; `None` is all classes.

    Raises:
        ConfigError: There is none, or one is named twice.
    """
    if classes is not None and (not classes or len(set(classes)) != len(classes)):
        raise ConfigError(f"classes: expected different names, got {list(classes)}")


def config_yaml(config: object) -> str:
    """Returns a configuration as YAML, which the function that loads it reads.

    Args:
        config: A dataclass of plain values, enums and such dataclasses.
    """
    text: str = yaml.safe_dump(to_jsonable_python(config), sort_keys=False, allow_unicode=True)
    return text


def config_values(config: object) -> dict[str, Any]:
    """Returns the values of a configuration as plain JSON types by dotted key.

    Args:
        config: A dataclass of plain values, enums and such dataclasses.

    Example:
        >>> config_values(NetworkConfig())["backbone"]
        'cross-stage'
    """
    return _values_by_key(to_jsonable_python(config))


def _values_by_key(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            values |= _values_by_key(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value
    return values
