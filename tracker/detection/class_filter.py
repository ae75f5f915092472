"""Which classes of a detector are kept.

Input: the detector's class names, and those that are wanted. Output: a mask by class index, or a
detector that drops all other classes.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from tracker.detections import Detections, TimedDetector
from tracker.errors import ConfigError, nearest
from tracker.frames import Frame, VideoInfo
from tracker.util.arrays import BoolArray
from tracker.util.stopwatch import Stopwatch


def class_mask(names: Sequence[str], wanted: Sequence[str] | None) -> BoolArray:
    """Returns `(C,)`: whether a class is to be kept.

    Args:
        names: Names by class index.
        wanted: Names to keep; `None` keeps all.

    Raises:
        ConfigError: Nothing is wanted, or a name is unknown.
    """
    if wanted is None:
        return np.ones(len(names), dtype=bool)
    if not wanted:
        raise ConfigError("classes: expected at least one name, got none")
    for name in wanted:
        if name not in names:
            hint = nearest(name, names) or f"; known: {', '.join(names[:10])}"
            raise ConfigError(f"classes: the detector does not know {name!r}{hint}")
    return np.array([name in wanted for name in names])


class FilteredDetector:
    """A detector of which some classes are kept.

    Args:
        detector: Any detector.
        wanted: Names of the classes to keep, at least one.

    Raises:
        ConfigError: Nothing is wanted, or a name is unknown.
    """

    def __init__(self, detector: TimedDetector, wanted: Sequence[str]) -> None:
        self._detector = detector
        self._wanted = tuple(wanted)
        self._keep = class_mask(detector.class_names, wanted)

    @property
    def detector(self) -> TimedDetector:
        """The detector of all classes."""
        return self._detector

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes, by class index."""
        return self._detector.class_names

    @property
    def digests(self) -> Mapping[str, str]:
        """Those of the detector."""
        return self._detector.digests

    def start(self, info: VideoInfo) -> None:
        """Prepares the detector for a new source."""
        self._detector.start(info)
        self._keep = class_mask(self._detector.class_names, self._wanted)

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns the detections of the wanted classes in each frame."""
        found = self._detector.detect(frames, stopwatch or Stopwatch())
        return [detections.select(self._keep[detections.classes]) for detections in found]
