"""The configuration of a detector's training: one tree of frozen settings.

Loads no Keras.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tracker.cli.train.shared_config import (
    NetworkConfig,
    check_classes,
    check_seed_and_freezing,
)
from tracker.errors import ConfigError
from tracker.models.backbones.names import CROSS_STAGE
from tracker.models.files.detector_file import HeadStyle
from tracker.models.integral_shape import integral_shape
from tracker.training.detector.augment import AugmentSettings
from tracker.training.settings import TrainSettings
from tracker.util.check_types import check_finite, check_types
from tracker.util.settings_tree import layered, settings_from


@dataclasses.dataclass(frozen=True, slots=True)
class DataConfig:
    """The training data.

    Attributes:
        file: Path of the data file, see `training.data_file`.
        classes: Names of the classes to learn; `None` for all. Objects of others are background.
        val_share: Share of the images to hold out for validation if the data file names no `val`,
            in `(0, 1)`.

    Raises:
        ConfigError: A value is out of range, or a class is named twice.
    """

    file: str | None = None
    classes: tuple[str, ...] | None = None
    val_share: float = 0.1

    def __post_init__(self) -> None:
        check_types(self)
        check_classes(self.classes)
        if not 0 < self.val_share < 1:
            raise ConfigError(f"val_share: expected between 0 and 1, got {self.val_share}")
        check_finite(self)


@dataclasses.dataclass(frozen=True, slots=True)
class DetectorNetworkConfig(NetworkConfig):
    """The network of a detector.

    Attributes:
        heads: Which network: `anchor-free`, or `integral` in the shape of NanoDet-Plus, which has
            a backbone of its own for each size. With `integral`, `weights` may be the `.onnx` of a
            published NanoDet-Plus of the size.
        teacher: Path of a detector with integral boxes and the same classes, `.keras` or the
            `.onnx` of a NanoDet-Plus with its size in the name: its scores and boxes are targets
            where the labels are silent. `None` for labels alone.

    Raises:
        ConfigError: A value is out of range, the backbone is not the one of integral heads, or a
            teacher is named for a network without them.
    """

    heads: HeadStyle = HeadStyle.ANCHOR_FREE
    teacher: str | None = None

    def __post_init__(self) -> None:
        NetworkConfig.__post_init__(self)
        if self.heads is HeadStyle.ANCHOR_FREE:
            if self.teacher is not None:
                raise ConfigError(
                    f"network.teacher: expected none for anchor-free heads, got {self.teacher}; "
                    "give --heads integral"
                )
            return
        own = integral_shape(self.size).backbone
        if self.backbone == CROSS_STAGE:
            object.__setattr__(self, "backbone", own)
        elif self.backbone != own:
            raise ConfigError(
                f"network.backbone: expected {own} for integral heads of size {self.size.value}, "
                f"got {self.backbone}"
            )


@dataclasses.dataclass(frozen=True, slots=True)
class ImageBatchConfig:
    """The batches of images.

    Attributes:
        batch: Images in a batch.
        max_boxes: Most objects of an image that are kept, the largest first.
        workers: Threads that load and augment images.
        cache_side: Training images with a larger long side in pixels are downscaled to it before
            they are augmented; at least 1. More than the input size keeps details for large scales.

    Raises:
        ConfigError: A value is below 1.
    """

    batch: int = 16
    max_boxes: int = 100
    workers: int = 1
    cache_side: int = 512

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("batch", "max_boxes", "workers", "cache_side"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, got {getattr(self, name)}")
        check_finite(self)


@dataclasses.dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything that decides the result of a detector's training.

    Attributes:
        seed: Seed of initial weights, the order of the images and their augmentation.
        data: The training data.
        network: The network to train.
        batches: The batches of images.
        augment: Augmentation of the images.
        training: Length, learning rates and loss.

    Raises:
        ConfigError: A value is out of range, or the frozen backbone would have random weights.
    """

    seed: int = 0
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    network: DetectorNetworkConfig = dataclasses.field(default_factory=DetectorNetworkConfig)
    batches: ImageBatchConfig = dataclasses.field(default_factory=ImageBatchConfig)
    augment: AugmentSettings = dataclasses.field(default_factory=AugmentSettings)
    training: TrainSettings = dataclasses.field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        check_types(self)
        check_seed_and_freezing(self.seed, self.training.freeze_epochs, self.network.choice())
        check_finite(self)


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
