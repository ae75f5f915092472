"""Suppression of OpenCV's own log messages, for calls whose failure is reported here."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tracker.util.opencv import cv2


class _Muting:
    """OpenCV has one log level for all threads: the last context to end restores it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._level = 0

    def enter(self) -> None:
        with self._lock:
            if self._depth == 0:
                self._level = cv2.utils.logging.getLogLevel()
                cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
            self._depth += 1

    def leave(self) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                cv2.utils.logging.setLogLevel(self._level)


_MUTING = _Muting()


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Returns a context in which OpenCV logs nothing; the level is restored afterwards."""
    _MUTING.enter()
    try:
        yield
    finally:
        _MUTING.leave()
