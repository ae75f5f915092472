"""A TCP server on this machine for tests, which ends with all of its connections."""

import socket
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self


class LoopbackServer(ABC):
    """Listens in a thread of its own while its context is open.

    Attributes:
        port: Where it listens; chosen by the system at first, and kept when it listens again.
    """

    def __init__(self) -> None:
        self.port = 0
        self._closing = threading.Event()
        self._open: list[socket.socket] = []
        """The connections that are shut down at the end."""

    def __enter__(self) -> Self:
        self._listen()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._thread.join()
        self._listener.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @abstractmethod
    def _accept(self) -> None:
        """Accepts connections until `_closing` is set; `accept` times out in between."""

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listener.settimeout(0.05)
        self.port = self._listener.getsockname()[1]
