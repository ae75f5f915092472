"""The configuration of `tracker train labels`: one tree of frozen settings.

Loads no library of a teacher.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tracker.cli.train.shared_config import check_classes
from tracker.errors import ConfigError
from tracker.training.labels.teacher_files import TeacherOptions, takes_any_size
from tracker.training.labels.write import LabelSettings, Thresholds
from tracker.util.check_types import check_finite, check_types
from tracker.util.settings_tree import layered, settings_from


@dataclasses.dataclass(frozen=True, slots=True)
class LabelConfig:
    """How images are labelled.

    Attributes:
        teachers: Paths of the teachers' files, see `training.labels.teacher_files`.
        classes: Names of the classes to label; `None` for all that a teacher knows.
        sizes: Long sides in pixels for teachers that take any size (`.cfg`, `.keras`); each runs at
            all of them. Without one, at its own.
        names: File of class names for teachers whose files hold none.
        every: Of a video, every n-th frame is labelled.
        sure: Fused score from which a box is a label.
        doubtful: Fused score from which, below `sure`, a box is a region to ignore.
        thresholds: `[sure, doubtful]` by class; other classes have the two above.
        weights: Weight of a teacher in the fusion by its name (file name, a minus, long side);
            others have 1.
        iou: Boxes that overlap by more than this are the same object.
        threads: CPU threads.

    Raises:
        ConfigError: A value is out of range, or all teachers have a size of their own and `sizes`
            is given.
    """

    teachers: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    sizes: tuple[int, ...] = ()
    names: str | None = None
    every: int = 1
    sure: float = 0.35
    doubtful: float = 0.15
    thresholds: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    iou: float = 0.55
    threads: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        check_classes(self.classes)
        if self.every < 1:
            raise ConfigError(f"every: expected at least 1, got {self.every}")
        if not 0 < self.iou < 1:
            raise ConfigError(f"iou: expected between 0 and 1, got {self.iou}")
        for name, weight in self.weights.items():
            if not 0 < weight < float("inf"):
                raise ConfigError(f"weights.{name}: expected a number above 0, got {weight}")
        if self.sizes and self.teachers and not any(map(takes_any_size, self.teachers)):
            raise ConfigError(
                f"sizes: expected none, got {list(self.sizes)}: all of these teachers have one "
                "size of their own"
            )
        # Constructing these checks the values.
        Thresholds(sure=self.sure, doubtful=self.doubtful)
        for sure, doubtful in self.thresholds.values():
            Thresholds(sure=sure, doubtful=doubtful)
        self.teacher_options()
        check_finite(self)

    def teacher_options(self) -> TeacherOptions:
        """Returns the options with which teachers run."""
        names = None if self.names is None else Path(self.names)
        return TeacherOptions(sizes=self.sizes, names=names, threads=self.threads)

    def label_settings(self, classes: Sequence[str]) -> LabelSettings:
        """Returns the settings that decide which boxes become labels.

        Args:
            classes: Names of the classes to label.

        Raises:
            ConfigError: A threshold is for a class that is not labelled.
        """
        return LabelSettings(
            classes=tuple(classes),
            thresholds={
                name: Thresholds(sure=sure, doubtful=doubtful)
                for name, (sure, doubtful) in self.thresholds.items()
            },
            default=Thresholds(sure=self.sure, doubtful=self.doubtful),
            weights=self.weights,
            iou=self.iou,
        )


_ADAPTER = TypeAdapter(LabelConfig)


def load_label_config(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> LabelConfig:
    """Returns the defaults with a YAML file, then single keys, then options laid over them.

    Args:
        path: A YAML file, or `None`.
        overrides: Words like `sure=0.4`; the value is read as YAML.
        options: Values by key; those of `None` change nothing.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.

    Example:
        >>> load_label_config(overrides=["thresholds.person=[0.5, 0.2]"]).thresholds
        {'person': (0.5, 0.2)}
    """
    tree = layered(path, overrides, options, example="sure=0.4")
    return settings_from(_ADAPTER, LabelConfig, tree)
