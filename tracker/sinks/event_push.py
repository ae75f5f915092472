"""A sink that sends events to another program, by webhook or MQTT."""

from collections.abc import Mapping, Sequence
from typing import Any

from tracker.analytics.events import TIME_DECIMALS, Event
from tracker.sinks.closing import ClosesOnExit
from tracker.sinks.event_queue import EventQueue, QueueLimits, Sender
from tracker.tracks import TrackedFrame
from tracker.util.address import shown_address


class EventPushSink(ClosesOnExit):
    """Sends each event as the JSON object of `docs/json-format.md` with two keys more.

    `source` is the source of the run, without secrets; `wall_time`, of live sources, the Unix time
    of the event in seconds. At the end of the run the counts follow, as an object of kind `counts`.

    Args:
        sender: Delivers batches.
        limits: Sizes and times of the queue.
    """

    def __init__(self, sender: Sender, limits: QueueLimits | None = None) -> None:
        self._queue = EventQueue(sender, limits)
        self._source: str | None = None
        self._wall_offset_s: float | None = None

    @property
    def status(self) -> str:
        """One line about the output."""
        return self._queue.status

    @property
    def dropped(self) -> int:
        """Number of records that were not delivered."""
        return self._queue.dropped

    def write(self, result: TrackedFrame) -> None:
        """Notes source and clock of the run."""
        self._source = shown_address(result.run.video.source)
        wall_s = result.frame.wall_time_s
        self._wall_offset_s = None if wall_s is None else wall_s - result.frame.time_s

    def write_events(self, events: Sequence[Event]) -> None:
        """Queues events; never waits."""
        self._queue.put([self._record(event.to_json(), event.time_s) for event in events])

    def write_counts(self, counts: Mapping[str, Any]) -> None:
        """Queues the counts of the whole run."""
        if self._source is not None:
            self._queue.put([{"kind": "counts", "source": self._source, **counts}])

    def close(self, *, complete: bool = True) -> None:
        """Waits a few seconds for what is queued; calling it again does nothing."""
        self._queue.close()

    def _record(self, record: dict[str, Any], time_s: float) -> dict[str, Any]:
        record["source"] = self._source
        if self._wall_offset_s is not None:
            record["wall_time"] = round(time_s + self._wall_offset_s, TIME_DECIMALS)
        return record
