"""Files of published models, from their addresses into the cache.

A file gets its final name once its size and SHA-256 match the entry; until then it is `NAME.part`,
which a later call resumes. A lock on the model's folder, released when its process ends, keeps two
processes from writing the same file: the second waits and then finds the file complete.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Protocol

from tracker.errors import DownloadError, OutputError, TrackerError
from tracker.inference.digests import network_file_digest
from tracker.registry.entries import FileEntry, ModelEntry, shown
from tracker.registry.http import CutError, Resume, open_address
from tracker.registry.models import ResolvedModel, file_problem, model_folder, resolve_entry
from tracker.util.atomic_file import move_into_place
from tracker.util.file_lock import try_lock

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a download is tried again.

    Attributes:
        timeout_s: Seconds without a connection, or without data, after which an attempt fails.
        attempts: Most attempts for one file.
        first_wait_s: Seconds before the second attempt; each further delay is twice as long.
    """

    timeout_s: float = 30.0
    attempts: int = 5
    first_wait_s: float = 1.0


class DownloadProgress(Protocol):
    """Receives the progress of a download, such as a `WorkBar`."""

    def update(self, completed: int) -> None:
        """Called with the number of bytes of the model that are complete."""
        ...

    def line(self, text: str) -> None:
        """Called with a message about a delay."""
        ...


def pull(
    entry: ModelEntry,
    progress: DownloadProgress,
    *,
    cache_dir: Path | None = None,
    retries: RetryPolicy | None = None,
) -> ResolvedModel:
    """Returns a model from the cache, after downloading what the cache lacks of it.

    Args:
        entry: Its entry in the registry.
        progress: Receives the progress.
        cache_dir: Folder of this program's caches; `None` takes the platform's.
        retries: How often a download is tried again.

    Raises:
        DownloadError: A file cannot be downloaded, or is not the published one.
        OutputError: The cache cannot be written.
        ModelError: The cache cannot be read.
    """
    retries = RetryPolicy() if retries is None else retries
    folder = model_folder(entry.name, cache_dir)
    done = 0
    for file in entry.files:
        target = folder / file.name
        if not _is_whole(target, file):
            with _folder_lock(folder, progress):
                # Another process may have downloaded it while this one waited.
                if not _is_whole(target, file):
                    _download(file, target, _FileProgress(progress, done), retries)
        done += file.size
        progress.update(done)
    return resolve_entry(entry, cache_dir)


@dataclass(frozen=True, slots=True)
class _FileProgress:
    """The progress of one file, added to that of the files before it."""

    progress: DownloadProgress
    before: int

    def update(self, completed: int) -> None:
        self.progress.update(self.before + completed)

    def line(self, text: str) -> None:
        self.progress.line(text)


@dataclass(frozen=True, slots=True)
class _Part:
    """An incomplete file, with a record beside it of the version that its bytes belong to."""

    path: Path
    sha256: str

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def resume(self) -> Resume:
        """Returns where to resume: at the start if the part belongs to another file."""
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
            if record["sha256"] == self.sha256:
                return Resume(self.size, record["tag"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # No part, or a record that a crash cut short: start again.
        return Resume(0, None)

    def begin(self, tag: str | None) -> None:
        """Empties the part, then records the version of the bytes that follow."""
        self.path.write_bytes(b"")
        self._record.write_text(json.dumps({"sha256": self.sha256, "tag": tag}), encoding="utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        move_into_place(self.path, target)
        self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")


def _download(
    file: FileEntry, target: Path, progress: DownloadProgress, retries: RetryPolicy
) -> None:
    """Downloads one file.

    Raises:
        DownloadError: It cannot be downloaded, or is not the published one.
        OutputError: It cannot be written.
    """
    part = _Part(target.with_name(f"{target.name}.part"), file.sha256)
    try:
        reason = "no attempt was allowed"
        for attempt in range(retries.attempts):
            if attempt:
                wait = retries.first_wait_s * 2 ** (attempt - 1)
                progress.line(f"{shown(file.address)}: {reason}; again in {wait:g} s")
                time.sleep(wait)
            try:
                was_resumed = _download_once(file, part, progress, retries.timeout_s)
            except CutError as cut:
                reason = str(cut)
                continue
            digest = network_file_digest(part.path)
            if digest == file.sha256:
                part.finish(target)
                return
            part.discard()
            if not was_resumed:
                raise DownloadError(
                    f"{shown(file.address)}: expected sha256 {file.sha256}, got {digest}: another "
                    "file, or a tampered one; it was deleted"
                )
            reason = "what came was the rest of another file"
    except TrackerError:
        raise
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
    kept = f"; {part.size} of {file.size} bytes are kept for the next call" if part.size else ""
    raise DownloadError(
        f"{shown(file.address)}: {reason}; gave up after {retries.attempts} attempts{kept}"
    )


def _download_once(
    file: FileEntry, part: _Part, progress: DownloadProgress, timeout_s: float
) -> bool:
    """Downloads the rest of a file in one attempt; returns whether a part was resumed.

    Raises:
        CutError: There was no connection, or it was cut.
        DownloadError: The server has no such file, or one of another size.
        OSError: The part cannot be written.
    """
    resume = part.resume()
    if resume.offset == file.size:  # Killed after the last byte, before the check.
        return True
    if resume.offset > file.size:
        part.discard()
        resume = Resume(0, None)
    try:
        opened = open_address(file.address, resume, size=file.size, timeout_s=timeout_s)
    except CutError as cut:
        if cut.is_part_useless:
            part.discard()
        raise
    with opened.response:
        if opened.offset == 0:
            part.begin(opened.tag)
        with part.path.open("ab") as output:
            count = _copy(opened.response, output, file, opened.offset, progress)
    if count > file.size:
        part.discard()
        raise DownloadError(f"{shown(file.address)}: expected {file.size} bytes, got more")
    if count < file.size:
        raise CutError(f"the connection was cut at {count} of {file.size} bytes")
    return opened.offset > 0


def _copy(
    response: HTTPResponse,
    output: IO[bytes],
    file: FileEntry,
    count: int,
    progress: DownloadProgress,
) -> int:
    """Writes what the server sends; returns the bytes of the file then, at most one block too many.

    Args:
        response: Is read.
        output: Is written.
        file: Gives the expected size.
        count: Bytes stored before.
        progress: Receives the number of bytes.

    Raises:
        OSError: The output cannot be written.
    """
    while count <= file.size:
        try:
            block = response.read1(_BLOCK)
        except (OSError, HTTPException):
            break  # Cut off: the bytes so far are kept.
        if not block:
            break
        output.write(block)
        count += len(block)
        progress.update(min(count, file.size))
    return count


def _is_whole(path: Path, file: FileEntry) -> bool:
    return path.is_file() and file_problem(path, file) is None


@contextlib.contextmanager
def _folder_lock(folder: Path, progress: DownloadProgress) -> Iterator[None]:
    """Holds the lock of a model's folder, which is created if missing.

    Raises:
        OutputError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("ab")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
    with file:
        if not try_lock(file):
            progress.line(f"waiting for another process that writes {folder}")
            while not try_lock(file):
                time.sleep(0.1)
        yield
