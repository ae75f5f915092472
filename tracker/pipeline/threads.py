"""Worker threads that end together; channels connect them."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Self, TypeVar

from tracker.frames import Frame, Source
from tracker.util.channel import Cancelled, Channel

ItemT = TypeVar("ItemT")

_log = logging.getLogger(__name__)

_JOIN_S = 10.0
"""Seconds that all threads together get to finish what they compute."""

_NEXT_S = 0.25
"""Seconds that a reader gets for a last frame: two frames at 8 fps."""

_RELEASE_S = 0.65
"""Seconds that a reader gets to end once its source is closed: a driver may hang for ever."""


class ReadFrame(NamedTuple):
    """A frame as it left its source.

    Attributes:
        frame: The frame.
        read_s: Seconds that reading it took, waiting included.
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
            _log.warning("%s does not end; it is abandoned", thread.name)

    def add(self, channel: Channel[ItemT]) -> Channel[ItemT]:
        """Returns the channel, which is cancelled at the end of the block."""
        self._channels.append(channel)
        return channel

    def start(self, name: str, work: Callable[[], None], output: Channel[Any]) -> None:
        """Runs `work()` in a new thread; its end, or its error, ends the output."""
        self._threads.append(_started(name, work, output))

    def start_reader(self, name: str, source: Source, frames: Channel[ReadFrame]) -> None:
        """Reads a source in a new thread.

        A source that is silent at the end of the block is closed, because its thread blocks in it
        and would not end otherwise.
        """
        thread = _started(name, lambda: read_frames(source, frames), frames)
        self._readers[thread] = source.close


def run_together(
    tasks: Iterable[Callable[[], None]], timeout_s: float, others: Iterable[threading.Thread] = ()
) -> list[threading.Thread]:
    """Runs short tasks side by side and returns the threads that have not ended in time.

    Args:
        tasks: Each may block for a limited time; its errors are logged at level DEBUG.
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
