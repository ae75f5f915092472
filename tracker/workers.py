"""Threads that work side by side, and the bounded channels that join them.

Comes in: functions to run in threads. Goes out: their items in order, then their end or their
error. A channel either waits while it is full or lets its oldest item go, which it counts.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from queue import Empty
from typing import Any, Generic, NamedTuple, Self, TypeVar

from tracker.frames import Frame, Source
from tracker.rhythm import Rhythm

ItemT = TypeVar("ItemT")

_log = logging.getLogger(__name__)

_JOIN_S = 10.0
"""How long all threads together may take to end what they compute."""

_NEXT_S = 0.25
"""How long a reader may wait for a last frame: two of a camera that gives 8 a second."""

_RELEASE_S = 0.65
"""How long a reader may take to end once its source was closed: a driver may hang for ever."""


class Cancelled(Exception):  # noqa: N818 - no fault: the other side wants no more
    """A thread is told to stop, at the channel that it uses."""


class WhenFull(Enum):
    """What `Channel.put` does where there is no room."""

    WAIT = "wait"
    """It waits: nothing is lost."""
    DROP_OLDEST = "drop oldest"
    """It lets the oldest item go and never waits: what is there is the newest."""


class Taken(NamedTuple, Generic[ItemT]):
    """What came out of a channel.

    Attributes:
        item: The item.
        dropped: Items before this one that were let go.
    """

    item: ItemT
    dropped: int


class Channel(Generic[ItemT]):
    """Items on their way from one thread to another; all methods may be called from any thread.

    Its end is no item: it needs no room, so it can neither be dropped nor block.

    Args:
        capacity: Items that may wait, at least 1.
        when_full: What happens to one more.
        changed: Notified of every change; channels that share one can be waited for together.
        rhythm: Says when the next item is worth a wait; by default from when the others came.
    """

    def __init__(
        self,
        capacity: int,
        when_full: WhenFull = WhenFull.WAIT,
        *,
        changed: threading.Condition | None = None,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._capacity = capacity
        self._when_full = when_full
        self._changed = changed or threading.Condition()
        self._items: deque[ItemT] = deque()
        self._dropped = 0
        self._rhythm = rhythm or Rhythm()
        self._has_ended = False
        self._error: BaseException | None = None
        self._is_cancelled = False

    @property
    def is_ready(self) -> bool:
        """Whether `take` would not wait: an item is there, or the end."""
        with self._changed:
            return bool(self._items) or self._has_ended or self._is_cancelled

    def put(self, item: ItemT) -> None:
        """Adds an item.

        Raises:
            Cancelled: The other side wants no more.
        """
        with self._changed:
            if self._when_full is WhenFull.WAIT:
                self._wait_for_room()
            else:
                self._rhythm.came(time.monotonic())
            if self._is_cancelled:
                raise Cancelled
            if len(self._items) >= self._capacity:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
            self._changed.notify_all()

    def wait_for_next_if_due(self) -> None:
        """Where an item is there and the next one due in a moment, waits that moment for it.

        For `DROP_OLDEST`: what is there by then is the newest.
        """
        with self._changed:
            if not self._items:
                return
            before = self._dropped + len(self._items)
            self._changed.wait_for(
                lambda: (
                    self._dropped + len(self._items) != before
                    or self._has_ended
                    or self._is_cancelled
                ),
                self._rhythm.worth_waiting_s(time.monotonic()),
            )

    def wait_for_room(self) -> None:
        """Waits until an item has room.

        Raises:
            Cancelled: The other side wants no more.
        """
        with self._changed:
            self._wait_for_room()

    def end(self, error: BaseException | None = None) -> None:
        """Says that no more items come; `take` raises the error once all items are taken."""
        with self._changed:
            if not self._has_ended:
                self._has_ended, self._error = True, error
                self._changed.notify_all()

    def cancel(self) -> None:
        """Forgets all items and makes everyone who waits here, or comes later, stop."""
        with self._changed:
            self._is_cancelled = True
            self._items.clear()
            self._changed.notify_all()

    def take(self, timeout_s: float | None = None) -> Taken[ItemT] | None:
        """Returns the oldest item, or `None` after the last one.

        Args:
            timeout_s: Longest wait in seconds; `None` for any.

        Raises:
            queue.Empty: The time has passed.
            Cancelled: The channel was cancelled.
            BaseException: That the other side ended with.
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
            # What was dropped was older than all that is there: it came before this item.
            return Taken(item, self._dropped)

    def _wait_for_room(self) -> None:
        self._changed.wait_for(lambda: self._is_cancelled or len(self._items) < self._capacity)
        if self._is_cancelled:
            raise Cancelled


class ReadFrame(NamedTuple):
    """A frame as it left its source.

    Attributes:
        frame: The frame.
        read_s: Seconds that the source took for it, waiting for it included.
    """

    frame: Frame
    read_s: float


class Workers:
    """Threads that end together, when the block ends.

    Example:
        ```python
        with Workers() as workers:
            frames = workers.add(Channel(4))
            workers.start("read", lambda: read_frames(source, frames), frames)
        ```
    """

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._readers: dict[threading.Thread, Callable[[], None]] = {}
        self._channels: list[Channel[Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for channel in self._channels:
            channel.cancel()
        silent = joined(self._readers, _NEXT_S)
        stuck = run_together([self._readers[thread] for thread in silent], _RELEASE_S, silent)
        stuck += joined(self._threads, _JOIN_S)
        for thread in stuck:
            _log.warning("%s does not answer; it is left behind", thread.name)

    def add(self, channel: Channel[ItemT]) -> Channel[ItemT]:
        """Returns the channel, which is cancelled at the end of the block."""
        self._channels.append(channel)
        return channel

    def start(self, name: str, work: Callable[[], None], output: Channel[Any]) -> None:
        """Runs `work()` in a new thread; its end, or its error, ends the output."""
        self._threads.append(_started(name, work, output))

    def start_reader(self, name: str, source: Source, frames: Channel[ReadFrame]) -> None:
        """Reads a source in a new thread.

        Where the source gives no frame for a moment at the end of the block, it is closed: its
        thread waits for it, and would end no other way.
        """
        thread = _started(name, lambda: read_frames(source, frames), frames)
        self._readers[thread] = source.close


def run_together(
    tasks: Iterable[Callable[[], None]], timeout_s: float, others: Iterable[threading.Thread] = ()
) -> list[threading.Thread]:
    """Runs short tasks side by side and returns the threads that have not ended in time.

    Args:
        tasks: Each may block, and only for a while; an error in one is logged at level DEBUG.
        timeout_s: Seconds to wait for all of them.
        others: Threads to wait for as well.
    """
    threads = [threading.Thread(target=_run_task, args=(task,), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    return joined([*threads, *others], timeout_s)


def joined(threads: Iterable[threading.Thread], timeout_s: float) -> list[threading.Thread]:
    """Waits for threads, and returns those that have not ended in time.

    Args:
        threads: The threads.
        timeout_s: Seconds for all of them together.
    """
    deadline = time.monotonic() + timeout_s
    alive = []
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
        if thread.is_alive():
            alive.append(thread)
    return alive


def read_frames(source: Source, frames: Channel[ReadFrame]) -> None:
    """Puts the source's frames until its end; runs in a thread of its own."""
    iterator = iter(source)
    while True:
        start = time.perf_counter()
        frame = next(iterator, None)
        if frame is None:
            return
        frames.put(ReadFrame(frame, time.perf_counter() - start))


def _run_task(task: Callable[[], None]) -> None:
    try:
        task()
    except Exception:
        _log.debug("closing failed", exc_info=True)


def _started(name: str, work: Callable[[], None], output: Channel[Any]) -> threading.Thread:
    # A daemon: a call into a driver cannot be interrupted, and must not keep the program alive.
    thread = threading.Thread(target=_run, args=(work, output), name=name, daemon=True)
    thread.start()
    return thread


def _run(work: Callable[[], None], output: Channel[Any]) -> None:
    try:
        work()
    except Cancelled:
        output.end()
    except BaseException as error:
        output.end(error)
    else:
        output.end()
