"""The place of an output file: locked while it is written, and checked at the end.

The lock is one of the operating system on the output file itself: there is no lock file, and the
lock is released however its holder ends. Pipes, terminals and devices are not locked.
"""

import errno
import logging
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from tracker.errors import OutputClosed, OutputError, OutputTakenError
from tracker.util.file_lock import try_lock

_log = logging.getLogger(__name__)

_REASONS = {
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk quota used up",
    errno.EFBIG: "the file is larger than the system allows",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "it is a directory",
    errno.ENOTDIR: "a part of the path is a file, not a directory",
    errno.EIO: "the device failed",
    errno.ENAMETOOLONG: "the name is too long",
}
_TRIES = 10


class Existing(Enum):
    """What happens to an existing file."""

    REPLACE = "replace"
    """The first result replaces it."""
    REFUSE = "refuse"
    """It is an error; pipes and devices are written anyway."""


class Place:
    """The place of an output; an existing file is locked at once, and changed only by `open`.

    Args:
        path: The path as the user typed it.
        existing: Whether an existing file may be replaced.

    Raises:
        OutputTakenError: Another process writes it, or it exists and may not be replaced.
        OutputError: It is a directory, read-only, or its folder cannot be created.
    """

    def __init__(self, path: str, existing: Existing = Existing.REPLACE) -> None:
        self._path = path
        self._existing = existing
        self._file: FileIO | None = None
        self._real = Path()
        self._had_name = False
        check_writable(path)
        if not is_regular(path):
            return
        if existing is Existing.REFUSE:
            raise self._exists()
        try:
            file = _opened(path, os.O_RDWR)
        except OSError as error:
            raise output_error(path, error) from error
        self._lock(file)
        self._file = file

    def open(self) -> BinaryIO:
        """Returns the file, empty and locked; the caller closes it.

        Raises:
            OutputTakenError: Another process writes it, or it has appeared and may not be replaced.
            OSError: It cannot be opened.
        """
        file, self._file = self._file, None
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        if file is not None and not _is_at(file, Path(self._path)):
            file.close()  # It has been removed or replaced.
            file = None
        if file is None:
            if os.path.exists(self._path) and not is_regular(self._path):
                return open(self._path, "wb", buffering=0)
            file = self._created()
        if os.fstat(file.fileno()).st_size:
            _log.info("%s: the existing file is replaced", self._path)
            file.truncate(0)
        self._opened(file)
        return file

    def reopen(self) -> BinaryIO:
        """Returns the file as it is, locked; the caller closes it.

        Raises:
            FileNotFoundError: It has been removed.
        """
        file, self._file = self._file, None
        if file is None or not _is_at(file, Path(self._path)):
            raise FileNotFoundError(errno.ENOENT, "the file to continue is missing")
        self._opened(file)
        return file

    def check(self, file: BinaryIO) -> None:
        """Checks that an open file was not removed.

        Raises:
            FileNotFoundError: It was.
        """
        if self._had_name and not os.fstat(file.fileno()).st_nlink:
            raise FileNotFoundError(errno.ENOENT, "it was removed while it was being written")

    def check_in_place(self, file: BinaryIO) -> None:
        """Checks that an open file is still where it was opened.

        Raises:
            FileNotFoundError: It was removed, renamed or replaced.
        """
        self.check(file)
        if self._had_name and not _is_at(file, self._real):
            raise FileNotFoundError(errno.ENOENT, "it was renamed while it was being written")

    def release(self) -> None:
        """Releases a file that was never opened; calling it again does nothing."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def __del__(self) -> None:
        self.release()

    def _opened(self, file: FileIO) -> None:
        self._real = Path(os.path.realpath(self._path))
        self._had_name = os.fstat(file.fileno()).st_nlink > 0

    def _created(self) -> FileIO:
        flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if self._existing is Existing.REFUSE else 0)
        for _ in range(_TRIES):
            try:
                file = _opened(self._path, flags)
            except FileExistsError:
                raise self._exists() from None
            self._lock(file)
            if _is_at(file, Path(self._path)):
                return file
            file.close()  # Its writer removed it between opening and locking.
        raise OSError(errno.EBUSY, "other processes keep removing it")

    def _exists(self) -> OutputTakenError:
        return OutputTakenError(
            f"cannot write {self._path}: it exists, and --no-clobber keeps it; name another file"
        )

    def _lock(self, file: FileIO) -> None:
        """Locks a file; closes it where that fails."""
        if sys.platform == "win32":
            return  # A lock there would prevent reading the file.
        try:
            is_held = try_lock(file)
        except OSError as error:
            _log.debug("%s: not locked: %s", self._path, error)
            return
        if not is_held:
            holder = _holder(file)
            file.close()
            raise OutputTakenError(
                f"cannot write {self._path}: {holder} is writing it; name another file, or wait"
            )


@contextmanager
def claimed(path: str, existing: Existing = Existing.REPLACE) -> Iterator[None]:
    """Locks a file that the block replaces as a whole.

    Raises:
        OutputTakenError: Another process writes it, or it exists and may not be replaced.
        OutputError: It cannot be written.
    """
    place = Place(path, existing)
    is_there = is_regular(path)
    try:
        yield
    finally:
        place.release()
    if is_there:
        _log.info("%s: the existing file was replaced", path)


def reason(error: OSError) -> str:
    """Returns the system's reason in plain words."""
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


def output_error(path: str, error: OSError) -> OutputError:
    """Returns the `OutputError` for a failure to write `path`."""
    if isinstance(error, OutputError):
        return error
    if isinstance(error, BrokenPipeError):
        return OutputClosed(f"cannot write {path}: its reader has gone away")
    return OutputError(f"cannot write {path}: {reason(error)}")


def check_writable(path: str) -> None:
    """Checks that a file could be written at `path`, without changing anything on disk.

    Missing folders are accepted if they could be created.

    Raises:
        OutputError: It is a directory, read-only, or its folder cannot be created.
    """
    if not path:
        raise OutputError("cannot write to an empty path: name a file")
    target = Path(path)
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        if target.is_file():
            # Opening asks the system itself: access rights alone miss immutable files.
            os.close(os.open(target, os.O_WRONLY))
        elif target.exists():
            _check_access(target, os.W_OK)
        else:
            _check_access(_nearest_folder(target), os.W_OK | os.X_OK)
    except OSError as error:
        raise output_error(path, error) from error


def is_regular(path: str) -> bool:
    """Returns whether a regular file exists, which a writer would replace."""
    with suppress(OSError, ValueError):
        return stat.S_ISREG(os.stat(path).st_mode)
    return False


def _nearest_folder(target: Path) -> Path:
    for parent in target.absolute().parents:
        if parent.exists():
            if not parent.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "not a directory")
            return parent
    raise FileNotFoundError(errno.ENOENT, "its drive does not exist")


def _check_access(path: Path, mode: int) -> None:
    if os.access(path, mode):
        return
    if hasattr(os, "statvfs") and os.statvfs(path).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, "the file system is read-only")
    raise PermissionError(errno.EACCES, "permission denied")


def _opened(path: str, flags: int) -> FileIO:
    def opener(name: str, _: int) -> int:
        try:
            return os.open(name, flags, 0o666)
        except PermissionError:  # A file with write but no read permission.
            return os.open(name, flags & ~os.O_RDWR | os.O_WRONLY, 0o666)

    return FileIO(path, "r+b", opener=opener)


def _is_at(file: BinaryIO | FileIO, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    return False


def _holder(file: FileIO) -> str:
    """Returns the process that holds the lock of a file, if the system names it."""
    inode = os.fstat(file.fileno()).st_ino
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            kind, *_, process, place = line.split()[1:6]
            if kind == "FLOCK" and int(place.split(":")[2]) == inode and int(process) > 0:
                is_ours = int(process) == os.getpid()
                return "this program itself" if is_ours else f"process {process}"
    return "another process"
