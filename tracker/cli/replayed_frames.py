"""Recorded tracks as the results of a run again, for the sinks."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracker.boxes import is_proper
from tracker.detections import Detections
from tracker.frames import Frame
from tracker.masks import Mask
from tracker.track_files.json_file import FrameFacts
from tracker.tracks import RunInfo, TrackedFrame, Tracks, TrackState
from tracker.util.arrays import Float32Array, Int32Array


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """Embeddings `(R, D)` and `R` masks of track rows; masks are empty where unknown, or `None`."""

    embeddings: Float32Array
    masks: tuple[Mask, ...] | None

    def rows(self, rows: slice) -> "Appearance":
        """Returns those of some rows."""
        return Appearance(self.embeddings[rows], None if self.masks is None else self.masks[rows])


def tracked_frames(
    columns: Mapping[str, Any],
    appearance: Appearance,
    frames: Iterable[FrameFacts],
    run: RunInfo,
) -> Iterator[TrackedFrame]:
    """Yields the result of each frame, with an image of one black pixel.

    Args:
        columns: The columns of `Tracks`, and `frames` `(R,)`, sorted by frame, then id.
        appearance: Embeddings and masks of the rows.
        frames: The frames by rising number.
        run: The run.
    """
    columns = dict(columns)
    numbers = columns.pop("frames")
    fps = float(run.video.fps)
    image = np.zeros((1, 1, 3), np.uint8)  # the text sinks do not read pixels
    for facts in frames:
        low, high = np.searchsorted(numbers, [facts.index, facts.index + 1])
        tracks_now = Tracks(**{name: values[low:high] for name, values in columns.items()})
        detections, index = _matched_detections(tracks_now, appearance.rows(slice(low, high)))
        time_s = facts.index / fps if facts.time_s is None else facts.time_s
        yield TrackedFrame(
            frame=Frame(image, facts.index, time_s, run.video.source, facts.wall_time),
            detections=detections,
            tracks=dataclasses.replace(tracks_now, detection_index=index),
            timings_s={},
            run=run,
            dropped=facts.dropped,
            age_s=facts.age_s,
            is_coasted=facts.is_coasted,
        )


def frames_of_rows(frames: Int32Array) -> Iterator[FrameFacts]:
    """Yields the frames in which MOT text has rows; frame 0 if it has none."""
    for index in np.unique(frames).tolist() or [0]:
        yield FrameFacts(index, None, None, None, 0, False)


def _matched_detections(tracks: Tracks, appearance: Appearance) -> tuple[Detections, Int32Array]:
    """Returns the detections of a frame, and for each track its detection index `(T,)`, or -1."""
    is_matched = (tracks.states == TrackState.CONFIRMED) & is_proper(tracks.boxes)
    matched = np.flatnonzero(is_matched)
    # `Detections` sorts by score; rows that are sorted already keep their order.
    matched = matched[np.argsort(-tracks.scores[matched], kind="stable")]
    index = np.full(len(tracks), -1, np.int32)
    index[matched] = np.arange(len(matched))
    columns = (tracks.boxes, tracks.scores, tracks.classes, appearance.embeddings)
    masks = (
        None if appearance.masks is None else [appearance.masks[row] for row in matched.tolist()]
    )
    return Detections.create(*(values[matched] for values in columns), masks=masks), index
