"""The configuration of a training: one tree of frozen settings, as `config.py` has for a run.

Loads no Keras.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from tracker.errors import ConfigError
from tracker.models.backbones.names import (
    CROSS_STAGE,
    DETECTOR_BACKBONES,
    NONE,
    BackboneChoice,
    check_backbone,
)
from tracker.models.yolo_shape import STRIDES, YoloSize
from tracker.training.detector.augment import AugmentSettings
from tracker.training.settings import TrainSettings
from tracker.util.check_types import check_finite, check_types
from tracker.util.settings_tree import layered, settings_from


@dataclasses.dataclass(frozen=True, slots=True)
class DataConfig:
    """What is learned from.

    Attributes:
        file: Path of the data file, see `training.data_file`.
        classes: Names of the classes to learn; `None` for all. Objects of others are background.
        val_share: Where the data file names no `val`: this share of the pictures is held out to
            judge by, in `(0, 1)`.
    """

    file: str | None = None
    classes: tuple[str, ...] | None = None
    val_share: float = 0.1

    def __post_init__(self) -> None:
        check_types(self)
        if self.classes is not None and (
            not self.classes or len(set(self.classes)) != len(self.classes)
        ):
            raise ConfigError(f"classes: expected different names, got {list(self.classes)}")
        if not 0 < self.val_share < 1:
            raise ConfigError(f"val_share: expected between 0 and 1, got {self.val_share}")
        check_finite(self)


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Which network learns.

    Attributes:
        size: How large it is; with a backbone other than "cross-stage": its neck and heads.
        backbone: Name of the backbone, see `backbone_names.DETECTOR_BACKBONES`.
        weights: Path of a `.keras` detector of the same size and backbone to start from; `None`
            starts anew.
        backbone_weights: Where the backbone alone starts from: `none`, `imagenet` or a path, see
            `BackboneChoice`.
        frozen_until: Name of a layer of the backbone: it and those before it never learn.
        frozen_norms: The backbone's batch norms keep their statistics and never learn; `None`
            where `backbone_weights` is not `none`.
        input_size: Side in pixels of the pictures that it learns from, a multiple of 32.
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
        """Returns the backbone, its weights, and what of it never learns."""
        return BackboneChoice(
            self.backbone,
            weights=self.backbone_weights,
            frozen_until=self.frozen_until,
            frozen_norms=self.frozen_norms,
            whole=self.weights,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PictureBatchConfig:
    """How pictures come together.

    Attributes:
        batch: Pictures in a step.
        max_boxes: Objects of a picture that count, the largest first.
        workers: Threads that prepare pictures.
    """

    batch: int = 16
    max_boxes: int = 100
    workers: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("batch", "max_boxes", "workers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, got {getattr(self, name)}")
        check_finite(self)


@dataclasses.dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything that decides the result of a training.

    Attributes:
        seed: Of new weights, of the order of pictures and of their changes.
        data: What is learned from.
        network: Which network learns.
        batches: How pictures come together.
        augment: How they are changed.
        training: How long, how fast, and by which loss.
    """

    seed: int = 0
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    batches: PictureBatchConfig = dataclasses.field(default_factory=PictureBatchConfig)
    augment: AugmentSettings = dataclasses.field(default_factory=AugmentSettings)
    training: TrainSettings = dataclasses.field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        check_types(self)
        if self.seed < 0:
            raise ConfigError(f"seed: expected at least 0, got {self.seed}")
        if self.training.freeze_epochs and not self.network.choice().is_trained:
            raise ConfigError(
                "training.freeze_epochs: a backbone with random weights cannot be frozen; expected "
                "weights to start from, such as --weights FILE.keras or --backbone-weights"
            )
        check_finite(self)

    def to_yaml(self) -> str:
        """Returns the tree as YAML that `load_train_config` reads."""
        text: str = yaml.safe_dump(
            _ADAPTER.dump_python(self, mode="json"), sort_keys=False, allow_unicode=True
        )
        return text

    def flat(self) -> dict[str, Any]:
        """Returns plain values by dotted key."""
        return dict(flatten(_ADAPTER.dump_python(self, mode="json"), ""))


_ADAPTER = TypeAdapter(TrainConfig)


def load_train_config(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """Returns the defaults with a YAML file, then single keys, then options laid over them.

    Args:
        path: A YAML file, or `None`.
        overrides: Words like `training.learning_rate=0.001`; the value is read as YAML.
        options: Values by dotted key; those of `None` change nothing.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.

    Example:
        >>> load_train_config(overrides=["training.epochs=3"]).training.epochs
        3
    """
    tree = layered(path, overrides, options, example="training.learning_rate=0.001")
    return settings_from(_ADAPTER, TrainConfig, tree)


def flatten(tree: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """Returns the values of a tree by dotted key.

    Args:
        tree: Keys and values, which may be trees in turn.
        prefix: What all keys begin with.
    """
    pairs: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            pairs += flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", value))
    return pairs
