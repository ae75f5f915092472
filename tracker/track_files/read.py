"""Track files and files of detections read back: the only reader, for eval, refine and replay.

All formats of `formats.TrackFormat`, recognised by their content, not by the file's ending.
"""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tracker.errors import DataError, SourceError
from tracker.masks import Mask, empty_mask
from tracker.track_files.coco import parse_coco
from tracker.track_files.csv_table import parse_csv
from tracker.track_files.cvat import parse_cvat
from tracker.track_files.formats import TrackFormat, VideoDefaults, format_of_content
from tracker.track_files.json_file import Recording, is_json, parse_recording
from tracker.track_files.label_studio import parse_label_studio
from tracker.track_files.mot import parse_mot_rows
from tracker.track_files.parquet import parse_parquet
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.track_files.yolo import read_yolo
from tracker.util.arrays import Float32Array, Float64Array, Int32Array
from tracker.util.paths import unreadable_text

DEFAULT_CLASS = "person"
"""The class of MOTChallenge detections, which name none."""

_JSON_ENDINGS = (".json", ".jsonl")


@dataclass(frozen=True, slots=True, eq=False)
class RecordedDetections:
    """The detections of a file; `R` rows, one for each detection in each frame.

    Attributes:
        frames: `(R,)` int32 frame number, from 0.
        boxes: `(R, 4)` float32 xyxy in pixels; they may have no width or height.
        scores: `(R,)` float64 as written, of any range; 1 where the file has no scores.
        classes: `(R,)` int32 index into `class_names`.
        embeddings: `(R, D)` float32 unit vectors, zero where a row has none; `(R, 0)` where the
            file has none.
        masks: `R` masks, empty where a row has none; `None` where the file has none.
        class_names: Names by class index.
        sha256: Of the file.
    """

    frames: Int32Array
    boxes: Float32Array
    scores: Float64Array
    classes: Int32Array
    embeddings: Float32Array
    masks: tuple[Mask, ...] | None
    class_names: tuple[str, ...]
    sha256: str


def read_recording(
    path: str | Path,
    *,
    track_format: TrackFormat | None = None,
    video: VideoDefaults | None = None,
) -> Recording:
    """Returns all that a track file holds: tracks, and what surrounds them in JSON.

    JSON Lines that were cut off (a crash, a full disk) count up to the last complete line.
    Tentative tracks of JSON (negative ids) are left out, as they are from MOT text.

    Args:
        path: The file, or a folder of YOLO labels.
        track_format: Its format; `None` to recognise it by its content.
        video: What the file may lack.

    Raises:
        SourceError: The file cannot be read, or the name is empty.
        DataError: The content is malformed; the message names the line.
        DependencyError: A library that the format needs is not installed.
    """
    if not str(path):
        raise SourceError("expected the name of a track file, got an empty one")
    video = video or VideoDefaults()
    in_folder = (TrackFormat.YOLO, TrackFormat.YOLO_TRACK)
    if track_format in in_folder or (track_format is None and os.path.isdir(path)):
        recording = read_yolo(path, video)
    else:
        content = read_bytes(path)
        track_format = track_format or format_of_content(content)
        recording = _PARSERS[track_format](content, path=path, video=video)
    if recording.tracks.fps is None and video.fps is not None:
        recording = replace(recording, tracks=replace(recording.tracks, fps=video.fps))
    return recording


def read_tracks(
    path: str | Path, *, size: tuple[int, int] | None = None, fps: float | None = None
) -> RecordedTracks:
    """Returns the tracks of a file of any format that `tracker convert` knows.

    Args:
        path: The file, or a folder of YOLO labels; the format is recognised by its content.
        size: Width and height of the frames in pixels, which YOLO labels and Label Studio need.
        fps: Frames a second, for formats that do not have it.

    Raises:
        SourceError: The file cannot be read, or the name is empty.
        DataError: The content is malformed; the message names the line.
        DependencyError: A library that the format needs is not installed.
    """
    return read_recording(path, video=VideoDefaults(size, fps)).tracks


def read_detections(path: str | Path) -> RecordedDetections:
    """Returns the detections of a file: MOT text (`det.txt`), or the detections recorded in JSON.

    Args:
        path: The file; the format is recognised by its content.

    Raises:
        SourceError: The file cannot be read.
        DataError: The content is malformed; the message names the line.
    """
    content = read_bytes(path)
    sha256 = hashlib.sha256(content).hexdigest()
    if not is_json(content):
        rows = parse_mot_rows(content, path=path)
        return RecordedDetections(
            frames=(rows[:, 0] - 1).astype(np.int32),
            boxes=_corners(rows).astype(np.float32),
            scores=_scores(rows),
            classes=np.zeros(len(rows), np.int32),
            embeddings=np.zeros((len(rows), 0), np.float32),
            masks=None,
            class_names=(DEFAULT_CLASS,),
            sha256=sha256,
        )
    tracks = parse_recording(content, path=path).tracks
    tracks = tracks.select(tracks.seen)
    return RecordedDetections(
        frames=tracks.frames,
        boxes=tracks.boxes.astype(np.float32),
        scores=tracks.scores.astype(np.float64),
        classes=tracks.classes,
        embeddings=tracks.embeddings,
        masks=_whole_masks(tracks),
        class_names=tracks.class_names,
        sha256=sha256,
    )


def read_mot_rows(path: str | Path) -> Float64Array:
    """Returns the numbers of a MOTChallenge file, `(R, 6..10)` float64, in the file's order.

    The columns are frame (from 1), id, left, top, width, height in pixels, and any others.
    Several rows of a frame may have the id -1, which means "no id" (detections). An empty file
    has no rows and 10 columns.

    Args:
        path: The file: numbers separated by commas, or by white space; see `parse_mot_rows`.

    Raises:
        SourceError: The file cannot be read.
        DataError: The content is malformed; the message names the line.
    """
    return parse_mot_rows(read_bytes(path), path=path)


def read_bytes(path: str | Path) -> bytes:
    """Returns the content of a file, read once: it may be a pipe.

    Raises:
        SourceError: It cannot be read.
        DataError: It is empty, and its name ends like that of JSON, which is never empty.
    """
    if str(path) == "-":
        raise SourceError("-: standard input is read by `tracker run` alone; name a file")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {unreadable_text(path, error)}") from error
    except ValueError as error:  # a NUL in the name
        raise SourceError(f"{path!r}: cannot be read: {error}") from error
    if Path(path).suffix.lower() in _JSON_ENDINGS and not content.strip(b"\xef\xbb\xbf \t\r\n"):
        raise DataError(
            f"{path}: expected a header and frames, as tracker run writes with --json, got an "
            "empty file"
        )
    return content


def _parse_json(content: bytes, *, path: str | Path, video: VideoDefaults) -> Recording:
    return parse_recording(content, path=path)


def _parse_mot(content: bytes, *, path: str | Path, video: VideoDefaults) -> Recording:
    tracks = _tracks_of(parse_mot_rows(content, path=path), path)
    return Recording(tracks, header=None, frames=(), complete=True)


_PARSERS = {
    TrackFormat.JSON_LINES: _parse_json,
    TrackFormat.JSON: _parse_json,
    TrackFormat.MOT: _parse_mot,
    TrackFormat.CSV: parse_csv,
    TrackFormat.COCO: parse_coco,
    TrackFormat.CVAT: parse_cvat,
    TrackFormat.PARQUET: parse_parquet,
    TrackFormat.LABEL_STUDIO: parse_label_studio,
}


def _tracks_of(rows: Float64Array, path: str | Path) -> RecordedTracks:
    if np.any(rows[:, 1] < 0):
        raise DataError(
            f"{path}: expected tracks, got rows with negative ids, which is how detections are "
            "written; give a tracker's output"
        )
    return RecordedTracks(
        frames=(rows[:, 0] - 1).astype(np.int32),
        ids=rows[:, 1].astype(np.int64),
        boxes=_corners(rows),
        scores=_scores(rows).astype(np.float32),
        classes=np.zeros(len(rows), np.int32),
        seen=np.ones(len(rows), np.bool_),
        embeddings=np.zeros((len(rows), 0), np.float32),
        class_names=(),
        frame_count=None,
        fps=None,
    )


def _corners(rows: Float64Array) -> Float64Array:
    return np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]])


def _scores(rows: Float64Array) -> Float64Array:
    return rows[:, 6] if rows.shape[1] > 6 else np.ones(len(rows))


def _whole_masks(tracks: RecordedTracks) -> tuple[Mask, ...] | None:
    """Returns a mask for each row, empty where the file has none; `None` if no row has one."""
    known = [mask for mask in tracks.masks or () if mask is not None]
    if tracks.masks is None or not known:
        return None
    nothing = empty_mask(known[0].size)
    return tuple(nothing if mask is None else mask for mask in tracks.masks)
