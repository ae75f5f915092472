"""A file of events: a CSV table, or JSON Lines of the objects that `--json` has."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tracker.analytics.events import Event
from tracker.sinks.json_records import encode
from tracker.sinks.output_file import RecordFile
from tracker.sinks.place import Existing
from tracker.sinks.record_sink import RecordSink
from tracker.tracks import TrackedFrame
from tracker.util.csv_text import csv_text

COLUMNS = (
    *("event", "time_s", "id", "class", "zone", "line", "direction", "how", "dwell_s"),
    *("speed_kmh", "error_kmh", "distance_m", "heading_deg"),
)
"""The header row; the keys of the JSON objects, empty where an event has none."""


@runtime_checkable
class EventSink(Protocol):
    """A sink that takes events too."""

    def write_events(self, events: Sequence[Event]) -> None:
        """Writes events, after the result with which they became certain.

        Raises:
            OutputError: They cannot be written.
        """
        ...

    def write_counts(self, counts: Mapping[str, Any]) -> None:
        """Takes the counts of the whole run, before the output is closed."""
        ...


class EventFileSink(RecordSink):
    """Writes events as CSV, or as JSON Lines if the path ends in `.jsonl`.

    Args:
        path: Where to write; "-" is stdout, as CSV. An existing file is replaced at the first
            result.
        existing: Whether an existing file may be replaced.

    Raises:
        OutputTakenError: Another process writes the file, or it exists and may not be replaced.
        OutputError: The path cannot be written.
    """

    def __init__(self, path: str, *, existing: Existing = Existing.REPLACE) -> None:
        self._file = RecordFile(path, existing=existing)
        self._as_lines = path.endswith(".jsonl")
        self._events = 0
        self._is_begun = False

    @property
    def status(self) -> str:
        """One line about the output."""
        count = "1 event" if self._events == 1 else f"{self._events} events"
        failed = f" ({self._file.failure})" if self._file.failure is not None else ""
        return f"{self._file.name}: {count}{failed}"

    def write(self, result: TrackedFrame) -> None:
        """Creates the file with the first result.

        Raises:
            OutputError: It cannot be written.
        """
        self.begin(result.run.video.source)

    def begin(self, source: str) -> None:
        """Creates the file, with the header row of a table.

        Args:
            source: The input of the run, which must not be overwritten.

        Raises:
            OutputError: It cannot be written.
        """
        if self._is_begun:
            return
        self._file.begin(source)
        self._is_begun = True
        if not self._as_lines and not self._file.records:
            self._append([COLUMNS])

    def write_events(self, events: Sequence[Event]) -> None:
        """Writes events.

        Raises:
            OutputError: They could not be written; the file ends with those before.
        """
        if not events or not self._file.is_open:
            return
        if self._as_lines:
            self._file.append(b"".join(encode(event.to_json()) + b"\n" for event in events))
        else:
            self._append([event_cells(event) for event in events])
        self._events += len(events)

    def write_counts(self, counts: Mapping[str, Any]) -> None:
        """Does nothing: the file has single events."""

    def _append(self, rows: Sequence[Sequence[object]]) -> None:
        self._file.append(csv_text(rows).encode("utf-8", "backslashreplace"))


def event_cells(event: Event) -> tuple[object, ...]:
    """Returns the row of an event."""
    record = event.to_json()
    return tuple(record.get(column, "") for column in COLUMNS)
