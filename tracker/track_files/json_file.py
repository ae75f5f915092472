"""Recordings in JSON Lines or as one JSON document (`docs/json-format.md`), from bytes.

All fields that any command uses are checked here, once; unknown ones are left alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from tracker.errors import DataError
from tracker.track_files import values
from tracker.track_files.frame_facts import FrameFacts
from tracker.track_files.json_rows import TrackRows, naming_place
from tracker.track_files.mot import LARGEST_FRAME
from tracker.track_files.recorded_tracks import RecordedTracks
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
    header = naming_place(place, header_of, record)
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
    rows = TrackRows(header.class_names, header.embedding_size)
    try:
        frames, events, end = _read_records(rows, records)
    except DataError:
        rows.flush()  # A track of a frame before may be wrong too: the first fault is named.
        raise
    frame_count, complete = end or (None, False)
    tracks = naming_place(str(path), rows.tracks, frame_count, header.fps)
    in_order = tuple(frames[n] for n in sorted(frames))
    return Recording(tracks, header, in_order, complete, tuple(events))


def _read_records(
    rows: TrackRows, records: Iterable[tuple[str, Any]]
) -> tuple[dict[int, FrameFacts], list[Mapping[str, Any]], tuple[int, bool] | None]:
    """Adds all tracks to the rows; returns frames by number, events, and the footer's values."""
    frames: dict[int, FrameFacts] = {}
    events: list[Mapping[str, Any]] = []
    end: tuple[int, bool] | None = None
    for place, record in records:
        kind = record.get("kind") if isinstance(record, dict) else None
        if end is not None:
            raise DataError(f"{place}: expected nothing after the footer, got {short_repr(record)}")
        if kind == "frame":
            facts = naming_place(place, _facts, record)
            tracks = naming_place(place, values.entries, record.get("tracks"), "tracks")
            rows.add(place, facts, tracks)
            frames.setdefault(facts.index, facts)
        elif kind == "event":
            events.append(naming_place(place, values.mapping, record, "event"))
        elif kind == "footer":
            end = naming_place(place, _footer, record)
        else:
            raise DataError(
                f"{place}: expected an object of kind 'frame' or 'footer', got {short_repr(record)}"
            )
    return frames, events, end


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
    is_first = True
    for number, line in enumerate(BytesIO(content), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            record = parse_json(line)
        except DataError as error:
            if not is_first and not line.endswith(b"\n"):
                return  # No line end: the writer was stopped in the middle of it.
            raise DataError(f"{place}: expected an object, got text that is {error}") from error
        yield place, record
        is_first = False


def header_of(record: Any) -> Header:
    """Returns the header of a JSON object.

    Raises:
        DataError: It is of another kind, or a value is wrong.
    """
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


def _facts(record: Mapping[str, Any]) -> FrameFacts:
    index = values.whole(record.get("frame"), "frame", most=LARGEST_FRAME - 1)
    try:
        return FrameFacts(
            index=index,
            time_s=values.moment(record.get("time_s"), "time_s"),
            wall_time=values.duration(record.get("wall_time"), "wall_time"),
            age_s=values.duration(record.get("age_s"), "age_s"),
            dropped=int(values.duration(record.get("dropped"), "dropped") or 0),
            is_coasted=values.flag(record.get("coasted", False), "coasted"),
        )
    except DataError as error:
        raise DataError(f"frame {index}: {error}") from error


def _footer(record: Mapping[str, Any]) -> tuple[int, bool]:
    """Returns how many frames were written, and whether the run came to its end."""
    complete = values.flag(record.get("complete", True), "complete")
    return values.whole(record.get("frames"), "frames"), complete
