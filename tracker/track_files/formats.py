"""The formats of track files: their names, and how a file is recognised."""

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tracker.errors import ConfigError, DataError, nearest
from tracker.track_files.json_file import is_json, is_json_lines
from tracker.track_files.values import check_fps
from tracker.util.json_text import parse_json

DEFAULT_FPS = 30.0
"""Frames a second where neither a track file nor the user gives them."""


class TrackFormat(Enum):
    """A format of tracks; the values are those of `tracker convert --from` and `--to`."""

    JSON_LINES = "jsonl"
    """JSON Lines of this package."""
    JSON = "json"
    """One JSON document of this package."""
    MOT = "mot"
    """MOTChallenge text."""
    CSV = "csv"
    """The table of `tracker run --csv`."""
    COCO = "coco"
    """COCO JSON: `images`, and `annotations` with `track_id`."""
    CVAT = "cvat"
    """CVAT for video 1.1, XML."""
    YOLO = "yolo"
    """A folder of YOLO labels for training: class and box."""
    YOLO_TRACK = "yolo-track"
    """A folder of YOLO labels with score and id behind the box, as trackers write them."""
    PARQUET = "parquet"
    """An Apache Parquet table with the columns of the CSV table, and more."""
    LABEL_STUDIO = "label-studio"
    """Label Studio JSON: video object tracking."""


@dataclass(frozen=True, slots=True)
class VideoDefaults:
    """What is known of the video besides the track file, for formats that lack it.

    Attributes:
        size: Width and height of the frames in pixels.
        fps: Frames a second.
        class_names: Names by class number, for MOT text and YOLO labels.

    Raises:
        ConfigError: The frame rate is out of range.
    """

    size: tuple[int, int] | None = None
    fps: float | None = None
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.fps is not None:
            check_fps(self.fps)


_BY_ENDING = {
    ".jsonl": TrackFormat.JSON_LINES,
    ".json": TrackFormat.JSON,
    ".txt": TrackFormat.MOT,
    ".csv": TrackFormat.CSV,
    ".xml": TrackFormat.CVAT,
    ".parquet": TrackFormat.PARQUET,
    "": TrackFormat.YOLO,
}
_PARQUET_MAGIC = b"PAR1"
_OUR_DOCUMENT = re.compile(rb'\{\s*"header"')


def format_named(name: str) -> TrackFormat:
    """Returns the format of a name such as `coco`.

    Raises:
        ConfigError: There is none.
    """
    names = [one.value for one in TrackFormat]
    if name not in names:
        raise ConfigError(
            f"{name}: expected a format, one of {', '.join(names)}{nearest(name, names)}"
        )
    return TrackFormat(name)


def format_of_name(path: str | Path) -> TrackFormat:
    """Returns the format that a file name stands for; a name without an ending is a YOLO folder.

    Raises:
        ConfigError: The ending is unknown.
    """
    suffix = "" if str(path).endswith("/") else Path(path).suffix.lower()
    if suffix not in _BY_ENDING:
        known = ", ".join(filter(None, _BY_ENDING))
        raise ConfigError(
            f"{path}: expected a name that ends with {known}, or a folder, got {suffix}; --to "
            "names the format"
        )
    return _BY_ENDING[suffix]


def format_of_content(content: bytes) -> TrackFormat:
    """Returns the format of a file's content; MOT text if it is nothing else."""
    if content.startswith(_PARQUET_MAGIC):
        return TrackFormat.PARQUET
    text = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return TrackFormat.CVAT
    if text.startswith(b"["):
        return TrackFormat.LABEL_STUDIO
    if is_json(text):
        return _json_format(text)
    first = text.split(b"\n", 1)[0].lower().replace(b'"', b"").split(b",")
    return TrackFormat.CSV if {b"frame", b"id", b"x1"} <= set(first) else TrackFormat.MOT


def _json_format(text: bytes) -> TrackFormat:
    if _OUR_DOCUMENT.match(text):
        return TrackFormat.JSON
    if is_json_lines(text):
        return TrackFormat.JSON_LINES
    try:
        keys = set(parse_json(text))
    except DataError:
        return TrackFormat.JSON  # Its reader says what is wrong.
    if {"images", "annotations"} <= keys:
        return TrackFormat.COCO
    is_task = "data" in keys and keys & {"annotations", "predictions"}
    return TrackFormat.LABEL_STUDIO if is_task else TrackFormat.JSON
