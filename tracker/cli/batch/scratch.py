"""Folders on a worker's disk for copies of files in an object store.

The same job has the same folder on every machine (a checkpoint is of one path), no other job and no
other user has it, and one process at a time.
"""

import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tracker.cli.batch.jobs import Job
from tracker.errors import OutputError, OutputTakenError
from tracker.sinks.place import output_error
from tracker.util.address import shown_address
from tracker.util.file_lock import try_lock
from tracker.util.remote import is_remote

_PATIENCE_S = 10.0
"""Seconds that a process which is ending may still hold the folder."""
_POLL_S = 0.1


@contextmanager
def scratch_folder(job: Job) -> Iterator[Path]:
    """Returns a context with an empty folder, which is removed at the end.

    Args:
        job: The job that it is for.

    Raises:
        OutputError: It cannot be made.
        OutputTakenError: Another process does the same job on this machine.
    """
    folder = _own_folder() / _name(job)
    with _locked(folder.with_name(f"{folder.name}.lock"), job):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir()
        except OSError as error:
            raise output_error(str(folder), error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _name(job: Job) -> str:
    paths = [one if is_remote(one) else os.path.abspath(one) for one in (job.source, job.stem)]
    return hashlib.sha256("\n".join(paths).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _own_folder() -> Path:
    """Returns a folder for temporary files that only this user can read.

    Raises:
        OutputError: It cannot be made, or somebody else has made it.
    """
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"  # Windows has one for each user.
    folder = Path(tempfile.gettempdir()) / f"tracker-batch-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError as error:
        raise output_error(str(folder), error) from error
    is_own = not hasattr(os, "getuid") or state.st_uid == os.getuid()
    if not (stat.S_ISDIR(state.st_mode) and is_own):
        raise OutputError(
            f"cannot write {folder}: it belongs to another user; name another folder for "
            "temporary files in TMPDIR"
        )
    return folder


@contextmanager
def _locked(path: Path, job: Job) -> Iterator[None]:
    until_s = time.monotonic() + _PATIENCE_S
    while (file := _lock(path)) is None:
        if time.monotonic() > until_s:
            raise OutputTakenError(
                f"cannot write {shown_address(job.stem)}: another process on this machine does "
                "the same; wait until it ends"
            )
        time.sleep(_POLL_S)
    with file:
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def _lock(path: Path) -> IO[bytes] | None:
    """Returns a locked file, `None` where another process has it or has just removed it."""
    file = path.open("wb", buffering=0)
    with suppress(FileNotFoundError):
        if try_lock(file) and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    file.close()
    return None
