"""The configuration of an appearance network's training: one tree of frozen settings.

A few defaults depend on the data: the augmentation on whether the crops are views, and the
weights of the losses on whether there are teachers. `load_reid_config` looks at the folder and
fills them in, so that a `ReidTrainConfig` always holds the numbers that are used. Loads no Keras.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tracker.cli.train.shared_config import check_seed_and_freezing
from tracker.errors import ConfigError
from tracker.models.backbones.names import (
    NONE,
    REID_BACKBONES,
    RESIDUAL,
    BackboneChoice,
    check_backbone,
)
from tracker.training.crops.crop_folder import has_teachers, holds_views
from tracker.training.reid.augment import SEEN_VIEWS, ReidAugmentSettings
from tracker.training.reid.batches import check_batch
from tracker.training.reid.settings import ReidTrainSettings
from tracker.util.check_types import check_finite, check_types
from tracker.util.settings_tree import layered, settings_from

_TAUGHT = {"regression": 1.0, "relation": 6.0, "contrast": 0.1}
_UNTAUGHT = {"regression": 0.0, "relation": 0.0, "contrast": 1.0}


@dataclasses.dataclass(frozen=True, slots=True)
class ReidDataConfig:
    """The training data and its batches.

    Attributes:
        folder: Folder from `tracker train crops`, or with one sub-folder for each identity.
        val_share: Share of the identities to hold out for validation, in `(0, 1)`.
        batch: Crops in a batch, even, at least 4.

    Raises:
        ConfigError: A value is out of range.
    """

    folder: str | None = None
    val_share: float = 0.1
    batch: int = 128

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 < self.val_share < 1:
            raise ConfigError(f"val_share: expected between 0 and 1, got {self.val_share}")
        check_batch(self.batch)
        check_finite(self)


@dataclasses.dataclass(frozen=True, slots=True)
class ReidNetworkConfig:
    """The appearance network.

    Attributes:
        backbone: Name of the backbone, see `models.backbones.names.REID_BACKBONES`.
        weights: Path of a `.keras` appearance network of the same backbone to start from; `None`
            for random weights.
        backbone_weights: Initial weights of the backbone alone: `none`, `imagenet` or a path, see
            `BackboneChoice`.
        frozen_until: Name of a layer of the backbone: it and those before it stay frozen.
        frozen_norms: Whether the backbone's batch norms stay frozen, statistics included; `None`
            freezes them if `backbone_weights` is not `none`.

    Raises:
        ConfigError: The backbone is unknown, or the settings of its weights contradict each other.
    """

    backbone: str = RESIDUAL
    weights: str | None = None
    backbone_weights: str = NONE
    frozen_until: str | None = None
    frozen_norms: bool | None = None

    def __post_init__(self) -> None:
        check_types(self)
        check_backbone(self.backbone, REID_BACKBONES)
        self.choice()

    def choice(self) -> BackboneChoice:
        """Returns the backbone, its initial weights, and which of its layers stay frozen."""
        return BackboneChoice(
            self.backbone,
            weights=self.backbone_weights,
            frozen_until=self.frozen_until,
            frozen_norms=self.frozen_norms,
            whole=self.weights,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class ReidTrainConfig:
    """Everything that decides the result of an appearance network's training.

    Attributes:
        seed: Seed of initial weights, the split, the order of the crops and their augmentation.
        data: The training data and its batches.
        network: The network to train.
        augment: Augmentation of the crops.
        training: Length, learning rates and losses.

    Raises:
        ConfigError: A value is out of range, or the frozen backbone would have random weights.
    """

    seed: int = 0
    data: ReidDataConfig = dataclasses.field(default_factory=ReidDataConfig)
    network: ReidNetworkConfig = dataclasses.field(default_factory=ReidNetworkConfig)
    augment: ReidAugmentSettings = dataclasses.field(default_factory=ReidAugmentSettings)
    training: ReidTrainSettings = dataclasses.field(default_factory=ReidTrainSettings)

    def __post_init__(self) -> None:
        check_types(self)
        check_seed_and_freezing(self.seed, self.training.freeze_epochs, self.network.choice())


_ADAPTER = TypeAdapter(ReidTrainConfig)


def load_reid_config(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> ReidTrainConfig:
    """Returns the defaults with a YAML file, then single keys, then options laid over them.

    The defaults are those for the crops of `data.folder`, where it is given.

    Args:
        path: A YAML file, or `None`.
        overrides: Words like `training.learning_rate=0.001`; the value is read as YAML.
        options: Values by dotted key; those of `None` change nothing.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.

    Example:
        >>> load_reid_config(overrides=["training.epochs=3"]).training.epochs
        3
    """
    example = "training.learning_rate=0.001"
    tree = layered(path, overrides, options, example=example)
    data = tree.get("data")
    folder = data.get("folder") if isinstance(data, Mapping) else None
    base = _defaults_for(Path(folder)) if isinstance(folder, str) else {"training": _UNTAUGHT}
    tree = layered(path, overrides, options, example=example, base=base)
    return settings_from(_ADAPTER, ReidTrainConfig, tree)


def _defaults_for(folder: Path) -> dict[str, Any]:
    """Returns the defaults that depend on the crops of a folder.

    Without a teacher there is only the contrastive loss; with one, the weights are those of the
    built-in network, trained mostly from similarities (see its model card).
    """
    augment = SEEN_VIEWS if holds_views(folder) else ReidAugmentSettings()
    return {
        "augment": dataclasses.asdict(augment),
        "training": _TAUGHT if has_teachers(folder) else _UNTAUGHT,
    }
