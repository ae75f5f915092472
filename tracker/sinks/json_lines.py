"""JSON Lines: one object a line, each line complete after a crash (`docs/json-format.md`)."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from tracker.analytics.events import Event
from tracker.sinks import json_records
from tracker.sinks.json_records import Embeddings, Summary, Timings
from tracker.sinks.output_file import RecordFile
from tracker.sinks.place import Existing
from tracker.sinks.plain_values import track_rows
from tracker.sinks.record_sink import RecordSink
from tracker.sinks.stored_pixels import in_stored_pixels
from tracker.tracks import RunInfo, TrackedFrame


class JsonLinesSink(RecordSink):
    """Writes a header line, a line for each frame, and a footer line.

    Every line is written at once, so that `tail -f` and pipes work.

    Args:
        path: Where to write; "-" is stdout. An existing file is replaced at the first result.
        timings: Whether each frame has its timings.
        embeddings: Whether each track has its embedding.
        existing: Whether an existing file may be replaced.

    Raises:
        OutputTakenError: Another process writes the file, or it exists and may not be replaced.
        OutputError: The path cannot be written.

    Example:
        >>> with JsonLinesSink("-") as sink:
        ...     sink.status
        'stdout: nothing written'
    """

    def __init__(
        self,
        path: str,
        *,
        timings: Timings = Timings.OMIT,
        embeddings: Embeddings = Embeddings.OMIT,
        existing: Existing = Existing.REPLACE,
    ) -> None:
        self._file = RecordFile(path, existing=existing)
        self._timings = timings
        self._embeddings = embeddings
        self._summary = Summary()
        self._run: RunInfo | None = None
        self._frames = 0
        self._counts: Mapping[str, Any] = {}

    @property
    def status(self) -> str:
        """One line about the output."""
        return self._file.status(self._frames)

    def write(self, result: TrackedFrame) -> None:
        """Writes one line; the first call opens the file and writes the header as well.

        Raises:
            OutputError: The line could not be written; the file ends with the line before.
            OutputClosed: The reader of stdout has closed it.
            DataError: The result holds NaN or infinity, or the first one has no
                embeddings although they are requested.
        """
        result = in_stored_pixels(result)
        rows = track_rows(result.tracks, result.run.class_names)
        line = json_records.encode(
            json_records.frame(result, rows, self._timings, self._embeddings)
        )
        header = b""
        if not self._file.records:
            header = json_records.encode(json_records.header(result, self._embeddings))
        self._file.begin(result.run.video.source)
        if not self._file.records:
            self._file.append(header + b"\n")
        self._run = result.run
        self._file.append(line + b"\n")
        self._summary.add(result)
        self._frames += 1

    def write_events(self, events: Sequence[Event]) -> None:
        """Writes a line for each event.

        Raises:
            OutputError: The lines could not be written; the file ends with the line before.
        """
        if events and self._run is not None and self._file.is_open:
            lines = [json_records.encode(event.to_json()) + b"\n" for event in events]
            self._file.append(b"".join(lines))

    def write_counts(self, counts: Mapping[str, Any]) -> None:
        """Takes the counts of the run, for the footer."""
        self._counts = counts

    def close(self, *, complete: bool = True) -> None:
        """Writes the footer and closes the file; calling it again does nothing.

        Raises:
            OutputError: The footer could not be written; the lines before it are whole.
        """
        if self._run is not None and self._file.is_open:
            footer = self._summary.footer(self._run, complete=complete, counts=self._counts)
            self._file.append_parts(chain(footer, (b"\n",)))
        self._file.close()
