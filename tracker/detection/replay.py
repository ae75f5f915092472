"""Detections that were made earlier, replayed by frame number.

Comes in: a MOTChallenge `det.txt`, or JSON of ours whose tracks are taken as detections. Goes out:
`Detections` for each frame; nothing looks at the picture.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tracker.arrays import Float32Array, Float64Array, Int32Array
from tracker.boxes import is_proper
from tracker.detections import Detections
from tracker.errors import ConfigError, SourceError, nearest
from tracker.frames import Frame, VideoInfo
from tracker.masks import Mask, empty_mask
from tracker.timing import Stopwatch
from tracker.track_files.read import RecordedTracks, read_mot_rows, read_tracks
from tracker.util.paths import unreadable_text

_log = logging.getLogger(__name__)

DEFAULT_CLASS = "person"
"""The class of MOTChallenge detections, which name none."""

_WIDEST_LOGIT = 8.0


class ReplayDetector:
    """Answers each frame with what a file holds for its number.

    Boxes that are not proper (no width or height) are left out; their number is logged. Scores
    outside `[0, 1]` are mapped by `unit_scores`. Boxes of JSON that were predicted, not seen, are
    no detections and are left out too. Embeddings and masks come along where the file has them; a
    track without has an embedding of zeros, hence like nothing else, and an empty mask.

    Args:
        path: MOTChallenge text (frames from 1), JSON Lines or a JSON document of ours; the content
            tells which.
        classes: Classes to keep; empty for all.

    Raises:
        SourceError: The file cannot be read.
        DataError: It is malformed.
        ConfigError: A class is not among those of the file.
    """

    def __init__(self, path: str, *, classes: Sequence[str] = ()) -> None:
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise SourceError(f"{path}: {unreadable_text(path, error)}") from error
        self._digests = {Path(path).name: hashlib.sha256(content).hexdigest()}
        is_json = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
        read = _read_json if is_json else _read_mot
        frames, boxes, scores, kinds, embeddings, masks, self._class_names = read(path)
        keep = is_proper(boxes)
        self.left_out = int(np.count_nonzero(~keep))
        """Boxes of the file that were left out because they have no width or height."""
        if self.left_out:
            _log.warning("%s: %d boxes without width or height left out", path, self.left_out)
        if classes:
            keep &= np.isin(kinds, [_class_index(name, self._class_names) for name in classes])
        order = np.flatnonzero(keep)[np.argsort(frames[keep], kind="stable")]
        self._frames = frames[order]
        self._boxes, self._kinds = boxes[order], kinds[order]
        self._scores = unit_scores(scores)[order]
        self._embeddings = embeddings[order]
        self._masks = None if masks is None else tuple(masks[row] for row in order.tolist())

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by class index."""
        return self._class_names

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the file, by its name."""
        return self._digests

    @property
    def median_score(self) -> float:
        """Median of all scores, 0 where there are none: what a usual detection scores here."""
        return float(np.median(self._scores)) if len(self._scores) else 0.0

    def start(self, info: VideoInfo) -> None:
        """Does nothing: frames are told apart by their numbers alone."""

    def detect(self, frames: Sequence[Frame], stopwatch: Stopwatch) -> list[Detections]:
        """Returns what the file holds for each frame's index."""
        with stopwatch.measure("infer"):
            return [self._of(frame.index) for frame in frames]

    def _of(self, index: int) -> Detections:
        low, high = np.searchsorted(self._frames, [index, index + 1])
        rows = slice(int(low), int(high))
        return Detections.create(
            self._boxes[rows],
            self._scores[rows],
            self._kinds[rows],
            self._embeddings[rows],
            masks=None if self._masks is None else self._masks[rows],
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


_Masks = tuple[Mask, ...] | None
# Frames from 0, boxes xyxy, scores, classes, embeddings, masks, and names of classes.
_Content = tuple[
    Int32Array, Float32Array, Float64Array, Int32Array, Float32Array, _Masks, tuple[str, ...]
]


def _read_json(path: str) -> _Content:
    tracks = read_tracks(path)
    tracks = tracks.select(tracks.seen)
    return (
        tracks.frames,
        tracks.boxes.astype(np.float32),
        tracks.scores.astype(np.float64),
        tracks.classes,
        tracks.embeddings,
        _whole_masks(tracks),
        tracks.class_names,
    )


def _whole_masks(tracks: RecordedTracks) -> _Masks:
    """Returns a mask for each row, empty where the file has none; `None` if no row has one."""
    known = [mask for mask in tracks.masks or () if mask is not None]
    if tracks.masks is None or not known:
        return None
    nothing = empty_mask(known[0].size)
    return tuple(nothing if mask is None else mask for mask in tracks.masks)


def _read_mot(path: str) -> _Content:
    rows = read_mot_rows(path)
    corners = np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]]).astype(np.float32)
    scores = rows[:, 6] if rows.shape[1] > 6 else np.ones(len(rows))
    kinds = np.zeros(len(rows), np.int32)
    nothing = np.zeros((len(rows), 0), np.float32)
    frames = (rows[:, 0] - 1).astype(np.int32)
    return frames, corners, scores, kinds, nothing, None, (DEFAULT_CLASS,)


def _class_index(name: str, known: tuple[str, ...]) -> int:
    if name not in known:
        hint = nearest(name, known) or f"; the detections know {', '.join(known) or 'none'}"
        raise ConfigError(f"unknown class {name!r}{hint}")
    return known.index(name)
