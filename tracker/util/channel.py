"""Bounded channels between threads, which either side can end without waiting for the other.

A full channel either blocks or drops its oldest item, which it counts.
"""

import threading
import time
from collections import deque
from enum import Enum
from queue import Empty
from typing import Generic, NamedTuple, Protocol, TypeVar

ItemT = TypeVar("ItemT")


class Cancelled(Exception):  # noqa: N818 - not an error: the consumer has finished
    """The channel was cancelled: its consumer has finished."""


class WhenFull(Enum):
    """What `Channel.put` does when the channel is full."""

    WAIT = "wait"
    """It waits: no item is lost."""
    DROP_OLDEST = "drop oldest"
    """It drops the oldest item and never waits: the channel holds the newest ones."""


class Taken(NamedTuple, Generic[ItemT]):
    """An item taken from a channel.

    Attributes:
        item: The item.
        dropped: Dropped items before this one.
    """

    item: ItemT
    dropped: int


class ArrivalTimes(Protocol):
    """Predicts from the times of items when the next one is due."""

    def add(self, now_s: float) -> None:
        """Records an item, at a time of `time.monotonic`."""
        ...

    def seconds_until_next(self, now_s: float) -> float:
        """Returns the seconds to wait for the next item; 0 where it is not due soon."""
        ...


class Channel(Generic[ItemT]):
    """A queue from one thread to another; all methods may be called from any thread.

    Its end is not an item: it needs no capacity, and can neither be dropped nor block.
    `queue.Queue` of Python 3.11 cannot be ended: a waiting thread has to wake up periodically to
    check whether to stop.

    Args:
        capacity: Items that may wait, at least 1.
        when_full: What happens to an item beyond that.
        changed: Notified of every change; channels that share one can be waited for together.
        arrivals: Predicts from the items that are put when the next one is due, for
            `wait_for_next_if_due`; `None` for no wait there.
    """

    def __init__(
        self,
        capacity: int,
        when_full: WhenFull = WhenFull.WAIT,
        *,
        changed: threading.Condition | None = None,
        arrivals: ArrivalTimes | None = None,
    ) -> None:
        self._capacity = capacity
        self._when_full = when_full
        self._changed = changed or threading.Condition()
        self._items: deque[ItemT] = deque()
        self._dropped = 0
        self._arrivals = arrivals
        self._has_ended = False
        self._error: BaseException | None = None
        self._is_cancelled = False

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._is_cancelled

    @property
    def is_ready(self) -> bool:
        """Whether `take` would not wait: there is an item, or the end."""
        with self._changed:
            return bool(self._items) or self._has_ended or self._is_cancelled

    def put(self, item: ItemT) -> None:
        """Adds an item.

        Raises:
            Cancelled: The channel was cancelled, before or meanwhile.
        """
        with self._changed:
            if self._when_full is WhenFull.WAIT:
                self._wait_for_room()
            if self._arrivals is not None:
                self._arrivals.add(time.monotonic())
            if self._is_cancelled:
                raise Cancelled
            if len(self._items) >= self._capacity:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
            self._changed.notify_all()

    def wait_for_next_if_due(self) -> None:
        """Waits for the next item where there is one already and the next is due soon.

        For `DROP_OLDEST`: the item taken afterwards is the newest.
        """
        with self._changed:
            if not self._items or self._arrivals is None:
                return
            before = self._dropped + len(self._items)
            self._changed.wait_for(
                lambda: (
                    self._dropped + len(self._items) != before
                    or self._has_ended
                    or self._is_cancelled
                ),
                self._arrivals.seconds_until_next(time.monotonic()),
            )

    def wait_for_room(self) -> None:
        """Waits until there is room for an item.

        Raises:
            Cancelled: The channel was cancelled, before or meanwhile.
        """
        with self._changed:
            self._wait_for_room()

    def end(self, error: BaseException | None = None) -> None:
        """Marks the end; `take` raises the error once all items are taken."""
        with self._changed:
            if not self._has_ended:
                self._has_ended, self._error = True, error
                self._changed.notify_all()

    def cancel(self) -> None:
        """Drops all items and ends every wait, on both sides; later calls raise `Cancelled`."""
        with self._changed:
            self._is_cancelled = True
            self._items.clear()
            self._changed.notify_all()

    def take(self, timeout_s: float | None = None) -> Taken[ItemT] | None:
        """Returns the oldest item, or `None` after the last one.

        Args:
            timeout_s: Longest wait in seconds; `None` for no limit.

        Raises:
            queue.Empty: The timeout has passed. Cancelled: The channel was cancelled, before or
            meanwhile. BaseException: The error passed to `end`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.is_ready, timeout_s):
                raise Empty
            if self._is_cancelled:
                raise Cancelled
            if not self._items:
                if self._error is not None:
                    raise self._error
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            # Dropped items were older than all that remain, so they precede this item.
            return Taken(item, self._dropped)

    def _wait_for_room(self) -> None:
        self._changed.wait_for(lambda: self._is_cancelled or len(self._items) < self._capacity)
        if self._is_cancelled:
            raise Cancelled
