"""Uploaded videos: received, processed one after another, and deleted by age."""

import logging
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import anyio
from anyio.to_thread import run_sync

from tracker.errors import OutputError, SourceError
from tracker.serve.site import Site, Sites
from tracker.serve.upload_files import UploadFiles, check_video

_log = logging.getLogger(__name__)

MOST_UPLOADS = 50
_SPARE_BYTES = 200_000_000
_PREFIX = "upload-"


class UploadRefused(Exception):  # noqa: N818 - an answer, not a failure
    """An upload that is not accepted.

    Args:
        status: Status of HTTP.
        reason: One line for the user.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """An upload that was accepted.

    Attributes:
        site: Its source.
        files: Its files.
        created_s: When, on `time.time`.
    """

    site: Site
    files: UploadFiles
    created_s: float


MakeSite = Callable[[str, str, UploadFiles], Site]
"""Returns the source of an upload from name, title and files; it is not started yet."""


class Uploads:
    """The uploads of a server.

    Args:
        folder: Where they are kept; `None` for a temporary folder, which is removed at the end.
        limit: Most bytes of one.
        keep_s: Seconds after which they are deleted.
        sites: Receives their sources.
        make_site: Makes the source of one.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(
        self, folder: str | None, *, limit: int, keep_s: float, sites: Sites, make_site: MakeSite
    ) -> None:
        self.limit = limit
        self._keep_s, self._sites, self._make_site = keep_s, sites, make_site
        self._is_temporary = folder is None
        try:
            self._folder = Path(folder or tempfile.mkdtemp(prefix="tracker-uploads-"))
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"--uploads {folder}: cannot be made: {error.strerror}") from error
        self._lock = threading.Lock()
        self._uploads: dict[str, Upload] = {}
        self._receiving = 0
        self._waiting: SimpleQueue[Upload | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._process, name="tracker-uploads", daemon=True)
        self._thread.start()
        self.expire()

    @property
    def count(self) -> int:
        """Number of uploads that are kept."""
        return len(self._uploads)

    def get(self, name: str) -> Upload | None:
        """Returns an upload; `None` for an unknown name."""
        return self._uploads.get(name)

    async def receive(self, body: AsyncIterator[bytes], length: int, title: str) -> str:
        """Stores an upload and queues it; returns its name.

        Args:
            body: Its bytes.
            length: Number of bytes that were announced.
            title: What people see.

        Raises:
            UploadRefused: It is too large, no video, or there are too many.
        """
        self._check_room(length)
        name = _PREFIX + secrets.token_hex(4)
        files = UploadFiles(self._folder / name)
        self._receiving += 1
        try:
            files.folder.mkdir(mode=0o700)
            await self._store(body, length, files.video)
            await run_sync(check_video, files.video)
            upload = await run_sync(self._accepted, name, title, files)
        except SourceError as error:
            files.remove()
            raise UploadRefused(415, str(error)) from error
        except OSError as error:
            files.remove()
            raise UploadRefused(507, f"cannot be stored: {error.strerror}") from error
        except BaseException:
            files.remove()
            raise
        finally:
            self._receiving -= 1
        self._waiting.put(upload)
        return name

    def delete(self, name: str) -> bool:
        """Ends and removes an upload; returns false for an unknown one."""
        with self._lock:
            upload = self._uploads.pop(name, None)
        if upload is None:
            return False
        self._sites.remove(name)
        upload.site.worker.close()
        upload.files.remove()
        return True

    def expire(self) -> None:
        """Deletes uploads that are too old, also those that an earlier server left."""
        oldest_s = time.time() - self._keep_s
        for upload in list(self._uploads.values()):
            if upload.created_s < oldest_s and not upload.site.worker.is_recording:
                self.delete(upload.site.name)
        for folder in self._folder.glob(f"{_PREFIX}*"):
            is_left = folder.name not in self._uploads and not self._receiving
            if is_left and folder.stat().st_mtime < oldest_s:
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Ends processing; removes a temporary folder."""
        self._waiting.put(None)
        if self._is_temporary:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _check_room(self, length: int) -> None:
        if length > self.limit:
            raise UploadRefused(413, f"expected at most {self.limit} bytes, got {length}")
        if self.count + self._receiving >= MOST_UPLOADS:
            raise UploadRefused(429, f"expected at most {MOST_UPLOADS} uploads; delete one")
        if shutil.disk_usage(self._folder).free < 2 * length + _SPARE_BYTES:
            raise UploadRefused(507, "the disk of the server is too full for this video")

    async def _store(self, body: AsyncIterator[bytes], length: int, path: Path) -> None:
        received = 0
        opener = partial(os.open, mode=0o600)
        async with await anyio.open_file(path, "xb", opener=opener) as file:
            async for chunk in body:
                received += len(chunk)
                if received > length:
                    raise UploadRefused(413, f"expected {length} bytes as announced, got more")
                await file.write(chunk)
        if received < length:
            raise UploadRefused(400, f"expected {length} bytes as announced, got {received}")

    def _accepted(self, name: str, title: str, files: UploadFiles) -> Upload:
        site = self._make_site(name, title, files)
        site.worker.note("waits for its turn")
        upload = Upload(site, files, time.time())
        with self._lock:
            self._uploads[name] = upload
        self._sites.add(site)
        return upload

    def _process(self) -> None:
        while (upload := self._waiting.get()) is not None:
            worker = upload.site.worker
            if worker.is_closed:
                continue
            try:
                worker.start()
            except RuntimeError as error:  # No new thread can be started: the next ones may.
                _log.error("an upload cannot be processed: %s", error)
                worker.fail(f"it cannot be processed now ({error}); upload it again")
                continue
            worker.wait()
