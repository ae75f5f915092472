"""Detections that were made earlier, replayed by frame number."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tracker.boxes import is_proper
from tracker.detections import Detections
from tracker.errors import ConfigError, nearest
from tracker.frames import Frame, VideoInfo
from tracker.masks import resized_mask
from tracker.track_files.read import read_detections
from tracker.util.arrays import Float32Array, Float64Array
from tracker.util.stopwatch import Stopwatch

_log = logging.getLogger(__name__)

_WIDEST_LOGIT = 8.0


class ReplayDetector:
    """Answers each frame with what a file holds for its number.

    Boxes that are not proper (no width or height) are left out; their number is logged. Scores
    outside `[0, 1]` are mapped by `unit_scores`. Boxes of JSON that were predicted, not detected,
    are left out too. Embeddings and masks come along where the file has them; a track without has
    an embedding of zeros, which means an unknown appearance, and an empty mask. Files
    speak of the pixels that a source stores; where these are not square, boxes and masks are
    stretched as its frames.

    Args:
        path: MOTChallenge text (frames from 1), JSON Lines or a JSON document of this
            package; the format is recognised by the content.
        classes: Classes to keep; empty for all.

    Raises:
        SourceError: The file cannot be read.
        DataError: It is malformed.
        ConfigError: A class is not among those of the file.
    """

    def __init__(self, path: str, *, classes: Sequence[str] = ()) -> None:
        found = read_detections(path)
        self._digests = {Path(path).name: found.sha256}
        self._class_names = found.class_names
        keep = is_proper(found.boxes)
        self.left_out = int(np.count_nonzero(~keep))
        """Boxes of the file that were left out because they have no width or height."""
        if self.left_out:
            _log.warning("%s: %d boxes without width or height left out", path, self.left_out)
        if classes:
            keep &= np.isin(
                found.classes, [_class_index(name, self._class_names) for name in classes]
            )
        order = np.flatnonzero(keep)[np.argsort(found.frames[keep], kind="stable")]
        self._frames = found.frames[order]
        self._boxes, self._kinds = found.boxes[order], found.classes[order]
        self._scores = unit_scores(found.scores)[order]
        self._embeddings = found.embeddings[order]
        masks = found.masks
        self._masks = None if masks is None else tuple(masks[row] for row in order.tolist())
        self._video: VideoInfo | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        return self._class_names

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the file, by its name."""
        return self._digests

    def start(self, info: VideoInfo) -> None:
        """Learns how the frames of the source are stretched."""
        self._video = info

    def detect(
        self, frames: Sequence[Frame], stopwatch: Stopwatch | None = None
    ) -> list[Detections]:
        """Returns what the file holds for each frame's number."""
        stopwatch = stopwatch or Stopwatch()
        with stopwatch.measure("infer"):
            return [self._of(frame.index) for frame in frames]

    def _of(self, index: int) -> Detections:
        low, high = np.searchsorted(self._frames, [index, index + 1])
        rows = slice(int(low), int(high))
        boxes, masks = self._boxes[rows], None if self._masks is None else self._masks[rows]
        video = self._video
        if video is not None and video.stored_size is not None:
            boxes = video.in_frame(boxes)
            if masks is not None:
                masks = tuple(resized_mask(mask, (video.height, video.width)) for mask in masks)
        return Detections.create(
            boxes, self._scores[rows], self._kinds[rows], self._embeddings[rows], masks=masks
        )


def unit_scores(scores: Float64Array) -> Float32Array:
    """Returns scores `(R,)` in `[0, 1]`, in the same order of rank.

    Scores that all lie in `[0, 1]` stay. If any lies outside they are margins or sums of a
    detector (DPM, ACF): then each becomes `1 / (1 + exp(-score / scale))`, so that 0, the
    detector's own border, becomes 0.5; `scale` is 1, or more where the largest would otherwise
    round to 1. If all are one number outside (the -1 of "unknown"), all become 1.

    Example:
        >>> unit_scores(np.array([0.2, 0.9])).tolist() == [np.float32(0.2), np.float32(0.9)]
        True
        >>> unit_scores(np.array([-2.0, 0.0, 2.0])).round(3).tolist()[1]
        0.5
    """
    if not len(scores) or (scores.min() >= 0 and scores.max() <= 1):
        return scores.astype(np.float32)
    if scores.min() == scores.max():
        return np.ones(len(scores), np.float32)
    scale = max(1.0, float(np.abs(scores).max()) / _WIDEST_LOGIT)
    return np.asarray(1 / (1 + np.exp(-scores / scale)), np.float32)


def _class_index(name: str, known: tuple[str, ...]) -> int:
    if name not in known:
        hint = nearest(name, known) or f"; the detections know {', '.join(known) or 'none'}"
        raise ConfigError(f"unknown class {name!r}{hint}")
    return known.index(name)
