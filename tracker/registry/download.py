"""Files of published models, from their addresses into the cache.

A file has its own name only once its size and SHA-256 are those of the entry; until then it is
`NAME.part`, which a later call takes up. A lock on the model's folder, which ends with the process
that holds it, keeps two processes from writing one file: the second waits, and then finds the work
done.
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
class Patience:
    """How long a download is tried.

    Attributes:
        timeout_s: Seconds without a connection, or without a byte, that count as a cut.
        attempts: Connections that are made for one file at most.
        first_wait_s: Seconds before the second attempt; each further wait is twice as long.
    """

    timeout_s: float = 30.0
    attempts: int = 5
    first_wait_s: float = 1.0


class Watcher(Protocol):
    """Receives the progress of a download, such as a `WorkBar`."""

    def update(self, completed: int) -> None:
        """So many bytes of the model are there."""
        ...

    def line(self, text: str) -> None:
        """Something happened that takes time."""
        ...


def pull(
    entry: ModelEntry,
    watcher: Watcher,
    *,
    cache_dir: Path | None = None,
    patience: Patience | None = None,
) -> ResolvedModel:
    """Returns a model from the cache, after downloading what the cache lacks of it.

    Args:
        entry: What the registry says about it.
        watcher: Receives the progress.
        cache_dir: Folder of this program's caches; `None` takes the platform's.
        patience: How long it is tried.

    Raises:
        DownloadError: A file cannot be had, or is not what was published.
        OutputError: The cache cannot be written.
        ModelError: The cache cannot be read.
    """
    patience = Patience() if patience is None else patience
    folder = model_folder(entry.name, cache_dir)
    done = 0
    for file in entry.files:
        target = folder / file.name
        if not _is_whole(target, file):
            with _locked(folder, watcher):
                # Another process may have brought it while this one waited.
                if not _is_whole(target, file):
                    _fetch(file, target, _Shifted(watcher, done), patience)
        done += file.size
        watcher.update(done)
    return resolve_entry(entry, cache_dir)


@dataclass(frozen=True, slots=True)
class _Shifted:
    """A watcher of one file among several."""

    watcher: Watcher
    before: int

    def update(self, completed: int) -> None:
        self.watcher.update(self.before + completed)

    def line(self, text: str) -> None:
        self.watcher.line(text)


@dataclass(frozen=True, slots=True)
class _Part:
    """A file that is not whole yet, and beside it what tells whether it can be gone on with."""

    path: Path
    sha256: str

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def resume(self) -> Resume:
        """Returns where to go on; at the beginning where the part is another file's."""
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
            if record["sha256"] == self.sha256:
                return Resume(self.size, record["tag"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # No part, or a record that a crash cut short: nothing to go on with.
        return Resume(0, None)

    def begin(self, tag: str | None) -> None:
        """Empties the part, and only then notes what version it will be of."""
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


def _fetch(file: FileEntry, target: Path, watcher: Watcher, patience: Patience) -> None:
    """Downloads one file.

    Raises:
        DownloadError: It cannot be had, or is not what was published.
        OutputError: It cannot be written.
    """
    part = _Part(target.with_name(f"{target.name}.part"), file.sha256)
    try:
        reason = "no attempt was allowed"
        for attempt in range(patience.attempts):
            if attempt:
                wait = patience.first_wait_s * 2 ** (attempt - 1)
                watcher.line(f"{shown(file.address)}: {reason}; again in {wait:g} s")
                time.sleep(wait)
            try:
                was_resumed = _attempt(file, part, watcher, patience.timeout_s)
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
                    "file, or a tampered one; it was thrown away"
                )
            reason = "what came was the rest of another file"
    except TrackerError:
        raise
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
    kept = f"; {part.size} of {file.size} bytes are kept for the next call" if part.size else ""
    raise DownloadError(
        f"{shown(file.address)}: {reason}; gave up after {patience.attempts} attempts{kept}"
    )


def _attempt(file: FileEntry, part: _Part, watcher: Watcher, timeout_s: float) -> bool:
    """Returns whether a part was gone on with, once the file has its size.

    Raises:
        CutError: The connection was not made, or was cut.
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
            count = _copy(opened.response, output, file, opened.offset, watcher)
    if count > file.size:
        part.discard()
        raise DownloadError(f"{shown(file.address)}: expected {file.size} bytes, got more")
    if count < file.size:
        raise CutError(f"the connection was cut at {count} of {file.size} bytes")
    return opened.offset > 0


def _copy(
    response: HTTPResponse, output: IO[bytes], file: FileEntry, count: int, watcher: Watcher
) -> int:
    """Returns how many bytes of the file there are in the end: at its size at the latest, or above.

    Args:
        response: What is read.
        output: What is written.
        file: Says how many bytes are expected.
        count: Bytes that there are.
        watcher: Receives how many files there are.

    Raises:
        OSError: The output cannot be written.
    """
    while count <= file.size:
        try:
            block = response.read1(_BLOCK)
        except (OSError, HTTPException):
            break  # A cut: what came is kept.
        if not block:
            break
        output.write(block)
        count += len(block)
        watcher.update(min(count, file.size))
    return count


def _is_whole(path: Path, file: FileEntry) -> bool:
    return path.is_file() and file_problem(path, file) is None


@contextlib.contextmanager
def _locked(folder: Path, watcher: Watcher) -> Iterator[None]:
    """Holds the lock of a model's folder, which is made where it is missing.

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
            watcher.line(f"waiting for another process that writes {folder}")
            while not try_lock(file):
                time.sleep(0.1)
        yield
