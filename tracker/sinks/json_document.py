"""One JSON document with the same objects as JSON Lines (`docs/json-format.md`)."""

from collections.abc import Iterator, Mapping, Sequence
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


class JsonSink(RecordSink):
    """Writes `{"header": {...}, "frames": [...], "footer": {...}}`.

    With analytics there is a list `events` before the footer, kept in memory until then, as a
    document is written from its begin to its end, and as checkpoints hold it: some 200 bytes for
    each event, 200 MB after a million. JSON Lines need none.

    Only a closed document is valid JSON; where the program may be killed, JSON Lines are safer.
    When the disk fills up, the document ends with `"footer": null` after the last frame that fits.

    Args:
        path: Where to write; "-" is stdout. An existing file is replaced at the first result.
        timings: Whether each frame has its timings.
        embeddings: Whether each track has its embedding.
        existing: Whether an existing file may be replaced.

    Raises:
        OutputTakenError: Another process writes the file, or it exists and may not be replaced.
        OutputError: The path cannot be written.
    """

    def __init__(
        self,
        path: str,
        *,
        timings: Timings = Timings.OMIT,
        embeddings: Embeddings = Embeddings.OMIT,
        existing: Existing = Existing.REPLACE,
    ) -> None:
        self._file = RecordFile(path, ending=b'\n],"footer":null}\n', existing=existing)
        self._timings = timings
        self._embeddings = embeddings
        self._summary = Summary()
        self._run: RunInfo | None = None
        self._frames = 0
        self._counts: Mapping[str, Any] = {}
        self._events: list[bytes] = []

    @property
    def status(self) -> str:
        """One line about the output."""
        # The header is a record too; frames may have given way to the ending.
        return self._file.status(min(self._frames, max(self._file.records - 1, 0)))

    def write(self, result: TrackedFrame) -> None:
        """Writes one frame; the first call opens the file and writes the header as well.

        Raises:
            OutputError: The frame could not be written; the document ends before it.
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
            self._file.append(b'{"header":' + header + b',"frames":[')
        self._run = result.run
        self._file.append((b",\n" if self._frames else b"\n") + frame)
        self._summary.add(result)
        self._frames += 1

    def write_events(self, events: Sequence[Event]) -> None:
        """Keeps events until the document is closed."""
        self._events += [json_records.encode(event.to_json()) for event in events]

    def write_counts(self, counts: Mapping[str, Any]) -> None:
        """Takes the counts of the run, for the footer."""
        self._counts = counts

    def close(self, *, complete: bool = True) -> None:
        """Writes the footer and closes the file; calling it again does nothing.

        Raises:
            OutputError: The footer could not be written; it is null where there was room.
        """
        if self._run is not None and self._file.is_open:
            footer = self._summary.footer(self._run, complete=complete, counts=self._counts)
            self._file.append_parts(chain(self._end_of_frames(), footer, (b"}\n",)))
        self._file.close()

    def _end_of_frames(self) -> Iterator[bytes]:
        """Yields what is between the last frame and the footer."""
        yield b"\n]"
        if self._events:
            yield b',"events":[\n' + b",\n".join(self._events) + b"\n]"
        yield b',"footer":'
