"""The file of a run's checkpoints, beside its first output.

It exists from the begin to the end of the run, is locked meanwhile, and is replaced atomically.
Empty, it says that a run has begun of which there is no checkpoint yet. That of an earlier run
stays until the first result is written: what fails before that has destroyed nothing.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from tracker.errors import OutputError
from tracker.sinks.place import Place, output_error
from tracker.util.atomic_file import DRAFT, make_parent

SUFFIX = ".checkpoint"
"""Suffix of the name, after that of the output."""

_HOLDS_FILES = sys.platform != "win32"
"""Whether open files can be replaced: on Windows there is no lock."""


class CheckpointFile:
    """A file with the newest checkpoint.

    Args:
        path: Where it is.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.is_new = False
        """Whether `claim` has made it."""
        self.is_continued = False
        """Whether the run continues from the content, which stays until there is a later one."""
        self._file: BinaryIO | None = None
        self._is_empty = True

    def claim(self) -> bytes:
        """Locks the file, which is made where it is missing; returns its content.

        Raises:
            OutputTakenError: Another run writes it.
            OutputError: It cannot be read or written.
        """
        is_there = os.path.exists(self.path)
        make_parent(Path(self.path))
        place = Place(self.path)
        try:
            file = place.reopen() if is_there else place.open()
            content = Path(self.path).read_bytes()
        except OSError as error:
            raise output_error(self.path, error) from error
        self._hold(file)
        self.is_new, self._is_empty = not is_there, not content
        return content

    def begin(self) -> None:
        """Locks the file, unless it is: the run begins.

        Raises:
            OutputTakenError: Another run writes it.
            OutputError: It cannot be written.
        """
        if self._file is None:
            self.claim()

    def clear(self) -> None:
        """Empties the file, which `begin` has locked, if the outputs are those of another run now.

        Raises:
            OutputError: It cannot be written.
        """
        if not (self._is_empty or self.is_continued):
            self.write(b"")

    def write(self, content: bytes) -> None:
        """Replaces the content at once, when it is on the disk.

        Raises:
            OutputError: It cannot be written; the old content stays.
        """
        draft = f"{self.path}{DRAFT}"
        try:
            file = Place(draft).open()
            try:
                rest = memoryview(content)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
                if not _HOLDS_FILES:
                    file.close()
                os.replace(draft, self.path)
            except BaseException:
                file.close()
                with suppress(OSError):
                    os.unlink(draft)
                raise
        except OutputError:
            raise
        except OSError as error:
            raise output_error(self.path, error) from error
        self._is_empty = not content
        self._hold(file)

    def remove(self) -> None:
        """Removes the file: the run is complete, or nothing was written."""
        if self._file is not None:
            # A run that was killed while it wrote one has left a draft.
            for path in (f"{self.path}{DRAFT}", self.path):
                with suppress(OSError):
                    os.unlink(path)
            self.release()

    def release(self) -> None:
        """Unlocks the file, which stays for `--resume`."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _hold(self, file: BinaryIO) -> None:
        if not _HOLDS_FILES:
            file.close()
        old, self._file = self._file, file
        if old is not None:
            old.close()
