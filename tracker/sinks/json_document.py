"""One JSON document with the same objects as JSON Lines (`docs/json-format.md`)."""

from collections.abc import Iterator, Sequence
from itertools import chain

from tracker.analytics.events import Event
from tracker.sinks import json_records
from tracker.sinks.json_records import Embeddings, Timings
from tracker.sinks.json_sink import JsonRecordSink
from tracker.sinks.output_file import RecordFile
from tracker.sinks.place import Existing


class JsonSink(JsonRecordSink):
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
        super().__init__(
            RecordFile(path, ending=b'\n],"footer":null}\n', existing=existing),
            timings=timings,
            embeddings=embeddings,
        )
        self._events: list[bytes] = []

    @property
    def status(self) -> str:
        """One line about the output."""
        # The header is a record too; frames may have given way to the ending.
        return self._file.status(min(self._frames, max(self._file.records - 1, 0)))

    def write_events(self, events: Sequence[Event]) -> None:
        """Keeps events until the document is closed."""
        self._events += [json_records.encode(event.to_json()) for event in events]

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

    def _begin(self, header: bytes) -> bytes:
        return b'{"header":' + header + b',"frames":['

    def _record(self, frame: bytes) -> bytes:
        return (b",\n" if self._frames else b"\n") + frame
