"""The configuration of `tracker train labels`: one tree of frozen settings.

Loads no library of a teacher.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tracker.cli.train.shared_config import check_classes
from tracker.cli.train.teacher_config import TeacherConfig, with_words_as
from tracker.cli.train.teachers import TeacherOptions
from tracker.detection.nms import NmsSettings
from tracker.errors import ConfigError
from tracker.training.labels.settings import HumanRules, LabelSettings, Thresholds
from tracker.training.labels.teachers import CANDIDATES
from tracker.util.check_types import check_finite, check_shares, check_types
from tracker.util.settings_tree import layered, settings_from


@dataclasses.dataclass(frozen=True, slots=True)
class HumanSource:
    """Images with human labels.

    Attributes:
        data: Path of a data file, see `training.data_file`; its `train` images count.
        classes: Names of the classes whose objects are all labelled there; `None` for all that the
            data file names. Objects of others are left to the teachers.

    Raises:
        ConfigError: The data file is missing, or a class is named twice.
    """

    data: str = ""
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_types(self)
        if not self.data:
            raise ConfigError("data: expected the path of a data file, got none; give data: FILE")
        check_classes(self.classes)


@dataclasses.dataclass(frozen=True, slots=True)
class HumanConfig(HumanRules):
    """Human labels, and how they are merged with the teachers' boxes.

    Attributes:
        sources: Where they are; the first that has an image labels it.
    """

    sources: tuple[HumanSource, ...] = ()

    def rules(self) -> HumanRules:
        """Returns how they are merged."""
        return HumanRules(**{f.name: getattr(self, f.name) for f in dataclasses.fields(HumanRules)})


@dataclasses.dataclass(frozen=True, slots=True)
class LabelConfig:
    """How images are labelled.

    Attributes:
        teachers: The detectors that label, see `TeacherConfig`; a text stands for `{detector: it}`.
        classes: Names of the classes to label; `None` for all that a teacher knows.
        sizes: Long sides in pixels for teachers that take any size and have no `size` of their own;
            each runs at all of them. Without one, at the network's own.
        names: File of class names for `.cfg` and `.xml` teachers whose files hold none.
        every: Of a video, every n-th frame is labelled.
        sure: Fused score from which a box is a label.
        doubtful: Fused score from which, below `sure`, a box is a region to ignore.
        thresholds: `[sure, doubtful]` by class; other classes have the two above.
        weights: Weight of a teacher in the fusion by its name (file name, a minus, long side);
            others have 1, or the `weight` of their own.
        iou: Boxes that overlap by more than this are the same object.
        same_object: Fused boxes of two classes that overlap by more than this hold one object, and
            the best score wins; 1 keeps both.
        soft: Whether labels have their fused score as a sixth column, down to `sure`.
        human: Human labels of some of the images.
        candidates: What a teacher hands on to the fusion.
        threads: CPU threads.

    Raises:
        ConfigError: A value is out of range.
    """

    teachers: tuple[TeacherConfig, ...] = ()
    classes: tuple[str, ...] | None = None
    sizes: tuple[int, ...] = ()
    names: str | None = None
    every: int = 1
    sure: float = 0.35
    doubtful: float = 0.15
    thresholds: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    weights: dict[str, float] = dataclasses.field(default_factory=dict)
    iou: float = 0.55
    same_object: float = 0.75
    soft: bool = False
    human: HumanConfig = dataclasses.field(default_factory=HumanConfig)
    candidates: NmsSettings = CANDIDATES
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
        check_shares(self, "same_object")
        # Constructing these checks the values.
        Thresholds(sure=self.sure, doubtful=self.doubtful)
        for sure, doubtful in self.thresholds.values():
            Thresholds(sure=sure, doubtful=doubtful)
        self.teacher_options()
        check_finite(self)

    def teacher_options(self) -> TeacherOptions:
        """Returns the options with which teachers run."""
        names = None if self.names is None else Path(self.names)
        return TeacherOptions(self.sizes, names, self.threads, self.candidates)

    def label_settings(
        self, classes: Sequence[str], weights: Mapping[str, float] | None = None
    ) -> LabelSettings:
        """Returns the settings that decide which boxes become labels.

        Args:
            classes: Names of the classes to label.
            weights: Weight by teacher; `None` takes `weights` alone.

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
            weights=self.weights if weights is None else weights,
            iou=self.iou,
            same_object=self.same_object,
            soft=self.soft,
            human=self.human.rules(),
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
    if "teachers" in tree:
        tree["teachers"] = with_words_as("detector", tree["teachers"])
    human = tree.get("human")
    if isinstance(human, dict) and "sources" in human:
        human["sources"] = with_words_as("data", human["sources"])
    return settings_from(_ADAPTER, LabelConfig, tree)
