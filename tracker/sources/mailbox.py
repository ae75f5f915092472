"""A bounded queue between two threads that either side can close without waiting for the other.

Comes in: items of one thread. Goes out: the same, in order, to another thread.
"""

import threading
from collections import deque
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class ClosedError(Exception):
    """The mailbox was closed: nobody wants the items any more."""


class Mailbox(Generic[ItemT]):
    """Items on their way from one thread to another.

    `queue.Queue` of Python 3.11 cannot be closed: a thread that waits in it has to wake up now and
    then to look whether it should stop.

    Args:
        size: Items that may wait.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[ItemT] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: ItemT) -> None:
        """Waits for room and adds an item.

        Raises:
            ClosedError: It was closed, before or meanwhile.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            if self._closed:
                raise ClosedError
            self._items.append(item)
            self._changed.notify_all()

    def get(self, timeout_s: float | None) -> ItemT | None:
        """Returns the next item, or `None` if there was none for so many seconds.

        Raises:
            ClosedError: It was closed, before or meanwhile; what was in it is gone.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._items, timeout_s)
            if self._closed:
                raise ClosedError
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Drops what waits and ends every waiting, on both sides."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed
