"""Events on their way to another program: in a thread of their own, batched, retried, bounded.

The pipeline only appends to a queue. What cannot be delivered is counted, never waited for.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

_log = logging.getLogger(__name__)

Record = dict[str, Any]


class SendError(Exception):
    """A batch was not delivered.

    Attributes:
        may_retry: Whether another attempt may succeed.
        sent: Records at the beginning of the batch that were delivered.
    """

    def __init__(self, reason: str, *, may_retry: bool = True, sent: int = 0) -> None:
        super().__init__(reason)
        self.may_retry = may_retry
        self.sent = sent


class Sender(Protocol):
    """Delivers batches, for example over HTTP."""

    @property
    def name(self) -> str:
        """What messages call it, without secrets."""
        ...

    def send(self, batch: Sequence[Record]) -> None:
        """Delivers some records.

        Raises:
            SendError: They were not delivered.
        """
        ...

    def close(self) -> None:
        """Ends connections."""
        ...


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Sizes and times of an event queue.

    Attributes:
        capacity: Records that may wait; beyond it the oldest are dropped.
        batch: Most records of one delivery.
        gather_s: Seconds that a batch waits for more records.
        attempts: Deliveries of one batch that are tried.
        first_pause_s: Seconds before the second attempt; doubled for each further one.
        longest_pause_s: Most seconds between two attempts.
        drain_s: Seconds that the end of the run waits for what is still queued.
    """

    capacity: int = 10_000
    batch: int = 100
    gather_s: float = 0.5
    attempts: int = 6
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    drain_s: float = 5.0


class EventQueue:
    """A queue of records and the thread that delivers them.

    Args:
        sender: Delivers batches.
        limits: Sizes and times.
    """

    def __init__(self, sender: Sender, limits: QueueLimits | None = None) -> None:
        self._sender = sender
        self._limits = limits or QueueLimits()
        self._changed = threading.Condition()
        self._waiting: deque[Record] = deque()
        self._in_flight = 0
        self._sent = 0
        self._dropped = 0
        self._deadline_s: float | None = None
        self._is_failing = False
        self._thread: threading.Thread | None = None

    @property
    def status(self) -> str:
        """One line about what was delivered."""
        with self._changed:
            text = f"{self._sender.name}: {self._sent} sent"
            return f"{text}, {self._dropped} dropped" if self._dropped else text

    @property
    def dropped(self) -> int:
        """Number of records that were given up."""
        with self._changed:
            return self._dropped

    def put(self, records: Sequence[Record]) -> None:
        """Queues records; never waits."""
        with self._changed:
            if self._deadline_s is not None:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
            self._waiting.extend(records)
            excess = len(self._waiting) - self._limits.capacity
            for _ in range(excess):
                self._waiting.popleft()
            self._dropped += max(excess, 0)
            self._changed.notify_all()

    def close(self) -> None:
        """Waits a short time for what is queued, then drops it; calling it again does nothing."""
        with self._changed:
            if self._deadline_s is not None:
                return
            self._deadline_s = time.monotonic() + self._limits.drain_s
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(self._limits.drain_s)
        with self._changed:
            self._dropped += len(self._waiting) + self._in_flight
            self._waiting.clear()
            self._in_flight = 0
            lost = self._dropped
        if lost:
            _log.warning("%s: %d events were not delivered", self._sender.name, lost)

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._deliver(batch)
        finally:
            self._sender.close()

    def _next_batch(self) -> list[Record]:
        """Returns the next records; none at the end."""
        limits = self._limits
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._deadline_s is not None)
            self._changed.wait_for(
                lambda: len(self._waiting) >= limits.batch or self._deadline_s is not None,
                limits.gather_s,
            )
            count = min(len(self._waiting), limits.batch)
            self._in_flight = count
            return [self._waiting.popleft() for _ in range(count)]

    def _deliver(self, batch: list[Record]) -> None:
        for attempt in range(self._limits.attempts):
            try:
                self._send(batch)
            except SendError as error:
                self._note_sent(error.sent)
                batch = batch[error.sent :]
                self._note_failure(error)
                if not error.may_retry or not self._may_wait(attempt):
                    break
            else:
                self._note_sent(len(batch))
                if self._is_failing:
                    self._is_failing = False
                    _log.info("%s: events are delivered again", self._sender.name)
                return
        with self._changed:
            self._dropped += self._in_flight
            self._in_flight = 0

    def _send(self, batch: list[Record]) -> None:
        try:
            self._sender.send(batch)
        except SendError:
            raise
        # It must not end the thread: the events after this batch may be deliverable.
        except Exception as error:
            raise SendError(f"{type(error).__name__}: {error}", may_retry=False) from error

    def _may_wait(self, attempt: int) -> bool:
        """Waits before the next attempt; returns false if there is no time for one."""
        limits = self._limits
        pause_s = min(limits.first_pause_s * 2**attempt, limits.longest_pause_s)
        with self._changed:
            if self._deadline_s is None:
                self._changed.wait_for(lambda: self._deadline_s is not None, pause_s)
                return True
            left_s = self._deadline_s - time.monotonic()
        if left_s <= limits.first_pause_s:
            return False
        time.sleep(limits.first_pause_s)
        return True

    def _note_sent(self, count: int) -> None:
        with self._changed:
            count = min(count, self._in_flight)  # Less once `close` has given up waiting.
            self._sent += count
            self._in_flight -= count

    def _note_failure(self, error: SendError) -> None:
        if not self._is_failing:
            self._is_failing = True
            _log.warning("%s: %s; tracking goes on, events wait", self._sender.name, error)
