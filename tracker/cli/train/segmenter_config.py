"""The configuration of a segmenter's training: one tree of frozen settings.

Loads no Keras.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tracker.cli.train.shared_config import NetworkConfig, check_seed_and_freezing
from tracker.errors import ConfigError
from tracker.models.backbones.names import SHUFFLENETS
from tracker.models.files.segmenter_file import SegmenterHead
from tracker.models.yolo_shape import YoloSize
from tracker.training.segmenter.augment import SegmentAugmentSettings
from tracker.training.segmenter.settings import SegmentTrainSettings
from tracker.util.check_types import check_finite, check_types
from tracker.util.settings_tree import layered, settings_from


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentDataConfig:
    """The training data and its batches.

    Attributes:
        file: Path of the data file, see `training.segmenter.file`.
        batch: Images in a batch.
        workers: Threads that load and augment images.

    Raises:
        ConfigError: A value is below 1.
    """

    file: str | None = None
    batch: int = 8
    workers: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("batch", "workers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, got {getattr(self, name)}")
        check_finite(self)


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentTrainConfig:
    """Everything that decides the result of a segmenter's training.

    Attributes:
        seed: Seed of initial weights, the order of the images and their augmentation.
        data: The training data and its batches.
        head: `fcn-8s` for whole frames, `crop-u-net` for crops of boxes.
        network: The network to train; `size` is used with the backbone "cross-stage" only, and
            `weights` names a `.keras` segmenter.
        augment: Augmentation of the images.
        training: Length and learning rates.

    Raises:
        ConfigError: A value is out of range, the frozen backbone would have random weights, or the
            head has no such backbone.
    """

    seed: int = 0
    head: SegmenterHead = SegmenterHead.FCN_8S
    data: SegmentDataConfig = dataclasses.field(default_factory=SegmentDataConfig)
    network: NetworkConfig = dataclasses.field(
        default_factory=lambda: NetworkConfig(size=YoloSize.SMALL)
    )
    augment: SegmentAugmentSettings = dataclasses.field(default_factory=SegmentAugmentSettings)
    training: SegmentTrainSettings = dataclasses.field(default_factory=SegmentTrainSettings)

    def __post_init__(self) -> None:
        check_types(self)
        check_seed_and_freezing(self.seed, self.training.freeze_epochs, self.network.choice())
        backbone = self.network.backbone
        if self.head is SegmenterHead.CROP_UNET and backbone not in SHUFFLENETS:
            raise ConfigError(
                f"head: {self.head.value} expects backbone {' or '.join(SHUFFLENETS)}, got "
                f"{backbone}; give --backbone {SHUFFLENETS[0]}"
            )
        check_finite(self)


_ADAPTER = TypeAdapter(SegmentTrainConfig)


def load_segment_config(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> SegmentTrainConfig:
    """Returns the defaults with a YAML file, then single keys, then options laid over them.

    Args:
        path: A YAML file, or `None`.
        overrides: Words like `training.learning_rate=0.001`; the value is read as YAML.
        options: Values by dotted key; those of `None` change nothing.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.

    Example:
        >>> load_segment_config(overrides=["training.epochs=3"]).training.epochs
        3
    """
    # The default of `NetworkConfig` is the size of detectors.
    base = {"network": {"size": YoloSize.SMALL.value}}
    example = "training.learning_rate=0.001"
    tree = layered(path, overrides, options, example=example, base=base)
    return settings_from(_ADAPTER, SegmentTrainConfig, tree)
