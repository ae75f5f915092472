"""Accuracy and speed of detectors, as `tracker models list` shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tracker.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Measured:
    """Accuracy and speed of a detector.

    Of published ones measured by `benchmarks/published_models.py`, of those of this package by
    `benchmarks/zoo.py`.

    Attributes:
        person_ap50: AP50 of people in per cent, on 128 images of COCO val2017.
        map50: Mean AP50 of COCO's 80 classes in per cent; `None` for a detector of fewer.
        ms: Milliseconds for an image of 480x360, on one thread and on two; `None` where it was not
            measured.

    Raises:
        ConfigError: A value is out of range.
    """

    person_ap50: float
    map50: float | None = None
    ms: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.ms is not None and not min(self.ms) > 0:
            raise ConfigError(f"measured.ms: expected above 0, got {list(self.ms)}")
        for key in ("person_ap50", "map50"):
            value = getattr(self, key)
            if value is not None and not 0 <= value <= 100:
                raise ConfigError(f"measured.{key}: expected 0 to 100 per cent, got {value}")


BUILT_IN: Mapping[str, Measured] = MappingProxyType(
    {
        "nano": Measured(68.3, 54.9, (37.0, 27.8)),
        "small": Measured(68.9, 58.7, (46.9, 33.6)),
        "nano-int8": Measured(66.7, 52.6, (27.5, 22.0)),
        "small-int8": Measured(68.4, 58.2, (31.3, 24.2)),
    }
)
"""Of the detectors of this package, at a long side of 416 pixels; their cards have other sizes."""
