"""Settings of the motion detector; they are read without loading it."""

import math
from dataclasses import dataclass

from tracker.errors import ConfigError
from tracker.util.check_types import check_finite, check_types


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """How motion is separated from background.

    Attributes:
        history_frames: Frames that the background remembers, >= 2. An object that stands still for
            about a tenth of that time becomes background; near the start of a source sooner, for
            a thirtieth of it.
        variance_threshold: Squared distance to the background, in variances of the pixel, above
            which a pixel is foreground, > 0. Lower finds fainter things and more noise.
        warmup_frames: Frames at the start, and after an upheaval of the image, that only
            train the background and give no detections, >= 1.
        min_area_fraction: Smallest foreground of one object, as a fraction of the frame's area,
            in [0, 1).
        confidence: Detections with a score below this are dropped, in [0, 1]. The score is the
            share of the box that is foreground: about 0.3 to 0.7 for a walking person, up to 1
            for a solid block, below 0.25 for thin streaks and loose scraps.

    Raises:
        ConfigError: A value is out of its range.
    """

    history_frames: int = 1000
    variance_threshold: float = 25.0
    warmup_frames: int = 10
    min_area_fraction: float = 0.0008
    confidence: float = 0.25

    def __post_init__(self) -> None:
        check_types(self)
        allowed = {
            "history_frames": (self.history_frames >= 2, ">= 2"),
            "variance_threshold": (0 < self.variance_threshold < math.inf, "> 0"),
            "warmup_frames": (self.warmup_frames >= 1, ">= 1"),
            "min_area_fraction": (0 <= self.min_area_fraction < 1, "in [0, 1)"),
            "confidence": (0 <= self.confidence <= 1, "in [0, 1]"),
        }
        for name, (is_allowed, expected) in allowed.items():
            if not is_allowed:
                raise ConfigError(
                    f"MotionSettings.{name}: expected {expected}, got {getattr(self, name)}"
                )
        check_finite(self)
