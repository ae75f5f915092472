"""Recorded tracks as the results of a run again, for the sinks."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracker.boxes import is_proper
from tracker.detections import Detections
from tracker.frames import Frame
from tracker.masks import Mask, empty_mask
from tracker.track_files.frame_facts import FrameFacts
from tracker.track_files.json_file import Recording
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


def recorded_results(recording: Recording, run: RunInfo) -> Iterator[TrackedFrame]:
    """Returns the results of the frames of a recording, with an image of one black pixel.

    Args:
        recording: Its tracks have all columns (`RecordedTracks.with_derived_columns`), and its
            frames are known.
        run: The run.
    """
    tracks = recording.tracks
    coasted = {facts.index for facts in recording.frames if facts.is_coasted}
    is_coasted = np.isin(tracks.frames, list(coasted))
    confirmed = tracks.seen | (is_coasted & (tracks.misses == 0))
    columns = {
        "frames": tracks.frames,
        "ids": tracks.ids,
        "boxes": tracks.boxes.astype(np.float32),
        "velocities": tracks.velocities,
        # JSON has scores of 0 to 1; -1 and percentages occur in MOT text.
        "scores": np.clip(tracks.scores, 0, 1),
        "classes": tracks.classes,
        "class_scores": tracks.class_scores,
        "states": np.where(confirmed, TrackState.CONFIRMED, TrackState.LOST).astype(np.uint8),
        "ages": tracks.ages,
        "misses": tracks.misses,
        "detection_index": np.full(len(tracks), -1, np.int32),
        "global_ids": tracks.global_ids,
    }
    masks = None
    if tracks.masks is not None:
        nothing = empty_mask(next(mask.size for mask in tracks.masks if mask is not None))
        masks = tuple(mask or nothing for mask in tracks.masks)
    return tracked_frames(columns, Appearance(tracks.embeddings, masks), recording.frames, run)


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
