"""What JSON Lines and JSON documents have in common: header, frames and footer of a run."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from tracker.sinks import json_records
from tracker.sinks.json_records import Embeddings, Summary, Timings
from tracker.sinks.output_file import RecordFile
from tracker.sinks.plain_values import track_rows
from tracker.sinks.record_sink import RecordSink
from tracker.sinks.stored_pixels import in_stored_pixels
from tracker.tracks import RunInfo, TrackedFrame


class JsonRecordSink(RecordSink):
    """Base of sinks that write the objects of `docs/json-format.md`.

    Args:
        file: The file.
        timings: Whether each frame has its timings.
        embeddings: Whether each track has its embedding.
    """

    def __init__(self, file: RecordFile, *, timings: Timings, embeddings: Embeddings) -> None:
        self._file = file
        self._timings = timings
        self._embeddings = embeddings
        self._summary = Summary()
        self._run: RunInfo | None = None
        self._frames = 0
        self._counts: Mapping[str, Any] = {}

    def write(self, result: TrackedFrame) -> None:
        """Writes one frame; the first call opens the file and writes the header as well.

        Raises:
            OutputError: The frame could not be written; the file ends before it.
            OutputClosed: The reader of stdout has closed it.
            DataError: The result holds NaN or infinity, or the first one has no
                embeddings although they are requested.
        """
        result = in_stored_pixels(result)
        rows = track_rows(result.tracks, result.run.class_names)
        frame = json_records.encode(
            json_records.frame(result, rows, self._timings, self._embeddings)
        )
        header = b""
        if not self._file.records:
            header = json_records.encode(json_records.header(result, self._embeddings))
        self._file.begin(result.run.video.source)
        if not self._file.records:
            self._file.append(self._begin(header))
        self._run = result.run
        self._file.append(self._record(frame))
        self._summary.add(result)
        self._frames += 1

    def write_counts(self, counts: Mapping[str, Any]) -> None:
        """Takes the counts of the run, for the footer."""
        self._counts = counts

    @abstractmethod
    def _begin(self, header: bytes) -> bytes:
        """Returns what the file begins with."""

    @abstractmethod
    def _record(self, frame: bytes) -> bytes:
        """Returns the next frame as it stands in the file."""
