"""Recordings in JSON Lines or as one JSON document (`docs/json-format.md`), from bytes.

All fields that any command uses are checked here, once; unknown ones are left alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import DataError
from tracker.masks import Mask, mask_from_coco
from tracker.track_files import values
from tracker.track_files.embedding_base64 import decode_embedding
from tracker.track_files.mot import LARGEST_FRAME, LARGEST_ID
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.util.arrays import Float32Array
from tracker.util.json_text import parse_json
from tracker.util.short_repr import short_repr

SCHEMA = "tracker-json/1"
"""The JSON format that this module reads."""

LARGEST_EMBEDDING = 2**14
"""Numbers of an embedding; networks that describe appearance have 64 to 4096."""


@dataclass(frozen=True, slots=True)
class Header:
    """The run of a recording.

    Attributes:
        program: Name and version of the writer; `None` if it is missing.
        source: The source as its user named it; `None` if it is missing.
        width: Of the frames in pixels; 1 if it is missing.
        height: Of the frames in pixels; 1 if it is missing.
        fps: Nominal frames a second; `None` if it is missing.
        is_live: Whether frames came from a camera or a stream.
        class_names: Names by class index.
        config: The run's configuration.
        models: SHA-256 by file name of the models' files.
        embedding_size: Numbers of each embedding, 0 where there are none.
    """

    program: str | None = None
    source: str | None = None
    width: int = 1
    height: int = 1
    fps: float | None = None
    is_live: bool = False
    class_names: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Any] = field(default_factory=dict)
    embedding_size: int = 0


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """One frame of a recording, besides its tracks.

    Attributes:
        index: Number of the frame in its source, from 0.
        time_s: Presentation time in seconds; `None` if it is missing.
        wall_time: Of live sources: Unix time of capture, or `None`.
        age_s: Of live sources: seconds from capture to result, or `None`.
        dropped: Of live sources: frames lost so far.
        is_coasted: Whether the detector did not run in this frame.
    """

    index: int
    time_s: float | None
    wall_time: float | None
    age_s: float | None
    dropped: int
    is_coasted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A whole track file.

    Attributes:
        tracks: Its tracks.
        header: The run; `None` for MOT text.
        frames: Its frames by rising number, those without tracks too; none for MOT text.
        complete: Whether the run that made it came to its end; true for MOT text.
        events: The objects of kind `event`, in their order, as they are in the file.
    """

    tracks: RecordedTracks
    header: Header | None
    frames: tuple[FrameFacts, ...]
    complete: bool
    events: tuple[Mapping[str, Any], ...] = ()


def is_json(content: bytes) -> bool:
    """Returns whether a track file is JSON, by its first character; else it is MOT text."""
    # A byte order mark is what some Windows programs put before the text.
    return content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def parse_recording(content: bytes, *, path: str | Path) -> Recording:
    """Returns the recording that JSON Lines or a JSON document hold.

    Args:
        content: The text in UTF-8.
        path: What messages call it.

    Raises:
        DataError: The content is malformed; the message names the line.
    """
    records = _records(path, content.removeprefix(b"\xef\xbb\xbf"))
    place, record = next(records)
    header = _naming_place(place, _header, record)
    return recording_of(header, records, path=path)


def recording_of(
    header: Header, records: Iterable[tuple[str, Any]], *, path: str | Path
) -> Recording:
    """Returns the recording of a header and the objects that follow it.

    Readers of other formats use it with frame objects that they make, so that all values are
    checked in one place.

    Args:
        header: The header.
        records: Objects of kind `frame` and `event`, and `footer` at most once, as the last one;
            each with what messages call it.
        path: What messages call the file.

    Raises:
        DataError: An object is malformed; the message names its place.
    """
    rows = _Rows(header)
    frames: dict[int, FrameFacts] = {}
    events: list[Mapping[str, Any]] = []
    frame_count, complete = None, False
    for place, record in records:
        kind = record.get("kind") if isinstance(record, dict) else None
        if frame_count is not None:
            raise DataError(f"{place}: expected nothing after the footer, got {short_repr(record)}")
        if kind == "frame":
            facts = _naming_place(place, rows.add_frame, record)
            frames.setdefault(facts.index, facts)
        elif kind == "event":
            events.append(_naming_place(place, values.mapping, record, "event"))
        elif kind == "footer":
            frame_count, complete = _naming_place(place, _footer, record)
        else:
            raise DataError(
                f"{place}: expected an object of kind 'frame' or 'footer', got {short_repr(record)}"
            )
    tracks = _naming_place(str(path), rows.tracks, frame_count)
    in_order = tuple(frames[n] for n in sorted(frames))
    return Recording(tracks, header, in_order, complete, tuple(events))


def json_objects(content: bytes, *, path: str | Path) -> Iterator[Any]:
    """Yields header, frames and, where there is one, footer, as they are in the file.

    Args:
        content: The text of JSON Lines or a JSON document, in UTF-8.
        path: What messages call it.

    Raises:
        DataError: The content is malformed; the message names the line.
    """
    for _, record in _records(path, content.removeprefix(b"\xef\xbb\xbf")):
        yield record


def is_json_lines(content: bytes) -> bool:
    """Returns whether JSON content has one object in each line; else it is one document."""
    line = content.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    try:
        first = parse_json(line)
    except DataError:
        return line.startswith(b'{"kind"')
    return isinstance(first, dict) and "kind" in first


def _naming_place(place: str, read: Any, *given: Any) -> Any:
    """Returns the result of `read`; its errors name the place."""
    try:
        return read(*given)
    except DataError as error:
        joint = ", " if str(error).startswith("id ") else ": "
        raise DataError(f"{place}{joint}{error}") from error


def _records(path: str | Path, content: bytes) -> Iterator[tuple[str, Any]]:
    """Yields header, frames and, where there is one, footer, each with what messages call it."""
    if is_json_lines(content):
        yield from _line_records(path, content)
        return
    try:
        document = parse_json(content)
    except DataError as error:
        raise DataError(
            f"{path}: expected a whole JSON document, got one that is cut off or malformed; "
            f"JSON Lines (--json NAME.jsonl) stay readable after a crash ({error})"
        ) from error
    frames = document.get("frames")
    if not isinstance(frames, list) or not isinstance(document.get("header"), dict):
        raise DataError(f"{path}: expected keys 'header' and 'frames' ({SCHEMA}), see --json")
    yield f"{path}, header", document["header"]
    for n, frame in enumerate(frames):
        yield f"{path}, frames[{n}]", frame
    for n, event in enumerate(values.entries(document.get("events", []), "events")):
        yield f"{path}, events[{n}]", event
    if document.get("footer") is not None:
        yield f"{path}, footer", document["footer"]


def _line_records(path: str | Path, content: bytes) -> Iterator[tuple[str, Any]]:
    lines = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            record = parse_json(line)
        except DataError as error:
            if number == len(lines) and number > 1:
                return  # No line end: the writer was stopped in the middle of it.
            raise DataError(f"{place}: expected an object, got text that is {error}") from error
        yield place, record


def _header(record: Any) -> Header:
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        got = record.get("schema") if isinstance(record, dict) else record
        raise DataError(f"expected schema {SCHEMA!r}, got {short_repr(got)}")
    names = [
        values.text(name, "class_names")
        for name in values.entries(record.get("class_names", []), "class_names")
    ]
    present = {key: value for key, value in record.items() if value is not None}
    size = values.whole(record.get("embedding_size", 0), "embedding_size", most=LARGEST_EMBEDDING)
    return Header(
        program=values.text(present["program"], "program") if "program" in present else None,
        source=values.text(present["source"], "source") if "source" in present else None,
        width=values.whole(record.get("width", 1), "width", most=2**31 - 1),
        height=values.whole(record.get("height", 1), "height", most=2**31 - 1),
        fps=values.fps(record.get("fps")),
        is_live=values.flag(record.get("live", False), "live"),
        class_names=tuple(names),
        config=values.mapping(record.get("config", {}), "config"),
        models=values.mapping(record.get("models", {}), "models"),
        embedding_size=size,
    )


def _footer(record: Mapping[str, Any]) -> tuple[int, bool]:
    """Returns how many frames were written, and whether the run came to its end."""
    complete = values.flag(record.get("complete", True), "complete")
    return values.whole(record.get("frames"), "frames"), complete


class _Rows:
    """Rows of tracks, gathered frame by frame."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._names: dict[str, int] = {}
        for name in header.class_names:
            self._names.setdefault(name, len(self._names))
        self._rows: list[_Row] = []

    def add_frame(self, record: Mapping[str, Any]) -> FrameFacts:
        """Returns the facts of a frame; stores its tracks, and adds new classes."""
        index = values.whole(record.get("frame"), "frame", most=LARGEST_FRAME - 1)
        try:
            facts = FrameFacts(
                index=index,
                time_s=values.moment(record.get("time_s"), "time_s"),
                wall_time=values.duration(record.get("wall_time"), "wall_time"),
                age_s=values.duration(record.get("age_s"), "age_s"),
                dropped=int(values.duration(record.get("dropped"), "dropped") or 0),
                is_coasted=values.flag(record.get("coasted", False), "coasted"),
            )
        except DataError as error:
            raise DataError(f"frame {index}: {error}") from error
        for track in values.entries(record.get("tracks"), "tracks"):
            if not isinstance(track, dict):
                raise DataError(f"expected a track object, got {short_repr(track)}")
            number = track.get("id")
            if isinstance(number, int) and number < 0:
                continue
            number = values.whole(number, "id", most=LARGEST_ID)
            try:
                more = (facts.time_s, *_motion(track))
                self._rows.append((index, number, *self._columns(track, facts.is_coasted), more))
            except DataError as error:
                raise DataError(f"id {number}: {error}") from error
        return facts

    def _columns(self, track: Mapping[str, Any], is_coasted: bool) -> "_Columns":
        box = track.get("box")
        if not isinstance(box, list) or len(box) != 4:
            raise DataError(f"expected a box of 4 numbers, got {short_repr(box)}")
        corners = [values.number(value, "box") for value in box]
        score = values.number(track.get("score"), "score")
        name = values.text(track.get("class"), "class")
        state = values.text(track.get("state", ""), "state")
        misses = values.whole(track.get("misses", 0), "misses")
        embedding = _embedding(track, self._header.embedding_size)
        is_seen = not is_coasted and state != "lost" and not misses
        index = self._names.setdefault(name, len(self._names))
        number = -1
        if "global_id" in track:
            number = values.whole(track["global_id"], "global_id", most=LARGEST_ID)
        return corners, score, index, is_seen, embedding, _mask(track), number

    def tracks(self, frame_count: int | None) -> RecordedTracks:
        """Returns all rows as arrays."""
        width = self._header.embedding_size
        columns = zip(*self._rows, strict=True) if self._rows else _EMPTY
        frames, ids, boxes, scores, classes, seen, embeddings, masks, global_ids, more = columns
        # An unknown time, velocity or share is `None`, which becomes NaN.
        details = np.array(more, np.float64).reshape(-1, 6)
        nothing = np.zeros(width, np.float32)
        known = [nothing if embedding is None else embedding for embedding in embeddings]
        return RecordedTracks(
            frames=np.array(frames, np.int32),
            ids=np.array(ids, np.int64),
            boxes=np.array(boxes, np.float64).reshape(-1, 4),
            scores=np.array(scores, np.float32),
            classes=np.array(classes, np.int32),
            seen=np.array(seen, np.bool_),
            embeddings=np.array(known, np.float32).reshape(len(known), width),
            class_names=tuple(self._names),
            frame_count=frame_count,
            fps=self._header.fps,
            masks=masks if any(mask is not None for mask in masks) else None,
            global_ids=np.array(global_ids, np.int64),
            times_s=details[:, 0],
            velocities=details[:, 1:3].astype(np.float32),
            ages=details[:, 3].astype(np.int32),
            misses=details[:, 4].astype(np.int32),
            class_scores=details[:, 5].astype(np.float32),
        )


_Columns = tuple[list[float], float, int, bool, Float32Array | None, Mask | None, int]
_Details = tuple[float | None, ...]
_Row = tuple[
    int, int, list[float], float, int, bool, Float32Array | None, Mask | None, int, _Details
]
_EMPTY: tuple[tuple[()], ...] = ((),) * 10
_MOST_FRAMES = 2**31 - 1


def _motion(track: Mapping[str, Any]) -> _Details:
    """Returns velocity x and y, age, misses and class score; `None`, 0 and -1 where unknown."""
    vx = vy = None
    if track.get("velocity") is not None:
        pair = values.entries(track["velocity"], "velocity")
        if len(pair) != 2:
            raise DataError(f"'velocity': expected 2 numbers, got {short_repr(pair)}")
        vx, vy = (values.number(value, "velocity") for value in pair)
    age = values.whole(track.get("age", 0), "age", most=_MOST_FRAMES)
    misses = -1
    if "misses" in track:
        misses = values.whole(track["misses"], "misses", most=_MOST_FRAMES)
    share = track.get("class_score")
    return vx, vy, age, misses, None if share is None else values.number(share, "class_score")


def _embedding(track: Mapping[str, Any], width: int) -> Float32Array | None:
    if "embedding" not in track:
        return None
    if not width:
        raise DataError("'embedding': expected 'embedding_size' in the header, got none")
    try:
        return decode_embedding(track["embedding"], width)
    except DataError as error:
        raise DataError(f"'embedding': {error}") from error


def _mask(track: Mapping[str, Any]) -> Mask | None:
    if "mask" not in track:
        return None
    try:
        return mask_from_coco(track["mask"])
    except DataError as error:
        raise DataError(f"'mask': {error}") from error
