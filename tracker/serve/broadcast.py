"""Waking the clients of a source, from any thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Broadcast:
    """Sets an event of each client; it never waits for any of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @contextmanager
    def joined(self) -> Iterator[asyncio.Event]:
        """Yields an event of the running loop that is set by each `notify`."""
        event = asyncio.Event()
        with self._lock:
            self._clients[event] = asyncio.get_running_loop()
        try:
            yield event
        finally:
            with self._lock:
                del self._clients[event]

    def notify(self) -> None:
        """Sets all events; called by any thread."""
        with self._lock:
            clients = list(self._clients.items())
        for event, loop in clients:
            with suppress(RuntimeError):  # the loop is closed: the server ends
                loop.call_soon_threadsafe(event.set)
