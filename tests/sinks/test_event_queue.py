"""The queue of events: batches, retries, bounds, and that nothing waits for a receiver."""

import threading
from collections.abc import Sequence

import pytest

from tests.sinks.results import make_result, make_run
from tracker.analytics.events import Event, EventKind
from tracker.sinks.event_push import EventPushSink
from tracker.sinks.event_queue import EventQueue, QueueLimits, Record, SendError

QUICK = QueueLimits(gather_s=0.01, first_pause_s=0.01, longest_pause_s=0.05, drain_s=2.0)


class ScriptedSender:
    """Delivers, or fails as scripted: each error is raised once, then all goes well."""

    name = "scripted"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.batches: list[list[Record]] = []
        self.closed = 0

    def send(self, batch: Sequence[Record]) -> None:
        if self.errors:
            error = self.errors.pop(0)
            sent = error.sent if isinstance(error, SendError) else 0
            self.batches += [list(batch[:sent])] if sent else []
            raise error
        self.batches.append(list(batch))

    def close(self) -> None:
        self.closed += 1

    @property
    def delivered(self) -> list[int]:
        return [record["n"] for batch in self.batches for record in batch]


class StuckSender(ScriptedSender):
    """Never returns until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def send(self, batch: Sequence[Record]) -> None:
        self.release.wait(30)
        super().send(batch)


def numbers(count: int) -> list[Record]:
    return [{"n": n} for n in range(count)]


def test_nothing_is_sent_without_events() -> None:
    sender = ScriptedSender()
    queue = EventQueue(sender, QUICK)
    queue.close()
    queue.close()
    assert (sender.batches, queue.status) == ([], "scripted: 0 sent")


def test_events_arrive_once_in_order_in_batches() -> None:
    sender = ScriptedSender()
    queue = EventQueue(sender, QueueLimits(batch=3, gather_s=0.01))
    queue.put(numbers(7))
    queue.close()
    assert sender.delivered == list(range(7))
    assert max(len(batch) for batch in sender.batches) == 3
    assert (queue.status, sender.closed) == ("scripted: 7 sent", 1)


def test_a_failed_batch_is_sent_again_without_what_had_arrived() -> None:
    sender = ScriptedSender(SendError("503"), SendError("cut", sent=2))
    queue = EventQueue(sender, QUICK)
    queue.put(numbers(4))
    queue.close()
    assert sender.delivered == [0, 1, 2, 3]
    assert queue.status == "scripted: 4 sent"


def test_what_is_refused_is_dropped_at_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    sender = ScriptedSender(SendError("HTTP 400", may_retry=False))
    queue = EventQueue(sender, QUICK)
    queue.put(numbers(2))
    queue.close()
    assert queue.status == "scripted: 0 sent, 2 dropped"
    assert "HTTP 400" in caplog.text
    assert "2 events were not delivered" in caplog.text


def test_an_error_of_another_kind_costs_its_batch_and_not_the_thread(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sender = ScriptedSender(MemoryError("no room"))
    queue = EventQueue(sender, QueueLimits(batch=3, gather_s=0.01, drain_s=2.0))
    queue.put(numbers(5))
    queue.close()
    assert sender.delivered == [3, 4]
    assert queue.status == "scripted: 2 sent, 3 dropped"
    assert "scripted: MemoryError: no room; tracking goes on" in caplog.text
    assert sender.closed == 1


def test_attempts_are_limited() -> None:
    errors = [SendError("down") for _ in range(3)]
    sender = ScriptedSender(*errors)
    limits = QueueLimits(attempts=3, gather_s=0.01, first_pause_s=0.01, longest_pause_s=0.01)
    queue = EventQueue(sender, limits)
    queue.put(numbers(1))
    queue.close()
    assert (sender.delivered, queue.dropped) == ([], 1)


def test_a_full_queue_drops_the_oldest_and_no_put_waits() -> None:
    sender = StuckSender()
    limits = QueueLimits(capacity=10, batch=5, gather_s=0.0, drain_s=5.0)
    queue = EventQueue(sender, limits)
    # While the sender is stuck, every put returns: a pipeline that waited would hang here.
    for n in range(100):
        queue.put([{"n": n}])
    assert not sender.batches
    dropped = queue.dropped
    assert dropped >= 100 - limits.capacity - limits.batch
    sender.release.set()
    queue.close()
    assert sender.delivered[-10:] == list(range(90, 100))
    assert len(sender.delivered) == 100 - dropped


def test_the_end_of_a_run_does_not_wait_for_a_stuck_receiver() -> None:
    sender = StuckSender()
    queue = EventQueue(sender, QueueLimits(gather_s=0.0, drain_s=0.1))
    queue.put(numbers(3))
    queue.close()  # Returns although the sender has not.
    assert queue.status == "scripted: 0 sent, 3 dropped"
    sender.release.set()


def test_records_name_their_source_and_the_time_of_day() -> None:
    sender = ScriptedSender()
    event = Event(EventKind.TRACK_STARTED, 2.0, 7, "person")
    live = make_run(source="rtsp://me:secret@door/main", is_live=True)
    with EventPushSink(sender, QUICK) as sink:
        sink.write(make_result(3, run=live, time_s=2.5, wall_time_s=1000.5))
        sink.write_events([event])
        sink.write_counts({"zones": [], "lines": []})
    records = [record for batch in sender.batches for record in batch]
    assert records[0] == {
        **event.to_json(), "source": "rtsp://***@door/main", "wall_time": 1000.0
    }  # fmt: skip
    assert records[1] == {
        "kind": "counts", "source": "rtsp://***@door/main", "zones": [], "lines": []
    }  # fmt: skip
