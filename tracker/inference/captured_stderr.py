"""Keeps native libraries quiet while they load: what they print goes to the log at level DEBUG.

File descriptor 2 belongs to the whole process, so overlapping blocks of several threads share one
capture: the first to begin redirects the descriptor, the last to end restores it.
"""

import atexit
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

logger = logging.getLogger(__name__)


@contextmanager
def native_output_logged() -> Iterator[None]:
    """Sends what is written to file descriptor 2 within the block to the log, level DEBUG.

    Python's own warnings and log records are caught as well, those of other threads too, so the
    block should be short. Blocks may overlap and nest. Nothing is redirected if descriptor 2 is
    closed (as in a daemon) or no temporary file can be made.
    """
    _CAPTURE.begin()
    try:
        yield
    finally:
        text = _CAPTURE.end()
        for line in text.decode(errors="replace").splitlines():
            logger.debug("%s", line)


class _Capture:
    """The one redirection of file descriptor 2 in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._original: int | None = None
        self._file: BinaryIO | None = None

    def begin(self) -> None:
        """Redirects the descriptor, unless another block has done so."""
        with self._lock:
            if self._blocks == 0:
                self._redirect()
            self._blocks += 1

    def end(self) -> bytes:
        """Restores the descriptor and returns what was written, if this was the last block."""
        with self._lock:
            self._blocks -= 1
            return self._restore() if self._blocks == 0 else b""

    def forget_in_child(self) -> None:
        """Restores the descriptor in a forked process, which lacks the threads that would do so."""
        self._lock = threading.Lock()
        self._blocks = 0
        captured = self._put_back()
        if captured is not None:
            captured.close()  # Not read: its position is shared with the parent.

    def release_at_exit(self) -> None:
        """Restores the descriptor and prints what a block that never ended has captured."""
        with self._lock:
            text = self._restore()
        with suppress(OSError):
            os.write(2, text)

    def _redirect(self) -> None:
        _flush()
        try:
            original = os.dup(2)
        except OSError:
            return
        try:
            file = tempfile.TemporaryFile()
            os.dup2(file.fileno(), 2)
        except OSError:
            os.close(original)
            return
        self._original, self._file = original, file

    def _restore(self) -> bytes:
        if self._file is not None:
            _flush()
        file = self._put_back()
        if file is None:
            return b""
        with file, suppress(OSError):
            file.seek(0)
            return file.read()
        return b""

    def _put_back(self) -> BinaryIO | None:
        """Returns the file of the capture; `None` where there is none."""
        original, file = self._original, self._file
        self._original = self._file = None
        if original is not None:
            os.dup2(original, 2)
            os.close(original)
        return file


def _flush() -> None:
    # It may be closed, or be a pipe without a reader.
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()


_CAPTURE = _Capture()
atexit.register(_CAPTURE.release_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_CAPTURE.forget_in_child)
