"""What a recording contains, and what each format cannot hold of it."""

from enum import Enum

import numpy as np

from tracker.track_files.derived import rows_by_id
from tracker.track_files.formats import TrackFormat
from tracker.track_files.json_file import Header, Recording
from tracker.util.arrays import Float64Array


class Content(Enum):
    """Something that a recording may contain; the values are its names in messages."""

    IDS = "track ids"
    CLASSES = "class names"
    CLASS_CHANGES = "changes of class within a track"
    SCORES = "scores"
    TIMES = "times and frame rate"
    VELOCITIES = "velocities"
    PREDICTIONS = "which boxes are predictions"
    EMPTY_FRAMES = "frames without tracks"
    SIZE = "frame size"
    OUTSIDE = "parts of boxes outside the frame"
    EMBEDDINGS = "embeddings"
    MASKS = "masks"
    GLOBAL_IDS = "global ids"
    RUN = "configuration of the run"
    EVENTS = "events"


_TABLE = {
    *(Content.IDS, Content.CLASSES, Content.CLASS_CHANGES, Content.SCORES, Content.TIMES),
    *(Content.VELOCITIES, Content.PREDICTIONS, Content.OUTSIDE),
}
_HELD = {
    TrackFormat.JSON_LINES: set(Content) - {Content.EVENTS},
    TrackFormat.JSON: set(Content) - {Content.EVENTS},
    TrackFormat.MOT: {Content.IDS, Content.SCORES, Content.OUTSIDE},
    TrackFormat.CSV: _TABLE,
    TrackFormat.PARQUET: set(Content) - {Content.EMPTY_FRAMES, Content.EVENTS},
    TrackFormat.COCO: {
        *(Content.IDS, Content.CLASSES, Content.CLASS_CHANGES, Content.SCORES, Content.TIMES),
        *(Content.EMPTY_FRAMES, Content.SIZE, Content.MASKS, Content.OUTSIDE),
    },
    TrackFormat.CVAT: {
        *(Content.IDS, Content.CLASSES, Content.SCORES, Content.PREDICTIONS),
        *(Content.EMPTY_FRAMES, Content.SIZE, Content.OUTSIDE),
    },
    TrackFormat.YOLO: {Content.CLASSES, Content.CLASS_CHANGES, Content.EMPTY_FRAMES},
    TrackFormat.YOLO_TRACK: {
        *(Content.IDS, Content.CLASSES, Content.CLASS_CHANGES, Content.SCORES),
        Content.EMPTY_FRAMES,
    },
    TrackFormat.LABEL_STUDIO: {
        *(Content.IDS, Content.CLASSES, Content.TIMES, Content.EMPTY_FRAMES, Content.SIZE),
        Content.OUTSIDE,
    },
}
"""What each format holds. Events reach JSON only from JSON, whose objects are copied."""


def contents(recording: Recording) -> set[Content]:
    """Returns what a recording contains; it always has ids."""
    tracks, header = recording.tracks, recording.header
    with_tracks = len(np.unique(tracks.frames))
    has_times = any(facts.time_s is not None for facts in recording.frames)
    found = {
        Content.IDS: True,
        Content.CLASSES: bool(tracks.class_names),
        Content.CLASS_CHANGES: any(
            len(np.unique(tracks.classes[rows])) > 1 for rows in rows_by_id(tracks.ids)
        ),
        Content.SCORES: bool((tracks.scores != 1).any()),
        Content.TIMES: has_times or bool(np.isfinite(tracks.times_s).any()),
        Content.VELOCITIES: bool(np.isfinite(tracks.velocities).any()),
        Content.PREDICTIONS: not tracks.seen.all(),
        Content.EMPTY_FRAMES: len(recording.frames) > with_tracks,
        Content.SIZE: header is not None,
        Content.OUTSIDE: header is not None and _reach_outside(tracks.boxes, header),
        Content.EMBEDDINGS: tracks.embeddings.shape[1] > 0,
        Content.MASKS: tracks.masks is not None,
        Content.GLOBAL_IDS: bool((tracks.global_ids >= 0).any()),
        Content.RUN: header is not None and bool(header.config),
        Content.EVENTS: bool(recording.events),
    }
    return {one for one, is_there in found.items() if is_there}


def _reach_outside(boxes: Float64Array, header: Header) -> bool:
    edges = np.array([header.width, header.height] * 2)
    return bool((boxes < 0).any() or (boxes > edges).any())


def lost_text(found: set[Content], target: TrackFormat) -> str:
    """Returns what is lost in a format, as text for the user; empty if nothing is.

    Example:
        >>> lost_text({Content.SCORES, Content.MASKS, Content.IDS}, TrackFormat.MOT)
        'lost, as mot cannot hold it: masks'
    """
    lost = [one.value for one in Content if one in found - _HELD[target]]
    return f"lost, as {target.value} cannot hold it: {', '.join(lost)}" if lost else ""
