"""Tracks that were written to a file earlier, read back.

Comes in: MOTChallenge text, JSON Lines or a JSON document of ours (`docs/json-format.md`); the
content tells which, not the ending. Goes out: `RecordedTracks`, or the plain rows of MOT text.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from tracker.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    IndexArray,
    Int32Array,
    Int64Array,
    frozen,
)
from tracker.errors import DataError, SourceError
from tracker.masks import Mask, mask_from_coco
from tracker.track_files.embedding_base64 import decode_embedding
from tracker.track_files.mot import LARGEST_FRAME, parse_mot_rows
from tracker.util.paths import unreadable_text

SCHEMA = "tracker-json/1"
"""The JSON format that this module reads (`docs/json-format.md`)."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedTracks:
    """All tracks of one recording; `R` rows, one for each track in each frame.

    Rows are sorted by frame, then id. Tentative tracks (negative ids) are not among them.

    Attributes:
        frames: `(R,)` int32 frame index, from 0.
        ids: `(R,)` int64 track ids, unique within a frame.
        boxes: `(R, 4)` float64 xyxy in pixels of the original frame.
        scores: `(R,)` float32 as written; 1 where the file has no scores.
        classes: `(R,)` int32 index into `class_names`; 0 for MOT text.
        seen: `(R,)` false where the box was predicted or filled in (JSON: lost, or with misses, or
            all of a coasted frame).
        embeddings: `(R, D)` float32 unit vectors, zero where a row has none; `(R, 0)` where the
            file has none.
        class_names: Names by class index; `()` for MOT text, which has none.
        frame_count: Frames that the writer counted (the footer's `frames`); `None` for MOT text
            and for a recording that was cut off.
        fps: Nominal frames a second; `None` for MOT text.
        masks: `R` masks of one frame size, `None` for a row that has none; `None` where the file
            has none.

    Raises:
        DataError: An array has the wrong shape or dtype, a value is not finite, a frame is
            negative, an id occurs twice in a frame, or masks are of different frame sizes.
    """

    frames: Int32Array
    ids: Int64Array
    boxes: Float64Array
    scores: Float32Array
    classes: Int32Array
    seen: BoolArray
    embeddings: Float32Array
    class_names: tuple[str, ...]
    frame_count: int | None
    fps: float | None
    masks: tuple[Mask | None, ...] | None = None

    def __post_init__(self) -> None:
        frames, ids = np.asarray(self.frames), np.asarray(self.ids)
        if frames.shape != ids.shape or frames.ndim != 1:
            raise DataError(
                f"RecordedTracks: expected as many ids as frames, got {ids.shape} and "
                f"{frames.shape}"
            )
        order = np.lexsort((ids, frames))
        for name, (dtype, shape) in _LAYOUT.items():
            field = f"RecordedTracks.{name}"
            values = np.asarray(getattr(self, name))
            array = frozen(values, dtype=dtype, shape=(len(ids), *shape), name=field)
            object.__setattr__(
                self, name, frozen(array[order], dtype=dtype, shape=array.shape, name=field)
            )
        object.__setattr__(self, "masks", _ordered_masks(self.masks, order))
        if not (np.all(np.isfinite(self.boxes)) and np.all(np.isfinite(self.scores))):
            raise DataError("RecordedTracks: expected finite boxes and scores, got NaN or infinity")
        if len(frames) and self.frames[0] < 0:
            raise DataError(f"RecordedTracks: expected frames from 0, got {self.frames[0]}")
        twice = (np.diff(self.frames) == 0) & (np.diff(self.ids) == 0)
        if np.any(twice):
            row = int(np.argmax(twice))
            raise DataError(
                f"RecordedTracks: id {self.ids[row]} occurs twice in frame {self.frames[row]}"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, index: BoolArray | IndexArray) -> Self:
        """Returns the rows picked by a boolean mask `(R,)` or by indices."""
        columns = {name: getattr(self, name)[index] for name in _LAYOUT}
        rows = np.arange(len(self))[index]
        masks = None if self.masks is None else tuple(self.masks[row] for row in rows.tolist())
        return replace(self, **columns, masks=masks)


def _ordered_masks(
    masks: tuple[Mask | None, ...] | None, order: IndexArray
) -> tuple[Mask | None, ...] | None:
    if masks is None:
        return None
    if len(masks) != len(order):
        raise DataError(f"RecordedTracks.masks: expected {len(order)}, got {len(masks)}")
    sizes = {mask.size for mask in masks if mask is not None}
    if len(sizes) > 1:
        raise DataError(
            "RecordedTracks.masks: expected masks of one frame size, got "
            f"{sorted(sizes)} (height, width)"
        )
    return tuple(masks[row] for row in order.tolist())


_LAYOUT: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "frames": ("int32", ()),
    "ids": ("int64", ()),
    "boxes": ("float64", (4,)),
    "scores": ("float32", ()),
    "classes": ("int32", ()),
    "seen": ("bool", ()),
    "embeddings": ("float32", (None,)),
}


def read_tracks(path: str | Path) -> RecordedTracks:
    """Returns the tracks of a MOT text, JSON Lines or JSON file.

    JSON Lines that were cut off (a crash, a full disk) count up to the last complete line.
    Tentative tracks of JSON (negative ids) are left out, as they are from MOT text.

    Args:
        path: The file; its content tells the format.

    Raises:
        SourceError: The file cannot be read.
        DataError: The content is malformed; the message names the line.
    """
    content = _read_bytes(path)
    # A byte order mark is what some Windows programs put before the text.
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(b"{"):
        return _from_mot_rows(parse_mot_rows(content, path=path), path)
    return _from_records(_json_records(path, start), path)


def read_mot_rows(path: str | Path) -> Float64Array:
    """Returns the numbers of a MOTChallenge file, `(R, 6..10)` float64, in the file's order.

    The columns are frame (from 1), id, left, top, width, height in pixels, and whatever follows.
    Several rows of a frame may have the id -1, which means "no id" (detections). An empty file
    has no rows and 10 columns.

    Args:
        path: The file: numbers separated by commas, or by white space.

    Raises:
        SourceError: The file cannot be read.
        DataError: A value is not a finite number, a row has another number of columns than the
            first or not 6 to 10, a frame or an id is no whole number, a frame is below 1, a
            width or height is negative, or an id occurs twice in a frame. The message names the
            line.
    """
    return parse_mot_rows(_read_bytes(path), path=path)


def _read_bytes(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {unreadable_text(path, error)}") from error


def _from_mot_rows(rows: Float64Array, path: str | Path) -> RecordedTracks:
    if np.any(rows[:, 1] < 0):
        raise DataError(
            f"{path}: expected tracks, got rows with negative ids, which is how detections are "
            "written; give a tracker's output"
        )
    scores = rows[:, 6] if rows.shape[1] > 6 else np.ones(len(rows))
    return RecordedTracks(
        frames=(rows[:, 0] - 1).astype(np.int32),
        ids=rows[:, 1].astype(np.int64),
        boxes=np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]]),
        scores=scores.astype(np.float32),
        classes=np.zeros(len(rows), np.int32),
        seen=np.ones(len(rows), np.bool_),
        embeddings=np.zeros((len(rows), 0), np.float32),
        class_names=(),
        frame_count=None,
        fps=None,
    )


# A record and the place that a message about it names.
_Record = tuple[str, Mapping[str, Any]]


def _json_records(path: str | Path, content: bytes) -> list[_Record]:
    """Returns header, frames and, where there is one, footer."""
    first = _parse_json(content.split(b"\n", 1)[0])
    if isinstance(first, dict) and "kind" in first:
        return list(_line_records(path, content))
    document = _parse_json(content)
    if not isinstance(document, dict):
        raise DataError(
            f"{path}: expected a whole JSON document, got one that is cut off or malformed; "
            "JSON Lines (--json NAME.jsonl) stay readable after a crash"
        )
    frames = document.get("frames")
    if not isinstance(frames, list) or not isinstance(document.get("header"), dict):
        raise DataError(f"{path}: expected keys 'header' and 'frames' ({SCHEMA}), see --json")
    records = [document["header"], *frames]
    if document.get("footer") is not None:
        records.append(document["footer"])
    places = [f"{path}, header", *(f"{path}, frames[{n}]" for n in range(len(frames)))]
    places += [f"{path}, footer"] * (len(records) - len(places))
    return list(zip(places, records, strict=True))


def _line_records(path: str | Path, content: bytes) -> Iterator[_Record]:
    lines = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        record = _parse_json(line)
        if record is None and number == len(lines):
            return  # No line end: the writer was stopped in the middle of it.
        yield f"{path}, line {number}", record


def _parse_json(text: bytes) -> Any:
    """Returns the value, or `None` for text that is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _from_records(records: Sequence[_Record], path: str | Path) -> RecordedTracks:
    place, header = records[0]
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        got = header.get("schema") if isinstance(header, dict) else header
        raise DataError(f"{place}: expected schema {SCHEMA!r}, got {got!r}")
    names: dict[str, int] = {}
    for name in header.get("class_names", []):
        names.setdefault(str(name), len(names))
    width = _whole(header.get("embedding_size", 0), f"{place}: 'embedding_size'")
    rows = []
    frame_count = None
    for place, record in records[1:]:
        kind = record.get("kind") if isinstance(record, dict) else None
        if kind == "frame":
            rows += _frame_rows(record, names, width, place)
        elif kind == "footer":
            frame_count = _whole(record.get("frames"), f"{place}: 'frames'")
        else:
            raise DataError(f"{place}: expected an object of kind 'frame' or 'footer'")
    columns = zip(*rows, strict=True) if rows else _EMPTY
    frames, ids, boxes, scores, classes, seen, looks, masks = columns
    nothing = np.zeros(width, np.float32)
    known = [nothing if look is None else look for look in looks]
    try:
        return RecordedTracks(
            frames=np.array(frames, np.int32),
            ids=np.array(ids, np.int64),
            boxes=np.array(boxes, np.float64).reshape(-1, 4),
            scores=np.array(scores, np.float32),
            classes=np.array(classes, np.int32),
            seen=np.array(seen, np.bool_),
            embeddings=np.array(known, np.float32).reshape(len(rows), width),
            class_names=tuple(names),
            frame_count=frame_count,
            fps=_fps(header, path),
            masks=masks if any(mask is not None for mask in masks) else None,
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


_Row = tuple[int, int, list[float], float, int, bool, Float32Array | None, Mask | None]
_EMPTY: tuple[tuple[()], ...] = ((),) * 8


def _frame_rows(
    record: Mapping[str, Any], names: dict[str, int], width: int, place: str
) -> list[_Row]:
    """Returns the rows of one frame; a class that the header does not name is added."""
    frame = _whole(record.get("frame"), f"{place}: 'frame'")
    if frame > LARGEST_FRAME:
        raise DataError(f"{place}: 'frame': expected at most {LARGEST_FRAME}, got {frame}")
    tracks = record.get("tracks")
    if not isinstance(tracks, list):
        raise DataError(f"{place}: expected a list under 'tracks', got {tracks!r}")
    is_coasted = bool(record.get("coasted"))
    rows = []
    for track in tracks:
        if not isinstance(track, dict):
            raise DataError(f"{place}: expected a track object, got {track!r}")
        track_id = track.get("id")
        if isinstance(track_id, int) and track_id < 0:
            continue
        track_id = _whole(track_id, f"{place}: 'id'")
        box = track.get("box")
        if not isinstance(box, list) or len(box) != 4:
            raise DataError(f"{place}, id {track_id}: expected a box of 4 numbers, got {box!r}")
        corners = [_number(value, f"{place}, id {track_id}: 'box'") for value in box]
        score = _number(track.get("score"), f"{place}, id {track_id}: 'score'")
        index = names.setdefault(str(track.get("class")), len(names))
        is_seen = not is_coasted and track.get("state") != "lost" and not track.get("misses")
        look = _look(track, width, f"{place}, id {track_id}: 'embedding'")
        mask = _mask(track, f"{place}, id {track_id}: 'mask'")
        rows.append((frame, track_id, corners, score, index, is_seen, look, mask))
    return rows


def _look(track: Mapping[str, Any], width: int, what: str) -> Float32Array | None:
    if "embedding" not in track:
        return None
    if not width:
        raise DataError(f"{what}: expected 'embedding_size' in the header, got none")
    try:
        return decode_embedding(track["embedding"], width)
    except DataError as error:
        raise DataError(f"{what}: {error}") from error


def _mask(track: Mapping[str, Any], what: str) -> Mask | None:
    if "mask" not in track:
        return None
    try:
        return mask_from_coco(track["mask"])
    except DataError as error:
        raise DataError(f"{what}: {error}") from error


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(value: Any, what: str) -> int:
    if not _is_whole(value) or not 0 <= value < 2**63:
        raise DataError(f"{what}: expected a whole number from 0, got {value!r}")
    return int(value)


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"{what}: expected a finite number, got {value!r}")
    return float(value)


def _fps(header: Mapping[str, Any], path: str | Path) -> float | None:
    fps = header.get("fps")
    if fps is None:
        return None
    number = _number(fps, f"{path}, header: 'fps'")
    if number <= 0:
        raise DataError(f"{path}, header: 'fps': expected a number above 0, got {fps!r}")
    return number
