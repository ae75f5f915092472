"""`results.parquet`: the tracks and events of all videos in one table."""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tracker.errors import DataError, DependencyError
from tracker.util.address import shown_address
from tracker.util.atomic_file import replaced_file
from tracker.util.optional_library import optional_library
from tracker.util.remote import reading
from tracker.util.text import printable

_log = logging.getLogger(__name__)

_TEXT = ("video", "kind", "class", "state", "event", "zone", "line", "direction", "how")
_WHOLE = ("frame", "id", "age", "misses")
_REAL = (
    *("time_s", "score", "class_score", "x1", "y1", "x2", "y2", "vx", "vy"),
    *("dwell_s", "speed_kmh", "error_kmh", "distance_m", "heading_deg"),
)
_ROWS = 50_000
"""Rows that are written at once."""


def write_table(path: Path, recordings: Iterable[tuple[str, str]]) -> bool:
    """Writes the table; returns false where pyarrow, of the extra `parquet`, is not installed.

    A row is a track in a frame (`kind` `track`) or an event (`kind` `event`); what it does not have
    is null.

    Args:
        path: The table, which is replaced at once.
        recordings: Name of each video, and its JSON Lines.

    Raises:
        DataError: A recording is damaged.
        OutputError: It cannot be written.
    """
    try:
        arrow = optional_library("pyarrow", purpose="results.parquet")
        parquet = optional_library("pyarrow.parquet", purpose="results.parquet")
    except DependencyError:
        return False
    types = {name: arrow.string() for name in _TEXT}
    types |= {name: arrow.int64() for name in _WHOLE} | {name: arrow.float64() for name in _REAL}
    schema = arrow.schema(list(types.items()))
    with replaced_file(path) as draft, parquet.ParquetWriter(draft, schema) as writer:
        rows: list[dict[str, Any]] = []
        for video, lines in recordings:
            for row in _rows(printable(video), lines):
                rows.append(row)
                if len(rows) == _ROWS:
                    writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
                    rows = []
        writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
    return True


def _rows(video: str, path: str) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        try:
            file = stack.enter_context(reading(path))
        except OSError as error:  # A SourceError too.
            _log.warning("results.parquet lacks %s: %s", shown_address(path), error)
            return
        for number, line in enumerate(file, 1):
            try:
                yield from _rows_of_record(video, json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataError(
                    f"{shown_address(path)}, line {number}: expected a record of tracker batch, "
                    f"got a damaged one ({type(error).__name__}: {error}); remove the file and "
                    "run the command again"
                ) from error


def _rows_of_record(video: str, record: Any) -> Iterator[dict[str, Any]]:
    if record["kind"] == "event":
        yield {**record, "video": video}
    elif record["kind"] == "frame":
        for track in record["tracks"]:
            (x1, y1, x2, y2), (vx, vy) = track["box"], track["velocity"]
            places = {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "vx": vx, "vy": vy}
            here = {"frame": record["frame"], "time_s": record["time_s"]}
            yield {**track, **places, **here, "video": video, "kind": "track"}
