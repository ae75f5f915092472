"""JSON Lines: one object a line, each line complete after a crash (`docs/json-format.md`)."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from tracker.sinks import json_records
from tracker.sinks.json_records import Embeddings, Timings
from tracker.sinks.json_sink import JsonRecordSink
from tracker.sinks.output_file import RecordFile
from tracker.sinks.place import Existing

if TYPE_CHECKING:
    from tracker.analytics.events import Event


class JsonLinesSink(JsonRecordSink):
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
        super().__init__(
            RecordFile(path, existing=existing),
            timings=timings,
            embeddings=embeddings,
        )

    @property
    def status(self) -> str:
        """One line about the output."""
        return self._file.status(self._frames)

    def write_events(self, events: "Sequence[Event]") -> None:
        """Writes a line for each event.

        Raises:
            OutputError: The lines could not be written; the file ends with the line before.
        """
        if events and self._run is not None and self._file.is_open:
            lines = [json_records.encode(event.to_json()) + b"\n" for event in events]
            self._file.append(b"".join(lines))

    def close(self, *, complete: bool = True) -> None:
        """Writes the footer and closes the file; calling it again does nothing.

        Raises:
            OutputError: The footer could not be written; the lines before it are whole.
        """
        if self._run is not None and self._file.is_open:
            footer = self._summary.footer(self._run, complete=complete, counts=self._counts)
            self._file.append_parts(chain(footer, (b"\n",)))
        self._file.close()

    def _begin(self, header: bytes) -> bytes:
        return header + b"\n"

    def _record(self, frame: bytes) -> bytes:
        return frame + b"\n"
