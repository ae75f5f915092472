"""Files of whole records, shared by the text formats.

A file always ends with a complete record, and a failure is an `OutputError` with the reason in
plain words.
"""

import errno
import io
import os
import select
import stat
import sys
import zlib
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import BinaryIO

from tracker.errors import NotResumableError, OutputError
from tracker.sinks.place import Existing, Place, output_error, reason
from tracker.util.atomic_file import DRAFT

_BLOCK = 2**22

STDOUT = "-"
"""The path that means standard output."""


def check_not_source(path: str, source: str) -> None:
    """Checks that writing `path` would not overwrite the source.

    Args:
        path: The output.
        source: The source as the user named it; not necessarily a file.

    Raises:
        OutputError: Both are the same file.
    """
    if path == STDOUT:
        return
    if _is_file(path, source):
        raise OutputError(f"cannot write {path}: it is the source itself; name another file")
    check_not_draft(path, source)


def check_not_draft(path: str, source: str) -> None:
    """Checks that the draft of `path`, which takes its place when it is complete, is no source.

    Args:
        path: The output, which may be the source.
        source: The source as the user named it; not necessarily a file.

    Raises:
        OutputError: The draft is the source.
    """
    draft = f"{path}{DRAFT}"
    if _is_file(draft, source):
        raise OutputError(
            f"cannot write {path}: it is written as {draft} first, which is the source; name "
            "another file"
        )


def _is_file(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other) and os.path.isfile(path)
    except (OSError, ValueError):
        return False


class RecordFile:
    """A file, or stdout, that always ends with a whole record.

    Each record is written at once, so that other programs can follow it. When a write fails, the
    partial record is cut off, the `ending` is written where there is room for it, and the file is
    closed; a file without a whole record is removed.

    Args:
        path: Where to write; "-" is stdout.
        ending: Bytes that make a truncated file valid; the newest records are removed for it.
        existing: Whether an existing file may be replaced.

    Raises:
        OutputTakenError: Another process writes the file, or it exists and may not be replaced.
        OutputError: The file could not be written (see `check_writable`).
    """

    # 64 records are more than one disk block of records: enough to make room for the ending.
    _KEPT_LENGTHS = 64

    def __init__(
        self, path: str, *, ending: bytes = b"", existing: Existing = Existing.REPLACE
    ) -> None:
        self.name = "stdout" if path == STDOUT else path
        self.records = 0
        """Whole records in the file."""
        self.failure: OutputError | None = None
        """Why the file ended early, or `None`."""
        self._path = path
        self._ending = ending
        self._file: BinaryIO | None = None
        self._good = 0
        self._sum = 0  # CRC-32 of the whole records, by which a later run knows them
        self._lengths: deque[int] = deque(maxlen=self._KEPT_LENGTHS)
        self._place = None if path == STDOUT else Place(path, existing)
        self._is_lost = False
        self._is_continued = False

    @property
    def is_open(self) -> bool:
        """Whether the file accepts records."""
        return self._file is not None

    def begin(self, source: str) -> None:
        """Opens the file, unless it is open.

        Args:
            source: The source as the user named it; it is never overwritten.

        Raises:
            OutputError: The file cannot be opened, or failed earlier.
        """
        if self.failure is not None:
            raise self.failure
        if self._file is not None:
            return
        check_not_source(self._path, source)
        try:
            if self._is_continued and self._place is not None:
                self._file = self._place.reopen()
                _cut(self._file, self._good)
                return
            self._file = _stdout() if self._place is None else self._place.open()
            self._good, self._sum = self._file.tell() if self._file.seekable() else 0, 0
        except OSError as error:
            self.failure = output_error(self.name, error)
            raise self.failure from error

    def sync(self) -> bool:
        """Writes the records so far to the disk; returns true.

        Raises:
            OSError: The system cannot.
        """
        if self._file is not None and self._path != STDOUT:
            os.fsync(self._file.fileno())
        return True

    def continue_file(self) -> None:
        """Makes `begin` continue the existing file after its restored records.

        Raises:
            NotResumableError: It is missing, shorter than these, or was changed since.
        """
        if not self.records:
            return
        try:
            size, found = os.path.getsize(self._path), _sum_of(self._path, self._good)
        except OSError as error:
            raise NotResumableError(
                f"cannot continue {self.name}: {reason(error)}; put it back, or run without "
                "--resume to start over"
            ) from error
        wrong = "its content was changed since" if found != self._sum else ""
        if size < self._good:
            wrong = f"expected {self._good} bytes or more, got {size}"
        if wrong:
            raise NotResumableError(
                f"cannot continue {self.name}: {wrong}; run without --resume to start over"
            )
        self._is_continued = True

    def append(self, record: bytes) -> None:
        """Adds a whole record to the open file.

        Raises:
            OutputError: The record could not be written; the file is closed.
        """
        self.append_parts((record,))

    def append_parts(self, parts: Iterable[bytes]) -> None:
        """Adds a whole record to the open file, part by part.

        Errors of `parts` are raised; the file then continues as if this record had not been begun
        (a pipe keeps the bytes that it got).

        Raises:
            OutputError: The record could not be written; the file is closed.
        """
        assert self._file is not None, "begin() comes first"
        length, total = 0, self._sum
        try:
            for part in parts:
                _write_all(self._file, part)
                length += len(part)
                total = zlib.crc32(part, total)
            if self._place is not None:
                self._place.check(self._file)
        except OSError as error:
            self._give_up(error)
            raise output_error(self.name, error) from error
        except BaseException:
            self._take_back()
            raise
        self.records += 1
        self._good += length
        self._sum = total
        self._lengths.append(length)

    def close(self) -> None:
        """Closes the file; calling it again does nothing.

        Raises:
            OutputError: The system reports that earlier writes did not reach the disk.
        """
        file, self._file = self._file, None
        if self._place is None:
            return
        self._place.release()
        if file is None:
            return
        try:
            with file:
                self._place.check_in_place(file)
        except FileNotFoundError as error:
            self._is_lost = True
            self.failure = output_error(self.name, error)
            raise self.failure from error
        except OSError as error:
            self.failure = output_error(self.name, error)
            raise self.failure from error

    def status(self, frames: int) -> str:
        """Returns one line for the summary of a run that wrote so many frames."""
        if self.failure is not None:
            if self._is_lost:
                return f"{self.name}: lost ({self.failure})"
            if not self.records:
                return f"{self.name}: nothing written ({self.failure})"
            return f"{self.name}: cut short after {_count(frames)} ({self.failure})"
        if not self.records:
            return f"{self.name}: nothing written"
        return f"{self.name}: {_count(frames)}"

    def _take_back(self) -> None:
        """Cuts off a partial record, where the file allows it."""
        file = self._file
        if file is None:
            return
        # The failure that interrupted the record is the one to report.
        with suppress(OSError):
            if _is_regular(file):
                _cut(file, self._good)

    def _give_up(self, error: OSError) -> None:
        self.failure = output_error(self.name, error)
        file, self._file = self._file, None
        if file is None:
            return
        if isinstance(error, BrokenPipeError) and self._path == STDOUT:
            _silence_stdout()
            return
        try:
            if self._place is not None:
                self._place.check_in_place(file)
            if _is_regular(file):
                self._repair(file)
        except FileNotFoundError:
            self._is_lost = True
        except OSError:
            pass  # The first failure is the one to report.
        finally:
            if self._path != STDOUT:
                file.close()

    def _repair(self, file: BinaryIO) -> None:
        """Cuts off the partial record, adds the ending; removes a file without records."""
        _cut(file, self._good)
        while self.records:
            try:
                _write_all(file, self._ending)
                return
            except OSError:
                if not self._lengths:
                    break
                self._good -= self._lengths.pop()
                self.records -= 1
                _cut(file, self._good)
        self.records = 0
        if self._path != STDOUT:
            os.unlink(self._path)


def _count(frames: int) -> str:
    return "1 frame" if frames == 1 else f"{frames} frames"


def _stdout() -> BinaryIO:
    if sys.stdout is None:
        raise OSError(errno.EBADF, "it is closed")
    sys.stdout.flush()
    try:
        file = open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)
    except io.UnsupportedOperation:
        return sys.stdout.buffer  # Stdout was replaced by an object in memory.
    if _is_regular(file):
        file.seek(0, os.SEEK_END)  # After `>>` the offset is 0 until the first write.
    return file


def _sum_of(path: str, size: int) -> int:
    """Returns the CRC-32 of the first bytes of a file."""
    total = 0
    with open(path, "rb") as file:
        while size > 0 and (block := file.read(min(size, _BLOCK))):
            total = zlib.crc32(block, total)
            size -= len(block)
    return total


def _is_regular(file: BinaryIO) -> bool:
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _write_all(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = file.write(rest)
        if written is None:  # A non-blocking pipe is full.
            select.select([], [file], [])
            continue
        rest = rest[written:]
    file.flush()


def _cut(file: BinaryIO, size: int) -> None:
    file.truncate(size)
    file.seek(size)


def _silence_stdout() -> None:
    """Keeps Python from reporting at exit that buffered output cannot be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
