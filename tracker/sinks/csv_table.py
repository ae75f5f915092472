"""A CSV table of tracks: a header row, then one row for each track in each frame."""

from tracker.sinks.output_file import RecordFile
from tracker.sinks.place import Existing
from tracker.sinks.plain_values import TIME_DECIMALS, TrackRow, track_rows
from tracker.sinks.record_sink import RecordSink
from tracker.sinks.stored_pixels import in_stored_pixels
from tracker.tracks import TrackedFrame
from tracker.util.csv_text import csv_text

COLUMNS = (
    *("frame", "time_s", "id", "class", "score", "x1", "y1", "x2", "y2"),
    *("state", "vx", "vy", "age", "misses"),
)
"""The header row; boxes in pixels, velocities in pixels a second, frames from 0."""


class CsvSink(RecordSink):
    """Writes the columns of `COLUMNS`; values are those of the JSON output.

    Args:
        path: Where to write; "-" is stdout. An existing file is replaced at the first result.
        existing: Whether an existing file may be replaced.

    Raises:
        OutputTakenError: Another process writes the file, or it exists and may not be replaced.
        OutputError: The path cannot be written.
    """

    def __init__(self, path: str, *, existing: Existing = Existing.REPLACE) -> None:
        self._file = RecordFile(path, existing=existing)
        self._frames = 0

    @property
    def status(self) -> str:
        """One line about the output."""
        return self._file.status(self._frames)

    def write(self, result: TrackedFrame) -> None:
        """Writes the rows of one frame; the first call opens the file and writes the header row.

        Raises:
            OutputError: The rows could not be written; the file ends with the frame before.
            OutputClosed: The reader of stdout has closed it.
            DataError: A number is not finite.
        """
        result = in_stored_pixels(result)
        rows = track_rows(result.tracks, result.run.class_names)
        cells: list[tuple[object, ...]] = [] if self._file.records else [COLUMNS]
        cells += [_cells(result, row) for row in rows]
        self._file.begin(result.run.video.source)
        self._file.append(csv_text(cells).encode("utf-8", "backslashreplace"))
        self._frames += 1


def _cells(result: TrackedFrame, row: TrackRow) -> tuple[object, ...]:
    frame = result.frame
    return (
        frame.index,
        round(frame.time_s, TIME_DECIMALS),
        row.id,
        row.class_name,
        row.score,
        *row.box,
        row.state,
        *row.velocity,
        row.age,
        row.misses,
    )
