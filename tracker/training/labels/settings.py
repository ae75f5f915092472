"""Settings that decide which fused boxes become labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tracker.errors import ConfigError, nearest
from tracker.util.check_types import check_finite, check_shares, check_types

SYNONYMS = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pedestrian": "person",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}
"""Class names of teachers, and COCO's names for them."""


def common_name(name: str) -> str:
    """Returns COCO's name of a class where it has one, else the name itself.

    Example:
        >>> common_name("pedestrian"), common_name("forklift")
        ('person', 'forklift')
    """
    return SYNONYMS.get(name, name)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores from which a fused box counts.

    Attributes:
        sure: From here on it is a label.
        doubtful: From here on, below `sure`, it is a region to ignore; below, it is background.

    Raises:
        ConfigError: They are not `0 <= doubtful <= sure <= 1`.
    """

    sure: float
    doubtful: float

    def __post_init__(self) -> None:
        if not 0 <= self.doubtful <= self.sure <= 1:
            raise ConfigError(
                f"thresholds: expected 0 <= doubtful <= sure <= 1, got {self.doubtful}, {self.sure}"
            )


class Extra(StrEnum):
    """What becomes of a fused box of a human-labelled class that overlaps no human label."""

    DROP = "drop"
    """It is left out: the image is background there."""
    IGNORE = "ignore"
    """It is a region to ignore."""
    LABEL = "label"
    """It is a label with its fused score."""


@dataclass(frozen=True, slots=True)
class HumanRules:
    """How human labels and fused boxes of one image are merged.

    Attributes:
        overlap: A fused box is left out if its IoU with a human label of its class is greater.
        unconfirmed: Highest score of a human label that no fused box of its class overlaps by more
            than 0.5; one that is confirmed has its own, which is 1 unless its file has a sixth
            column.
        extra: What becomes of the other fused boxes of classes that were labelled by hand.
        extra_from: Score from which `extra` applies; fused boxes below it are left out.

    Raises:
        ConfigError: A value is outside `[0, 1]`.
    """

    overlap: float = 0.3
    unconfirmed: float = 1.0
    extra: Extra = Extra.DROP
    extra_from: float = 0.5

    def __post_init__(self) -> None:
        check_types(self)
        check_shares(self, "overlap", "unconfirmed", "extra_from")
        check_finite(self)


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """How teachers' detections become labels.

    Attributes:
        classes: Names of the classes to label.
        thresholds: By class; classes that it lacks take `default`.
        default: For classes without thresholds of their own.
        weights: Weight by teacher; teachers that it lacks count 1.
        iou: Boxes that overlap by more than this are the same object (see `fuse`).
        same_object: Fused boxes of two classes that overlap by more than this hold one object, and
            the best score wins; 1 keeps both. A rider and a motorcycle overlap by less than 0.75.
        soft: Whether a label's sixth column has its score.
        human: How human labels are merged.

    Raises:
        ConfigError: A threshold is for a class that is not labelled, or an overlap is not in
            `[0, 1]`.
    """

    classes: tuple[str, ...]
    thresholds: Mapping[str, Thresholds] = field(default_factory=dict)
    default: Thresholds = Thresholds(sure=0.35, doubtful=0.15)
    weights: Mapping[str, float] = field(default_factory=dict)
    iou: float = 0.55
    same_object: float = 0.75
    soft: bool = False
    human: HumanRules = field(default_factory=HumanRules)

    def __post_init__(self) -> None:
        check_shares(self, "same_object")
        for name in self.thresholds:
            if name not in self.classes:
                raise ConfigError(
                    f"thresholds: {name!r} is not among the classes{nearest(name, self.classes)}"
                )
