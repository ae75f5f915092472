"""The objects of a frame that have to be hidden: tracks, whether reported or not, and detections.

In doubt an object is hidden: tentative and lost tracks, and detections that belong to no track, are
included, and unconfirmed objects stay hidden for a while after they were detected last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tracker.errors import ConfigError, DataError, nearest
from tracker.sinks.blur_style import BlurStyle
from tracker.tracks import TrackedFrame, Tracks
from tracker.util.arrays import BoolArray, Float64Array, IndexArray, Int32Array, Int64Array

_HELD_S = 0.5
"""Seconds for which an unconfirmed object stays hidden after its last detection. A tentative track
ends with its first missed detection, so it would be visible in every frame that the detector
misses."""

_HELD_FRAMES = 3
"""The same in frames on which the detector ran, for sources of few frames a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The `R` places of a frame that are hidden; one object may have several.

    Attributes:
        boxes: `(R, 4)` float64 xyxy in pixels of the frame, finite.
        classes: `(R,)` int32 class index.
        detections: `(R,)` row of the frame's detections that was matched; -1 where the box is a
            prediction.
        is_unconfirmed: `(R,)` bool: tentative tracks, and detections without a track.
    """

    boxes: Float64Array
    classes: Int32Array
    detections: Int64Array
    is_unconfirmed: BoolArray

    def __len__(self) -> int:
        return len(self.boxes)


def _no_boxes() -> Float64Array:
    return np.zeros((0, 4))


@dataclass(slots=True)
class Held:
    """Earlier places of unconfirmed objects, `n` rows."""

    boxes: Float64Array = field(default_factory=_no_boxes)
    classes: Int32Array = field(default_factory=lambda: np.zeros(0, np.int32))
    times_s: Float64Array = field(default_factory=lambda: np.zeros(0))
    frames: Int64Array = field(default_factory=lambda: np.zeros(0, np.int64))

    def keep(self, mask: BoolArray) -> None:
        """Keeps the rows of a mask `(n,)`."""
        self.boxes, self.classes = self.boxes[mask], self.classes[mask]
        self.times_s, self.frames = self.times_s[mask], self.frames[mask]

    def add(self, targets: Targets, time_s: float) -> None:
        """Adds the unconfirmed objects of a frame."""
        new = targets.is_unconfirmed
        count = int(np.count_nonzero(new))
        self.boxes = np.concatenate([self.boxes, targets.boxes[new]])
        self.classes = np.concatenate([self.classes, targets.classes[new]])
        self.times_s = np.concatenate([self.times_s, np.full(count, time_s)])
        self.frames = np.concatenate([self.frames, np.zeros(count, np.int64)])


class TargetFinder:
    """Finds the objects to hide, frame by frame; one instance for each source.

    Args:
        style: Which objects are hidden.
    """

    def __init__(self, style: BlurStyle) -> None:
        self._style = style
        self._held = Held()

    def find(self, result: TrackedFrame) -> Targets:
        """Returns the objects to hide in the next frame of the source.

        Raises:
            ConfigError: A class is unknown to the detector.
            DataError: A box is not finite.
        """
        current = targets_of(result, self._style)
        held, now = self._held, result.frame.time_s
        if not result.is_coasted:
            held.frames += 1
            elapsed = now - held.times_s
            is_recent = (elapsed >= 0) & (elapsed <= _HELD_S)
            held.keep(is_recent | (held.frames <= _HELD_FRAMES))
        held.keep(~_covered(held.boxes, grown(current.boxes, self._style.margin)))
        earlier = len(held.boxes)
        found = Targets(
            np.concatenate([current.boxes, held.boxes]),
            np.concatenate([current.classes, held.classes]),
            np.concatenate([current.detections, np.full(earlier, -1)]),
            np.concatenate([current.is_unconfirmed, np.ones(earlier, np.bool_)]),
        )
        held.add(current, now)
        return found


def targets_of(result: TrackedFrame, style: BlurStyle) -> Targets:
    """Returns the objects to hide by what is known of this frame alone.

    The box of a matched track is the smallest one around the filter's estimate and the detection.

    Raises:
        ConfigError: A class is unknown to the detector.
        DataError: A box is not finite.
    """
    names, found = result.run.class_names, result.detections
    tracks = _Rows.of(result.tracks, result.unreported)
    hides = _hidden_classes(found.classes, names, style)
    is_matched = tracks.detections >= 0
    boxes = tracks.boxes
    theirs = found.boxes[tracks.detections[is_matched]].astype(np.float64)
    boxes[is_matched, :2] = np.minimum(boxes[is_matched, :2], theirs[:, :2])
    boxes[is_matched, 2:] = np.maximum(boxes[is_matched, 2:], theirs[:, 2:])
    # A track of another class by vote is hidden where its detection is of a hidden class.
    hidden = _hidden_classes(tracks.classes, names, style)
    hidden[is_matched] |= hides[tracks.detections[is_matched]]
    is_confirmed = tracks.ids > 0
    if style.ids:
        # A tentative track may turn out to be one of the ids.
        hidden &= ~is_confirmed | np.isin(tracks.ids, style.ids)
    hides[tracks.detections[is_matched]] = False
    free = np.flatnonzero(hides)
    targets = Targets(
        np.concatenate([boxes[hidden], found.boxes[free].astype(np.float64)]),
        np.concatenate([tracks.classes[hidden], found.classes[free]]),
        np.concatenate([tracks.detections[hidden], free]),
        np.concatenate([~is_confirmed[hidden], np.ones(len(free), np.bool_)]),
    )
    if not np.isfinite(targets.boxes).all():
        raise DataError("boxes of objects to hide: expected finite values, got NaN or infinity")
    return targets


def grown(boxes: Float64Array, margin: float) -> Float64Array:
    """Returns boxes `(R, 4)` xyxy, enlarged on each side by a share of their size.

    They are at least as large as the smallest region that can be hidden, 8 x 8 pixels.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = np.maximum((boxes[:, 2:] - boxes[:, :2]) * (0.5 + margin), LEAST_PX / 2)
    return np.concatenate([centre - half, centre + half], axis=1)


LEAST_PX = 8
"""Smallest side of a hidden region: a smaller one would be averages of very few pixels."""


def class_indices(names: Sequence[str], wanted: Sequence[str]) -> IndexArray:
    """Returns the class indices of the hidden classes.

    Args:
        names: Names by class index.
        wanted: Names of hidden classes.

    Raises:
        ConfigError: A name is unknown.
    """
    for name in wanted:
        if name not in names:
            hint = nearest(name, names) or f"; known: {', '.join(names[:10])}"
            raise ConfigError(f"blur.classes: the detector does not know {name!r}{hint}")
    return np.array([index for index, name in enumerate(names) if name in wanted], np.intp)


def _hidden_classes(classes: Int32Array, names: Sequence[str], style: BlurStyle) -> BoolArray:
    """Returns `(n,)`: whether objects of these classes are hidden, if their ids are."""
    if not style.classes:
        return np.ones(len(classes), np.bool_)
    return np.isin(classes, class_indices(names, style.classes))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Reported and unreported tracks together, `T` rows."""

    ids: Int64Array
    boxes: Float64Array
    classes: Int32Array
    detections: Int64Array

    @classmethod
    def of(cls, *tracks: Tracks) -> "_Rows":
        return cls(
            np.concatenate([one.ids for one in tracks]),
            np.concatenate([one.boxes.astype(np.float64) for one in tracks]),
            np.concatenate([one.classes for one in tracks]),
            np.concatenate([one.detection_index.astype(np.int64) for one in tracks]),
        )


def _covered(boxes: Float64Array, others: Float64Array) -> BoolArray:
    """Returns `(n,)`: whether a box `(n, 4)` lies within one of the others `(m, 4)`."""
    inside = (boxes[:, None, :2] >= others[None, :, :2]) & (
        boxes[:, None, 2:] <= others[None, :, 2:]
    )
    return np.asarray(np.any(np.all(inside, axis=2), axis=1))
