"""Hand-drawn scenes: letters are ids, columns are places, rows are frames."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracker.evaluation.mot_io import Truth
from tracker.track_files.recorded_tracks import RecordedTracks

SIZE = 10.0
STEP = 100.0


def rows_of(lines: Sequence[str]) -> tuple[list[int], list[int], list[list[float]]]:
    """Returns frames, ids and boxes; `.` is nothing, a letter the id at its place."""
    frames, ids, boxes = [], [], []
    for frame, line in enumerate(lines):
        for column, letter in enumerate(line):
            if letter != ".":
                frames.append(frame)
                ids.append(ord(letter))
                left = column * STEP
                boxes.append([left, 0.0, left + SIZE, SIZE])
    return frames, ids, boxes


def truth_of(
    lines: Sequence[str], *, distractors: str = "", frame_count: int | None = None
) -> Truth:
    frames, ids, boxes = rows_of(lines)
    order = np.lexsort((ids, frames))
    distractor = np.isin(ids, [ord(letter) for letter in distractors])[order]
    return Truth(
        frames=np.array(frames, np.int32)[order],
        ids=np.array(ids, np.int64)[order],
        boxes=np.array(boxes, np.float64).reshape(-1, 4)[order],
        scored=~distractor,
        distractor=distractor,
        frame_count=frame_count if frame_count is not None else len(lines),
    )


def tracks_of(lines: Sequence[str]) -> RecordedTracks:
    frames, ids, boxes = rows_of(lines)
    return RecordedTracks(
        frames=np.array(frames, np.int32),
        ids=np.array(ids, np.int64),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        scores=np.ones(len(ids), np.float32),
        classes=np.zeros(len(ids), np.int32),
        seen=np.ones(len(ids), np.bool_),
        embeddings=np.zeros((len(ids), 0), np.float32),
        class_names=(),
        frame_count=None,
        fps=None,
    )


def write_mot(path: Path, rows: Sequence[Sequence[float]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(f"{v:g}" for v in row) + "\n" for row in rows))
    return path
