"""Apache Parquet: the columns of the CSV table, and embeddings, masks and the header."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import DataError
from tracker.masks import mask_to_coco
from tracker.track_files import values
from tracker.track_files.csv_table import add_row, check_columns
from tracker.track_files.embedding_base64 import encode_embeddings
from tracker.track_files.formats import VideoDefaults
from tracker.track_files.frame_objects import FrameObjects
from tracker.track_files.json_file import SCHEMA, Header, Recording, header_of
from tracker.track_files.json_rows import naming_place
from tracker.util.arrays import Float32Array
from tracker.util.json_text import parse_json
from tracker.util.optional_library import optional_library
from tracker.util.short_repr import short_repr

METADATA = b"tracker"
"""Key of the schema's metadata under which the header is kept as JSON."""

_PURPOSE = "Parquet files"
_EXTRA = "parquet"


def parse_parquet(content: bytes, *, path: str | Path, video: VideoDefaults) -> Recording:
    """Returns the tracks of a Parquet table; columns as in `csv_table.parse_csv`.

    Args:
        content: The file.
        path: What messages call it.
        video: The class names of a table that has numbers or no class.

    Raises:
        DataError: It is malformed, or a column is missing.
        DependencyError: pyarrow is not installed.
    """
    arrow = optional_library("pyarrow", purpose=_PURPOSE, extra=_EXTRA)
    parquet = optional_library("pyarrow.parquet", purpose=_PURPOSE, extra=_EXTRA)
    try:
        table = parquet.read_table(arrow.BufferReader(content))
        names = table.column_names
    except (arrow.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: expected a Parquet file: {reason}") from error
    check_columns(names, path)
    header = naming_place(str(path), _header, (table.schema.metadata or {}).get(METADATA))
    frames = FrameObjects(path)
    for batch in table.to_batches(max_chunksize=10_000):
        for row in naming_place(str(path), _rows, batch):
            known = {key: value for key, value in row.items() if value is not None}
            naming_place(str(path), _restore, known, header)
            add_row(frames, known, video, str(path))
    return frames.recording(header)


def _rows(batch: Any) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
        return rows
    except (ValueError, OverflowError) as error:  # text that is not UTF-8, times out of range
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"a value cannot be read: {reason}") from error


def _restore(row: dict[str, Any], header: Header | None) -> None:
    """Brings the values of one row into the form of frame objects."""
    for key in ("time_s", "vx", "vy", "class_score"):
        if isinstance(row.get(key), float) and np.isnan(row[key]):
            del row[key]
    mask, embedding = row.pop("mask", None), row.pop("embedding", None)
    if mask is not None and header is not None:
        row["mask"] = {"size": [header.height, header.width], "counts": mask}
    if embedding and header is not None and header.embedding_size:
        try:
            row["embedding"] = encode_embeddings(_vector(embedding))[0]
        except (ValueError, TypeError, OverflowError) as error:
            raise DataError(
                f"'embedding': expected numbers, got {short_repr(embedding)}"
            ) from error


def _vector(numbers: Any) -> Float32Array:
    """Returns `(1, D)` float32.

    Raises:
        ValueError: One is not finite in float32, or no number.
    """
    with np.errstate(over="ignore"):
        vector = np.array([numbers], np.float32)
    if not np.isfinite(vector).all():
        raise ValueError("not finite")
    return vector


def _header(content: bytes | None) -> Header | None:
    if content is None:
        return None
    record = values.mapping(parse_json(content), "tracker")
    return header_of({**record, "schema": SCHEMA, "live": record.get("is_live", False)})


def write_parquet(recording: Recording, header: Header | None, path: Path) -> None:
    """Writes a table with a row for each track in each frame.

    Args:
        recording: Tracks and frames.
        header: What is kept of the run; `None` where the frame size is not known.
        path: The file.

    Raises:
        DependencyError: pyarrow is not installed.
    """
    arrow = optional_library("pyarrow", purpose=_PURPOSE, extra=_EXTRA)
    parquet = optional_library("pyarrow.parquet", purpose=_PURPOSE, extra=_EXTRA)
    table = arrow.table(_columns(recording, arrow))
    if header is not None:
        kept = dataclasses.asdict(header)
        text = json.dumps(kept, ensure_ascii=False).encode("utf-8", "backslashreplace")
        table = table.replace_schema_metadata({METADATA: text})
    parquet.write_table(table, path)


def _columns(recording: Recording, arrow: Any) -> Mapping[str, Any]:
    tracks = recording.tracks
    names = tracks.class_names or ("object",)
    columns: dict[str, Any] = {
        "frame": tracks.frames,
        "time_s": tracks.times_s,
        "id": tracks.ids,
        "class": arrow.array([names[n] for n in tracks.classes.tolist()], arrow.string()),
        "score": tracks.scores,
        **{name: tracks.boxes[:, n] for n, name in enumerate(("x1", "y1", "x2", "y2"))},
        "seen": tracks.seen,
        **{"vx": tracks.velocities[:, 0], "vy": tracks.velocities[:, 1]},
        "age": tracks.ages,
        "misses": tracks.misses,
        "class_score": tracks.class_scores,
    }
    if (tracks.global_ids >= 0).any():
        known = [number if number >= 0 else None for number in tracks.global_ids.tolist()]
        columns["global_id"] = arrow.array(known, arrow.int64())
    if tracks.embeddings.shape[1]:
        rows = [row.tolist() if row.any() else None for row in tracks.embeddings]
        columns["embedding"] = arrow.array(rows, arrow.list_(arrow.float32()))
    if tracks.masks is not None:
        texts = [None if mask is None else mask_to_coco(mask)["counts"] for mask in tracks.masks]
        columns["mask"] = arrow.array(texts, arrow.string())
    return columns
