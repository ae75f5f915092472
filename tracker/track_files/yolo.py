"""Folders of YOLO labels: a text file for each frame, a line for each box in shares of the frame.

`class x y width height` with the centre of the box; trackers add score and id behind them.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import ConfigError, DataError, SourceError
from tracker.track_files.csv_table import class_name
from tracker.track_files.formats import VideoDefaults
from tracker.track_files.frame_objects import FrameObjects, frames_of_names
from tracker.track_files.json_file import Header, Recording
from tracker.util.paths import unreadable_text
from tracker.util.short_repr import short_repr
from tracker.util.yaml_text import read_yaml

CLASSES = "classes.txt"
LABELS = "labels"
DATA = "data.yaml"
LABEL_NAME = "frame_{:06d}.txt"


def read_yolo(folder: str | Path, video: VideoDefaults) -> Recording:
    """Returns the tracks of a folder of labels, or of its sub-folder `labels`.

    A line has 7 numbers (class, centre, size, score, id), or 6, whose last one is the id where
    all are whole numbers. Class names are those of `classes.txt` or `data.yaml` beside the labels
    where the video has none. Frames: `frame_objects.frames_of_names`.

    Args:
        folder: The folder.
        video: Frame size and class names.

    Raises:
        SourceError: A file cannot be read.
        DataError: The frame size is not known, a line is malformed, or the lines have no ids.
    """
    folder = Path(folder)
    files = _label_files(folder)
    if video.size is None:
        raise DataError(
            f"{folder}: expected a frame size for YOLO's shares, got none; give it with --size "
            "WIDTHxHEIGHT or --source VIDEO"
        )
    width, height = video.size
    names = video.class_names or _class_names(folder)
    tables = [_rows(path) for path in files]
    has_scores = _check_ids(folder, tables)
    video = VideoDefaults(video.size, video.fps, names)
    frames = FrameObjects(folder)
    numbers = frames_of_names([path.stem for path in files])
    for path, number, rows in zip(files, numbers, tables, strict=True):
        frames.frame(number, place=str(path))
        for row in rows:
            frames.add(number, _track(row, video, has_scores=has_scores), place=str(path))
    return frames.recording(Header(width=width, height=height, class_names=names))


def _label_files(folder: Path) -> list[Path]:
    inner = folder / LABELS
    where = inner if inner.is_dir() else folder
    try:
        files = sorted(path for path in where.glob("*.txt") if path.name != CLASSES)
    except OSError as error:
        raise SourceError(f"{folder}: {unreadable_text(folder, error)}") from error
    if not files:
        raise DataError(f"{folder}: expected YOLO labels, one .txt for each frame, found none")
    return files


def _class_names(folder: Path) -> tuple[str, ...]:
    for place in (folder, folder.parent) if folder.name == LABELS else (folder,):
        classes, data = place / CLASSES, place / DATA
        if classes.is_file():
            return tuple(_text(classes).splitlines())
        if data.is_file():
            found: Any = read_yaml(data).get("names") or ()
            return tuple(map(str, found.values() if isinstance(found, dict) else found))
    return ()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SourceError(f"{path}: {unreadable_text(path, error)}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected text in UTF-8, got other bytes") from error


def _rows(path: Path) -> list[list[float]]:
    rows = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if not 5 <= len(row) <= 7 or not np.isfinite(row).all():
            raise DataError(
                f"{path}, line {number}: expected 5 to 7 numbers: class, x, y, width, height, "
                f"score, id, got {short_repr(line)}"
            )
        rows.append(row)
    return rows


def _check_ids(folder: Path, tables: list[list[list[float]]]) -> bool:
    """Returns whether there are scores before the ids.

    Raises:
        DataError: There are no ids.
    """
    rows = [row for table in tables for row in table]
    widths = {len(row) for row in rows}
    has_ids = all(row[-1].is_integer() and row[-1] >= 0 for row in rows)
    if len(widths) > 1 or 5 in widths or not has_ids:
        raise DataError(
            f"{folder}: expected a track id at the end of each line, got labels without: these "
            "are detections, not tracks"
        )
    return widths == {7}


def _track(row: list[float], video: VideoDefaults, *, has_scores: bool) -> dict[str, object]:
    width, height = video.size or (1, 1)
    index, x, y, w, h = row[:5]
    return {
        "id": int(row[-1]),
        "class": class_name(f"{index:.0f}", video),
        "score": row[5] if has_scores else 1.0,
        "box": [
            (x - w / 2) * width,
            (y - h / 2) * height,
            (x + w / 2) * width,
            (y + h / 2) * height,
        ],
    }


def yolo_files(
    recording: Recording, header: Header, *, with_ids: bool
) -> Iterator[tuple[str, str]]:
    """Yields the relative path and text of each file: labels, `classes.txt` and `data.yaml`.

    Boxes are cut at the edges of the frame, as training programs expect; those outside it are
    left out. Frames without tracks have an empty file.

    Args:
        recording: Tracks and frames.
        header: Frame size.
        with_ids: Whether score and id follow each box.

    Raises:
        ConfigError: A class name has a line break, which `classes.txt` cannot hold.
    """
    tracks = recording.tracks
    names = tracks.class_names or ("object",)
    if any(len(name.splitlines()) > 1 for name in names):
        raise ConfigError("YOLO labels: expected class names of one line, got a line break in one")
    size = np.array([header.width, header.height] * 2, np.float64)
    boxes = np.clip(tracks.boxes / size, 0, 1)
    edges = np.searchsorted(tracks.frames, [facts.index for facts in recording.frames])
    for facts, (start, stop) in zip(
        recording.frames, pairwise([*edges.tolist(), len(tracks)]), strict=True
    ):
        lines = []
        for row in range(start, stop):
            x1, y1, x2, y2 = boxes[row].tolist()
            if x2 <= x1 or y2 <= y1:
                continue
            place = f"{(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}"
            more = f" {tracks.scores[row]:.4f} {tracks.ids[row]}" if with_ids else ""
            lines.append(f"{tracks.classes[row]} {place}{more}\n")
        yield f"{LABELS}/{LABEL_NAME.format(facts.index)}", "".join(lines)
    yield CLASSES, "".join(f"{name}\n" for name in names)
    yield DATA, _data_yaml(names)


def _data_yaml(names: tuple[str, ...]) -> str:
    import yaml

    return yaml.safe_dump(
        {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(names))},
        allow_unicode=True,
        sort_keys=False,
    )
