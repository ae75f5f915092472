"""The configuration of a segmenter's training: one tree of frozen settings.

Loads no Keras.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from tracker.cli.train.detector_config import NetworkConfig, flatten
from tracker.errors import ConfigError
from tracker.models.yolo_shape import YoloSize
from tracker.training.segmenter.augment import SegmentAugmentSettings
from tracker.training.segmenter.settings import SegmentTrainSettings
from tracker.util.check_types import check_finite, check_types
from tracker.util.settings_tree import layered, settings_from


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentDataConfig:
    """What is learned from, and how pictures come together.

    Attributes:
        file: Path of the data file, see `training.segment_file`.
        batch: Pictures in a step.
        workers: Threads that prepare pictures.
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
        seed: Of new weights, of the order of pictures and of their changes.
        data: What is learned from.
        network: Which network learns; `size` counts for the backbone "cross-stage" only, and
            `weights` names a `.keras` segmenter.
        augment: How pictures are changed.
        training: How long and how fast.
    """

    seed: int = 0
    data: SegmentDataConfig = dataclasses.field(default_factory=SegmentDataConfig)
    network: NetworkConfig = dataclasses.field(
        default_factory=lambda: NetworkConfig(size=YoloSize.SMALL)
    )
    augment: SegmentAugmentSettings = dataclasses.field(default_factory=SegmentAugmentSettings)
    training: SegmentTrainSettings = dataclasses.field(default_factory=SegmentTrainSettings)

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
        """Returns the tree as YAML that `load_segment_config` reads."""
        text: str = yaml.safe_dump(
            _ADAPTER.dump_python(self, mode="json"), sort_keys=False, allow_unicode=True
        )
        return text

    def flat(self) -> dict[str, Any]:
        """Returns plain values by dotted key."""
        return dict(flatten(_ADAPTER.dump_python(self, mode="json"), ""))


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
    # `NetworkConfig` begins with the size of detectors.
    base = {"network": {"size": YoloSize.SMALL.value}}
    example = "training.learning_rate=0.001"
    tree = layered(path, overrides, options, example=example, base=base)
    return settings_from(_ADAPTER, SegmentTrainConfig, tree)
