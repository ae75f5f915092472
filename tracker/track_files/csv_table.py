"""The table of `--csv` read back; also other tables with its first columns."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracker.errors import DataError
from tracker.track_files.formats import VideoDefaults
from tracker.track_files.frame_objects import FrameObjects
from tracker.track_files.json_file import Recording
from tracker.util.short_repr import short_repr

NEEDED = ("frame", "id", "x1", "y1", "x2", "y2")
"""Columns without which a table holds no tracks."""


def parse_csv(content: bytes, *, path: str | Path, video: VideoDefaults) -> Recording:
    """Returns the tracks of a table with a header row.

    Columns are found by name: `frame`, `id`, `x1`, `y1`, `x2`, `y2`, and where they are there
    `time_s`, `class`, `score`, `state`, `vx`, `vy`, `age`, `misses`, `seen`, `class_score` and
    `global_id`. Others are left alone, and an empty cell is a missing value.

    Args:
        content: The text in UTF-8.
        path: What messages call it.
        video: The class names of a table that has numbers or no class.

    Raises:
        DataError: A column is missing, or a value is malformed; the message names the line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected a CSV table in UTF-8, got other bytes") from error
    frames = FrameObjects(path)
    try:
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        check_columns(table.fieldnames or (), path)
        for row in table:
            place = f"{path}, line {table.line_num}"
            add_row(frames, {k: _value(k, v, place) for k, v in row.items() if v}, video, place)
    except csv.Error as error:
        raise DataError(f"{path}: expected a CSV table: {error}") from error
    return frames.recording(None)


def check_columns(names: Any, path: str | Path) -> None:
    """Checks that a table has the columns of tracks.

    Raises:
        DataError: One is missing.
    """
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise DataError(
            f"{path}: expected the columns {', '.join(NEEDED)}, got no {', '.join(missing)}"
        )


def add_row(frames: FrameObjects, row: Mapping[str, Any], video: VideoDefaults, place: str) -> None:
    """Adds one row of a table; tentative tracks (negative ids) are left out later.

    Args:
        frames: Where to add it.
        row: Value by column; missing values are absent.
        video: The class names of numbers.
        place: What messages call the row.

    Raises:
        DataError: A column that is needed has no value.
    """
    check_row = [name for name in NEEDED if name not in row]
    if check_row:
        raise DataError(f"{place}: expected a value for {', '.join(check_row)}, got none")
    track = {
        "id": row["id"],
        "class": class_name(row.get("class"), video),
        "score": row.get("score", 1.0),
        "box": [row[corner] for corner in ("x1", "y1", "x2", "y2")],
    }
    if "vx" in row and "vy" in row:
        track["velocity"] = [row["vx"], row["vy"]]
    if not row.get("seen", True) and "state" not in row:
        track["state"] = "lost"
    for key in ("state", "age", "misses", "class_score", "global_id", "embedding", "mask"):
        if key in row:
            track[key] = row[key]
    frame = frames.frame(row["frame"], place=place)
    if "time_s" in row:
        frame["time_s"] = row["time_s"]
    frame["tracks"].append(track)


def class_name(value: object, video: VideoDefaults) -> str:
    """Returns a class as text: a number stands for a name of the video, `None` for its first."""
    if value is None:
        return video.class_names[0] if video.class_names else "object"
    text = str(value)
    if text.isdecimal() and len(text) < 6 and int(text) < len(video.class_names):
        return video.class_names[int(text)]
    return text


_WHOLE = ("frame", "id", "age", "misses", "global_id")
_TEXT = ("class", "state")
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


def _value(name: str | None, text: Any, place: str) -> Any:
    if name is None:
        raise DataError(f"{place}: expected as many cells as there are columns, got more")
    if name in _TEXT:
        return text
    if name == "seen":
        return _FLAGS.get(text.lower(), True)
    if name not in (*NEEDED, *_WHOLE, "time_s", "score", "vx", "vy", "class_score"):
        return text
    try:
        number = float(text)
    except ValueError:
        raise DataError(f"{place}: {name}: expected a number, got {short_repr(text)}") from None
    # pandas writes a whole number as 3.0 where a column has gaps.
    return int(number) if name in _WHOLE and number.is_integer() else number
